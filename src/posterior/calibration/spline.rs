//! A smooth monotone map of levels after the two factors: the default.
//!
//! F is the mixture scaled by the two [`factors`](super::factors). The calibrated distribution is G(y) = R(F(y)), its
//! density R'(F) f. In t = logit(F) and s = logit(G), R is s(t) with s(0) = `shift` and
//!
//! ln ds/dt = d(x), x = sign(t) ln(1 + |t|),
//!
//! where d is linear between knots and constant beyond the first and the last. Such a map is monotone and its density
//! continuous, whatever the numbers are. Two shapes of tails are straight lines in d: a constant is a Gaussian of another
//! width, F^a, and a slope of -1 on both sides is a power law. `fit` says how the numbers are found.

mod fit;

use super::factors::Factors;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::mixture::Mixture;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

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
    shift: f64,
    /// (t, ds/dt) in ascending order of t; t = 0 is one of them.
    slopes: Vec<[f64; 2]>,
    #[serde(skip)]
    pieces: Cache,
}

/// The pieces of d for t < 0 and for t >= 0, from 0 outwards; they follow from the other fields.
#[derive(Clone, Debug, Default)]
struct Cache(OnceLock<[Vec<Piece>; 2]>);

impl PartialEq for Cache {
    fn eq(&self, _: &Cache) -> bool {
        true
    }
}

impl Spline {
    /// A map with these numbers, see the fields.
    pub fn new(factors: Factors, shift: f64, slopes: Vec<[f64; 2]>) -> Spline {
        Spline {
            factors,
            shift,
            slopes,
            pieces: Cache::default(),
        }
    }

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
        Spline::new(factors, shift, slopes)
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

    /// s(t).
    pub(super) fn at(&self, t: f64) -> f64 {
        let x = t.abs().ln_1p();
        self.shift + self.piece(t, |piece| x <= piece.end).integral(x).copysign(t)
    }

    /// The t of an s.
    pub(super) fn inverse(&self, s: f64) -> f64 {
        let left = s - self.shift;
        let piece = self.piece(left, |piece| left.abs() <= piece.integral(piece.end));
        piece.at_integral(left.abs()).exp_m1().copysign(left)
    }

    /// ln dG/dF at t.
    pub(super) fn log_density_ratio(&self, t: f64) -> f64 {
        let x = t.abs().ln_1p();
        let piece = self.piece(t, |piece| x <= piece.end);
        let s = self.shift + piece.integral(x).copysign(t);
        piece.value + piece.slope * (x - piece.start) + log_logistic(s) - log_logistic(t)
    }

    /// The first piece on the side of `sign` for which this is true; it is for the last.
    fn piece(&self, sign: f64, contains: impl Fn(&Piece) -> bool) -> &Piece {
        let sides = self.pieces.0.get_or_init(|| [-1.0, 1.0].map(|sign| self.side(sign)));
        let side = &sides[usize::from(sign.is_sign_positive())];
        let last = side.len() - 1;
        side[..last].iter().find(|piece| contains(piece)).unwrap_or(&side[last])
    }

    /// The pieces on the side of `sign`.
    fn side(&self, sign: f64) -> Vec<Piece> {
        let on_side = self.slopes.iter().filter(|knot| knot[0] * sign >= 0.0);
        let mut knots: Vec<[f64; 2]> = on_side.map(|[t, slope]| [t.abs().ln_1p(), slope.ln()]).collect();
        knots.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut passed = 0.0;
        let piece = |k: usize| {
            let [start, value] = knots[k];
            let next = knots.get(k + 1);
            let piece = Piece {
                start,
                end: next.map_or(f64::INFINITY, |next| next[0]),
                value,
                slope: next.map_or(0.0, |next| (next[1] - value) / (next[0] - start)),
                passed,
            };
            passed = piece.integral(piece.end);
            piece
        };
        (0..knots.len()).map(piece).collect()
    }
}

/// d = `value` + `slope` (x - `start`) from `start` to `end`.
#[derive(Clone, Debug)]
struct Piece {
    start: f64,
    end: f64,
    value: f64,
    slope: f64,
    /// |s - shift| at `start`.
    passed: f64,
}

impl Piece {
    /// |s - shift| at x: the integral of exp(d) dt, where dt = exp(x) dx.
    fn integral(&self, x: f64) -> f64 {
        let rate = self.slope + 1.0;
        let width = x - self.start;
        let unit = if rate.abs() < 1e-9 {
            width
        } else {
            (rate * width).exp_m1() / rate
        };
        self.passed + (self.value + self.start).exp() * unit
    }

    /// The x of an [`integral`](Self::integral).
    fn at_integral(&self, integral: f64) -> f64 {
        let rate = self.slope + 1.0;
        let unit = (integral - self.passed) / (self.value + self.start).exp();
        self.start
            + if rate.abs() < 1e-9 {
                unit
            } else {
                (rate * unit).ln_1p() / rate
            }
    }
}

/// ln of the density of the standard logistic distribution, u (1 - u) at u = 1 / (1 + exp(-t)).
fn log_logistic(t: f64) -> f64 {
    -t.abs() - 2.0 * (-t.abs()).exp().ln_1p()
}
