//! Labels of a catalogue, and the rows that have none.

use super::{ColumnRole, SelectionError, find_column};
use crate::survey::catalogue::Catalogue;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::preset::Challenge;

const DEFAULT_LABEL: &str = "theta_e";
const NOT_A_LENS: &str = "not a lens";

/// The columns that hold the label, and those that tell which rows have one.
pub(super) struct LabelColumns {
    /// The name of the label.
    pub name: String,
    column: usize,
    /// Whether the column is the area inside the critical curve, steradians, instead of a radius in arcsec.
    is_area: bool,
    is_lens: Option<usize>,
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
        let Some(challenge) = challenge else {
            let name = options.label.as_deref().unwrap_or(DEFAULT_LABEL);
            return Ok(LabelColumns {
                name: name.into(),
                column: label(name)?,
                is_area: false,
                is_lens: None,
                lensed_pixels: None,
            });
        };
        let (name, column) = match &options.label {
            Some(name) => (name.clone(), label(name)?),
            None => (challenge.label.to_owned(), label("Einstein_area")?),
        };
        // Another catalogue, with a label of its own, may lack the challenge's columns.
        let criterion = |name: &str| match &options.label {
            Some(_) => Ok(catalogue.find(name)),
            None => find_column(catalogue, name, ColumnRole::Criterion).map(Some),
        };
        let lensed_pixels = criterion("numb_pix_lensed_image")?;
        Ok(LabelColumns {
            name,
            column,
            is_area: options.label.is_none(),
            is_lens: criterion("is_lens")?,
            lensed_pixels: lensed_pixels.map(|column| (column, challenge.min_lensed_pixels)),
        })
    }

    /// Why a row is not used for training, if it is not.
    pub fn reason_to_drop(&self, catalogue: &Catalogue, row: usize) -> Option<String> {
        if self.is_lens.is_some_and(|column| catalogue.number(row, column) != 1.0) {
            return Some(NOT_A_LENS.to_owned());
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
        if theta_e.is_finite() && theta_e > 0.0 {
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
