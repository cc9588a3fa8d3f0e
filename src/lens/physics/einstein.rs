//! Conversions between Einstein radii, masses and velocity dispersions.

use super::cosmology::Distances;
use super::units::{ARCSEC, SOLAR_MASSES_PER_MPC, SPEED_OF_LIGHT};
use std::f64::consts::PI;

impl Distances {
    /// Mass inside the Einstein radius, solar masses; `theta_e` in arcsec.
    ///
    /// theta_e = sqrt(4 G M D_LS / (c^2 D_L D_S)) (Schneider, Kochanek & Wambsganss 2006, part 1, eq. 18), solved for M.
    /// It holds for any lens that is symmetric about the line of sight.
    pub fn einstein_mass(&self, theta_e: f64) -> f64 {
        let angle = theta_e * ARCSEC;
        SOLAR_MASSES_PER_MPC / 4.0 * angle * angle * self.lens * self.source / self.lens_source
    }

    /// Einstein radius, arcsec, of `mass` in solar masses: the inverse of [`einstein_mass`](Self::einstein_mass).
    pub fn einstein_radius(&self, mass: f64) -> f64 {
        (4.0 * mass / SOLAR_MASSES_PER_MPC * self.lens_source / (self.lens * self.source)).sqrt() / ARCSEC
    }

    /// Velocity dispersion, km/s, of a singular isothermal sphere with the Einstein radius `theta_e` in arcsec:
    /// theta_e = 4 pi (sigma_v / c)^2 D_LS / D_S (Schneider, Kochanek & Wambsganss 2006, part 1).
    pub fn velocity_dispersion(&self, theta_e: f64) -> f64 {
        SPEED_OF_LIGHT * (theta_e * ARCSEC / (4.0 * PI) * self.source / self.lens_source).sqrt()
    }

    /// Einstein radius, arcsec, of a singular isothermal sphere with velocity dispersion `sigma_v` in km/s: the inverse of
    /// [`velocity_dispersion`](Self::velocity_dispersion).
    pub fn isothermal_radius(&self, sigma_v: f64) -> f64 {
        4.0 * PI * (sigma_v / SPEED_OF_LIGHT).powi(2) * self.lens_source / self.source / ARCSEC
    }

    /// Transverse length, kpc, at the lens that subtends `angle` in arcsec.
    pub fn at_lens(&self, angle: f64) -> f64 {
        1e3 * self.lens * angle * ARCSEC
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::physics::cosmology::Cosmology;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn worked_examples_agree_with_astropy() {
        // theta_e, z_lens, z_source; M [M_sun], sigma_v [km/s], R_E [kpc], critical surface density [M_sun/kpc^2] from astropy
        // 8.0.2, LambdaCDM(H0=67.66, Om0=0.3111, Ode0=0.6889, Tcmb0=0) and its constants
        let examples = [
            (
                1.0,
                0.5,
                2.0,
                251584565532.41486,
                233.98097422052945,
                6.291209104913786,
                2023326085.5236769,
            ),
            (
                1.5,
                0.2,
                1.0,
                258419181370.28473,
                263.0632348516798,
                5.11229198089157,
                3147339365.969146,
            ),
            (
                0.6,
                1.0,
                3.0,
                157033306716.22586,
                208.63064032951536,
                4.939088522388728,
                2049029840.5339983,
            ),
        ];
        for (theta_e, z_lens, z_source, mass, sigma_v, radius, density) in examples {
            let d = Cosmology::default().distances(z_lens, z_source).unwrap();
            assert_close(d.einstein_mass(theta_e), mass, 1e-8);
            assert_close(d.velocity_dispersion(theta_e), sigma_v, 1e-8);
            assert_close(d.at_lens(theta_e), radius, 1e-8);
            // The mean surface density inside the Einstein radius is the critical one.
            assert_close(d.einstein_mass(theta_e), PI * radius * radius * density, 1e-8);
        }
    }

    #[test]
    fn inverses() {
        let d = Cosmology::default().distances(0.3, 1.2).unwrap();
        for theta_e in [1e-6, 0.4, 1.0, 30.0] {
            assert_close(d.einstein_radius(d.einstein_mass(theta_e)), theta_e, 1e-14);
            assert_close(d.isothermal_radius(d.velocity_dispersion(theta_e)), theta_e, 1e-14);
        }
    }

    #[test]
    fn the_mass_agrees_with_a_calculation_by_hand() {
        // D_L = 1000, D_S = 2000, D_LS = 1250 Mpc: M = theta^2 c^2 / (4 G) x 1600 Mpc, with 1" = 4.84814e-6 rad and
        // c^2 / G = 2.08968e19 M_sun/Mpc: 2.35045e-11 x 5.22421e18 x 1600 = 1.96467e11
        let d = Distances {
            lens: 1000.0,
            source: 2000.0,
            lens_source: 1250.0,
        };
        assert_close(d.einstein_mass(1.0), 1.96467e11, 1e-5);
    }
}
