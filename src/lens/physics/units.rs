//! Physical constants and units, with their sources.

use std::f64::consts::PI;

/// Speed of light, km/s. Exact (SI, CODATA 2022).
pub const SPEED_OF_LIGHT: f64 = 299_792.458;

/// G M_sun, m^3/s^2: the nominal solar mass parameter (IAU 2015 Resolution B3). It is known to ten digits, whereas G
/// (CODATA 2022: 6.67430(15)e-11) is known to four; masses in solar masses do not depend on G.
pub const GM_SUN: f64 = 1.327_124_4e20;

/// Astronomical unit, m. Exact (IAU 2012 Resolution B2).
pub const ASTRONOMICAL_UNIT: f64 = 149_597_870_700.0;

/// Megaparsec, m; a parsec is 648000/pi astronomical units (IAU 2015 Resolution B2).
pub const MEGAPARSEC: f64 = 1e6 * 648_000.0 / PI * ASTRONOMICAL_UNIT;

/// Arcsecond, rad.
pub const ARCSEC: f64 = PI / 648_000.0;

/// c^2 / (G M_sun), solar masses per Mpc: 2.0897e19.
pub const SOLAR_MASSES_PER_MPC: f64 = (SPEED_OF_LIGHT * 1e3) * (SPEED_OF_LIGHT * 1e3) / GM_SUN * MEGAPARSEC;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_constants_agree_with_tables() {
        // astropy.constants.pc and the Schwarzschild radius of the Sun, 2 G M_sun / c^2 = 2953.25 m
        assert!((MEGAPARSEC / 3.085_677_581_491_367e22 - 1.0).abs() < 1e-15);
        assert!((2.0 * MEGAPARSEC / SOLAR_MASSES_PER_MPC - 2953.25).abs() < 0.01);
        assert!((1.0 / ARCSEC - 206_264.806_247_096_36).abs() < 1e-9);
    }
}
