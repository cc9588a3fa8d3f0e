//! Labels of a catalogue, and the rows that have none.

use super::columns::find_column;
use super::filter::truth;
use super::{ColumnRole, SelectionError};
use crate::survey::catalogue::Catalogue;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::label::is_radius;
use crate::survey::preset::Challenge;

pub(super) const DEFAULT_LABEL: &str = "theta_e";
const IS_LENS: &str = "is_lens";
const NOT_A_LENS: &str = "not a lens";

/// The column that tells lenses from other objects, if the catalogue has it. Non-lenses may have a number in the column
/// of the label, which is no Einstein radius.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LensColumn(Option<usize>);

impl LensColumn {
    /// The column `is_lens`, in any case.
    pub fn find(catalogue: &Catalogue) -> LensColumn {
        LensColumn(catalogue.find(IS_LENS))
    }

    /// Why a row has no Einstein radius, if it has none.
    pub fn reason(self, catalogue: &Catalogue, row: usize) -> Option<&'static str> {
        match truth(catalogue.text(row, self.0?)) {
            Some(true) => None,
            Some(false) => Some(NOT_A_LENS),
            None => Some("whose is_lens is neither 0 nor 1"),
        }
    }
}

/// The columns that hold the label, and those that tell which rows have one.
pub(super) struct LabelColumns {
    /// The name of the label.
    pub name: String,
    column: usize,
    /// Whether the column is the area inside the critical curve, steradians, instead of a radius in arcsec.
    is_area: bool,
    is_lens: LensColumn,
    /// The column, and the smallest number of pixels.
    lensed_pixels: Option<(usize, f64)>,
}

impl LabelColumns {
    /// A label named by the user is a radius; a challenge's own label is computed from the area.
    pub fn find(
        options: &ImageFolderOptions,
        challenge: Option<&Challenge>,
        catalogue: &Catalogue,
    ) -> Result<LabelColumns, SelectionError> {
        let label = |name: &str| find_column(catalogue, name, ColumnRole::Label);
        let remembered = options.remembered().label;
        let remembered = remembered.filter(|name| catalogue.find(name).is_some());
        let named = options.label.clone().or(remembered);
        let is_lens = LensColumn::find(catalogue);
        let Some(challenge) = challenge else {
            let name = named.unwrap_or_else(|| DEFAULT_LABEL.into());
            return Ok(LabelColumns {
                column: label(&name)?,
                name,
                is_area: false,
                is_lens,
                lensed_pixels: None,
            });
        };
        let is_area = named.is_none();
        let (name, column) = match named {
            Some(name) => (name.clone(), label(&name)?),
            None => (challenge.label.to_owned(), label("Einstein_area")?),
        };
        // Another catalogue, with a label of its own, may lack the challenge's columns.
        let criterion = |name: &str| match is_area {
            false => Ok(catalogue.find(name)),
            true => find_column(catalogue, name, ColumnRole::Criterion).map(Some),
        };
        criterion(IS_LENS)?;
        let lensed_pixels = criterion("numb_pix_lensed_image")?;
        Ok(LabelColumns {
            name,
            column,
            is_area,
            is_lens,
            lensed_pixels: lensed_pixels.map(|column| (column, challenge.min_lensed_pixels)),
        })
    }

    /// Whether the catalogue says that a row is not a lens.
    pub fn is_non_lens(&self, catalogue: &Catalogue, row: usize) -> bool {
        self.is_lens.reason(catalogue, row) == Some(NOT_A_LENS)
    }

    /// Why a row is not used for training, if it is not.
    pub fn reason_to_drop(&self, catalogue: &Catalogue, row: usize) -> Option<String> {
        if let Some(reason) = self.is_lens.reason(catalogue, row) {
            return Some(reason.to_owned());
        }
        let (column, least) = self.lensed_pixels?;
        // A missing number (NaN) counts as too few.
        let enough = catalogue.number(row, column) >= least;
        (!enough).then(|| format!("with fewer than {least} lensed pixels"))
    }

    /// The label of a row, arcsec; `id` is for the message.
    pub fn theta_e(&self, catalogue: &Catalogue, row: usize, id: &str) -> Result<f64, SelectionError> {
        let value = catalogue.number(row, self.column);
        let theta_e = if self.is_area { theta_e_from_area(value) } else { value };
        if is_radius(theta_e) {
            return Ok(theta_e);
        }
        Err(SelectionError::BadLabel {
            place: catalogue.place(row),
            id: id.into(),
            column: catalogue.columns[self.column].clone(),
            text: catalogue.text(row, self.column).into(),
        })
    }
}

/// Radius, arcsec, of the circle with this area in steradians.
fn theta_e_from_area(steradians: f64) -> f64 {
    (steradians / std::f64::consts::PI).sqrt().to_degrees() * 3600.0
}
