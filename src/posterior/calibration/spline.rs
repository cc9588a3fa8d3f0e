//! A smooth monotone map of levels after the two factors: the default.
//!
//! F is the mixture scaled by the two [`factors`](super::factors). The calibrated distribution is G(y) = R(F(y)), its
//! density R'(F) f. In t = logit(F) and s = logit(G), R is s(t) with s(0) = `shift` and
//!
//! ln ds/dt = d(x), x = sign(t) ln(1 + |t|),
//!
//! where d is linear between knots and constant beyond the first and the last. Such a map is monotone and its density
//! continuous, whatever the numbers are. Two shapes of tails are straight lines in d: a constant is a Gaussian of another
//! width, F^a, and a slope of -1 on both sides is a power law. [`fit`] says how the numbers are found.

mod fit;

use super::factors::Factors;
use super::interpolate;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::mixture::Mixture;
use serde::{Deserialize, Serialize};

/// Rows needed: the two factors need as many.
pub const LEAST: usize = super::factors::LEAST;
/// Slopes of a usable map lie between 1 / this and this.
const STEEPEST: f64 = 1e4;

/// The factors and the map of levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spline {
    /// Applied to the mixture first.
    pub factors: Factors,
    /// logit(G) where F = 1/2.
    pub shift: f64,
    /// (t, ds/dt) in ascending order of t; t = 0 is one of them.
    pub slopes: Vec<[f64; 2]>,
}

impl Spline {
    /// Fits the factors, and then the map of levels.
    ///
    /// # Errors
    /// Fewer than [`LEAST`] rows.
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Spline, Error> {
        Method::Spline.check_rows(rows.len(), LEAST)?;
        Ok(Spline::after(Factors::fit(rows)?, rows))
    }

    /// Fits the map of levels to mixtures that these factors scale.
    pub fn after(factors: Factors, rows: &[(Mixture, f64)]) -> Spline {
        let scaled = |(mixture, truth): &(Mixture, f64)| factors.apply(mixture).logit(*truth);
        let logits: Vec<f64> = rows.iter().map(scaled).collect();
        let (shift, slopes) = fit::fit(&logits);
        Spline { factors, shift, slopes }
    }

    /// Whether the map is finite and increases.
    pub(super) fn is_valid(&self) -> bool {
        let usable = |[t, slope]: &[f64; 2]| t.is_finite() && (1.0 / STEEPEST..=STEEPEST).contains(slope);
        self.factors.is_valid()
            && self.shift.is_finite()
            && self.slopes.iter().any(|knot| knot[0] == 0.0)
            && self.slopes.iter().all(usable)
            && self.slopes.windows(2).all(|pair| pair[0][0] < pair[1][0])
    }

    /// (x, d) of the knots on the side of `sign`, from t = 0 outwards.
    fn side(&self, sign: f64) -> impl Iterator<Item = [f64; 2]> {
        let on_side = move |knot: &&[f64; 2]| knot[0] * sign >= 0.0;
        let mut knots: Vec<[f64; 2]> = self
            .slopes
            .iter()
            .filter(on_side)
            .map(|[t, slope]| [t.abs().ln_1p(), slope.ln()])
            .collect();
        knots.sort_by(|a, b| a[0].total_cmp(&b[0]));
        knots.into_iter()
    }

    /// s(t).
    pub fn at(&self, t: f64) -> f64 {
        let (sign, x) = (1f64.copysign(t), t.abs().ln_1p());
        let mut passed = 0.0;
        let mut knots = self.side(sign).peekable();
        while let Some(from) = knots.next() {
            let piece = Piece::new(from, knots.peek().copied());
            if x <= piece.end {
                return self.shift + sign * (passed + piece.integral(x));
            }
            passed += piece.integral(piece.end);
        }
        f64::NAN
    }

    /// The t of an s.
    pub(super) fn inverse(&self, s: f64) -> f64 {
        let sign = 1f64.copysign(s - self.shift);
        let mut left = (s - self.shift).abs();
        let mut knots = self.side(sign).peekable();
        while let Some(from) = knots.next() {
            let piece = Piece::new(from, knots.peek().copied());
            let whole = piece.integral(piece.end);
            if left <= whole {
                return sign * piece.at_integral(left).exp_m1();
            }
            left -= whole;
        }
        f64::NAN
    }

    /// ln dG/dF at t.
    pub fn log_density_ratio(&self, t: f64) -> f64 {
        let knots: Vec<[f64; 2]> = self.slopes.iter().map(|&[t, slope]| [signed_ln_1p(t), slope.ln()]).collect();
        interpolate(&knots, signed_ln_1p(t)) + log_logistic(self.at(t)) - log_logistic(t)
    }
}

/// d = `value` + `slope` (x - `start`) from `start` to `end`.
struct Piece {
    start: f64,
    end: f64,
    value: f64,
    slope: f64,
}

impl Piece {
    /// Between two knots, or constant from the last one on.
    fn new(from: [f64; 2], to: Option<[f64; 2]>) -> Piece {
        let [start, value] = from;
        Piece {
            start,
            end: to.map_or(f64::INFINITY, |to| to[0]),
            value,
            slope: to.map_or(0.0, |to| (to[1] - value) / (to[0] - start)),
        }
    }

    /// The integral of exp(d) dt from `start` to x, where dt = exp(x) dx.
    fn integral(&self, x: f64) -> f64 {
        let rate = self.slope + 1.0;
        let width = x - self.start;
        let unit = if rate.abs() < 1e-9 { width } else { (rate * width).exp_m1() / rate };
        (self.value + self.start).exp() * unit
    }

    /// The x of an [`integral`](Self::integral).
    fn at_integral(&self, integral: f64) -> f64 {
        let rate = self.slope + 1.0;
        let unit = integral / (self.value + self.start).exp();
        self.start + if rate.abs() < 1e-9 { unit } else { (rate * unit).ln_1p() / rate }
    }
}

fn signed_ln_1p(t: f64) -> f64 {
    t.abs().ln_1p().copysign(t)
}

/// ln of the density of the standard logistic distribution, u (1 - u) at u = 1 / (1 + exp(-t)).
fn log_logistic(t: f64) -> f64 {
    -t.abs() - 2.0 * (-t.abs()).exp().ln_1p()
}
