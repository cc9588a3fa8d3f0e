//! Bayesian linear regression, exact: a normal-inverse-gamma prior has a posterior of the same form.
//!
//! The model is y = X beta + noise, with independent normal noise of variance sigma^2. The prior is
//! beta | sigma^2 ~ N(m0, sigma^2 L0^-1) with a diagonal precision L0, and sigma^2 ~ inverse-gamma(a0, b0). The posterior
//! has
//!
//! ```text
//! Ln = X^T X + L0        mn = Ln^-1 (X^T y + L0 m0)        an = a0 + n/2
//! bn = b0 + (|y - X mn|^2 + (mn - m0)^T L0 (mn - m0)) / 2
//! ```
//!
//! (Bishop 2006, Pattern Recognition and Machine Learning, equations 3.112 and 3.113 with beta = 1/sigma^2; bn is written as
//! a sum of squares, which does not cancel). docs/bayes.md has all equations.

mod error;
mod reduced;

pub use error::Error;

use super::noise_sigma::NoiseSigma;
use super::student::StudentT;
use libm::lgamma;
use nalgebra::{DMatrix, DVector};
use reduced::Reduced;
use std::f64::consts::TAU;

/// What is known about the coefficients and the noise before the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    /// Means of the coefficients, one per column of the design.
    pub mean: Vec<f64>,
    /// Precisions of the coefficients in units of 1/sigma^2, one per column: a coefficient has the prior variance
    /// sigma^2 / precision. 0 is a flat prior.
    pub precision: Vec<f64>,
    /// Prior of the noise.
    pub noise: Noise,
}

/// The prior of the variance sigma^2 of the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// sigma^2 ~ inverse-gamma: density proportional to sigma^(-2 shape - 2) exp(-rate / sigma^2).
    InverseGamma {
        /// a0, more than 0.
        shape: f64,
        /// b0, more than 0, in squared units of the label.
        rate: f64,
    },
    /// p(sigma^2) proportional to 1 / sigma^2, which is improper.
    Reference,
    /// sigma is known.
    Known {
        /// Standard deviation, in units of the label.
        sigma: f64,
    },
}

/// What to do about designs that do not determine the coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undetermined {
    /// Refuse them.
    Refuse,
    /// Accept them if every coefficient has a proper prior, which then decides.
    LeaveToPrior,
}

/// The posterior of the coefficients and the noise.
#[derive(Clone, Debug)]
pub struct Posterior {
    mean: DVector<f64>,
    /// Upper triangular R with R^T R = Ln.
    root: DMatrix<f64>,
    noise: NoisePosterior,
    log_evidence: Option<f64>,
    data: Reduced,
    prior: Prior,
}

/// The posterior of the variance of the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoisePosterior {
    /// sigma^2 ~ inverse-gamma.
    InverseGamma {
        /// an.
        shape: f64,
        /// bn, in squared units of the label.
        rate: f64,
    },
    /// sigma was known.
    Known {
        /// Standard deviation, in units of the label.
        sigma: f64,
    },
}

/// The posterior for the labels `label`, one per row of `design`, whose columns are the values that the coefficients
/// multiply; an intercept is a column of ones.
///
/// # Errors
/// Values that are not finite; constant columns except for one; more columns than rows and singular designs, unless
/// `undetermined` leaves them to a proper prior; a noise that is not determined; a prior that does not fit the design.
pub fn fit(
    design: &DMatrix<f64>,
    label: &[f64],
    prior: &Prior,
    undetermined: Undetermined,
) -> Result<Posterior, Error> {
    check_prior(prior, design.ncols())?;
    let proper = prior.precision.iter().all(|&p| p > 0.0);
    let data = Reduced::new(design, label, proper && undetermined == Undetermined::LeaveToPrior)?;

    // The prior acts as one further observation per coefficient.
    let columns = design.ncols();
    let rows = data.design.nrows();
    let mut stacked = DMatrix::zeros(rows + columns, columns);
    let mut right = DVector::zeros(rows + columns);
    stacked.rows_mut(0, rows).copy_from(&data.design);
    right.rows_mut(0, rows).copy_from(&data.label);
    for (j, (precision, mean)) in prior.precision.iter().zip(&prior.mean).enumerate() {
        stacked[(rows + j, j)] = precision.sqrt();
        right[rows + j] = precision.sqrt() * mean;
    }
    let qr = stacked.qr();
    qr.q_tr_mul(&mut right);
    let root = qr.r();
    let mean = root
        .solve_upper_triangular(&right.rows(0, columns))
        .ok_or(Error::Singular {
            columns: (0..columns).collect(),
        })?;
    let sum_of_squares = data.rest + right.rows(columns, rows).norm_squared();

    let n = data.rows as f64;
    // A flat prior lacks the factor 1/sigma that a normal prior of a coefficient has.
    let flat = prior.precision.iter().filter(|&&p| p == 0.0).count() as f64;
    let noise = match prior.noise {
        Noise::Known { sigma } => NoisePosterior::Known { sigma },
        Noise::InverseGamma { shape, rate } => NoisePosterior::InverseGamma {
            shape: shape + 0.5 * (n - flat),
            rate: rate + 0.5 * sum_of_squares,
        },
        Noise::Reference => {
            let exact = sum_of_squares <= 1e-24 * data.label.norm_squared();
            if n <= flat || exact {
                return Err(Error::NoNoise);
            }
            NoisePosterior::InverseGamma {
                shape: 0.5 * (n - flat),
                rate: 0.5 * sum_of_squares,
            }
        }
    };
    let log_evidence = proper
        .then(|| log_evidence(prior, &noise, &root, n, sum_of_squares))
        .flatten();
    Ok(Posterior {
        mean,
        root,
        noise,
        log_evidence,
        data,
        prior: prior.clone(),
    })
}

/// ln p(y) (Bishop 2006, equation 3.118); `None` if the prior of the noise is improper.
fn log_evidence(
    prior: &Prior,
    noise: &NoisePosterior,
    root: &DMatrix<f64>,
    n: f64,
    sum_of_squares: f64,
) -> Option<f64> {
    let before: f64 = prior.precision.iter().map(|p| p.ln()).sum();
    let after: f64 = root.diagonal().iter().map(|r| 2.0 * r.abs().ln()).sum();
    let determinants = 0.5 * (before - after);
    match (prior.noise, *noise) {
        (Noise::InverseGamma { shape: a0, rate: b0 }, NoisePosterior::InverseGamma { shape, rate }) => {
            let gammas = lgamma(shape) - lgamma(a0);
            Some(determinants - 0.5 * n * TAU.ln() + a0 * b0.ln() - shape * rate.ln() + gammas)
        }
        (Noise::Known { sigma }, _) => {
            Some(determinants - 0.5 * n * (TAU * sigma * sigma).ln() - 0.5 * sum_of_squares / (sigma * sigma))
        }
        _ => None,
    }
}

fn check_prior(prior: &Prior, columns: usize) -> Result<(), Error> {
    for (what, values) in [
        ("the means of the prior", &prior.mean),
        ("the precisions of the prior", &prior.precision),
    ] {
        if values.len() != columns {
            return Err(Error::Length {
                what,
                found: values.len(),
                expected: columns,
            });
        }
    }
    let refuse = |what, value, range| Err(Error::Prior { what, value, range });
    if let Some(&value) = prior.mean.iter().find(|m| !m.is_finite()) {
        return refuse("a mean", value, "it must be finite");
    }
    if let Some(&value) = prior.precision.iter().find(|p| !p.is_finite() || **p < 0.0) {
        return refuse("a precision", value, "it must be finite and not negative");
    }
    let positive = match prior.noise {
        Noise::InverseGamma { shape, rate } => vec![("the shape", shape), ("the rate", rate)],
        Noise::Known { sigma } => vec![("sigma", sigma)],
        Noise::Reference => vec![],
    };
    match positive
        .into_iter()
        .find(|(_, value)| !value.is_finite() || *value <= 0.0)
    {
        Some((what, value)) => refuse(what, value, "it must be finite and more than 0"),
        None => Ok(()),
    }
}

impl Posterior {
    /// Means of the coefficients.
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// The posterior of the noise.
    pub fn noise(&self) -> NoisePosterior {
        self.noise
    }

    /// The distribution of sigma; `None` if it is known.
    pub fn noise_sigma(&self) -> Option<NoiseSigma> {
        match self.noise {
            NoisePosterior::InverseGamma { shape, rate } => Some(NoiseSigma { shape, rate }),
            NoisePosterior::Known { .. } => None,
        }
    }

    /// The scale of the noise: sqrt(bn / an), or the known sigma.
    pub fn noise_scale(&self) -> f64 {
        match self.noise {
            NoisePosterior::InverseGamma { shape, rate } => (rate / shape).sqrt(),
            NoisePosterior::Known { sigma } => sigma,
        }
    }

    /// Degrees of freedom of the coefficients' and the predictive distributions: 2 an; infinite if the noise is known.
    pub fn dof(&self) -> f64 {
        match self.noise {
            NoisePosterior::InverseGamma { shape, .. } => 2.0 * shape,
            NoisePosterior::Known { .. } => f64::INFINITY,
        }
    }

    /// Covariance of the coefficients: bn / (an - 1) Ln^-1, or sigma^2 Ln^-1 if the noise is known. `None` if it is
    /// infinite, with two degrees of freedom or fewer.
    pub fn covariance(&self) -> Option<DMatrix<f64>> {
        let variance = match self.noise {
            NoisePosterior::InverseGamma { shape, rate } => rate / (shape - 1.0),
            NoisePosterior::Known { sigma } => sigma * sigma,
        };
        (self.dof() > 2.0).then(|| {
            let columns = self.root.ncols();
            let solved = self.root.solve_upper_triangular(&DMatrix::identity(columns, columns));
            // The diagonal of R has no zeros; the mean has been solved with it.
            let inverse = solved.expect("R is not singular");
            &inverse * inverse.transpose() * variance
        })
    }

    /// The distribution of the sum of the coefficients times `weights`, one per column.
    pub fn combination(&self, weights: &[f64]) -> StudentT {
        self.spread(weights, 0.0)
    }

    /// The distribution of the label of a new row of the design, whose noise is `noise` times as large as that of the
    /// rows that were fitted (Bishop 2006, equation 3.114).
    pub fn predictive(&self, row: &[f64], noise: f64) -> StudentT {
        self.spread(row, noise)
    }

    fn spread(&self, row: &[f64], noise: f64) -> StudentT {
        let row = DVector::from_column_slice(row);
        // |R^-T x|^2 = x^T Ln^-1 x
        let solved = self.root.tr_solve_upper_triangular(&row).expect("R is not singular");
        StudentT {
            location: row.dot(&self.mean),
            scale: self.noise_scale() * (noise * noise + solved.norm_squared()).sqrt(),
            dof: self.dof(),
        }
    }

    /// ln p(y): the probability density of the labels under the prior; `None` if the prior is improper.
    pub fn log_evidence(&self) -> Option<f64> {
        self.log_evidence
    }

    /// The density that [`super::mcmc`] can explore to check this posterior: ln of likelihood times prior, up to a constant, at
    /// the coefficients and, unless the noise is known, ln sigma^2 behind them.
    pub fn log_density(&self, parameters: &[f64]) -> f64 {
        let (coefficients, rest) = parameters.split_at(self.mean.len());
        let (log_variance, log_prior) = match (self.prior.noise, rest) {
            (Noise::Known { sigma }, _) => (2.0 * sigma.ln(), 0.0),
            // With the Jacobian of the logarithm.
            (Noise::InverseGamma { shape, rate }, &[t]) => (t, -shape * t - rate * (-t).exp()),
            (Noise::Reference, &[t]) => (t, 0.0),
            _ => return f64::NAN,
        };
        let variance = log_variance.exp();
        let likelihood = -0.5 * (self.data.rows as f64 * log_variance + self.data.squares(coefficients) / variance);
        let of_coefficient = |((beta, mean), precision): ((&f64, &f64), &f64)| match *precision {
            0.0 => 0.0,
            precision => -0.5 * (log_variance + precision * (beta - mean).powi(2) / variance),
        };
        let coefficients = coefficients.iter().zip(&self.prior.mean).zip(&self.prior.precision);
        likelihood + log_prior + coefficients.map(of_coefficient).sum::<f64>()
    }
}

#[cfg(test)]
mod tests;
