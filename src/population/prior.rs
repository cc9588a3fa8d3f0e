//! The distribution of the training labels, which is the prior that a network's posteriors contain.

use super::Error;
use crate::posterior::quantiles::{LABEL_SCORES, ThroughQuantiles, label_quantiles, normal_between};
use std::fmt;
use std::str::FromStr;

/// The distribution of theta_e among the training images.
#[derive(Clone, Debug)]
pub enum TrainingPrior {
    /// That of training labels, known by their quantiles and their range.
    Labels(LabelPrior),
    /// ln theta_e is normal.
    LogNormal {
        /// Mean of ln theta_e.
        mu: f64,
        /// Standard deviation of ln theta_e.
        sigma: f64,
    },
    /// Uniform in theta_e.
    Uniform {
        /// Smallest theta_e, arcsec.
        low: f64,
        /// Largest theta_e, arcsec.
        high: f64,
    },
    /// The posteriors are taken for likelihoods: nothing is divided out.
    None,
}

/// See [`TrainingPrior::Labels`].
#[derive(Clone, Debug)]
pub struct LabelPrior {
    /// Of ln theta_e.
    through: ThroughQuantiles,
    /// Smallest and largest label, arcsec.
    range: [f64; 2],
}

/// Normal score of the ends of the prior's support: of 16,000 training images, one is expected beyond either.
const SUPPORT: f64 = 4.0;

impl TrainingPrior {
    /// The prior of labels with this `range` (arcsec) and these quantiles at the normal scores [`LABEL_SCORES`]; `None` if
    /// they are not positive, finite and in ascending order, or all equal.
    pub fn of_quantiles(range: (f64, f64), quantiles: &[f64]) -> Option<TrainingPrior> {
        let positive = range.0 > 0.0 && range.1.is_finite() && quantiles.iter().all(|q| *q > 0.0);
        if !positive || quantiles.len() != LABEL_SCORES.len() {
            return None;
        }
        let all = [range.0].into_iter().chain(quantiles.iter().copied()).chain([range.1]);
        let scores = [-SUPPORT].into_iter().chain(LABEL_SCORES).chain([SUPPORT]);
        let (logarithms, scores): (Vec<f64>, Vec<f64>) = all.map(f64::ln).zip(scores).unzip();
        Some(TrainingPrior::Labels(LabelPrior {
            through: ThroughQuantiles::new(&logarithms, &scores)?,
            range: [range.0, range.1],
        }))
    }

    /// The prior of these labels, arcsec; `None` if they are fewer than 100, not all positive, or all equal.
    pub fn of_labels(labels: &[f64]) -> Option<TrainingPrior> {
        let quantiles = label_quantiles(labels)?;
        let ends = |(low, high): (f64, f64), label: &f64| (low.min(*label), high.max(*label));
        let range = labels.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        TrainingPrior::of_quantiles(range, &quantiles)
    }

    /// The smallest and largest theta_e that the prior allows, arcsec; `None` if it allows every one.
    pub fn support(&self) -> Option<[f64; 2]> {
        match self {
            TrainingPrior::Labels(labels) => Some(labels.range),
            TrainingPrior::LogNormal { mu, sigma } => {
                Some([(mu - SUPPORT * sigma).exp(), (mu + SUPPORT * sigma).exp()])
            }
            TrainingPrior::Uniform { low, high } => Some([*low, *high]),
            TrainingPrior::None => None,
        }
    }

    /// The probability between two values of theta_e inside the support, 0 < a < b, up to a factor.
    pub fn between(&self, a: f64, b: f64) -> f64 {
        match self {
            TrainingPrior::Labels(labels) => labels.through.between(a.ln(), b.ln()),
            TrainingPrior::LogNormal { mu, sigma } => normal_between((a.ln() - mu) / sigma, (b.ln() - mu) / sigma),
            TrainingPrior::Uniform { low, high } => (b - a) / (high - low),
            TrainingPrior::None => b - a,
        }
    }
}

impl fmt::Display for TrainingPrior {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TrainingPrior::Labels(LabelPrior { range: [low, high], .. }) => {
                write!(f, "training labels, {low:.3} to {high:.3} arcsec")
            }
            TrainingPrior::LogNormal { mu, sigma } => write!(f, "log-normal:{mu},{sigma}"),
            TrainingPrior::Uniform { low, high } => write!(f, "uniform:{low},{high}"),
            TrainingPrior::None => f.write_str("none"),
        }
    }
}

/// `log-normal:MU,SIGMA`, `uniform:LOW,HIGH` or `none`.
impl FromStr for TrainingPrior {
    type Err = Error;

    fn from_str(text: &str) -> Result<TrainingPrior, Error> {
        let wrong = || Error::UnknownPrior { text: text.into() };
        if text == "none" {
            return Ok(TrainingPrior::None);
        }
        let (name, numbers) = text.split_once(':').ok_or_else(wrong)?;
        let numbers: Vec<f64> = numbers
            .split(',')
            .map_while(|number| number.trim().parse().ok())
            .collect();
        let finite = numbers.iter().all(|number: &f64| number.is_finite());
        match (name, &numbers[..]) {
            ("log-normal", &[mu, sigma]) if finite && sigma > 0.0 => Ok(TrainingPrior::LogNormal { mu, sigma }),
            ("uniform", &[low, high]) if finite && 0.0 <= low && low < high => Ok(TrainingPrior::Uniform { low, high }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prior_of_labels_is_close_to_the_distribution_that_they_were_drawn_from() {
        // Exact quantiles instead of random draws.
        let n = 4000;
        let exact = TrainingPrior::LogNormal { mu: 0.4, sigma: 0.5 };
        let uniform = TrainingPrior::Uniform { low: 0.3, high: 3.0 };
        let score = |i: i32| {
            let p = (f64::from(i) + 0.5) / f64::from(n);
            crate::posterior::mixture::Mixture::gaussian(0.0, 1.0).quantile(p)
        };
        let log_normal: Vec<f64> = (0..n).map(|i| (0.4 + 0.5 * score(i)).exp()).collect();
        let even: Vec<f64> = (0..n)
            .map(|i| 0.3 + 2.7 * (f64::from(i) + 0.5) / f64::from(n))
            .collect();
        for (labels, exact) in [(log_normal, exact), (even, uniform)] {
            let prior = TrainingPrior::of_labels(&labels).unwrap();
            for i in 4..27 {
                let (a, b) = (f64::from(i) * 0.1, f64::from(i + 1) * 0.1);
                let ratio = prior.between(a, b) / exact.between(a, b);
                assert!((ratio - 1.0).abs() < 0.05, "{a}: {ratio}");
            }
        }
    }

    #[test]
    fn priors_are_named_on_the_command_line() {
        let support = |text: &str| text.parse::<TrainingPrior>().unwrap().support();
        assert_eq!(support("uniform:0.3,2"), Some([0.3, 2.0]));
        assert_eq!(support("none"), None);
        let [low, high] = support("log-normal:0.5,0.25").unwrap();
        assert!((low - (-0.5f64).exp()).abs() < 1e-12 && (high - 1.5f64.exp()).abs() < 1e-12);
        for text in [
            "log-normal",
            "log-normal:",
            "log-normal:1",
            "log-normal:1,0",
            "log-normal:1,-1",
            "log-normal:nan,1",
            "log-normal:1,2,3",
            "log-normal:1,x",
            "uniform:2,1",
            "uniform:-1,1",
            "uniform:1,inf",
            "flat:0,1",
        ] {
            let error = text.parse::<TrainingPrior>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("log-normal:MU,SIGMA"), "{error}");
        }
    }

    #[test]
    fn labels_that_are_no_prior() {
        let labels = |label: f64| (0..200).map(|i| label + f64::from(i) * 0.01).collect::<Vec<_>>();
        assert!(TrainingPrior::of_labels(&labels(0.5)).is_some());
        assert!(TrainingPrior::of_labels(&labels(-0.5)).is_none());
        assert!(TrainingPrior::of_labels(&labels(0.5)[..99]).is_none());
        assert!(TrainingPrior::of_labels(&[1.0; 200]).is_none());
    }
}
