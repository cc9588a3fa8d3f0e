//! Columns of numbers in a range.

use super::{ColumnRole, Error};
use crate::survey::{Catalogue, is_unknown_number};

/// A column that the caller named.
#[derive(Clone, Copy)]
pub(super) struct NumberColumn {
    column: usize,
    role: ColumnRole,
}

/// The column of this name.
///
/// # Errors
/// [`Error::MissingColumn`].
pub(super) fn column(catalogue: &Catalogue, name: &str, role: ColumnRole) -> Result<usize, Error> {
    catalogue.column(name).map_err(|error| Error::MissingColumn {
        role,
        source: error.into(),
    })
}

impl NumberColumn {
    /// # Errors
    /// [`Error::MissingColumn`].
    pub fn find(catalogue: &Catalogue, name: &str, role: ColumnRole) -> Result<NumberColumn, Error> {
        Ok(NumberColumn {
            column: column(catalogue, name, role)?,
            role,
        })
    }

    /// The number of a row that is `within`; `None` if it is unknown.
    ///
    /// # Errors
    /// [`Error::Cell`] for text, and for numbers that are not finite or not `within`, which `allowed` describes.
    pub fn number(
        self,
        catalogue: &Catalogue,
        row: usize,
        within: impl Fn(f64) -> bool,
        allowed: &'static str,
    ) -> Result<Option<f64>, Error> {
        let number = catalogue.number(row, self.column);
        let text = catalogue.text(row, self.column);
        if number.is_finite() && within(number) {
            return Ok(Some(number));
        }
        if number.is_nan() && is_unknown_number(text) {
            return Ok(None);
        }
        Err(Error::Cell {
            place: catalogue.place(row),
            role: self.role,
            column: catalogue.columns[self.column].clone(),
            text: text.into(),
            allowed,
        })
    }
}
