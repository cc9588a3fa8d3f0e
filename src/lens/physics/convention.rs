//! What programs mean by the Einstein radius of an elliptical power law, and conversions between their conventions.
//!
//! The mass is that of [`MassModel`]. With gamma the slope of the density in three dimensions (2 is isothermal) and q the axis
//! ratio, its convergence is, along the axes,
//!
//! kappa = (3 - gamma)/2 (theta_i / sqrt(q x^2 + y^2/q))^(gamma - 1),
//!
//! where theta_i is the radius of the intermediate axis. The other conventions have radii theta = f(q, gamma) theta_i.

use super::mass::MassModel;
use std::f64::consts::PI;

/// A definition of the Einstein radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// theta_c: radius of the circle with the area inside the tangential critical curve, external shear included
    /// (`theta_e_crit`).
    Circularised,
    /// theta_i: parameter of the mass on the intermediate axis, `theta_e` of simulated lenses. The mean convergence
    /// inside the ellipse of area pi theta_i^2 is 1. `theta_E` of lenstronomy's EPL and SIE, and of COOLEST.
    Intermediate,
    /// theta_p: `einstein_radius` of PyAutoLens' PowerLaw and Isothermal,
    /// kappa = (3 - gamma)/(1 + q) (theta_p / sqrt(x^2 + y^2/q^2))^(gamma - 1).
    PyAutoLens,
}

impl Convention {
    /// All of them.
    pub const ALL: [Convention; 3] = [
        Convention::Circularised,
        Convention::Intermediate,
        Convention::PyAutoLens,
    ];

    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Convention::Circularised => "circularised",
            Convention::Intermediate => "intermediate",
            Convention::PyAutoLens => "pyautolens",
        }
    }

    /// One line for readers.
    pub fn summary(self) -> &'static str {
        match self {
            Convention::Circularised => "circle with the area inside the critical curve (theta_e_crit)",
            Convention::Intermediate => "intermediate axis of the mass: theta_E of lenstronomy and COOLEST (theta_e)",
            Convention::PyAutoLens => "einstein_radius of PyAutoLens' PowerLaw and Isothermal",
        }
    }

    /// The convention of labels with this definition, see
    /// [`LabelDefinition`](crate::lens::simulate::population::LabelDefinition).
    pub fn of_label(definition: &str) -> Option<Convention> {
        match definition {
            "theta_e" => Some(Convention::Intermediate),
            "theta_e_crit" => Some(Convention::Circularised),
            _ => None,
        }
    }

    /// The radius divided by that of the intermediate axis, of a mass with the axis ratio `q`, 0 < q <= 1, and the slope
    /// `gamma`, 1 < gamma < 3. The external shear has components along the axes and diagonals of the mass.
    pub fn per_intermediate(self, q: f64, gamma: f64, shear: [f64; 2]) -> f64 {
        match self {
            Convention::Intermediate => 1.0,
            // Of sqrt(x^2 + y^2/q^2) = sqrt(q x^2 + y^2/q) / sqrt(q), and equal convergences.
            Convention::PyAutoLens => (0.5 * (1.0 + q)).powf(1.0 / (gamma - 1.0)) / q.sqrt(),
            Convention::Circularised => MassModel {
                x: 0.0,
                y: 0.0,
                theta_e: 1.0,
                axis_ratio: q,
                angle: 0.0,
                slope: gamma - 1.0,
                shear,
            }
            .theta_e_crit(),
        }
    }
}

/// A number and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uncertain {
    /// The number.
    pub value: f64,
    /// Its standard deviation; 0 if it is exact.
    pub error: f64,
}

/// What is known of a mass without its Einstein radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassShape {
    /// Minor over major axis, above 0 and at most 1.
    pub axis_ratio: Uncertain,
    /// Slope of the density in three dimensions, between 1 and 3; 2 is isothermal.
    pub gamma: Uncertain,
    /// Size of the external shear, whose direction is unknown; at least 0 and at most [`MAX_SHEAR`].
    pub shear: f64,
}

/// The largest external shear.
pub const MAX_SHEAR: f64 = 0.3;

/// Axis ratios and slopes that an error may reach.
const AXIS_RATIOS: [f64; 2] = [0.1, 1.0];
const GAMMAS: [f64; 2] = [1.1, 2.9];

/// Directions of the shear relative to the major axis, over half a turn.
const DIRECTIONS: usize = 8;

impl MassShape {
    /// Mean and standard deviation of ln(radius by `to` / radius by `from`), over the errors of axis ratio and slope and the
    /// directions of the shear: Gauss-Hermite quadrature with three nodes each, and eight directions.
    pub fn log_ratio(&self, from: Convention, to: Convention) -> [f64; 2] {
        if from == to {
            return [0.0; 2];
        }
        let has_shear = [from, to].contains(&Convention::Circularised) && self.shear > 0.0;
        let directions = if has_shear { DIRECTIONS } else { 1 };
        let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (q, weight_q) in nodes(self.axis_ratio, AXIS_RATIOS) {
            for (gamma, weight_gamma) in nodes(self.gamma, GAMMAS) {
                for direction in 0..directions {
                    let angle = 2.0 * PI * direction as f64 / directions as f64;
                    let shear = [self.shear * angle.cos(), self.shear * angle.sin()];
                    let [old, new] = [from, to].map(|c| c.per_intermediate(q, gamma, shear));
                    let (weight, ratio) = (weight_q * weight_gamma, (new / old).ln());
                    sum += weight;
                    mean += weight * ratio;
                    square += weight * ratio * ratio;
                }
            }
        }
        let mean = mean / sum;
        [mean, (square / sum - mean * mean).max(0.0).sqrt()]
    }
}

/// The nodes of a normal distribution and their weights; one node if there is no error.
fn nodes(number: Uncertain, [low, high]: [f64; 2]) -> Vec<(f64, f64)> {
    let Uncertain { value, error } = number;
    if error == 0.0 {
        return vec![(value, 1.0)];
    }
    let at = |z: f64| (value + z * error).clamp(low.min(value), high.max(value));
    let outer = 3f64.sqrt();
    vec![(at(-outer), 1.0 / 6.0), (value, 2.0 / 3.0), (at(outer), 1.0 / 6.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/data/conventions/make.py computed these by lenstronomy and PyAutoGalaxy.
    #[test]
    fn radii_agree_with_other_programs() {
        let text = include_str!("../../../tests/data/conventions/conventions.csv");
        let mut rows = 0;
        for line in text.lines().skip(1) {
            let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
            let [q, gamma, g1, g2, circularised, convergence, deflection] = numbers[..] else {
                panic!("{line}");
            };
            let radius = |convention: Convention| 1.3 * convention.per_intermediate(q, gamma, [g1, g2]);
            let found = [radius(Convention::Circularised), radius(Convention::PyAutoLens)];
            assert!((found[0] - circularised).abs() < 3e-6, "{line}: {found:?}");
            assert!((found[1] - convergence).abs() < 1e-6, "{line}: {found:?}");
            assert!((found[1] - deflection).abs() < 1e-6, "{line}: {found:?}");
            rows += 1;
        }
        assert!(rows > 8);
    }

    /// By hand: q = 0.64, gamma = 2: sqrt(q) = 0.8, (1 + q)/2 = 0.82, so the ratio is 0.82/0.8 = 1.025; for gamma = 1.5
    /// it is 0.82^2/0.8 = 0.8405.
    #[test]
    fn the_radius_of_pyautolens_by_hand() {
        let ratio = |gamma: f64| Convention::PyAutoLens.per_intermediate(0.64, gamma, [0.0; 2]);
        assert!((ratio(2.0) - 1.025).abs() < 1e-14);
        assert!((ratio(1.5) - 0.8405).abs() < 1e-14);
    }

    #[test]
    fn of_round_masses_all_conventions_agree_and_conversions_have_inverses() {
        let exact = |value| Uncertain { value, error: 0.0 };
        for from in Convention::ALL {
            for to in Convention::ALL {
                let round = MassShape {
                    axis_ratio: exact(1.0),
                    gamma: exact(2.2),
                    shear: 0.0,
                };
                assert!(round.log_ratio(from, to)[0].abs() < 1e-9);
                let flat = MassShape {
                    axis_ratio: exact(0.6),
                    gamma: exact(1.8),
                    shear: 0.04,
                };
                let there_and_back = flat.log_ratio(from, to)[0] + flat.log_ratio(to, from)[0];
                assert!(there_and_back.abs() < 1e-12);
            }
        }
    }

    /// Against the mean and scatter of many random masses.
    #[test]
    fn errors_of_the_shape_are_propagated() {
        use rand::{RngExt, SeedableRng};
        use rand_distr::StandardNormal;
        let shape = MassShape {
            axis_ratio: Uncertain {
                value: 0.7,
                error: 0.08,
            },
            gamma: Uncertain { value: 2.1, error: 0.1 },
            shear: 0.05,
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        for (to, draws) in [(Convention::PyAutoLens, 100_000), (Convention::Circularised, 2_000)] {
            let mut sums = [0.0; 2];
            for _ in 0..draws {
                let q = (0.7 + 0.08 * rng.sample::<f64, _>(StandardNormal)).clamp(0.1, 1.0);
                let gamma = 2.1 + 0.1 * rng.sample::<f64, _>(StandardNormal);
                let angle: f64 = rng.random_range(0.0..2.0 * PI);
                let ratio = to
                    .per_intermediate(q, gamma, [0.05 * angle.cos(), 0.05 * angle.sin()])
                    .ln();
                sums = [sums[0] + ratio, sums[1] + ratio * ratio];
            }
            let mean = sums[0] / f64::from(draws);
            let sigma = (sums[1] / f64::from(draws) - mean * mean).sqrt();
            let [found_mean, found_sigma] = shape.log_ratio(Convention::Intermediate, to);
            assert!(
                (found_mean - mean).abs() < 0.1 * sigma,
                "{to:?}: {found_mean} {mean} {sigma}"
            );
            assert!((found_sigma / sigma - 1.0).abs() < 0.1, "{to:?}: {found_sigma} {sigma}");
        }
    }
}
