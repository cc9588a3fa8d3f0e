//! Cells that cannot belong to a prediction are refused by name.

use super::{Predictions, PredictionsError, QUANTILES};
use crate::survey::is_unknown_number;

impl Predictions<'_> {
    /// The quantiles of a row; `None` if it has no prediction.
    ///
    /// # Errors
    /// [`PredictionsError::Cell`]: a cell that is no number or not finite, a standard deviation that is not positive,
    /// quantiles that are not in ascending order or all the same.
    pub fn checked_quantiles(&self, row: usize) -> Result<Option<[f64; 5]>, PredictionsError> {
        let theta_e = self.checked(row, self.theta_e)?;
        let sigma = self
            .sigma
            .map(|column| self.checked(row, column))
            .transpose()?
            .flatten();
        if let (Some(column), Some(sigma)) = (self.sigma, sigma)
            && sigma <= 0.0
        {
            return Err(self.wrong(row, column, "a standard deviation must be positive"));
        }
        let mut quantiles = [0.0; 5];
        for (i, &column) in self.quantiles.iter().enumerate() {
            match self.checked(row, column)? {
                Some(quantile) => quantiles[i] = quantile,
                None => return Ok(None),
            }
            if i > 0 && quantiles[i] < quantiles[i - 1] {
                let before = QUANTILES[i - 1];
                return Err(self.wrong(row, column, &format!("it must not be smaller than {before}")));
            }
        }
        if quantiles[0] == quantiles[4] && quantiles[0] != 0.0 {
            return Err(self.wrong(row, self.quantiles[4], "the quantiles must not all be the same"));
        }
        Ok(theta_e.map(|_| quantiles))
    }

    /// A number; `None` if it is unknown.
    fn checked(&self, row: usize, column: usize) -> Result<Option<f64>, PredictionsError> {
        let number = self.catalogue.number(row, column);
        if number.is_finite() {
            return Ok(Some(number));
        }
        if number.is_infinite() {
            return Err(self.wrong(row, column, "it must be finite"));
        }
        let text = self.catalogue.text(row, column);
        match is_unknown_number(text) {
            true => Ok(None),
            false => Err(self.wrong(row, column, "it must be a number, or empty if there is no prediction")),
        }
    }

    fn wrong(&self, row: usize, column: usize, reason: &str) -> PredictionsError {
        PredictionsError::Cell {
            place: self.catalogue.place(row),
            column: self.catalogue.columns[column].clone(),
            text: self.catalogue.text(row, column).into(),
            reason: reason.into(),
        }
    }
}
