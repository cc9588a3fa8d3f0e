//! The columns that `infer` writes, found in a catalogue that is read.
//!
//! | file | contents |
//! |---|---|
//! | this one | the columns, and the numbers of a row |
//! | `cells` | cells that cannot belong to a prediction |
//! | `posterior` | the distributions behind the columns |

mod cells;
mod posterior;

pub(crate) use posterior::ObjectPosterior;
pub use posterior::PosteriorSource;

use super::catalogue::{Catalogue, CatalogueError, Place};
use crate::likelihood::{self, Likelihood};
use crate::posterior::calibration::PredictiveDistribution;
use crate::posterior::mixture::{LEVELS, Mixture};
use std::path::PathBuf;

/// Suffixes of columns with quantiles, and the columns of the quantiles of theta_e.
pub(crate) const QUANTILES: [&str; 5] = ["q02_5", "q16", "q50", "q84", "q97_5"];

/// Difference, in sigma, of quantiles that are rounded.
const QUANTILE_TOLERANCE: f64 = 0.01;

/// Why a catalogue has no usable predictions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictionsError {
    /// A column is missing.
    #[error("the catalogue has no distribution of theta_e")]
    Columns {
        /// The catalogue and its columns.
        source: Box<CatalogueError>,
    },
    /// A row names no likelihood.
    #[error("{}, row {row}", path.display())]
    Likelihood {
        /// The catalogue.
        path: PathBuf,
        /// The row, counted from 1.
        row: usize,
        /// The name that was found.
        source: likelihood::Error,
    },
    /// A cell that cannot belong to a prediction.
    #[error("{place}: column '{column}' is '{text}': {reason}")]
    Cell {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The text of the cell.
        text: String,
        /// What it must be.
        reason: String,
    },
}

/// The predictions in a catalogue. Rows are counted from 0; what is unknown is NaN.
pub(crate) struct Predictions<'a> {
    catalogue: &'a Catalogue,
    theta_e: usize,
    sigma: Option<usize>,
    quantiles: [usize; 5],
    /// Columns of the mean and variance of each member, which are those of the uncalibrated mixture.
    members: Vec<[usize; 2]>,
}

impl<'a> Predictions<'a> {
    /// Finds the columns of theta_e and its quantiles, and those of the members as far as there are any.
    ///
    /// # Errors
    /// [`PredictionsError::Columns`].
    pub fn find(catalogue: &'a Catalogue) -> Result<Predictions<'a>, PredictionsError> {
        let column = |name: &str| {
            let column = catalogue.column(name);
            column.map_err(|error| PredictionsError::Columns { source: error.into() })
        };
        let [a, b, c, d, e] = QUANTILES.map(column);
        Ok(Predictions {
            catalogue,
            quantiles: [a?, b?, c?, d?, e?],
            theta_e: column("theta_e")?,
            sigma: catalogue.find("sigma"),
            members: members(catalogue),
        })
    }

    /// Members whose predictions are in the catalogue.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The mean of theta_e, arcsec.
    pub fn theta_e(&self, row: usize) -> f64 {
        self.number(row, self.theta_e)
    }

    /// The quantiles of theta_e at [`LEVELS`], arcsec.
    pub fn quantiles(&self, row: usize) -> [f64; 5] {
        self.quantiles.map(|column| self.number(row, column))
    }

    /// The likelihood of each row. `infer` writes that column only if it is not Gaussian.
    ///
    /// # Errors
    /// [`PredictionsError::Likelihood`].
    pub fn likelihoods(&self) -> Result<Vec<Likelihood>, PredictionsError> {
        let catalogue = self.catalogue;
        let Some(column) = catalogue.find("likelihood") else {
            return Ok(vec![Likelihood::Gaussian; catalogue.len()]);
        };
        let of_row = |row: usize| match catalogue.text(row, column).trim() {
            // A row without a prediction.
            "" => Ok(Likelihood::Gaussian),
            name => name.parse().map_err(|source| PredictionsError::Likelihood {
                path: catalogue.path.clone(),
                row: row + 1,
                source,
            }),
        };
        (0..catalogue.len()).map(of_row).collect()
    }

    /// The mixture of the members of a row, if they have a prediction.
    pub fn mixture(&self, row: usize, likelihoods: &[Likelihood]) -> Option<Mixture> {
        let moments = self.members.iter().map(|columns| columns.map(|c| self.number(row, c)));
        let (mu, var): (Vec<f64>, Vec<f64>) = moments.map(|[mu, var]| (mu, var)).unzip();
        Mixture::new(likelihoods[row], &mu, &var).ok()
    }

    /// Whether the quantiles of a row are those of this distribution, up to rounding. Those of a calibrated model are not
    /// those of the members' mixture.
    pub fn agree(&self, row: usize, distribution: &PredictiveDistribution) -> bool {
        let tolerance = QUANTILE_TOLERANCE * distribution.sigma();
        let agrees = |(found, p): (f64, f64)| {
            let expected = distribution.quantile(p);
            (found - expected).abs() <= tolerance || (found - expected.max(0.0)).abs() <= tolerance
        };
        self.quantiles(row).into_iter().zip(LEVELS).all(agrees)
    }

    fn number(&self, row: usize, column: usize) -> f64 {
        self.catalogue.number(row, column)
    }
}

/// The columns mu_0, var_0, mu_1, ... up to the first that is missing.
fn members(catalogue: &Catalogue) -> Vec<[usize; 2]> {
    let column = |name: &str, member: usize| catalogue.find(&format!("{name}_{member}"));
    (0..)
        .map_while(|member| Some([column("mu", member)?, column("var", member)?]))
        .collect()
}
