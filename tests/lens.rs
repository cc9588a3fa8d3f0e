//! The simulator: its operations on every device against the f64 reference, deflections against an integration that is
//! independent of the kernels' series, and the flux and noise of images.

mod reference;

use lensgpu::device::cpu::CpuEngine;
use lensgpu::device::{Device, Engine};
use lensgpu::lens::Population;
use lensgpu::lens::physics::mass::MassModel;
use lensgpu::lens::simulate::distribution::Distribution;
use lensgpu::lens::simulate::object::{Light, Object, sersic_b};
use lensgpu::lens::simulate::plan::{LensPlan, Window};
use lensgpu::lens::simulate::population::EinsteinRadii;
use lensgpu::lens::simulate::population::SizeRelation;
use lensgpu::lens::simulate::population::clumps::{Clumps, Knots};
use lensgpu::plan::{LensOp, LensShape, MASKED, Op, Plan, TensorId, object};
use reference::compare::assert_close;
use reference::{Memory, lens, run};
use std::f64::consts::FRAC_PI_2;
use std::ops::ControlFlow;
use std::sync::OnceLock;

static SOFTWARE: OnceLock<Device> = OnceLock::new();

fn engines(plan: &Plan) -> Vec<(&'static str, Box<dyn Engine>)> {
    let software = SOFTWARE.get_or_init(|| Device::choose("software").unwrap_or_else(|error| panic!("{error:#}")));
    vec![
        ("cpu", Box::new(CpuEngine::new(plan, 1).unwrap())),
        ("software", software.engine(plan, 1).unwrap()),
    ]
}

fn step(engine: &mut dyn Engine) {
    engine.replay(1, &mut |_, _| ControlFlow::Continue(())).unwrap();
}

/// A population with all features and small images.
fn population() -> Population {
    let mut population = Population::preset("lfc1-ground").unwrap();
    population.size = 27;
    population.samples = 3;
    population.lens_share = 1.0;
    population.deflector.theta_e = EinsteinRadii::Drawn(Distribution::Fixed(1.1));
    population.masks.as_mut().unwrap().patches = 1.0;
    population.source.clumps = Clumps::Knots(Knots {
        number: Distribution::Fixed(6.0),
        share: Distribution::Fixed(0.7),
        radius: Distribution::Fixed(0.25),
        within: 1.5,
    });
    population
}

/// Two lenses, the second of which is isothermal and has no shear, and a galaxy that is not a lens.
fn objects(population: &Population) -> Vec<Object> {
    let mut objects: Vec<Object> = (0..3).map(|number| population.object(5, number)).collect();
    objects[1].mass.slope = 1.0;
    objects[1].mass.shear = [0.0; 2];
    objects[2].is_lens = false;
    objects[2].source.clear();
    objects[2].conditions.iter_mut().for_each(|c| c.sky_left = 0.3 * c.sky);
    objects
}

fn words(objects: &[Object], shape: &LensShape, population: &Population, window: &Window) -> Vec<u32> {
    objects
        .iter()
        .flat_map(|o| o.words(shape, population, &window.bands))
        .collect()
}

fn simulated(op: &Op) -> &LensOp {
    match op {
        Op::Lens(op) => op,
        Op::Network(op) => panic!("the plan simulates, but contains {op:?}"),
    }
}

fn tolerance(op: &LensOp) -> f64 {
    match op {
        LensOp::LensRender(_) | LensOp::LensNoise(_) => 1e-4,
        LensOp::LensPsf(_) | LensOp::LensConvolve(_) | LensOp::LensArcs(_) => 2e-5,
    }
}

/// One operation at a time, each with the input that the reference computed.
#[test]
fn every_operation_agrees_with_the_reference() {
    let population = population();
    let window = Window::new(&population, 23, &["G", "R", "U"].map(String::from)).unwrap();
    let objects = objects(&population);
    let lens = LensPlan::new(&population, &window, objects.len(), None);
    let mut memory = Memory::new(&lens.plan, 1);
    memory.set_words(lens.objects, &words(&objects, &lens.shape, &population, &window));
    for op in &lens.plan.ops {
        let alone = Plan {
            ops: vec![op.clone()],
            ..lens.plan.clone()
        };
        let before = memory.clone();
        run(op, &mut memory);
        for (device, mut engine) in engines(&alone) {
            for tensor in (0..alone.tensors.len()).map(TensorId) {
                let word = |&v: &f64| {
                    if tensor == lens.objects {
                        v as u32
                    } else {
                        (v as f32).to_bits()
                    }
                };
                let words: Vec<u32> = before.all(tensor).iter().map(word).collect();
                engine.write(tensor, &words).unwrap();
            }
            step(&mut *engine);
            for tensor in (0..alone.tensors.len()).map(TensorId).filter(|t| *t != lens.objects) {
                let mut got = before.clone();
                got.set_words(tensor, &engine.read(tensor).unwrap());
                let what = format!("{} on {device}: {}", op.name(), alone.tensor(tensor).name);
                let (got, want) = (got.all(tensor), memory.all(tensor));
                match simulated(op) {
                    LensOp::LensNoise(_) if tensor == lens.images => check_noise(&what, got, want),
                    // A pixel at the threshold may count or not.
                    LensOp::LensArcs(_) if tensor == lens.images => assert_close(&what, got, want, 2e-2),
                    op => assert_close(&what, got, want, tolerance(op)),
                }
            }
        }
        for tensor in (0..lens.plan.tensors.len())
            .map(TensorId)
            .filter(|t| *t != lens.objects)
        {
            let values: Vec<f64> = memory.all(tensor).iter().map(|v| f64::from(*v as f32)).collect();
            memory.set(tensor, &values);
        }
    }
    let image = memory.all(lens.images);
    assert!(image.contains(&f64::from(MASKED)), "a patch is masked");
}

/// The same pixels are masked, and the noise of the others has the same values.
fn check_noise(what: &str, got: &[f64], want: &[f64]) {
    let masked = f64::from(MASKED);
    let places = |values: &[f64]| -> Vec<usize> { (0..values.len()).filter(|&i| values[i] == masked).collect() };
    assert_eq!(places(got), places(want), "{what}");
    let rest = |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|v| *v != masked).collect() };
    assert_close(what, &rest(got), &rest(want), 1e-4);
}

fn mass(q: f64, t: f64, angle: f64, shear: [f64; 2]) -> MassModel {
    MassModel {
        x: 0.03,
        y: -0.05,
        theta_e: 1.4,
        axis_ratio: q,
        angle,
        slope: t,
        shear,
    }
}

/// Points on the axes, near the centre and over the image, arcsec from the mass.
fn points(mass: &MassModel) -> Vec<[f64; 2]> {
    let mut points = Vec::new();
    for r in [1e-3, 1e-2, 0.1, 0.7, 1.4, 3.0, 10.0] {
        for k in 0..16 {
            // Every fourth point lies on the axes of the mass.
            let phi = f64::from(k) * std::f64::consts::TAU / 16.0 + if k % 4 == 0 { mass.angle } else { 0.0 };
            points.push([mass.x + r * phi.cos(), mass.y + r * phi.sin()]);
        }
    }
    for r in [1e-3f64, 0.5, 8.0] {
        points.extend([
            [mass.x + r, mass.y],
            [mass.x, mass.y + r],
            [mass.x - r, mass.y],
            [mass.x, mass.y - r],
        ]);
    }
    points
}

/// The power laws that are compared: every slope, axis ratio and term of the shear that a population may have.
fn masses() -> Vec<MassModel> {
    let mut masses = Vec::new();
    for q in [0.2, 0.35, 0.6, 0.9, 0.999, 1.0] {
        for t in [0.5, 0.8, 1.0, 1.3, 1.5] {
            for (angle, shear) in [(0.0, [0.0; 2]), (0.8, [0.07, -0.04])] {
                masses.push(mass(q, t, angle, shear));
            }
        }
    }
    masses
}

/// A mass of the host as one of the reference.
fn reference_mass(mass: &MassModel) -> lens::Mass {
    lens::Mass {
        x: mass.x,
        y: mass.y,
        cos: mass.angle.cos(),
        sin: mass.angle.sin(),
        q: mass.axis_ratio,
        b: mass.scale(),
        t: mass.slope,
        shear: mass.shear,
    }
}

/// The deflection alpha that each mass gives the ray at theta = 0 on each device, as the rendered light tells it.
///
/// The image is one pixel with one ray. The source consists of two rulers, each visible in a band of its own: profiles
/// so elongated that their light exp(-(v / RULER)^2) depends on one coordinate of beta = -alpha alone. A ruler's centre
/// lies RULER arcsec below the `expected` coordinate, where its light is steep and leaves no doubt about the sign.
fn rendered_deflections(masses: &[MassModel], expected: &[[f64; 2]]) -> Vec<(&'static str, Vec<[f64; 2]>)> {
    const RULER: f64 = 8.0;
    const AXIS_RATIO: f64 = 0.01;
    const INDEX: f64 = 0.5;
    let mut population = population();
    population.samples = 1;
    let window = Window {
        size: 1,
        bands: vec![0, 1],
    };
    let plan = LensPlan::new(&population, &window, masses.len(), None);
    let ruler = |band: usize, x: f64, y: f64| {
        let mut flux = vec![0.0; population.bands.len()];
        flux[band] = 1e6 * population.bands[band].electron;
        Light {
            x,
            y,
            radius: RULER * (sersic_b(INDEX) / AXIS_RATIO).sqrt(),
            index: INDEX,
            axis_ratio: AXIS_RATIO,
            // The minor axis lies along the band's coordinate.
            angle: if band == 0 { FRAC_PI_2 } else { 0.0 },
            flux,
        }
    };
    let objects: Vec<Object> = masses
        .iter()
        .zip(expected)
        .map(|(mass, [x, y])| Object {
            mass: *mass,
            source: vec![ruler(0, -x - RULER, -y), ruler(1, -x, -y - RULER)],
            light: vec![],
            ..population.object(1, 0)
        })
        .collect();
    let words = words(&objects, &plan.shape, &population, &window);
    let render = Plan {
        ops: plan
            .plan
            .ops
            .iter()
            .filter(|op| op.name() == "lens_render")
            .cloned()
            .collect(),
        ..plan.plan.clone()
    };
    let light = reference::tensor(&render, "light").unwrap();
    let measure = |(device, mut engine): (&'static str, Box<dyn Engine>)| {
        engine.write(plan.objects, &words).unwrap();
        step(&mut *engine);
        let light = engine.read(light).unwrap();
        let objects = words.chunks_exact(plan.shape.words());
        // The first two of three planes are the bands, each with its ruler.
        let alphas = light.chunks_exact(3).zip(objects).map(|(light, words)| {
            [0, 1].map(|band| {
                let float = |word: u32| f64::from(f32::from_bits(word));
                let profile = &words[plan.shape.components_at() + band * plan.shape.component_words()..];
                let [q, per_radius, b] = [4, 5, 7].map(|k| float(profile[k]));
                let amplitude = float(profile[object::COMPONENT_WORDS + band]);
                let distance = (-(float(light[band]) / amplitude).ln() * q / b).sqrt() / per_radius;
                -(float(profile[band]) + distance)
            })
        });
        (device, alphas.collect())
    };
    engines(&render).into_iter().map(measure).collect()
}

#[test]
fn rendered_deflections_agree_with_the_integrated_convergence() {
    let mut shifted = Vec::new();
    for mass in masses() {
        for [x, y] in points(&mass) {
            // The ray is at theta = 0, so the mass moves instead of the point.
            shifted.push(MassModel {
                x: mass.x - x,
                y: mass.y - y,
                ..mass
            });
        }
    }
    let want: Vec<[f64; 2]> = shifted
        .iter()
        .map(|mass| reference_mass(mass).alpha([0.0; 2]))
        .collect();
    for (device, got) in rendered_deflections(&shifted, &want) {
        assert_eq!(got.len(), want.len());
        let mut worst = 0.0f64;
        for ((mass, got), want) in shifted.iter().zip(got).zip(&want) {
            for (got, want) in got.iter().zip(want) {
                let error = (got - want).abs() / mass.theta_e;
                assert!(error < 1e-4, "{device}: {got}, not {want}, for {mass:?}");
                worst = worst.max(error);
            }
        }
        println!("{device}: deflections to {worst:.1e} theta_e");
    }
}

/// At the centre itself and within 1e-12 arcsec of it the deflection is finite.
#[test]
fn deflections_at_the_centre_are_finite() {
    let at = |x: f64, y: f64| MassModel {
        x: -x,
        y: -y,
        ..mass(0.3, 1.0, 0.4, [0.0; 2])
    };
    let masses = [at(0.0, 0.0), at(1e-12, 0.0), at(0.0, -1e-9), at(1e-6, 1e-6)];
    for (device, alpha) in rendered_deflections(&masses, &[[0.0; 2]; 4]) {
        let sizes: Vec<f64> = alpha.iter().map(|[x, y]| x.hypot(*y)).collect();
        assert!(sizes.iter().all(|size| size.is_finite()), "{device}: {alpha:?}");
        assert!(sizes[0] < 1e-5, "{device}: {alpha:?}");
        // The deflection of an isothermal mass does not depend on the distance.
        assert!(sizes[1..].iter().all(|size| *size > 1.0), "{device}: {alpha:?}");
    }
}

/// The integral of the reference, and the series of the host, against the closed form of Kormann et al.
#[test]
fn the_reference_agrees_with_the_closed_form() {
    for q in [0.2, 0.5, 0.9] {
        for angle in [0.0, 0.8] {
            let mass = mass(q, 1.0, angle, [0.0; 2]);
            let reference = reference_mass(&mass);
            for point in points(&mass) {
                let closed = reference.isothermal(point);
                assert_close("integral", &reference.alpha(point), &closed, 1e-7);
                assert_close("series", &mass.alpha(point[0], point[1]), &closed, 1e-7);
            }
        }
    }
}

/// The host's series and convergence, which the critical curve is computed from, for every power law.
#[test]
fn the_host_agrees_with_the_integrated_convergence() {
    for mass in masses() {
        let reference = lens::Mass {
            shear: [0.0; 2],
            ..reference_mass(&mass)
        };
        for [x, y] in points(&mass) {
            assert_close("alpha", &mass.alpha(x, y), &reference.alpha([x, y]), 1e-7);
            let [xx, xy, yx, yy] = reference.jacobian([x, y]);
            assert_close("kappa", &[mass.kappa(x, y)], &[1.0 - 0.5 * (xx + yy)], 1e-6);
            assert!((xy - yx).abs() < 1e-6 * (1.0 + xx.abs() + yy.abs()), "curl {}", xy - yx);
        }
    }
}

/// An object that contains a single galaxy.
fn lone(population: &Population, light: Light) -> Object {
    let mut object = population.object(1, 0);
    object.is_lens = false;
    object.source.clear();
    object.masks.clear();
    object.light = vec![light];
    object
}

fn galaxy(population: &Population, radius: f64, index: f64) -> Light {
    let flux = population.bands.iter().map(|b| 1e5 * b.electron).collect();
    Light {
        x: 0.031,
        y: -0.043,
        radius,
        index,
        axis_ratio: 0.7,
        angle: 0.5,
        flux,
    }
}

/// The tensor of this name after one step, on every device.
fn made(population: &Population, objects: &[Object], tensor: &str) -> Vec<(&'static str, LensShape, Vec<f32>)> {
    let window = Window::whole(population);
    let lens = LensPlan::new(population, &window, objects.len(), None);
    let words = words(objects, &lens.shape, population, &window);
    let tensor = reference::tensor(&lens.plan, tensor).unwrap();
    let run = |(device, mut engine): (&'static str, Box<dyn Engine>)| {
        engine.write(lens.objects, &words).unwrap();
        step(&mut *engine);
        (
            device,
            lens.shape,
            bytemuck::cast_slice(&engine.read(tensor).unwrap()).to_vec(),
        )
    };
    engines(&lens.plan).into_iter().map(run).collect()
}

/// The rendered light adds up to the flux of the profile, even with a central cusp.
#[test]
fn flux_is_conserved_by_rendering_and_blurring() {
    let mut population = population();
    population.size = 75;
    for (radius, index) in [(0.3, 0.5), (0.3, 1.0), (0.15, 1.0), (0.25, 4.0), (0.2, 5.0)] {
        let objects = [lone(&population, galaxy(&population, radius, index))];
        // The fraction beyond the edge of the image, approximated by that beyond a circle.
        let beyond = outside(index, 7.5 / radius);
        for (device, shape, light) in made(&population, &objects, "light") {
            let plane = &light[..shape.pixels()];
            let sum: f64 = plane.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
            assert!(
                (sum - 1.0 + beyond).abs() < 4e-3 + 0.3 * beyond,
                "{device}: n = {index}: {sum}, beyond {beyond}"
            );
        }
        let planes = |name| made(&population, &objects, name);
        for ((device, shape, light), (.., blurred)) in planes("light").into_iter().zip(planes("blurred")) {
            for band in 0..shape.bands {
                let sum = |light: &[f32]| -> f64 {
                    light[band * shape.pixels()..][..shape.pixels()]
                        .iter()
                        .map(|&v| f64::from(v))
                        .sum()
                };
                let ratio = sum(&blurred) / sum(&light);
                assert!(
                    (ratio - 1.0).abs() < 2e-4,
                    "{device}: n = {index}, band {band}: {ratio}"
                );
            }
        }
    }
}

/// Fraction of the light of a Sersic profile beyond `radii` half-light radii.
fn outside(index: f64, radii: f64) -> f64 {
    let b = sersic_b(index);
    let (mut all, mut out) = (0.0, 0.0);
    for k in -12_000..8_000 {
        let r = (f64::from(k) * 1e-3).exp();
        let ring = r * r * (-b * r.powf(1.0 / index)).exp();
        all += ring;
        out += if r > radii { ring } else { 0.0 };
    }
    out / all
}

/// Every kernel is non-negative, has a sum of 1 and its maximum at the centre.
#[test]
fn kernels_are_normalised() {
    let population = population();
    let objects = objects(&population);
    for (device, shape, kernels) in made(&population, &objects, "kernels") {
        for kernel in kernels.chunks_exact(shape.kernel * shape.kernel) {
            let sum: f64 = kernel.iter().map(|&v| f64::from(v)).sum();
            assert!(
                (sum - 1.0).abs() < 1e-5 && kernel.iter().all(|v| *v >= 0.0),
                "{device}: {sum}"
            );
            let largest = kernel.iter().copied().fold(0.0, f32::max);
            assert_eq!(
                largest,
                kernel[kernel.len() / 2],
                "{device}: its maximum is in the middle"
            );
        }
    }
}

/// Mean, variance and skewness of the noise of an empty sky, and the absence of correlations between neighbouring
/// pixels, bands and objects, at high and low counts.
#[test]
fn noise_has_the_expected_moments() {
    const SKY_LEFT: f64 = 17.0;
    let mut population = population();
    population.size = 101;
    for sky in [2000.0, 3.0] {
        let read = 2.0;
        let object = |number| {
            let mut object = lone(&population, galaxy(&population, 0.3, 1.0));
            object.light.clear();
            object.key = [number, 7];
            for conditions in &mut object.conditions {
                (conditions.sky, conditions.read_noise) = (sky, read);
                conditions.sky_left = SKY_LEFT;
            }
            object
        };
        let objects = [object(1), object(2)];
        for (device, shape, images) in made(&population, &objects, "images") {
            let (variance, len) = (sky + read * read, shape.pixels() * shape.bands);
            let unit = |place: usize| {
                let electron = population.bands[place % shape.bands].electron;
                (f64::from(images[place]) / electron - SKY_LEFT) / variance.sqrt()
            };
            let values: Vec<f64> = (0..2 * len).map(unit).collect();
            let n = values.len() as f64;
            let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / n;
            let what = format!("{device}, sky {sky}");
            let error = 4.5 / n.sqrt();
            assert!(moment(1).abs() < error, "{what}: mean {}", moment(1));
            assert!((moment(2) - 1.0).abs() < 1.6 * error, "{what}: variance {}", moment(2));
            let skewness = if sky < 30.0 { sky / variance.powf(1.5) } else { 0.0 };
            assert!(
                (moment(3) - skewness).abs() < 4.0 * error,
                "{what}: skewness {}, not {skewness}",
                moment(3)
            );
            for (name, lag) in [
                ("right", shape.bands),
                ("up", shape.bands * shape.w),
                ("band", 1),
                ("object", len),
            ] {
                let pairs = values.iter().zip(&values[lag..]);
                let correlation = pairs.map(|(a, b)| a * b).sum::<f64>() / n;
                assert!(correlation.abs() < error, "{what}: {name}: {correlation}");
            }
        }
    }
}

/// The image of an object does not depend on the other objects of the batch, nor the noise of a pixel on the crop.
#[test]
fn an_object_is_the_same_alone_or_in_a_batch_or_in_a_crop() {
    let population = population();
    let whole = Window::whole(&population);
    let crop = Window::new(&population, 15, &["I".into()]).unwrap();
    let run = |objects: &[Object], window: &Window| -> Vec<Vec<f32>> {
        let lens = LensPlan::new(&population, window, objects.len(), None);
        let words = words(objects, &lens.shape, &population, window);
        let one = |(_, mut engine): (&str, Box<dyn Engine>)| {
            engine.write(lens.objects, &words).unwrap();
            step(&mut *engine);
            bytemuck::cast_slice(&engine.read(lens.images).unwrap()).to_vec()
        };
        engines(&lens.plan).into_iter().map(one).collect()
    };
    let objects = objects(&population);
    let len = 27 * 27 * 4;
    for ((batch, alone), crop) in run(&objects, &whole)
        .iter()
        .zip(run(&objects[1..2], &whole))
        .zip(run(&objects[1..2], &crop))
    {
        assert!(batch[len..2 * len] == alone[..len]);
        let middle = |i: usize, j: usize| f64::from(alone[((i + 6) * 27 + j + 6) * 4 + 1]);
        // Near the edges of the crop, blurring depends on the light beyond; at its centre it does not.
        let noise = population.sky_noise(1);
        for (place, value) in crop[..15 * 15].iter().enumerate() {
            let (i, j) = (place / 15, place % 15);
            if (5..10).contains(&i) && (5..10).contains(&j) {
                assert!((f64::from(*value) - middle(i, j)).abs() < 0.6 * noise, "{i} {j}");
            }
        }
    }
}

/// The light of a source is shared by its main component and its knots, which lie inside an ellipse of its shape.
#[test]
fn knots_share_the_light_of_their_source() {
    let mut population = population();
    let with = |population: &mut Population, number: &str, share: f64| {
        let text = format!("number = {number}\nshare = {share}\nradius = 0.25\nwithin = 1.5");
        population.source.clumps = Clumps::Knots(toml::from_str(&text).unwrap());
    };
    with(&mut population, "{ uniform = [0, 8] }", 0.7);
    let mut plain = population.clone();
    with(&mut plain, "0", 0.7);
    let (mut numbers, mut outermost) = (Vec::new(), 0.0f64);
    for number in 0..300 {
        let (object, alone) = (population.object(3, number), plain.object(3, number));
        let [body] = &alone.source[..] else {
            panic!("a source without knots")
        };
        let knots = &object.source[1..];
        numbers.push(knots.len());
        let flux = |lights: &[Light]| lights.iter().map(|l| l.flux[2]).sum::<f64>() / body.flux[2];
        assert!((flux(&object.source) - 1.0).abs() < 1e-12);
        let share = if knots.is_empty() { 0.0 } else { 0.7 };
        assert!((flux(knots) - share).abs() < 1e-12, "{}", flux(knots));
        for knot in knots {
            let (dx, dy) = (knot.x - body.x, knot.y - body.y);
            let (u, v) = (
                dx * body.angle.cos() + dy * body.angle.sin(),
                dy * body.angle.cos() - dx * body.angle.sin(),
            );
            let radius = (body.axis_ratio * u * u + v * v / body.axis_ratio).sqrt() / body.radius;
            outermost = outermost.max(radius);
            assert!((knot.radius / body.radius - 0.25).abs() < 1e-12 && knot.flux[2] > 0.0);
        }
    }
    assert!((1.4..=1.5 + 1e-9).contains(&outermost), "{outermost}");
    assert!((0..=8).all(|n| numbers.contains(&n)), "{numbers:?}");
}

/// A probability of clumps draws the same objects as in version 0.1: these values are from its `catalogue.csv`.
#[test]
fn a_probability_of_clumps_draws_what_it_always_drew() {
    let object = Population::preset("des").unwrap().object(5, 7);
    let [body, first, second] = &object.source[..] else {
        panic!("{} components", object.source.len())
    };
    for (found, expected) in [
        (body.flux[0], 1.1242499034448352e-10),
        (first.x, -0.7286619588186111),
        (first.radius, 0.09960633227701697),
        (first.flux[0], 1.093376970980703e-10),
        (second.x, -0.7576671680735081),
        (second.flux[0], 8.300208382722712e-11),
        (object.light[1].x, 5.376094355855155),
        (object.conditions[2].sky, 15988.30928938356),
        (object.conditions[2].fwhm, 0.8807102327628662),
    ] {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    }
}

/// The sky grows with the exposure time, and an electron is worth less: the noise falls with the square root.
#[test]
fn a_longer_exposure_has_less_noise_and_the_same_flux() {
    let mut population = population();
    let (band, other) = (&population.bands[1], population.object(3, 4));
    let (electron, noise) = (band.electron, population.sky_noise(1));
    population.bands[1].read_noise = Distribution::Fixed(0.0);
    let sky = population.bands[1].sky.clone();
    let noise_without_reading = population.sky_noise(1);
    population.bands[1].exposure = Distribution::Fixed(4.0);
    population.bands[1].sky_left = Distribution::Fixed(-3.0);
    let object = population.object(3, 4);
    let [long, short] = [&object, &other].map(|object| object.conditions[1]);
    assert_eq!((long.electron, long.sky_left), (electron / 4.0, -12.0));
    assert!((long.sky / short.sky - 4.0).abs() < 1e-12 && sky.range()[0] < short.sky);
    assert!((population.sky_noise(1) / noise_without_reading - 0.5).abs() < 1e-12 && noise > noise_without_reading);
    assert_eq!(
        (object.conditions[0], object.conditions[2]),
        (other.conditions[0], other.conditions[2])
    );
    // The same flux is four times as many electrons.
    let window = Window::whole(&population);
    let shape = LensPlan::new(&population, &window, 1, None).shape;
    let amplitude = |object: &Object, band: usize| {
        let words = object.words(&shape, &population, &window.bands);
        f32::from_bits(words[shape.components_at() + object::COMPONENT_WORDS + band])
    };
    assert_eq!(amplitude(&object, 0), amplitude(&other, 0));
    assert!((amplitude(&object, 1) / amplitude(&other, 1) - 4.0).abs() < 1e-5);
}

/// A source with a quarter of the flux of the relation's magnitude has half of the radius if the power is 1/2.
#[test]
fn brighter_sources_are_larger_with_a_size_relation() {
    let mut population = population();
    population.source.size_relation = None;
    let before = population.object(3, 4).source;
    let flux: f64 = before.iter().map(|light| light.flux[0]).sum();
    population.source.size_relation = Some(SizeRelation {
        power: 0.5,
        magnitude: -2.5 * (4.0 * flux).log10(),
    });
    let after = population.object(3, 4).source;
    assert!(before[0].radius > 0.1, "not at an end of the range");
    for (before, after) in before.iter().zip(&after) {
        assert!((after.radius / before.radius - 0.5).abs() < 1e-9);
        assert!((after.flux[0] / before.flux[0] - 1.0).abs() < 1e-9);
    }
    population.source.radius.within[0] = 0.6 * before[0].radius;
    assert_eq!(population.object(3, 4).source[0].radius, 0.6 * before[0].radius);
}
