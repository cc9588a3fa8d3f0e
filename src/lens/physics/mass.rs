//! The mass model in f64: deflection, convergence and the size of the critical curve.

use std::f64::consts::{PI, TAU};

/// An elliptical power law with external shear (Tessore & Metcalf 2015, A&A 580, A79); slope 1 is the singular
/// isothermal ellipsoid (Kormann et al. 1994, A&A 284, 285).
///
/// The convergence is (2 - t)/2 (b/R)^t with R^2 = q^2 x^2 + y^2 along the axes, where t is the slope, q the axis ratio
/// and b the [`scale`](Self::scale). Lengths are in arcsec, angles in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassModel {
    /// Centre, arcsec from the image centre along columns.
    pub x: f64,
    /// Centre, arcsec from the image centre along rows.
    pub y: f64,
    /// Einstein radius: the mean convergence inside the ellipse of area pi theta_e^2 is 1, without the shear. 0 means no
    /// mass.
    pub theta_e: f64,
    /// Minor over major axis of the convergence.
    pub axis_ratio: f64,
    /// Angle of the major axis, from x towards y.
    pub angle: f64,
    /// Logarithmic slope t of the convergence, 0 < t < 2; 1 is isothermal.
    pub slope: f64,
    /// External shear: gamma1, gamma2.
    pub shear: [f64; 2],
}

/// Error of the truncated series, relative to its sum.
const SERIES_ERROR: f64 = 3e-7;
/// Largest number of terms; an axis ratio of 0.2 takes 36.
const MAX_TERMS: u32 = 64;

/// Directions in which the critical radius is computed. It is smooth and periodic, so the sum converges fast.
const ANGLES: usize = 720;

impl MassModel {
    /// Scale b = theta_e sqrt(q) of the convergence, arcsec.
    pub fn scale(&self) -> f64 {
        self.theta_e * self.axis_ratio.sqrt()
    }

    /// Terms of the deflection series that an f32 evaluation needs: the coefficients fall faster than
    /// ((1 - q)/(1 + q))^n.
    pub fn terms(&self) -> u32 {
        let f = (1.0 - self.axis_ratio) / (1.0 + self.axis_ratio);
        let terms = (SERIES_ERROR * (1.0 - f)).ln() / f.max(1e-9).ln();
        (terms.ceil() as u32).clamp(1, MAX_TERMS)
    }

    /// Deflection at (x, y), arcsec, without the external shear (Tessore & Metcalf 2015, eqs. 13 and 23 to 29).
    pub fn alpha(&self, x: f64, y: f64) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.x, y - self.y);
        let (q, t) = (self.axis_ratio, self.slope);
        let e = [q * (cos * dx + sin * dy), cos * dy - sin * dx];
        let radius = e[0].hypot(e[1]);
        if radius == 0.0 || self.theta_e == 0.0 {
            return [0.0; 2];
        }
        let unit = [e[0] / radius, e[1] / radius];
        let f = (1.0 - q) / (1.0 + q);
        let square = times(unit, unit);
        let factor = [-f * square[0], -f * square[1]];
        let (mut term, mut sum) = (unit, unit);
        for n in 1..=2 * self.terms() {
            let k = (2.0 * f64::from(n) - (2.0 - t)) / (2.0 * f64::from(n) + (2.0 - t));
            term = times(factor, term).map(|v| k * v);
            sum = [sum[0] + term[0], sum[1] + term[1]];
        }
        let scale = 2.0 * self.scale() / (1.0 + q) * (self.scale() / radius).powf(t - 1.0);
        times([cos, sin], sum.map(|v| scale * v))
    }

    /// Convergence at (x, y); infinite at the centre.
    pub fn kappa(&self, x: f64, y: f64) -> f64 {
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.x, y - self.y);
        let radius = (self.axis_ratio * (cos * dx + sin * dy)).hypot(cos * dy - sin * dx);
        0.5 * (2.0 - self.slope) * (self.scale() / radius).powf(self.slope)
    }

    /// Radius, arcsec, of the circle with the area inside the tangential critical curve, including the external shear. It
    /// is 0 without mass, and infinite if the shear is so strong that the curve is not closed.
    pub fn theta_e_crit(&self) -> f64 {
        if self.theta_e == 0.0 {
            return 0.0;
        }
        let area: f64 = (0..ANGLES)
            .map(|k| 0.5 * self.critical_radius(TAU * (k as f64 + 0.5) / ANGLES as f64).powi(2) * TAU / ANGLES as f64)
            .sum();
        (area / PI).sqrt()
    }

    /// Distance of the outermost critical point from the centre in the direction `phi`.
    ///
    /// The deflection is homogeneous of degree 1 - t, so its Jacobian at radius r is r^-t J, where J is the Jacobian at 1".
    /// With the Jacobian G of the shear, det(I - G - s J) = 0 is a quadratic equation in s = r^-t; its smallest positive
    /// root gives the radius.
    fn critical_radius(&self, phi: f64) -> f64 {
        let (sin, cos) = phi.sin_cos();
        let (x, y) = (self.x + cos, self.y + sin);
        let (alpha, kappa) = (self.alpha(x, y), self.kappa(x, y));
        // gamma = z ((1 - t) alpha - z kappa) at |z| = 1.
        let z = [cos, sin];
        let degree = 1.0 - self.slope;
        let gamma = times(z, [degree * alpha[0] - kappa * z[0], degree * alpha[1] - kappa * z[1]]);
        let [g1, g2] = self.shear;
        // det(I - G - s J) = (1 - s kappa)^2 - |G + s gamma|^2 = c + s b + s^2 a.
        let a = kappa * kappa - gamma[0] * gamma[0] - gamma[1] * gamma[1];
        let b = -2.0 * (kappa + g1 * gamma[0] + g2 * gamma[1]);
        let c = 1.0 - g1 * g1 - g2 * g2;
        // The smaller root, as b < 0; this form avoids cancellation and holds for a = 0.
        let s = 2.0 * c / (-b + (b * b - 4.0 * a * c).max(0.0).sqrt());
        if s > 0.0 {
            s.powf(-1.0 / self.slope)
        } else {
            f64::INFINITY
        }
    }
}

/// Product of two complex numbers.
fn times(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mass(axis_ratio: f64, slope: f64, shear: [f64; 2]) -> MassModel {
        MassModel {
            x: 0.1,
            y: -0.2,
            theta_e: 1.3,
            axis_ratio,
            angle: 0.7,
            slope,
            shear,
        }
    }

    /// The critical curve of an isothermal ellipsoid is where its convergence is 1/2, and encloses pi theta_e^2.
    #[test]
    fn without_shear_both_radii_of_isothermal_or_round_masses_agree() {
        for q in [0.2, 0.5, 0.8, 1.0] {
            let radius = mass(q, 1.0, [0.0; 2]).theta_e_crit();
            assert!((radius / 1.3 - 1.0).abs() < 1e-6, "{q}: {radius}");
        }
        for t in [0.5, 0.8, 1.2, 1.5] {
            let radius = mass(1.0, t, [0.0; 2]).theta_e_crit();
            assert!((radius / 1.3 - 1.0).abs() < 1e-6, "{t}: {radius}");
        }
    }

    /// A singular isothermal sphere in shear gamma: r = theta_e (1 - gamma cos 2 phi) / (1 - gamma^2).
    #[test]
    fn the_critical_curve_of_a_sheared_isothermal_sphere() {
        let gamma: f64 = 0.1;
        let radius = mass(1.0, 1.0, [gamma, 0.0]).theta_e_crit();
        let want = 1.3 * (1.0 + gamma * gamma / 2.0).sqrt() / (1.0 - gamma * gamma);
        assert!((radius / want - 1.0).abs() < 1e-9, "{radius} {want}");
    }

    /// By brute force: the determinant, from finite differences of the deflection, changes sign there.
    #[test]
    fn the_critical_radius_is_where_the_magnification_diverges() {
        for (q, t, shear) in [
            (0.4, 0.7, [0.05, -0.03]),
            (0.6, 1.0, [0.1, 0.02]),
            (0.3, 1.4, [-0.08, 0.04]),
        ] {
            let mass = mass(q, t, shear);
            let det = |x: f64, y: f64| {
                let h = 1e-5;
                let d = |a: [f64; 2], b: [f64; 2]| [(a[0] - b[0]) / (2.0 * h), (a[1] - b[1]) / (2.0 * h)];
                let dx = d(mass.alpha(x + h, y), mass.alpha(x - h, y));
                let dy = d(mass.alpha(x, y + h), mass.alpha(x, y - h));
                (1.0 - dx[0] - shear[0]) * (1.0 - dy[1] + shear[0]) - (dx[1] + shear[1]) * (dy[0] + shear[1])
            };
            for phi in [0.0, 0.3, 1.1, 2.0, 3.3, 5.0] {
                let r = mass.critical_radius(phi);
                let at = |r: f64| det(mass.x + r * phi.cos(), mass.y + r * phi.sin());
                assert!(at(r).abs() < 1e-6, "{q} {t} {phi}: {}", at(r));
                assert!(
                    (1..40).all(|k| at(r * (1.0 + 0.1 * f64::from(k))) > 0.0),
                    "{q} {t} {phi}: not the outermost"
                );
            }
        }
    }
}
