//! The deflection by an elliptical power law with external shear (Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 23
//! to 29). The series needs no angles, which would lose accuracy near the centre.

use super::Lane;
use crate::device::cpu::elementary::pow;
use crate::device::cpu::simd::LANES;

/// The mass of an object.
#[derive(Clone, Copy)]
pub(super) struct PowerLaw {
    pub x: f32,
    pub y: f32,
    /// Cosine and sine of the angle of the major axis.
    pub cos: f32,
    pub sin: f32,
    /// Axis ratio.
    pub q: f32,
    /// Scale of the convergence; 0 without mass.
    pub b: f32,
    /// Slope of the convergence.
    pub t: f32,
    /// Terms of the series.
    pub terms: u32,
    pub shear: [f32; 2],
}

impl PowerLaw {
    /// Deflection (x, y) by the power law without shear, at points relative to its centre, all along its axes.
    #[inline(always)]
    fn deflection(&self, px: &Lane, py: &Lane) -> (Lane, Lane) {
        let zero = [0.0; LANES];
        if self.b <= 0.0 {
            return (zero, zero);
        }
        let (mut ux, mut uy, mut radius) = (zero, zero, zero);
        let (mut factor_x, mut factor_y) = (zero, zero);
        let minus_f = (self.q - 1.0) / (self.q + 1.0);
        for l in 0..LANES {
            let (ex, ey) = (self.q * px[l], py[l]);
            let largest = ex.abs().max(ey.abs());
            // At the centre the deflection has no direction; its mean there is 0.
            let per = if largest > 0.0 { 1.0 / largest } else { 0.0 };
            let (sx, sy) = (ex * per, ey * per);
            let norm = (sx * sx + sy * sy).sqrt();
            let per = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            ux[l] = sx * per;
            uy[l] = sy * per;
            radius[l] = largest * norm;
            factor_x[l] = minus_f * (ux[l] * ux[l] - uy[l] * uy[l]);
            factor_y[l] = minus_f * 2.0 * ux[l] * uy[l];
        }
        let (mut term_x, mut term_y) = (ux, uy);
        for n in 1..=self.terms {
            let two_n = (2 * n) as f32;
            let k = (two_n - (2.0 - self.t)) / (two_n + (2.0 - self.t));
            for l in 0..LANES {
                let x = k * (factor_x[l] * term_x[l] - factor_y[l] * term_y[l]);
                let y = k * (factor_x[l] * term_y[l] + factor_y[l] * term_x[l]);
                term_x[l] = x;
                term_y[l] = y;
                ux[l] += x;
                uy[l] += y;
            }
        }
        for l in 0..LANES {
            // At the centre the sum is 0, and so is the deflection, whatever the power.
            let power = pow(self.b / radius[l].max(1e-30), self.t - 1.0);
            let scale = 2.0 * self.b / (1.0 + self.q) * power;
            ux[l] *= scale;
            uy[l] *= scale;
        }
        (ux, uy)
    }

    /// Where the ray at theta = (x, y) meets the source plane: beta = theta - alpha(theta).
    #[inline(always)]
    pub(super) fn beta(&self, x: &Lane, y: &Lane) -> (Lane, Lane) {
        let (mut px, mut py) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = self.cos * dx + self.sin * dy;
            py[l] = self.cos * dy - self.sin * dx;
        }
        let (ax, ay) = self.deflection(&px, &py);
        let [g1, g2] = self.shear;
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = x[l] - (self.cos * ax[l] - self.sin * ay[l]) - (g1 * dx + g2 * dy);
            py[l] = y[l] - (self.sin * ax[l] + self.cos * ay[l]) - (g2 * dx - g1 * dy);
        }
        (px, py)
    }
}
