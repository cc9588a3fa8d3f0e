//! The mass of one row, with its uncertainty.

use super::flags::*;
use super::input::Input;
use super::radius::{LARGEST, Radius, SMALLEST};
use crate::lens::physics::cosmology::{Cosmology, Distances};
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::posterior::mixture::LEVELS;
use crate::survey::table::Cell;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The new columns of one row; NaN is unknown.
pub(super) struct RowMass {
    log10_mass: f64,
    /// Einstein radius, kpc.
    radius: f64,
    /// Velocity dispersion, km/s.
    sigma_v: f64,
    uncertainty: Uncertainty,
    /// Fraction of the drawn redshifts that were impossible.
    redshift_cut: f64,
    /// Bits of [`super::MASS_FLAGS`].
    pub(super) flags: i32,
}

/// Ten times the redshift of the last scattering.
const LARGEST_REDSHIFT: f64 = 1e4;

impl RowMass {
    /// The mass of a row.
    pub(super) fn new(input: &Input, row: usize) -> RowMass {
        let theta_e = input.theta_e(row);
        let z = input.redshifts(row);
        // The mean may be negative where the distribution extends above 0.
        let is_possible = |theta_e: f64| (-LARGEST..=0.0).contains(&theta_e) || (SMALLEST..=LARGEST).contains(&theta_e);
        let radius = input.radius(row);
        let radius = radius.filter(|radius| is_possible(theta_e) && is_possible(radius.largest()));
        let distances = distances(&input.options.cosmology, z);
        let (radius, distances) = match (radius, distances) {
            (Some(radius), Ok(distances)) => (radius, distances),
            (radius, distances) => {
                let no_theta_e = if radius.is_none() { NO_THETA_E } else { 0 };
                return RowMass::unknown(no_theta_e | distances.err().unwrap_or(0));
            }
        };

        let mut flags = if radius.cut() > MAX_CUT { THETA_E_CUT } else { 0 };
        let errors = input.redshift_errors(row).map(|error| {
            if error.is_finite() && error >= 0.0 {
                return error;
            }
            flags |= NO_REDSHIFT_ERROR;
            0.0
        });
        let (uncertainty, redshift_cut) = if errors == [0.0; 2] {
            (Uncertainty::exact(&radius, &distances), 0.0)
        } else {
            Uncertainty::sampled(input, row, &radius, z, errors)
        };
        if redshift_cut > MAX_CUT {
            flags |= REDSHIFT_CUT;
        }
        // If the mean of theta_e is negative, it has no mass, but its distribution has one.
        let theta_e = if theta_e > 0.0 { theta_e } else { f64::NAN };
        RowMass {
            log10_mass: distances.einstein_mass(theta_e).log10(),
            radius: distances.at_lens(theta_e),
            sigma_v: distances.velocity_dispersion(theta_e),
            uncertainty,
            redshift_cut,
            flags,
        }
    }

    fn unknown(flags: i32) -> RowMass {
        RowMass {
            log10_mass: f64::NAN,
            radius: f64::NAN,
            sigma_v: f64::NAN,
            uncertainty: Uncertainty {
                log10_mass: [f64::NAN; 5],
                radius: f64::NAN,
                sigma_v: f64::NAN,
            },
            redshift_cut: f64::NAN,
            flags,
        }
    }

    /// Whether the distribution of the mass is known.
    pub(super) fn has_distribution(&self) -> bool {
        self.uncertainty.log10_mass[2].is_finite()
    }

    /// One cell per column of [`super::columns::new_columns`].
    pub(super) fn cells(&self, has_errors: bool) -> Vec<Cell> {
        let Uncertainty {
            log10_mass,
            radius,
            sigma_v,
        } = self.uncertainty;
        let mut values = vec![self.log10_mass];
        values.extend(log10_mass);
        values.extend([self.radius, radius, self.sigma_v, sigma_v]);
        if has_errors {
            values.push(self.redshift_cut);
        }
        let mut cells: Vec<Cell> = values.into_iter().map(Cell::F64).collect();
        cells.push(Cell::Int(self.flags.into()));
        cells
    }
}

/// The distances, or the flag that says why there are none.
fn distances(cosmology: &Cosmology, [lens, source]: [f64; 2]) -> Result<Distances, i32> {
    if !lens.is_finite() || !source.is_finite() {
        Err(NO_REDSHIFT)
    } else if [lens, source].iter().any(|z| !(*z > 0.0 && *z <= LARGEST_REDSHIFT)) {
        Err(BAD_REDSHIFT)
    } else if source <= lens {
        Err(SOURCE_IN_FRONT)
    } else {
        cosmology.distances(lens, source).map_err(|_| NO_DISTANCE)
    }
}

/// The distributions of the results.
struct Uncertainty {
    /// Quantiles at [`LEVELS`].
    log10_mass: [f64; 5],
    /// Half of the range from the 16 to the 84 % quantile, kpc.
    radius: f64,
    /// Half of the range from the 16 to the 84 % quantile, km/s.
    sigma_v: f64,
}

impl Uncertainty {
    /// For exact distances: all results increase with theta_e, so their quantiles are those of its quantiles.
    fn exact(radius: &Radius, distances: &Distances) -> Uncertainty {
        let [_, low, _, high, _] = radius.quantiles();
        Uncertainty {
            log10_mass: radius
                .quantiles()
                .map(|theta_e| distances.einstein_mass(theta_e).log10()),
            radius: 0.5 * (distances.at_lens(high) - distances.at_lens(low)),
            sigma_v: 0.5 * (distances.velocity_dispersion(high) - distances.velocity_dispersion(low)),
        }
    }

    /// By random draws of theta_e and of the redshifts `z`, which are Gaussian with the standard deviations `errors`.
    /// Impossible redshifts are discarded; also returns their fraction.
    ///
    /// The random numbers depend only on the seed and the id of the row, not on its position or on other rows.
    fn sampled(input: &Input, row: usize, radius: &Radius, z: [f64; 2], errors: [f64; 2]) -> (Uncertainty, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(input.options.seed);
        rng.set_stream(fnv1a(FNV_OFFSET, input.id(row).bytes()));
        let samples = input.options.samples;
        let [mut log10_mass, mut kpc, mut sigma_v] = [const { Vec::new() }; 3];
        for _ in 0..samples {
            let z = [0, 1].map(|i| {
                let normal: f64 = StandardNormal.sample(&mut rng);
                z[i] + errors[i] * normal
            });
            let theta_e = radius.draw(&mut rng);
            if let Ok(distances) = distances(&input.options.cosmology, z) {
                log10_mass.push(distances.einstein_mass(theta_e).log10());
                kpc.push(distances.at_lens(theta_e));
                sigma_v.push(distances.velocity_dispersion(theta_e));
            }
        }
        let cut = (samples - log10_mass.len()) as f64 / samples as f64;
        for values in [&mut log10_mass, &mut kpc, &mut sigma_v] {
            values.sort_unstable_by(f64::total_cmp);
        }
        let half_range = |sorted: &[f64]| 0.5 * (quantile(sorted, LEVELS[3]) - quantile(sorted, LEVELS[1]));
        let uncertainty = Uncertainty {
            log10_mass: LEVELS.map(|p| quantile(&log10_mass, p)),
            radius: half_range(&kpc),
            sigma_v: half_range(&sigma_v),
        };
        (uncertainty, cut)
    }
}

/// Empirical quantile of sorted values with linear interpolation, as numpy's `quantile`; NaN if there are no values.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = p * last as f64;
    let below = sorted[at as usize];
    below + at.fract() * (sorted[last.min(at as usize + 1)] - below)
}
