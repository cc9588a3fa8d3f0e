//! What is fitted, and the prior.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How a table is fitted.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// The table.
    pub table: PathBuf,
    /// Column to predict.
    pub label: String,
    /// Columns to predict it from; all others if `None`.
    pub features: Option<Vec<String>>,
    /// Functions of the features.
    pub basis: Basis,
    /// Prior of the coefficients.
    pub prior: CoefficientPrior,
    /// Noise of the label.
    pub noise: NoiseModel,
    /// Rows that nothing is fitted to.
    pub hold_out: HoldOut,
    /// Accept columns that depend on each other and more columns than rows, if the prior of the coefficients is proper.
    pub leave_to_prior: bool,
    /// Largest number of MCMC steps per walker.
    pub largest_steps: usize,
    /// Decides which rows are held out, the walkers' steps, and the ensemble.
    pub seed: u64,
    /// Members of the deep ensemble on the same rows; none without.
    pub members: Vec<u32>,
    /// New folder for the chain, predictions and figures.
    pub output: Option<PathBuf>,
}

/// The rows that nothing is fitted to, and that predictions are scored on.
#[derive(Clone, Debug, PartialEq)]
pub enum HoldOut {
    /// A random fraction of all rows, at least 0 and below 1.
    Fraction(f64),
    /// The rows that fulfil a condition, such as `x > 10`: for predictions outside of the data.
    Where(String),
}

/// The columns of the design: an intercept, and powers of each feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Highest power, from 1 to [`Basis::LARGEST`].
    pub degree: usize,
}

impl Basis {
    /// Higher powers of standardised features are not distinguishable from each other.
    pub const LARGEST: usize = 9;
}

/// The prior of the coefficients of standardised columns, in the label's standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CoefficientPrior {
    /// Flat, improper.
    Flat,
    /// Normal around 0, with a standard deviation of `width` times that of the noise.
    Normal {
        /// The factor.
        width: f64,
    },
}

/// What is known about the noise of the label.
#[derive(Clone, Debug, PartialEq)]
pub enum NoiseModel {
    /// Its variance is unknown, inverse-gamma.
    InverseGamma {
        /// Shape.
        shape: f64,
        /// Rate, in units of the variance of the label.
        rate: f64,
    },
    /// Its variance is unknown, with density proportional to 1 / variance.
    Reference,
    /// Its standard deviation is known, in the label's unit.
    Known {
        /// Standard deviation.
        sigma: f64,
    },
    /// Its standard deviation is known for each row, in a column of the table.
    Column(String),
}

impl Default for Basis {
    fn default() -> Basis {
        Basis { degree: 1 }
    }
}

impl Default for CoefficientPrior {
    fn default() -> CoefficientPrior {
        CoefficientPrior::Normal { width: 10.0 }
    }
}

impl Default for NoiseModel {
    /// As much as one observation with a third of the label's standard deviation.
    fn default() -> NoiseModel {
        NoiseModel::InverseGamma { shape: 0.5, rate: 0.05 }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "poly:{}", self.degree)
    }
}

impl fmt::Display for CoefficientPrior {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CoefficientPrior::Flat => write!(f, "flat"),
            CoefficientPrior::Normal { width } => write!(f, "normal:{width}"),
        }
    }
}

impl fmt::Display for NoiseModel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoiseModel::InverseGamma { shape, rate } => write!(f, "inverse-gamma:{shape},{rate}"),
            NoiseModel::Reference => write!(f, "reference"),
            NoiseModel::Known { sigma } => write!(f, "known:{sigma}"),
            NoiseModel::Column(column) => write!(f, "column:{column}"),
        }
    }
}

impl FromStr for Basis {
    type Err = String;

    fn from_str(text: &str) -> Result<Basis, String> {
        let degree = text.strip_prefix("poly:").and_then(|degree| degree.parse().ok());
        match degree {
            Some(degree) if (1..=Basis::LARGEST).contains(&degree) => Ok(Basis { degree }),
            _ => Err(format!("give poly:K with a degree K from 1 to {}", Basis::LARGEST)),
        }
    }
}

impl FromStr for CoefficientPrior {
    type Err = String;

    fn from_str(text: &str) -> Result<CoefficientPrior, String> {
        let prior = match text.split_once(':') {
            None if text == "flat" => Some(CoefficientPrior::Flat),
            Some(("normal", width)) => positive(width).map(|width| CoefficientPrior::Normal { width }),
            _ => None,
        };
        prior.ok_or_else(|| "give flat, or normal:WIDTH with a positive number, such as normal:10".into())
    }
}

impl FromStr for NoiseModel {
    type Err = String;

    fn from_str(text: &str) -> Result<NoiseModel, String> {
        let noise = match text.split_once(':') {
            None if text == "reference" => Some(NoiseModel::Reference),
            Some(("known", sigma)) => positive(sigma).map(|sigma| NoiseModel::Known { sigma }),
            Some(("column", column)) if !column.is_empty() => Some(NoiseModel::Column(column.into())),
            Some(("inverse-gamma", both)) => both.split_once(',').and_then(|(shape, rate)| {
                let (shape, rate) = (positive(shape)?, positive(rate)?);
                Some(NoiseModel::InverseGamma { shape, rate })
            }),
            _ => None,
        };
        noise.ok_or_else(|| {
            "give inverse-gamma:SHAPE,RATE, reference, known:SIGMA with positive numbers, or column:NAME".into()
        })
    }
}

fn positive(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value > 0.0)
}

/// Serialises as the text that is parsed.
macro_rules! serialise_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialise_as_text!(Basis, CoefficientPrior, NoiseModel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_is_parsed() {
        for text in ["poly:1", "poly:9"] {
            assert_eq!(text.parse::<Basis>().unwrap().to_string(), text);
        }
        for text in ["flat", "normal:0.5"] {
            assert_eq!(text.parse::<CoefficientPrior>().unwrap().to_string(), text);
        }
        for text in ["inverse-gamma:0.5,0.05", "reference", "known:2", "column:e_z"] {
            assert_eq!(text.parse::<NoiseModel>().unwrap().to_string(), text);
        }
        assert_eq!(NoiseModel::default(), "inverse-gamma:0.5,0.05".parse().unwrap());
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for text in ["poly:0", "poly:10", "poly", "spline:3", "poly:-1"] {
            assert!(text.parse::<Basis>().is_err(), "{text}");
        }
        for text in ["flat:1", "normal", "normal:0", "normal:-1", "normal:nan", "normal:inf"] {
            assert!(text.parse::<CoefficientPrior>().is_err(), "{text}");
        }
        for text in [
            "known:0",
            "known:x",
            "column:",
            "inverse-gamma:1",
            "inverse-gamma:0,1",
            "reference:1",
            "",
        ] {
            assert!(text.parse::<NoiseModel>().is_err(), "{text}");
        }
    }
}
