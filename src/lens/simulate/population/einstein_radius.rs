//! Einstein radii of a population: drawn directly, or from velocity dispersions and redshifts.

use super::error::PopulationError;
use crate::lens::physics::cosmology::Cosmology;
use crate::lens::simulate::distribution::Distribution;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Draws after which velocity dispersions and redshifts that give no lens are given up.
const MAX_DRAWS: usize = 10_000;

/// Einstein radii: drawn directly, or those of isothermal spheres whose velocity dispersions and redshifts are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "toml::Value")]
pub enum EinsteinRadii {
    /// theta_e = 4 pi (sigma_v/c)^2 D_LS/D_S in the default cosmology.
    Physics(Physics),
    /// Radii in arcsec.
    Drawn(Distribution),
}

/// Velocity dispersions and redshifts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Physics {
    /// Velocity dispersion of the lens, km/s.
    pub sigma_v: Distribution,
    /// Redshift of the lens.
    pub z_lens: Distribution,
    /// Redshift of the source. If it is not behind the lens, all three are drawn again.
    pub z_source: Distribution,
    /// Smallest and largest Einstein radius, arcsec. If the radius is outside, all three are drawn again.
    pub radius_within: [f64; 2],
}

/// What an Einstein radius was computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Isothermal {
    /// Velocity dispersion, km/s.
    pub sigma_v: f64,
    /// Redshift of the lens.
    pub z_lens: f64,
    /// Redshift of the source.
    pub z_source: f64,
}

/// Decides by the key `sigma_v`, so that an error names the other keys of the same variant.
impl TryFrom<toml::Value> for EinsteinRadii {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<EinsteinRadii, String> {
        let radii = match value.get("sigma_v") {
            Some(_) => value.try_into().map(EinsteinRadii::Physics),
            None => value.try_into().map(EinsteinRadii::Drawn),
        };
        radii.map_err(|error: toml::de::Error| error.message().to_string())
    }
}

impl EinsteinRadii {
    /// An Einstein radius, arcsec, and what it was computed from. If no draw gives a lens, the radius is 0.
    pub(in super::super) fn draw(&self, rng: &mut impl Rng) -> (f64, Option<Isothermal>) {
        let physics = match self {
            EinsteinRadii::Drawn(radius) => return (radius.draw(rng), None),
            EinsteinRadii::Physics(physics) => physics,
        };
        let [least, most] = physics.radius_within;
        let cosmology = Cosmology::default();
        for _ in 0..MAX_DRAWS {
            let isothermal = Isothermal {
                sigma_v: physics.sigma_v.draw(rng),
                z_lens: physics.z_lens.draw(rng),
                z_source: physics.z_source.draw(rng),
            };
            if let Ok(distances) = cosmology.distances(isothermal.z_lens, isothermal.z_source) {
                let radius = distances.isothermal_radius(isothermal.sigma_v);
                if (least..=most).contains(&radius) {
                    return (radius, Some(isothermal));
                }
            }
        }
        (0.0, None)
    }

    /// Fails unless all radii can lie between `least` and `most` arcsec.
    pub(super) fn check(&self, least: f64, most: f64) -> Result<(), PopulationError> {
        let physics = match self {
            EinsteinRadii::Drawn(radius) => return radius.check("deflector.theta_e", least, most),
            EinsteinRadii::Physics(physics) => physics,
        };
        physics.sigma_v.check("deflector.theta_e.sigma_v", 1.0, 3000.0)?;
        physics.z_lens.check("deflector.theta_e.z_lens", 1e-3, 20.0)?;
        physics.z_source.check("deflector.theta_e.z_source", 1e-3, 20.0)?;
        let [low, high] = physics.radius_within;
        if !(least <= low && low < high && high <= most) {
            return Err(PopulationError::Value {
                key: "deflector.theta_e.radius_within".into(),
                value: format!("[{low}, {high}]"),
                allowed: format!("the smaller radius, then the larger, from {least} to {most}"),
            });
        }
        match self.draw(&mut ChaCha8Rng::seed_from_u64(0)) {
            (_, Some(_)) => Ok(()),
            (_, None) => Err(PopulationError::NoRadius {
                draws: MAX_DRAWS,
                within: physics.radius_within,
            }),
        }
    }
}
