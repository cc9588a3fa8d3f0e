//! The simulator: its operations on every device against the f64 reference, deflections against an integration that has
//! nothing in common with the kernels' series, and what must hold of any image: its flux and its noise.

mod reference;

use lensgpu::device::cpu::CpuEngine;
use lensgpu::device::{Device, Engine};
use lensgpu::lens::Population;
use lensgpu::lens::physics::mass::Mass;
use lensgpu::lens::simulate::object::{Light, Object};
use lensgpu::lens::simulate::plan::{LensPlan, Window, deflection};
use lensgpu::plan::{LAYERS, LensOp, LensShape, MASKED, Op, Plan, TensorId, object};
use reference::compare::assert_close;
use reference::{Memory, lens, run};
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

/// A population with everything in it, in small.
fn population() -> Population {
    let mut population = Population::preset("lfc1-ground").unwrap();
    population.size = 27;
    population.samples = 3;
    population.lens_share = 1.0;
    population.deflector.theta_e = lensgpu::lens::simulate::population::Radii::Drawn(
        lensgpu::lens::simulate::distribution::Distribution::Fixed(1.1),
    );
    population.masks.as_mut().unwrap().patches = 1.0;
    population
}

/// Lenses, the second one without shear and isothermal; the third is none.
fn objects(population: &Population) -> Vec<Object> {
    let mut objects: Vec<Object> = (0..3).map(|number| population.draw(5, number)).collect();
    objects[1].mass.slope = 1.0;
    objects[1].mass.shear = [0.0; 2];
    objects[2].is_lens = false;
    objects[2].source.clear();
    objects
}

fn words(objects: &[Object], shape: &LensShape, population: &Population, window: &Window) -> Vec<u32> {
    objects
        .iter()
        .flat_map(|o| o.words(shape, population, &window.bands))
        .collect()
}

fn tolerance(op: &Op) -> f64 {
    match op {
        Op::Lens(LensOp::LensRender(_)) | Op::Lens(LensOp::LensNoise(_)) => 1e-4,
        _ => 2e-5,
    }
}

/// One operation at a time, from what the reference has before it.
#[test]
fn every_operation_is_as_the_reference_has_it() {
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
                match op {
                    Op::Lens(LensOp::LensNoise(_)) if tensor == lens.images => check_noise(&what, got, want),
                    // A pixel at the threshold may count or not.
                    Op::Lens(LensOp::LensArcs(_)) if tensor == lens.images => assert_close(&what, got, want, 2e-2),
                    _ => assert_close(&what, got, want, tolerance(op)),
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

/// Masked pixels are the same ones, and the noise of the others is the same number.
fn check_noise(what: &str, got: &[f64], want: &[f64]) {
    let masked = f64::from(MASKED);
    let places = |values: &[f64]| -> Vec<usize> { (0..values.len()).filter(|&i| values[i] == masked).collect() };
    assert_eq!(places(got), places(want), "{what}");
    let rest = |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|v| *v != masked).collect() };
    assert_close(what, &rest(got), &rest(want), 1e-4);
}

fn mass(q: f64, t: f64, angle: f64, shear: [f64; 2]) -> Mass {
    Mass {
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
fn points(mass: &Mass) -> Vec<[f64; 2]> {
    let mut points = Vec::new();
    for r in [1e-3, 1e-2, 0.1, 0.7, 1.4, 3.0, 10.0] {
        for k in 0..16 {
            // Multiples of a right angle, exactly: on the axes where the angle is 0.
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

#[test]
fn deflections_and_jacobians_are_those_of_the_integrated_convergence() {
    let population = population();
    let mut masses = Vec::new();
    for q in [0.2, 0.35, 0.6, 0.9, 0.999, 1.0] {
        for t in [0.5, 0.8, 1.0, 1.3, 1.5] {
            for (angle, shear) in [(0.0, [0.0; 2]), (0.8, [0.07, -0.04])] {
                masses.push(mass(q, t, angle, shear));
            }
        }
    }
    let points = points(&masses[0]);
    let objects: Vec<Object> = masses
        .iter()
        .map(|mass| Object {
            mass: *mass,
            isothermal: None,
            ..population.draw(1, 0)
        })
        .collect();
    let window = Window::whole(&population);
    let shape = LensPlan::new(&population, &window, objects.len(), None).shape;
    let (plan, [objects_id, at, out]) = deflection(shape, points.len());
    let place: Vec<f32> = points.iter().flatten().map(|v| *v as f32).collect();
    let mut memory = Memory::new(&plan, 1);
    let words = words(&objects, &shape, &population, &window);
    memory.set_words(objects_id, &words);
    memory.set_words(at, bytemuck::cast_slice(&place));
    run(&plan.ops[0], &mut memory);
    let want = memory.all(out);
    for (device, mut engine) in engines(&plan) {
        engine.write(objects_id, &words).unwrap();
        engine.write(at, bytemuck::cast_slice(&place)).unwrap();
        step(&mut *engine);
        let got = engine.read(out).unwrap();
        let got: &[f32] = bytemuck::cast_slice(&got);
        let (mut worst, mut worst_entry) = (0.0f64, 0.0f64);
        for (k, (got, want)) in got.chunks_exact(6).zip(want.chunks_exact(6)).enumerate() {
            let (mass, point) = (masses[k / points.len()], points[k % points.len()]);
            let largest = want[2..].iter().fold(0.0f64, |a, v| a.max(v.abs()));
            for (entry, (got, want)) in got.iter().zip(want).enumerate() {
                // A thousandth of an arcsec from the centre entries are thousands, and f32 rounds the small ones with them.
                let (scale, rounding) = if entry < 2 {
                    (mass.theta_e, 0.0)
                } else {
                    (want.abs().max(1.0), 4.0 * f64::from(f32::EPSILON) * largest)
                };
                let error = ((f64::from(*got) - want).abs() - rounding).max(0.0) / scale;
                assert!(
                    error < 1e-4,
                    "{device}: entry {entry} is {got}, not {want}, at {point:?} of {mass:?}"
                );
                if entry < 2 {
                    worst = worst.max(error)
                } else {
                    worst_entry = worst_entry.max(error)
                }
            }
        }
        println!("{device}: deflections to {worst:.1e} theta_e, Jacobians to {worst_entry:.1e}");
    }
}

/// At the centre itself and next to nothing away from it nothing is infinite.
#[test]
fn the_very_centre_is_finite() {
    let population = population();
    let objects = [Object {
        mass: Mass {
            x: 0.0,
            y: 0.0,
            ..mass(0.3, 1.0, 0.4, [0.0; 2])
        },
        ..population.draw(1, 0)
    }];
    let window = Window::whole(&population);
    let shape = LensPlan::new(&population, &window, 1, None).shape;
    let place = [0.0f32, 0.0, 1e-12, 0.0, 0.0, -1e-9, 1e-6, 1e-6];
    let (plan, [objects_id, at, out]) = deflection(shape, 4);
    for (device, mut engine) in engines(&plan) {
        engine
            .write(objects_id, &words(&objects, &shape, &population, &window))
            .unwrap();
        engine.write(at, bytemuck::cast_slice(&place)).unwrap();
        step(&mut *engine);
        let got = engine.read(out).unwrap();
        let got: &[f32] = bytemuck::cast_slice(&got);
        assert!(
            got.iter().all(|v| v.is_finite()) && got[..2] == [0.0; 2],
            "{device}: {got:?}"
        );
        // An isothermal mass bends as much however near.
        assert!(
            got[6].hypot(got[7]) > 1.0 && got[18].hypot(got[19]) > 1.0,
            "{device}: {got:?}"
        );
    }
}

/// The reference itself: its integral is Kormann's closed form, and so is the host's series.
#[test]
fn the_reference_and_the_host_agree_with_the_closed_form() {
    for q in [0.2, 0.5, 0.9] {
        for angle in [0.0, 0.8] {
            let host = mass(q, 1.0, angle, [0.0; 2]);
            let mass = lens::Mass {
                x: host.x,
                y: host.y,
                cos: angle.cos(),
                sin: angle.sin(),
                q,
                b: host.scale(),
                t: 1.0,
                shear: [0.0; 2],
            };
            for point in points(&host) {
                let closed = mass.isothermal(point);
                assert_close("integral", &mass.alpha(point), &closed, 1e-7);
                assert_close("series", &host.alpha(point[0], point[1]), &closed, 1e-7);
            }
        }
    }
}

/// Light of one galaxy in the middle of an otherwise empty object, total in electrons.
fn lone(population: &Population, light: Light) -> Object {
    let mut object = population.draw(1, 0);
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

/// The sums of all tensors of a name after a step.
fn made(population: &Population, objects: &[Object], tensor: &str) -> Vec<(&'static str, LensShape, Vec<f32>)> {
    let window = Window::whole(population);
    let lens = LensPlan::new(population, &window, objects.len(), None);
    let words = words(objects, &lens.shape, population, &window);
    let tensor = lens.plan.find(tensor).unwrap();
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

/// Cusps included: what falls on the image is the profile's light.
#[test]
fn a_galaxys_light_is_all_there_and_blurring_keeps_it() {
    let mut population = population();
    population.size = 75;
    for (radius, index) in [(0.3, 0.5), (0.3, 1.0), (0.15, 1.0), (0.25, 4.0), (0.2, 5.0)] {
        let objects = [lone(&population, galaxy(&population, radius, index))];
        // What lies beyond the image: by the profile's own integral, as far as a circle goes.
        let beyond = outside(index, 7.5 / radius);
        for (device, shape, light) in made(&population, &objects, "light") {
            let plane = &light[shape.bands * shape.pixels()..][..shape.pixels()];
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
                    light[(shape.bands + band) * shape.pixels()..][..shape.pixels()]
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

/// Share of a Sersic profile's light beyond `radii` of its radius.
fn outside(index: f64, radii: f64) -> f64 {
    let b = lensgpu::lens::simulate::object::sersic_b(index);
    let (mut all, mut out) = (0.0, 0.0);
    for k in -12_000..8_000 {
        let r = (f64::from(k) * 1e-3).exp();
        let ring = r * r * (-b * r.powf(1.0 / index)).exp();
        all += ring;
        out += if r > radii { ring } else { 0.0 };
    }
    out / all
}

/// Every kernel, the user's narrowest and widest too, has the sum 1 and keeps a point's light.
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

/// Mean, variance and skewness of the noise of an empty sky, and that neighbouring pixels, bands and objects know nothing
/// of each other: for many electrons and for few.
#[test]
fn noise_has_the_moments_that_it_should() {
    let mut population = population();
    population.size = 101;
    for sky in [2000.0, 3.0] {
        let read = 2.0;
        let object = |number| {
            let mut object = lone(&population, galaxy(&population, 0.3, 1.0));
            object.light.clear();
            object.key = [number, 7];
            for seen in &mut object.seen {
                (seen.sky, seen.read_noise) = (sky, read);
            }
            object
        };
        let objects = [object(1), object(2)];
        for (device, shape, images) in made(&population, &objects, "images") {
            let (variance, len) = (sky + read * read, shape.pixels() * shape.bands);
            let unit = |place: usize| {
                let electron = population.bands[place % shape.bands].electron;
                f64::from(images[place]) / electron / variance.sqrt()
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

/// An object's image does not depend on what else is made, nor its pixels' noise on the window.
#[test]
fn an_object_is_the_same_alone_in_company_and_in_a_window() {
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
    for ((company, alone), crop) in run(&objects, &whole)
        .iter()
        .zip(run(&objects[1..2], &whole))
        .zip(run(&objects[1..2], &crop))
    {
        assert!(company[len..2 * len] == alone[..len]);
        let middle = |i: usize, j: usize| f64::from(alone[((i + 6) * 27 + j + 6) * 4 + 1]);
        // Near the edge the blurring sees what lies beyond; in the middle it does not matter any more.
        let noise = population.sky_noise(1);
        for (place, value) in crop[..15 * 15].iter().enumerate() {
            let (i, j) = (place / 15, place % 15);
            if (5..10).contains(&i) && (5..10).contains(&j) {
                assert!((f64::from(*value) - middle(i, j)).abs() < 0.6 * noise, "{i} {j}");
            }
        }
    }
    assert_eq!((LAYERS, object::MASS), (2, 4));
}
