//! How good answers are, on objects whose true Einstein radius is known. Formulae and sources are in
//! `docs/evaluation.md`.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the figures of a set of objects |
//! | [`curves`] | stated against observed levels and sigmas |
//! | [`bootstrap`](mod@bootstrap) | errors of the figures |

pub mod bootstrap;
pub mod curves;

use super::calibration::PredictiveDistribution;
use super::mixture::Prediction;
use crate::numeric;
use anyhow::{Result, ensure};
use curves::{central_levels, curve, ence, miscalibration_area, sigma_bins};
use serde::Serialize;
use std::fmt;

/// One object's answer beside the truth, arcsec.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPrediction {
    pub truth: f64,
    pub prediction: Prediction,
    /// -ln p(truth) of the mixture, p in 1/arcsec, with its constant.
    pub nll: f64,
    /// The same of one Gaussian with the mixture's mean and variance.
    pub nll_gaussian: f64,
    /// Of the mixture, arcsec; see [`Mixture::crps`](super::mixture::Mixture::crps).
    pub crps: f64,
    /// See [`PredictiveDistribution::pit`].
    pub pit: f64,
}

impl ScoredPrediction {
    pub fn new(truth: f64, forecast: &PredictiveDistribution) -> ScoredPrediction {
        let mixture = forecast.mixture();
        ScoredPrediction {
            truth,
            prediction: forecast.prediction(),
            nll: -mixture.log_pdf(truth),
            nll_gaussian: -mixture.moment_matched().log_pdf(truth),
            crps: mixture.crps(truth),
            pit: forecast.pit(truth),
        }
    }

    /// Predicted minus true, arcsec.
    pub fn error(&self) -> f64 {
        self.prediction.theta_e - self.truth
    }
}

/// Figures over a set of objects; e = predicted - true in arcsec, predicted being the mixture's mean. What a set is too
/// small or too uniform for is NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Number of objects.
    pub n: usize,
    /// mean(e), arcsec.
    pub bias: f64,
    /// sqrt(mean(e^2)), arcsec.
    pub rmse: f64,
    /// The same without the floor(n / 100) objects of largest |e| (none is left out where n < 100), arcsec.
    pub rmse_without_worst_1pct: f64,
    /// median(|e|), arcsec.
    pub median_abs_error: f64,
    /// 1.4826 median(|e - median(e)|), arcsec: a standard deviation that outliers do not move.
    pub nmad: f64,
    /// 1 - sum(e^2) / sum((truth - mean(truth))^2): the share of the truths' variance that is explained.
    pub r2: f64,
    /// Share of objects with |e| > 1 arcsec, 0 to 1.
    pub share_above_1_arcsec: f64,
    /// Share of objects with |e| > 3 NMAD and |e| > 0.5 arcsec, 0 to 1.
    pub outlier_share: f64,
    /// Share of objects with |e| > 1 arcsec and |e| > 5 sigma, 0 to 1: far off, and unaware of it.
    pub runaway_share: f64,
    /// mean(-ln p(truth)) of the mixture, p in 1/arcsec.
    pub nll: f64,
    /// The same of one Gaussian with the mixture's moments.
    pub nll_gaussian: f64,
    /// mean(CRPS) of the mixture, arcsec.
    pub crps: f64,
    /// Share of truths within the central interval at 68.3 %, of the answer's own quantiles.
    pub coverage_683: f64,
    /// At 95.4 %.
    pub coverage_954: f64,
    /// At 99.7 %.
    pub coverage_997: f64,
    /// Area between the curve of central coverage and the diagonal.
    pub miscalibration_area: f64,
    /// mean(sigma), arcsec: of two models with true intervals the one of smaller sharpness tells more.
    pub sharpness: f64,
    /// Expected normalised calibration error of sigma in bins.
    pub ence: f64,
    /// mean(sigma_epistemic^2 / sigma^2), 0 to 1.
    pub epistemic_share: f64,
}

/// One of the figures of [`Metrics`], for tables.
#[derive(Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    /// As people read it.
    pub title: &'static str,
    /// `arcsec`, or empty.
    pub unit: &'static str,
    pub of: fn(&Metrics) -> f64,
}

macro_rules! metrics {
    ($($name:ident $title:literal $unit:literal),+ $(,)?) => {
        /// Every figure, in the order of tables.
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
    runaway_share "beyond max(1\", 5 sigma)" "%",
    nll "NLL of the mixture" "",
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

impl Metric {
    /// A value, shares in percent, with the digits that tables show.
    pub fn text(&self, value: f64) -> String {
        match self.unit {
            _ if !value.is_finite() => "–".into(),
            "%" => format!("{:.1} %", 100.0 * value),
            "arcsec" => format!("{value:.3}\""),
            _ => format!("{value:.3}"),
        }
        .replace('-', "−")
    }
}

impl Metrics {
    /// Fails if there are no objects, or one has a truth or an answer that is not finite.
    pub fn new(objects: &[ScoredPrediction]) -> Result<Metrics> {
        ensure!(
            !objects.is_empty(),
            "no object has both an answer and a true value: nothing to measure"
        );
        for (row, o) in objects.iter().enumerate() {
            ensure!(
                o.truth.is_finite() && o.prediction.theta_e.is_finite() && o.nll.is_finite(),
                "object {row}: true value {}, predicted {}, nll {}: all must be finite, and true values above 0 where the \
                 likelihood is log-normal",
                o.truth,
                o.prediction.theta_e,
                o.nll
            );
        }
        let mean_of =
            |value: &dyn Fn(&ScoredPrediction) -> f64| objects.iter().map(value).sum::<f64>() / objects.len() as f64;
        let mean = |value: fn(&ScoredPrediction) -> f64| mean_of(&value);
        let errors: Vec<f64> = objects.iter().map(ScoredPrediction::error).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let kept = sizes.len() - sizes.len() / 100;
        let median = |mut values: Vec<f64>| numeric::median(&mut values).expect("there are objects");
        let centre = median(errors.clone());
        let nmad = 1.4826 * median(errors.iter().map(|e| (e - centre).abs()).collect());
        let truth = mean(|o| o.truth);
        let levels = central_levels(objects.iter().map(|o| o.pit));
        let coverage = |level: f64| levels.partition_point(|&l| l <= level) as f64 / levels.len() as f64;
        Ok(Metrics {
            n: objects.len(),
            bias: mean(ScoredPrediction::error),
            rmse: root_mean_square(&sizes),
            rmse_without_worst_1pct: root_mean_square(&sizes[..kept]),
            nmad,
            r2: 1.0 - mean(|o| o.error().powi(2)) / mean_of(&|o| (o.truth - truth).powi(2)),
            share_above_1_arcsec: mean(|o| f64::from(o.error().abs() > 1.0)),
            outlier_share: mean_of(&|o| f64::from(o.error().abs() > (3.0 * nmad).max(0.5))),
            runaway_share: mean(|o| f64::from(o.error().abs() > (5.0 * o.prediction.sigma).max(1.0))),
            median_abs_error: median(sizes),
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
        write!(f, "  objects                  {:>8}", self.n)?;
        for figure in &METRICS {
            let value = (figure.of)(self);
            match figure.unit {
                "%" => write!(f, "\n  {:<24} {:>8.1} %", figure.title, 100.0 * value)?,
                "arcsec" => write!(f, "\n  {:<24} {value:>8.4} arcsec", figure.title)?,
                _ => write!(f, "\n  {:<24} {value:>8.4}", figure.title)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::MemberPredictions;

    /// An object with the given truth and error; sigma 0.5, of which 0.3 is epistemic; the central interval that just
    /// holds the truth is at level |error| / 2.
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
    fn figures_by_hand() {
        // errors 0.25, -0.5, 1.75, 0.75 (exact in binary), truths 1 to 4
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
        // levels 1/8, 2/8, 3/8, 7/8 with shares 1/4 to 1 at the next of 100 levels: near the integral of the steps
        let area = 0.5 * (1.0f64 / 8.0).powi(2) * 2.0 + (1.0 / 8.0) * (3.0 / 16.0) + 0.5 * (0.375f64.powi(2) * 0.0);
        assert!(m.miscalibration_area > area, "{}", m.miscalibration_area);
    }

    #[test]
    fn outliers_are_far_in_both_senses() {
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
    fn a_runaway_is_far_off_and_unaware_of_it() {
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
    fn nothing_to_measure_and_bad_rows_are_errors() {
        assert!(Metrics::new(&[]).is_err());
        let error = Metrics::new(&[object(1.0, 0.0), object(f64::NAN, 0.0)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("object 1"), "{error}");
    }

    #[test]
    fn table_for_the_terminal() {
        let text = Metrics::new(&[object(1.0, 0.5)]).unwrap().to_string();
        assert!(
            text.contains("\n  bias                       0.5000 arcsec\n"),
            "{text}"
        );
        assert!(text.contains("\n  coverage at 95.4 %          100.0 %\n"), "{text}");
        let figure = |name: &str| METRICS.iter().find(|f| f.name == name).unwrap();
        assert_eq!(figure("coverage_683").text(0.6834), "68.3 %");
        assert_eq!(figure("r2").text(f64::NAN), "–");
    }
}
