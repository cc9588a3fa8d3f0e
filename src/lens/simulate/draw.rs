//! Draws an object of a population from a seed and its number, independently of the other objects.
//!
//! The order of the random numbers is part of the result: changing it changes every object.

use super::object::{Conditions, Light, Object, Rectangle};
use super::population::clumps::{Clumps, Knots, MAX_KNOTS, THREE};
use super::population::einstein_radius::Isothermal;
use super::population::{Brightness, MAX_NEIGHBOURS, Population, Psf, Radius};
use crate::lens::physics::mass::MassModel;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Poisson, StandardNormal};
use std::f64::consts::{PI, TAU};

impl Population {
    /// Object `number` of the population with the random seed `seed`.
    pub fn object(&self, seed: u64, number: u64) -> Object {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let rng = &mut rng;
        let key = [rng.random(), rng.random()];
        let is_lens = rng.random_bool(self.lens_share);
        let (mass, isothermal) = self.mass(rng);
        let light = self.lens_light(&mass, rng);
        let (source, source_offset) = self.source(&mass, rng);
        let mut lights = vec![light];
        self.neighbours(&mut lights, rng);
        Object {
            number,
            is_lens,
            key,
            mass,
            isothermal,
            source: if is_lens { source } else { vec![] },
            light: lights,
            conditions: self.conditions(rng),
            masks: self.rectangles(rng),
            source_offset,
        }
    }

    fn mass(&self, rng: &mut impl Rng) -> (MassModel, Option<Isothermal>) {
        let d = &self.deflector;
        let mut shift = || d.centre * rng.random_range(-1.0..=1.0);
        let (x, y) = (shift(), shift());
        let (shear, direction) = (d.shear.draw(rng), TAU * rng.random::<f64>());
        let (theta_e, isothermal) = d.theta_e.draw(rng);
        let mass = MassModel {
            x,
            y,
            theta_e,
            axis_ratio: d.axis_ratio.draw(rng),
            angle: PI * rng.random::<f64>(),
            slope: d.slope.draw(rng),
            shear: [shear * direction.cos(), shear * direction.sin()],
        };
        (mass, isothermal)
    }

    fn lens_light(&self, mass: &MassModel, rng: &mut impl Rng) -> Light {
        let l = &self.lens_light;
        Light {
            x: mass.x,
            y: mass.y,
            radius: l.radius.draw(mass.theta_e, rng),
            index: l.index.draw(rng),
            axis_ratio: mass.axis_ratio,
            angle: mass.angle + l.misalignment.draw(rng).to_radians(),
            flux: self.flux(&l.brightness, rng),
        }
    }

    /// The source with its clumps, and its position relative to the deflector.
    fn source(&self, mass: &MassModel, rng: &mut impl Rng) -> (Vec<Light>, [f64; 2]) {
        let s = &self.source;
        let offset = s.offset.within.draw(rng) * mass.theta_e * rng.random::<f64>().sqrt();
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        let offset = [offset * cos, offset * sin];
        let mut body = Light {
            x: mass.x + offset[0],
            y: mass.y + offset[1],
            radius: s.radius.draw(mass.theta_e, rng),
            index: s.index.draw(rng),
            axis_ratio: s.axis_ratio.draw(rng),
            angle: PI * rng.random::<f64>(),
            flux: self.flux(&s.brightness, rng),
        };
        if let Some(relation) = &s.size_relation {
            let relative = body.flux[0] / self.flux_of(relation.magnitude);
            let [least, most] = s.radius.within;
            body.radius = (body.radius * relative.powf(relation.power)).clamp(least, most);
        }
        let all = match &s.clumps {
            Clumps::Probability(probability) => up_to_three(*probability, body, rng),
            Clumps::Knots(knots) => knots.of(body, rng),
        };
        (all, offset)
    }

    fn neighbours(&self, lights: &mut Vec<Light>, rng: &mut impl Rng) {
        let Some(n) = &self.neighbours else { return };
        let number = Poisson::new(n.number.max(1e-9)).expect("a positive mean").sample(rng) as usize;
        let side = self.size as f64 * self.pixel_scale;
        for _ in 0..number.min(MAX_NEIGHBOURS) {
            // Not on top of the central galaxy.
            let clear = 0.12 * side;
            let (mut x, mut y) = (0.0f64, 0.0);
            while x.hypot(y) < clear {
                x = side * (rng.random::<f64>() - 0.5);
                y = side * (rng.random::<f64>() - 0.5);
            }
            lights.push(Light {
                x,
                y,
                radius: n.radius.draw(1.0, rng),
                index: n.index.draw(rng),
                axis_ratio: n.axis_ratio.draw(rng),
                angle: PI * rng.random::<f64>(),
                flux: self.flux(&n.brightness, rng),
            });
        }
    }

    /// Total flux in each band, pixel values.
    fn flux(&self, b: &Brightness, rng: &mut impl Rng) -> Vec<f64> {
        let first = match (&b.magnitude, &b.flux) {
            (Some(magnitude), _) => self.flux_of(magnitude.draw(rng)),
            (None, Some(flux)) => flux.draw(rng) * self.sky_noise(0),
            (None, None) => 0.0,
        };
        let mut scatter = || {
            let normal: f64 = StandardNormal.sample(rng);
            (b.colour_scatter * normal).exp()
        };
        // The first band is the reference of the colours and has no scatter.
        let flux = |(k, colour): (usize, &f64)| first * colour * if k == 0 { 1.0 } else { scatter() };
        b.colours.iter().enumerate().map(flux).collect()
    }

    /// The flux of a magnitude in the first band, pixel values.
    fn flux_of(&self, magnitude: f64) -> f64 {
        10f64.powf(-0.4 * (magnitude - self.zero_point))
    }

    fn conditions(&self, rng: &mut impl Rng) -> Vec<Conditions> {
        let mut conditions = Vec::new();
        for band in &self.bands {
            let (fwhm, e) = match &band.psf {
                Psf::Gaussian { fwhm, ellipticity } | Psf::Moffat { fwhm, ellipticity, .. } => {
                    (fwhm.draw(rng), ellipticity.draw(rng))
                }
                Psf::Image { .. } => (1.0, 0.0),
            };
            let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
            let (sky, read_noise) = (band.sky.draw(rng), band.read_noise.draw(rng));
            let exposure = band.exposure.draw(rng);
            conditions.push(Conditions {
                electron: band.electron / exposure,
                sky: sky * exposure,
                sky_left: band.sky_left.draw(rng) * exposure,
                read_noise,
                fwhm,
                ellipticity: [e * cos, e * sin],
            });
        }
        conditions
    }

    fn rectangles(&self, rng: &mut impl Rng) -> Vec<Rectangle> {
        let Some(masks) = &self.masks else { return vec![] };
        let last = self.size as u32 - 1;
        let mut out = Vec::new();
        let bands = self.bands.len() as u32;
        if rng.random_bool(masks.columns) {
            let column = rng.random_range(0..=last);
            let bands = 1 << rng.random_range(0..bands);
            out.push(Rectangle {
                columns: [column; 2],
                rows: [0, last],
                bands,
            });
        }
        if rng.random_bool(masks.patches) {
            let mut side = || {
                let first = rng.random_range(0..=last);
                [first, (first + rng.random_range(1..=8u32)).min(last)]
            };
            let (columns, rows) = (side(), side());
            let bands = 1 << rng.random_range(0..bands);
            out.push(Rectangle { columns, rows, bands });
        }
        out
    }
}

/// A source with up to three clumps: see [`Clumps::Probability`].
fn up_to_three(probability: f64, body: Light, rng: &mut impl Rng) -> Vec<Light> {
    let mut all = vec![body];
    for _ in 0..THREE {
        // Numbers are drawn for absent clumps too, so that the rest of the object does not depend on them.
        let present = rng.random_bool(probability);
        let (fraction, r) = (rng.random_range(0.1..0.5), rng.random::<f64>().sqrt());
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        if !present {
            continue;
        }
        let body = all[0].clone();
        all[0].flux.iter_mut().for_each(|flux| *flux *= 1.0 - fraction);
        all.push(Light {
            x: body.x + body.radius * r * cos,
            y: body.y + body.radius * r * sin,
            radius: body.radius / 3.0,
            index: 1.0,
            axis_ratio: 1.0,
            flux: body.flux.iter().map(|flux| fraction * flux).collect(),
            ..body
        });
    }
    all
}

impl Knots {
    /// A source with knots: the main component `body` with the rest of its light.
    fn of(&self, body: Light, rng: &mut impl Rng) -> Vec<Light> {
        let number = (self.number.draw(rng).round() as usize).min(MAX_KNOTS);
        let share = self.share.draw(rng);
        // Exponential weights divided by their sum are uniform on all ways to share the light: a few knots have most.
        let weights: Vec<f64> = (0..number).map(|_| -(1.0 - rng.random::<f64>()).ln() + 1e-9).collect();
        let sum: f64 = weights.iter().sum();
        let (sin, cos) = body.angle.sin_cos();
        let mut all = vec![body.clone()];
        if number > 0 {
            all[0].flux.iter_mut().for_each(|flux| *flux *= 1.0 - share);
        }
        for weight in weights {
            // Uniform inside an ellipse with the main component's shape.
            let r = body.radius * self.within * rng.random::<f64>().sqrt();
            let (v, u) = (TAU * rng.random::<f64>()).sin_cos();
            let (u, v) = (r * u / body.axis_ratio.sqrt(), r * v * body.axis_ratio.sqrt());
            all.push(Light {
                x: body.x + cos * u - sin * v,
                y: body.y + sin * u + cos * v,
                radius: (body.radius * self.radius.draw(rng)).max(1e-3),
                index: 1.0,
                axis_ratio: 1.0,
                flux: body.flux.iter().map(|flux| share * weight / sum * flux).collect(),
                ..body.clone()
            });
        }
        all
    }
}

impl Radius {
    /// A half-light radius, arcsec, for an object with the Einstein radius `theta_e`.
    fn draw(&self, theta_e: f64, rng: &mut impl Rng) -> f64 {
        let radius = match (&self.arcsec, &self.theta_e) {
            (Some(arcsec), _) => arcsec.draw(rng),
            (None, Some(units)) => units.draw(rng) * theta_e,
            (None, None) => self.within[0],
        };
        radius.clamp(self.within[0], self.within[1])
    }
}
