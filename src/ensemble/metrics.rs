//! How good answers are, on objects whose true Einstein radius is known.

use super::mixture::{Mixture, Prediction};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::fmt;

/// One object's answer beside the truth, arcsec.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    pub truth: f64,
    pub prediction: Prediction,
    /// -ln p(truth) of the mixture, p in 1/arcsec, with the constant ln(2 pi)/2.
    pub nll: f64,
}

impl Scored {
    pub fn new(truth: f64, mixture: &Mixture) -> Scored {
        Scored {
            truth,
            prediction: mixture.prediction(),
            nll: -mixture.log_pdf(truth),
        }
    }

    /// Predicted minus true, arcsec.
    pub fn error(&self) -> f64 {
        self.prediction.theta_e - self.truth
    }
}

/// Figures over a set of objects; e = predicted - true in arcsec, predicted being the mixture's mean.
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
    /// Share of objects with |e| > 1 arcsec, 0 to 1.
    pub share_above_1_arcsec: f64,
    /// mean(-ln p(truth)) of the mixture, p in 1/arcsec.
    pub nll: f64,
    /// Share of truths within q16..q84, both ends included; 0.68 if the intervals are true.
    pub coverage_68: f64,
    /// Share of truths within q02_5..q97_5, both ends included; 0.95 if the intervals are true.
    pub coverage_95: f64,
    /// mean(sigma), arcsec: of two models with true intervals the one of smaller sharpness tells more.
    pub sharpness: f64,
}

impl Metrics {
    /// Fails if there are no objects, or one has a truth or an answer that is not finite.
    pub fn new(objects: &[Scored]) -> Result<Metrics> {
        ensure!(
            !objects.is_empty(),
            "no object has both an answer and a true value: nothing to measure"
        );
        for (row, o) in objects.iter().enumerate() {
            ensure!(
                o.truth.is_finite() && o.prediction.theta_e.is_finite() && o.nll.is_finite(),
                "object {row}: true value {}, predicted {}, nll {}: all must be finite",
                o.truth,
                o.prediction.theta_e,
                o.nll
            );
        }
        let mean = |value: fn(&Scored) -> f64| objects.iter().map(value).sum::<f64>() / objects.len() as f64;
        let errors: Vec<f64> = objects.iter().map(Scored::error).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let kept = sizes.len() - sizes.len() / 100;
        let centre = median(errors.clone());
        Ok(Metrics {
            n: objects.len(),
            bias: mean(Scored::error),
            rmse: root_mean_square(&sizes),
            rmse_without_worst_1pct: root_mean_square(&sizes[..kept]),
            median_abs_error: median(sizes),
            nmad: 1.4826 * median(errors.iter().map(|e| (e - centre).abs()).collect()),
            share_above_1_arcsec: mean(|o| (o.error().abs() > 1.0) as u8 as f64),
            nll: mean(|o| o.nll),
            coverage_68: mean(|o| within(o, 1, 3)),
            coverage_95: mean(|o| within(o, 0, 4)),
            sharpness: mean(|o| o.prediction.sigma),
        })
    }
}

fn within(o: &Scored, low: usize, high: usize) -> f64 {
    let q = &o.prediction.quantiles;
    (q[low] <= o.truth && o.truth <= q[high]) as u8 as f64
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// Of an even number of values the mean of the two in the middle. `values` must not be empty.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        0.5 * (values[half - 1] + values[half])
    }
}

/// A table for the terminal.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "  objects                  {:>8}", self.n)?;
        let arcsec = [
            ("bias", self.bias),
            ("RMSE", self.rmse),
            ("RMSE without worst 1 %", self.rmse_without_worst_1pct),
            ("median |error|", self.median_abs_error),
            ("NMAD", self.nmad),
            ("mean sigma (sharpness)", self.sharpness),
        ];
        for (name, value) in arcsec {
            writeln!(f, "  {name:<24} {value:>8.4} arcsec")?;
        }
        writeln!(f, "  {:<24} {:>8.4}", "NLL", self.nll)?;
        writeln!(
            f,
            "  {:<24} {:>8.1} %",
            "errors above 1 arcsec",
            100.0 * self.share_above_1_arcsec
        )?;
        writeln!(
            f,
            "  {:<24} {:>8.1} %",
            "coverage of 68 % range",
            100.0 * self.coverage_68
        )?;
        write!(
            f,
            "  {:<24} {:>8.1} %",
            "coverage of 95 % range",
            100.0 * self.coverage_95
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object with the given truth and error; sigma 0.5, quantiles at -1, -0.5, 0, 0.5, 1 around the answer.
    fn object(truth: f64, error: f64) -> Scored {
        let theta_e = truth + error;
        let quantiles = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|d| theta_e + d);
        let prediction = Prediction {
            theta_e,
            sigma: 0.5,
            sigma_aleatoric: 0.4,
            sigma_epistemic: 0.3,
            quantiles,
        };
        Scored {
            truth,
            prediction,
            nll: error,
        }
    }

    #[test]
    fn figures_by_hand() {
        // errors 0.25, -0.5, 2, 0.75 (exact in binary), truths 1 to 4
        let objects: Vec<_> = [0.25, -0.5, 2.0, 0.75]
            .iter()
            .zip(1..)
            .map(|(&e, t)| object(t as f64, e))
            .collect();
        let m = Metrics::new(&objects).unwrap();
        assert_eq!(m.n, 4);
        assert_eq!(m.bias, 0.625);
        assert!((m.rmse - ((0.0625f64 + 0.25 + 4.0 + 0.5625) / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!(m.rmse_without_worst_1pct, m.rmse);
        assert_eq!(m.median_abs_error, 0.625); // of 0.25 0.5 | 0.75 2
        // median error 0.5; distances 0.25 1 1.5 0.25: median 0.625
        assert!((m.nmad - 1.4826 * 0.625).abs() < 1e-15);
        assert_eq!(m.share_above_1_arcsec, 0.25);
        assert_eq!(m.coverage_68, 0.5); // 0.25, and -0.5 at the very end of its interval
        assert_eq!(m.coverage_95, 0.75);
        assert_eq!(m.nll, 0.625);
        assert_eq!(m.sharpness, 0.5);
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
        let mixture = Mixture::new(&[1.0, 3.0], &[0.25, 1.0]).unwrap();
        let density =
            |mu: f64, var: f64| (-0.5 * (2.0 - mu).powi(2) / var).exp() / (2.0 * std::f64::consts::PI * var).sqrt();
        let expected = -(0.5 * density(1.0, 0.25) + 0.5 * density(3.0, 1.0)).ln();
        assert!((Scored::new(2.0, &mixture).nll - expected).abs() < 1e-14);
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
        assert!(text.contains("  bias                       0.5000 arcsec\n"), "{text}");
        assert!(text.ends_with("  coverage of 95 % range      100.0 %"), "{text}");
    }
}
