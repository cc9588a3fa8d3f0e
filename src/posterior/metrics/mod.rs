//! Metrics of predictions for objects with known Einstein radius. Formulae and sources are in `docs/evaluation.md`.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the metrics of a set of objects |
//! | [`classification`] | metrics of the lens head |
//! | [`curves`] | predicted against observed levels and sigmas |
//! | [`bootstrap`](mod@bootstrap) | standard errors of the metrics |

pub mod bootstrap;
pub mod classification;
pub mod curves;

use super::Error;
use super::Quantity;
use super::calibration::PredictiveDistribution;
use super::mixture::{Mixture, Prediction};
use crate::numeric;
use curves::{central_levels, curve, ence, miscalibration_area, sigma_bins};
use serde::Serialize;
use std::fmt;

/// One object's prediction with its true value and scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPrediction {
    /// True Einstein radius, arcsec.
    pub truth: f64,
    /// Predicted Einstein radius, arcsec.
    pub prediction: Prediction,
    /// -ln p(truth), p in 1/arcsec, with its normalisation.
    pub nll: f64,
    /// The same for a Gaussian with the same mean and variance.
    pub nll_gaussian: f64,
    /// CRPS, arcsec; see [`Mixture::crps`].
    pub crps: f64,
    /// Probability integral transform; see [`PredictiveDistribution::pit`].
    pub pit: f64,
}

impl ScoredPrediction {
    /// Scores the predicted distribution of an object whose true value (arcsec) is known.
    pub fn new(truth: f64, predicted: &PredictiveDistribution) -> ScoredPrediction {
        let prediction = predicted.prediction();
        ScoredPrediction {
            truth,
            prediction,
            nll: -predicted.log_pdf(truth),
            nll_gaussian: -Mixture::gaussian(prediction.theta_e, prediction.sigma).log_pdf(truth),
            crps: predicted.crps(truth),
            pit: predicted.pit(truth),
        }
    }

    /// Predicted minus true, arcsec.
    pub fn error(&self) -> f64 {
        self.prediction.theta_e - self.truth
    }
}

/// Metrics of a set of objects, with errors e = predicted - true in arcsec, where predicted is the mean of the
/// distribution. A metric that is undefined, for a set that is too small or too uniform, is NaN.
///
/// The names of the fields are the keys in `metrics.json` and `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Number of objects.
    pub n: usize,
    /// mean(e), arcsec.
    pub bias: f64,
    /// sqrt(mean(e^2)), arcsec.
    pub rmse: f64,
    /// The same without the floor(n / 100) objects with the largest |e|, arcsec.
    pub rmse_without_worst_1pct: f64,
    /// median(|e|), arcsec.
    pub median_abs_error: f64,
    /// 1.4826 median(|e - median(e)|), arcsec: a robust standard deviation.
    pub nmad: f64,
    /// 1 - sum(e^2) / sum((truth - mean(truth))^2): the explained fraction of the variance.
    pub r2: f64,
    /// Fraction of objects with |e| > 1 arcsec, 0 to 1.
    pub share_above_1_arcsec: f64,
    /// Fraction of objects with |e| > 3 NMAD and |e| > 0.5 arcsec, 0 to 1.
    pub outlier_share: f64,
    /// Fraction of objects with |e| > 1 arcsec and |e| > 5 sigma, 0 to 1: catastrophic outliers that sigma does not reveal.
    pub runaway_share: f64,
    /// mean(-ln p(truth)), p in 1/arcsec.
    pub nll: f64,
    /// The same for a Gaussian with the same mean and variance.
    pub nll_gaussian: f64,
    /// mean(CRPS), arcsec.
    pub crps: f64,
    /// Fraction of true values within the central 68.3 % interval, 0 to 1.
    pub coverage_683: f64,
    /// Fraction of true values within the central 95.4 % interval, 0 to 1.
    pub coverage_954: f64,
    /// Fraction of true values within the central 99.7 % interval, 0 to 1.
    pub coverage_997: f64,
    /// Area between the curve of central coverage and the diagonal, 0 to 0.5.
    pub miscalibration_area: f64,
    /// mean(sigma), arcsec: of two calibrated models, the one with smaller sharpness is more informative.
    pub sharpness: f64,
    /// Expected normalised calibration error of sigma; see [`curves::ence`].
    pub ence: f64,
    /// mean(sigma_epistemic^2 / sigma^2), 0 to 1.
    pub epistemic_share: f64,
}

/// One of the metrics, as tables show it.
#[derive(Clone, Copy)]
pub struct Metric {
    /// The name of its field, also in `metrics.json` and `metrics.csv`.
    pub name: &'static str,
    /// The name in tables.
    pub title: &'static str,
    /// `arcsec`, which stands for the unit of the quantity; `%` for fractions, which tables show in percent; or empty.
    pub unit: &'static str,
    /// Its value.
    pub of: fn(&Metrics) -> f64,
}

macro_rules! metrics {
    ($($name:ident $title:literal $unit:literal),+ $(,)?) => {
        /// Every metric, in the order of tables.
        pub const METRICS: [Metric; [$(stringify!($name)),+].len()] = [$(Metric {
            name: stringify!($name),
            title: $title,
            unit: $unit,
            of: |m| m.$name,
        }),+];
    };
}

metrics! {
    rmse "RMSE" "arcsec",
    bias "bias" "arcsec",
    rmse_without_worst_1pct "RMSE without worst 1 %" "arcsec",
    median_abs_error "median |error|" "arcsec",
    nmad "NMAD" "arcsec",
    r2 "R²" "",
    share_above_1_arcsec "errors above 1\"" "%",
    outlier_share "outliers" "%",
    runaway_share "catastrophic outliers (> max(1\", 5 sigma))" "%",
    nll "NLL" "",
    nll_gaussian "NLL of one Gaussian" "",
    crps "CRPS" "arcsec",
    coverage_683 "coverage at 68.3 %" "%",
    coverage_954 "coverage at 95.4 %" "%",
    coverage_997 "coverage at 99.7 %" "%",
    miscalibration_area "miscalibration area" "",
    sharpness "mean sigma (sharpness)" "arcsec",
    ence "ENCE" "",
    epistemic_share "epistemic share" "%",
}

/// Metrics with a limit of 1 or 0.5 arcsec, which means nothing for another quantity.
const OF_ANGLES: [&str; 3] = ["share_above_1_arcsec", "outlier_share", "runaway_share"];

impl Metric {
    /// Whether it means something for this quantity.
    pub fn is_of(&self, quantity: &Quantity) -> bool {
        quantity.is_angle() || !OF_ANGLES.contains(&self.name)
    }

    /// The unit for this quantity.
    pub fn unit_of<'a>(&self, quantity: &'a Quantity) -> &'a str {
        match self.unit {
            "arcsec" => quantity.unit(),
            unit => unit,
        }
    }

    /// A value as tables show it; fractions are shown in percent.
    pub fn text(&self, quantity: &Quantity, value: f64) -> String {
        match self.unit {
            _ if !value.is_finite() => "–".into(),
            "%" => format!("{:.1} %", 100.0 * value),
            "arcsec" => quantity.with_unit(&format!("{value:.3}")),
            _ => format!("{value:.3}"),
        }
        .replace('-', "−")
    }
}

impl Metrics {
    /// The metrics of a set of objects.
    ///
    /// # Errors
    /// No objects; an object whose true value or prediction is not finite.
    pub fn new(objects: &[ScoredPrediction]) -> Result<Metrics, Error> {
        if objects.is_empty() {
            return Err(Error::NoObjects);
        }
        for (index, o) in objects.iter().enumerate() {
            let (truth, predicted, nll) = (o.truth, o.prediction.theta_e, o.nll);
            if !(truth.is_finite() && predicted.is_finite() && nll.is_finite()) {
                return Err(Error::NotFinite {
                    index,
                    truth,
                    predicted,
                    nll,
                });
            }
        }
        let mean_of =
            |value: &dyn Fn(&ScoredPrediction) -> f64| objects.iter().map(value).sum::<f64>() / objects.len() as f64;
        let mean = |value: fn(&ScoredPrediction) -> f64| mean_of(&value);
        let errors: Vec<f64> = objects.iter().map(ScoredPrediction::error).collect();
        let mut magnitudes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        magnitudes.sort_by(f64::total_cmp);
        let kept = magnitudes.len() - magnitudes.len() / 100;
        let median = |mut values: Vec<f64>| numeric::median(&mut values).expect("there are objects");
        let centre = median(errors.clone());
        let nmad = 1.4826 * median(errors.iter().map(|e| (e - centre).abs()).collect());
        let truth = mean(|o| o.truth);
        let levels = central_levels(objects.iter().map(|o| o.pit));
        let coverage = |level: f64| levels.partition_point(|&l| l <= level) as f64 / levels.len() as f64;
        Ok(Metrics {
            n: objects.len(),
            bias: mean(ScoredPrediction::error),
            rmse: root_mean_square(&magnitudes),
            rmse_without_worst_1pct: root_mean_square(&magnitudes[..kept]),
            nmad,
            r2: 1.0 - mean(|o| o.error().powi(2)) / mean_of(&|o| (o.truth - truth).powi(2)),
            share_above_1_arcsec: mean(|o| f64::from(o.error().abs() > 1.0)),
            outlier_share: mean_of(&|o| f64::from(o.error().abs() > (3.0 * nmad).max(0.5))),
            runaway_share: mean(|o| f64::from(o.error().abs() > (5.0 * o.prediction.sigma).max(1.0))),
            median_abs_error: median(magnitudes),
            nll: mean(|o| o.nll),
            nll_gaussian: mean(|o| o.nll_gaussian),
            crps: mean(|o| o.crps),
            coverage_683: coverage(0.683),
            coverage_954: coverage(0.954),
            coverage_997: coverage(0.997),
            miscalibration_area: miscalibration_area(&curve(&levels)),
            sharpness: mean(|o| o.prediction.sigma),
            ence: ence(&sigma_bins(objects)),
            epistemic_share: mean(|o| (o.prediction.sigma_epistemic / o.prediction.sigma).powi(2)),
        })
    }
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// A table for the terminal.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let width = METRICS
            .iter()
            .map(|metric| metric.title.chars().count())
            .max()
            .unwrap_or(0);
        write!(f, "  {:<width$} {:>8}", "objects", self.n)?;
        for metric in &METRICS {
            let (title, value) = (metric.title, (metric.of)(self));
            match metric.unit {
                "%" => write!(f, "\n  {title:<width$} {:>8.1} %", 100.0 * value)?,
                "arcsec" => write!(f, "\n  {title:<width$} {value:>8.4} arcsec")?,
                _ => write!(f, "\n  {title:<width$} {value:>8.4}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::MemberPredictions;

    /// An object with the given true value and error; sigma 0.5, of which 0.3 is epistemic; the smallest central interval
    /// that contains the true value is at level |error| / 2.
    fn object(truth: f64, error: f64) -> ScoredPrediction {
        let theta_e = truth + error;
        let quantiles = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|d| theta_e + d);
        let prediction = Prediction {
            theta_e,
            sigma: 0.5,
            sigma_aleatoric: 0.4,
            sigma_epistemic: 0.3,
            quantiles,
        };
        ScoredPrediction {
            truth,
            prediction,
            nll: error,
            nll_gaussian: 2.0 * error,
            crps: error.abs(),
            pit: 0.5 + 0.25 * error,
        }
    }

    #[test]
    fn metrics_by_hand() {
        // errors 0.25, -0.5, 1.75, 0.75 (exact in binary), true values 1 to 4
        let objects: Vec<_> = [0.25, -0.5, 1.75, 0.75]
            .iter()
            .zip(1..)
            .map(|(&e, t)| object(t as f64, e))
            .collect();
        let m = Metrics::new(&objects).unwrap();
        assert_eq!(m.n, 4);
        assert_eq!(m.bias, 0.5625);
        let squares = 0.0625f64 + 0.25 + 3.0625 + 0.5625;
        assert!((m.rmse - (squares / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!(m.rmse_without_worst_1pct, m.rmse);
        assert_eq!(m.median_abs_error, 0.625); // of 0.25 0.5 | 0.75 1.75
        // median error 0.5; distances 0.25 1 1.25 0.25: median 0.625
        assert!((m.nmad - 1.4826 * 0.625).abs() < 1e-15);
        assert!((m.r2 - (1.0 - squares / 5.0)).abs() < 1e-15);
        assert_eq!((m.share_above_1_arcsec, m.outlier_share), (0.25, 0.0));
        assert_eq!((m.coverage_683, m.coverage_954, m.coverage_997), (0.75, 1.0, 1.0));
        assert_eq!((m.nll, m.nll_gaussian), (0.5625, 1.125));
        assert_eq!(m.crps, 0.8125);
        assert_eq!(m.sharpness, 0.5);
        assert!((m.ence - (m.rmse - 0.5) / 0.5).abs() < 1e-15, "one bin");
        assert!((m.epistemic_share - 0.36).abs() < 1e-15);
        assert!((m.miscalibration_area - area_by_sums(&[0.125, 0.25, 0.375, 0.875])).abs() < 1e-5);
    }

    /// The area between the diagonal and the coverage curve of objects at these levels: the curve is sampled at k/99, and
    /// the area under its absolute distance from the diagonal summed over a fine grid.
    fn area_by_sums(levels: &[f64]) -> f64 {
        let fraction = |k: f64| levels.iter().filter(|&&level| level <= k / 99.0).count() as f64 / levels.len() as f64;
        let steps = 990_000;
        let distance = |i: usize| {
            let x = (i as f64 + 0.5) / steps as f64 * 99.0;
            let (k, t) = (x.floor(), x.fract());
            ((1.0 - t) * fraction(k) + t * fraction(k + 1.0) - x / 99.0).abs()
        };
        (0..steps).map(distance).sum::<f64>() / steps as f64
    }

    #[test]
    fn outliers_exceed_both_limits() {
        let mut objects: Vec<_> = (0..20)
            .map(|i| object(1.0 + i as f64, 0.1 * f64::from(i % 3 - 1)))
            .collect();
        objects.push(object(1.0, 0.6));
        objects.push(object(1.0, 0.45));
        let m = Metrics::new(&objects).unwrap();
        assert!((0.1..0.16).contains(&m.nmad), "{}", m.nmad);
        assert_eq!(m.outlier_share, 1.0 / 22.0);
    }

    #[test]
    fn a_catastrophic_outlier_has_a_large_error_and_a_small_sigma() {
        let of = |error: f64, sigma: f64| {
            let mut object = object(2.0, error);
            object.prediction.sigma = sigma;
            Metrics::new(&[object]).unwrap().runaway_share
        };
        assert_eq!([of(1.0, 0.01), of(1.01, 0.01), of(-1.01, 0.01)], [0.0, 1.0, 1.0]);
        assert_eq!([of(10.0, 2.0), of(10.01, 2.0), of(-10.01, 2.0)], [0.0, 1.0, 1.0]);
        let half = Metrics::new(&[object(1.0, 2.5), object(1.0, 2.6)]).unwrap();
        assert_eq!(half.runaway_share, 0.5);
    }

    #[test]
    fn the_worst_percent_is_left_out() {
        let mut objects: Vec<_> = (0..199).map(|_| object(1.0, 0.5)).collect();
        objects.push(object(1.0, 100.0));
        let m = Metrics::new(&objects).unwrap();
        assert!((m.rmse - ((199.0 * 0.25 + 1e4) / 200.0f64).sqrt()).abs() < 1e-12);
        assert_eq!(m.rmse_without_worst_1pct, 0.5); // two are left out, the runaway and one of the others
    }

    #[test]
    fn nll_is_that_of_the_mixture_with_its_constant() {
        let density =
            |mu: f64, var: f64| (-0.5 * (2.0 - mu).powi(2) / var).exp() / (2.0 * std::f64::consts::PI * var).sqrt();
        let scored = ScoredPrediction::new(
            2.0,
            &PredictiveDistribution::new(&MemberPredictions::gaussian(&[1.0, 3.0], &[0.25, 1.0]), None).unwrap(),
        );
        let expected = -(0.5 * density(1.0, 0.25) + 0.5 * density(3.0, 1.0)).ln();
        assert!((scored.nll - expected).abs() < 1e-14);
        assert!((scored.nll_gaussian + density(2.0, 0.625 + 1.0).ln()).abs() < 1e-14);
    }

    #[test]
    fn no_objects_and_values_that_are_not_finite_are_errors() {
        assert_eq!(Metrics::new(&[]), Err(Error::NoObjects));
        let error = Metrics::new(&[object(1.0, 0.0), object(f64::NAN, 0.0)]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 1, .. }), "{error}");
    }

    #[test]
    fn table_for_the_terminal() {
        let text = Metrics::new(&[object(1.0, 0.5)]).unwrap().to_string();
        let row = |title: &str, value: &str| format!("\n  {title:<42} {value:>8}");
        assert!(text.starts_with(&row("objects", "1")[1..]), "{text}");
        for expected in [
            row("bias", "0.5000") + " arcsec\n",
            row("catastrophic outliers (> max(1\", 5 sigma))", "0.0") + " %\n",
            row("coverage at 95.4 %", "100.0") + " %\n",
        ] {
            assert!(text.contains(&expected), "{text}");
        }
        let metric = |name: &str| METRICS.iter().find(|m| m.name == name).unwrap();
        assert_eq!(
            metric("coverage_683").text(&Quantity::einstein_radius(), 0.6834),
            "68.3 %"
        );
        assert_eq!(metric("r2").text(&Quantity::einstein_radius(), f64::NAN), "–");
    }
}
