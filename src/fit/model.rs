//! The exact posterior of a table, in the units of the table.

use super::design::Design;
use super::error::Error;
use super::options::{CoefficientPrior, FitOptions, NoiseModel};
use super::table::{Name, Table};
use crate::bayes::linear::{self, Noise, Posterior, Prior, Undetermined, fit};
use crate::bayes::noise_sigma::NoiseSigma;
use crate::bayes::student::StudentT;
use nalgebra::{DMatrix, DVector};

/// A linear model of the rows that were fitted.
pub struct LinearModel {
    design: Design,
    posterior: Posterior,
    /// T and t of the coefficients in the units of the table.
    to_units: (DMatrix<f64>, DVector<f64>),
    /// Root mean square of the known noise of the rows, if each row has its own, in the label's unit.
    row_noise: Option<f64>,
    log_evidence: Option<f64>,
}

impl LinearModel {
    /// Fits the rows `rows` of a table.
    ///
    /// # Errors
    /// A constant column; a design that does not determine the coefficients; see [`linear::fit`].
    pub fn new(table: &Table, rows: &[usize], options: &FitOptions) -> Result<LinearModel, Error> {
        table.check_variation(rows)?;
        let design = Design::new(&table.values, &table.labels, rows, options.basis);
        let (_, unit) = design.label();
        // Rows of known noise are divided by it, in units of its root mean square: their noise is the same then.
        let row_noise = table
            .noise
            .as_ref()
            .map(|noise| (rows.iter().map(|&row| noise[row].powi(2)).sum::<f64>() / rows.len() as f64).sqrt());
        let relative = |row: usize| match (&table.noise, row_noise) {
            (Some(noise), Some(rms)) => noise[row] / rms,
            _ => 1.0,
        };
        let columns = design.columns();
        let mut matrix = DMatrix::zeros(rows.len(), columns);
        let mut labels = Vec::with_capacity(rows.len());
        for (i, &row) in rows.iter().enumerate() {
            for (j, value) in design.row(&features(table, row)).into_iter().enumerate() {
                matrix[(i, j)] = value / relative(row);
            }
            labels.push(design.standardised(table.labels[row]) / relative(row));
        }
        let precision = match options.prior {
            CoefficientPrior::Flat => 0.0,
            CoefficientPrior::Normal { width } => 1.0 / (width * width),
        };
        let noise = match &options.noise {
            NoiseModel::InverseGamma { shape, rate } => Noise::InverseGamma {
                shape: *shape,
                rate: *rate,
            },
            NoiseModel::Reference => Noise::Reference,
            NoiseModel::Known { sigma } => Noise::Known { sigma: sigma / unit },
            NoiseModel::Column(_) => Noise::Known {
                sigma: row_noise.unwrap_or(unit) / unit,
            },
        };
        let prior = Prior {
            mean: vec![0.0; columns],
            precision: vec![precision; columns],
            noise,
        };
        let undetermined = match options.leave_to_prior {
            true => Undetermined::LeaveToPrior,
            false => Undetermined::Refuse,
        };
        let names = design.names(&table.features);
        let posterior = fit(&matrix, &labels, &prior, undetermined).map_err(|error| explained(error, table, &names))?;
        // Densities of labels in their unit, and of rows that are not divided by their noise.
        let scaling: f64 = rows.iter().map(|&row| (unit * relative(row)).ln()).sum();
        Ok(LinearModel {
            to_units: design.to_units(),
            log_evidence: posterior.log_evidence().map(|evidence| evidence - scaling),
            design,
            posterior,
            row_noise,
        })
    }

    /// Names of the coefficients in the units of the table.
    pub fn names(&self, features: &[Name]) -> Vec<String> {
        self.design.names(features)
    }

    /// The posterior of the standardised coefficients.
    pub fn posterior(&self) -> &Posterior {
        &self.posterior
    }

    /// ln p(labels); `None` if the prior is improper.
    pub fn log_evidence(&self) -> Option<f64> {
        self.log_evidence
    }

    /// The distribution of each coefficient.
    pub fn coefficients(&self) -> Vec<StudentT> {
        let (matrix, shift) = &self.to_units;
        let row = |j: usize| -> Vec<f64> { matrix.row(j).iter().copied().collect() };
        let of = |j: usize| {
            let t = self.posterior.combination(&row(j));
            StudentT {
                location: t.location + shift[j],
                ..t
            }
        };
        (0..shift.len()).map(of).collect()
    }

    /// Covariance of the coefficients; `None` if it is infinite.
    pub fn covariance(&self) -> Option<DMatrix<f64>> {
        let (matrix, _) = &self.to_units;
        Some(matrix * self.posterior.covariance()? * matrix.transpose())
    }

    /// The distribution of the standard deviation of the noise; `None` if it is known.
    pub fn noise(&self) -> Option<NoiseSigma> {
        let unit = self.design.label().1;
        let sigma = self.posterior.noise_sigma()?;
        Some(NoiseSigma {
            rate: sigma.rate * unit * unit,
            ..sigma
        })
    }

    /// The parameters of a draw of the posterior in the units of the table: the coefficients, and sigma behind them unless
    /// it is known.
    pub fn in_units(&self, draw: &[f64]) -> Vec<f64> {
        let (matrix, shift) = &self.to_units;
        let beta = DVector::from_column_slice(&draw[..shift.len()]);
        let coefficients = matrix * beta + shift;
        let sigma = draw[shift.len()..]
            .iter()
            .map(|log_variance| (0.5 * log_variance).exp() * self.design.label().1);
        coefficients.iter().copied().chain(sigma).collect()
    }

    /// The distribution of the label of a row with these features. `noise` is the standard deviation of its noise, if each
    /// row has its own.
    pub fn predict(&self, features: &[f64], noise: Option<f64>) -> StudentT {
        let relative = match (noise, self.row_noise) {
            (Some(noise), Some(rms)) => noise / rms,
            _ => 1.0,
        };
        let (mean, unit) = self.design.label();
        let t = self.posterior.predictive(&self.design.row(features), relative);
        StudentT {
            location: mean + unit * t.location,
            scale: unit * t.scale,
            ..t
        }
    }
}

/// The features of a row.
pub fn features(table: &Table, row: usize) -> Vec<f64> {
    table.values.iter().map(|values| values[row]).collect()
}

/// The error with the names of the columns.
fn explained(error: linear::Error, table: &Table, names: &[String]) -> Error {
    let path = table.path.clone();
    match error {
        linear::Error::MoreColumnsThanRows { rows, columns } => Error::MoreColumnsThanRows {
            path,
            rows,
            coefficients: columns,
        },
        linear::Error::Singular { columns } => Error::Singular {
            path,
            columns: columns.into_iter().map(|column| names[column].clone()).collect(),
        },
        source => Error::Linear { path, source },
    }
}
