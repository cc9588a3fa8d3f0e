//! The deflection by an elliptical power law with external shear (Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 23
//! to 29). The series needs no angles, which would lose accuracy near the centre.

use super::Lane;
use crate::device::cpu::elementary::{exp, ln};
use crate::device::cpu::simd::{LANES, Simd};

/// Square of the elliptical radius, arcsec, below which a ray is at the centre. There the deflection has no direction:
/// its mean is 0.
const CENTRE: f32 = 1e-30;

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
    fn deflection<S: Simd>(&self, px: &Lane, py: &Lane) -> (Lane, Lane) {
        let zero = [0.0; LANES];
        if self.b <= 0.0 {
            return (zero, zero);
        }
        let (mut ux, mut uy, mut radius2) = (zero, zero, zero);
        let (mut factor_x, mut factor_y) = (zero, zero);
        let minus_f = (self.q - 1.0) / (self.q + 1.0);
        for l in 0..LANES {
            let (ex, ey) = (self.q * px[l], py[l]);
            radius2[l] = S::fma(ex, ex, ey * ey).max(CENTRE);
            let per = 1.0 / radius2[l].sqrt();
            ux[l] = ex * per;
            uy[l] = ey * per;
            factor_x[l] = minus_f * S::fma(ux[l], ux[l], -(uy[l] * uy[l]));
            factor_y[l] = minus_f * 2.0 * ux[l] * uy[l];
        }
        // The series 1 + k1 f (1 + k2 f (1 + ..)) of complex numbers, from the inside.
        let (mut sum_x, mut sum_y) = ([1.0; LANES], zero);
        for n in (1..=self.terms).rev() {
            let two_n = (2 * n) as f32;
            let k = (two_n - (2.0 - self.t)) / (two_n + (2.0 - self.t));
            for l in 0..LANES {
                let (kx, ky) = (k * factor_x[l], k * factor_y[l]);
                let x = S::fma(kx, sum_x[l], S::fma(-ky, sum_y[l], 1.0));
                sum_y[l] = S::fma(kx, sum_y[l], ky * sum_x[l]);
                sum_x[l] = x;
            }
        }
        let ln_b = ln::<S>(self.b);
        for l in 0..LANES {
            let power = exp::<S>((self.t - 1.0) * S::fma(-0.5, ln::<S>(radius2[l]), ln_b));
            let scale = 2.0 * self.b / (1.0 + self.q) * power;
            let x = S::fma(ux[l], sum_x[l], -(uy[l] * sum_y[l]));
            uy[l] = scale * S::fma(ux[l], sum_y[l], uy[l] * sum_x[l]);
            ux[l] = scale * x;
        }
        (ux, uy)
    }

    /// Where the ray at theta = (x, y) meets the source plane: beta = theta - alpha(theta).
    #[inline(always)]
    pub(super) fn beta<S: Simd>(&self, x: &Lane, y: &Lane) -> (Lane, Lane) {
        let (mut px, mut py) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = S::fma(self.cos, dx, self.sin * dy);
            py[l] = S::fma(self.cos, dy, -self.sin * dx);
        }
        let (ax, ay) = self.deflection::<S>(&px, &py);
        let [g1, g2] = self.shear;
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = x[l] - S::fma(self.cos, ax[l], -self.sin * ay[l]) - S::fma(g1, dx, g2 * dy);
            py[l] = y[l] - S::fma(self.sin, ax[l], self.cos * ay[l]) - S::fma(g2, dx, -g1 * dy);
        }
        (px, py)
    }
}
