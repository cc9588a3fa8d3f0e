use super::super::cutout::tests::cutout;
use super::*;
use crate::survey::Curve;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const SIZE: usize = 33;
/// Noise of the three bands, flux.
const NOISE: [f32; 3] = [2.0, 3.0, 1.0];
const STRETCH: [f64; 3] = [2.0, 3.0, 1.0];

fn stretch() -> Stretch {
    Stretch {
        scale: STRETCH.to_vec(),
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
        curve: Curve::Asinh,
        softening: vec![],
    }
}

/// A galaxy of random brightness, colour and size in noise; `psf` is its smallest width in pixels.
fn galaxy(rng: &mut ChaCha8Rng, psf: f32) -> Vec<f32> {
    let mut normal = || -> f32 { StandardNormal.sample(rng) };
    let brightness = (4.0 + 0.4 * normal()).exp();
    let width = psf * (1.0 + 0.05 * normal());
    let colours = [1.0, 1.6, 0.4].map(|colour| colour * (0.1 * normal()).exp());
    let offset = [0.2 * normal(), 0.2 * normal()];
    let mut image = Vec::with_capacity(SIZE * SIZE * 3);
    for (y, x) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x))) {
        let at = |v: usize, offset: f32| v as f32 - 16.0 - offset;
        let square = at(y, offset[0]).powi(2) + at(x, offset[1]).powi(2);
        let profile = brightness * (-square / (2.0 * width * width)).exp();
        image.extend([0, 1, 2].map(|band| colours[band] * profile + NOISE[band] * normal()));
    }
    image
}

fn galaxies(n: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| galaxy(&mut rng, 3.0)).collect()
}

fn of(image: &[f32]) -> Vec<f32> {
    statistics(&cutout([SIZE, SIZE, 3], image), &stretch())
}

fn changed(images: &[Vec<f32>], change: impl Fn(&mut [f32])) -> Vec<Vec<f32>> {
    let mut images = images.to_vec();
    images.iter_mut().for_each(|image| change(image));
    images
}

/// Index of a pixel of a band.
fn at(y: usize, x: usize, band: usize) -> usize {
    (y * SIZE + x) * 3 + band
}

#[test]
fn each_statistic_reacts_to_its_mismatch() {
    let images = galaxies(40, 1);
    let rings = rings(SIZE, SIZE).len();
    // sky, noise, noise correlation per band; rings, peaks; two correlations per pair; asymmetry to stripe.
    let pairs = 9 + 3 * rings + 3;
    let (sky, noise, correlation) = (0, 1, 2);
    let (ring, peak) = (9, 9 + 3 * rings);
    let (bands, noise_of_bands) = (pairs, pairs + 1);
    let [asymmetry, dipole, spike, hole, stripe] = [0, 1, 2, 3, 4].map(|k| pairs + 6 + k);
    assert_eq!(stripe + 1, count([SIZE, SIZE, 3]));
    let mean = |images: &[Vec<f32>], statistic: usize| {
        images.iter().map(|image| f64::from(of(image)[statistic])).sum::<f64>() / images.len() as f64
    };
    let shift = |statistic: usize, change: &dyn Fn(&mut [f32])| {
        mean(&changed(&images, change), statistic) - mean(&images, statistic)
    };
    let near = |found: f64, expected: f64, tolerance: f64| {
        assert!((found - expected).abs() < tolerance, "{found}, not {expected}");
    };
    // Values: the noise is that of the image, without correlation.
    near(mean(&images, noise), 0.0, 0.02);
    near(mean(&images, correlation), 0.0, 0.02);
    near(mean(&images, noise_of_bands), 0.0, 0.02);
    near(mean(&images, sky), 0.0, 0.05);
    // An offset of 2 sigma; twice the flux.
    near(
        shift(sky, &|image| image.iter_mut().step_by(3).for_each(|f| *f += 4.0)),
        2f64.asinh(),
        0.06,
    );
    let twice = |image: &mut [f32]| image.iter_mut().step_by(3).for_each(|f| *f *= 2.0);
    near(shift(noise, &twice), 2f64.ln(), 1e-3);
    near(shift(ring, &twice), 2f64.ln(), 1e-3);
    near(shift(peak, &twice), 2f64.ln(), 0.03);
    near(shift(correlation, &twice), 0.0, 1e-3);
    // The mean of two columns: noise of adjacent pixels is correlated.
    let smooth = |image: &mut [f32]| {
        for at in 0..image.len() - 3 {
            image[at] = 0.5 * (image[at] + image[at + 3]);
        }
    };
    assert!(shift(correlation, &smooth) > 0.1 && shift(noise, &smooth) < -0.3);
    // A repeated band; bands in another order.
    let repeat = |image: &mut [f32]| (0..image.len()).step_by(3).for_each(|i| image[i + 1] = image[i]);
    assert!(shift(noise_of_bands, &repeat) > 4.0 && shift(bands, &repeat) > 1.0);
    let swap = |image: &mut [f32]| image.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 1));
    near(shift(noise, &swap), 1.5f64.ln(), 0.02);
    near(shift(ring, &swap), 1.6f64.ln(), 0.1);
    // A pixel, and two pixels, hit by a cosmic ray; a dead one; a bright column; half of the image brighter.
    assert!(shift(spike, &|image| image[at(5, 20, 1)] += 60.0) > 1.0);
    assert!(shift(spike, &|image| (20..22).for_each(|x| image[at(5, x, 1)] += 60.0)) > 1.0);
    assert!(shift(hole, &|image| image[at(16, 16, 1)] = 0.0) > 0.5);
    assert!(shift(stripe, &|image| (0..SIZE).for_each(|y| image[at(y, 7, 2)] += 3.0)) > 0.5);
    assert!(shift(stripe, &|image| (0..SIZE).for_each(|x| image[at(7, x, 2)] += 3.0)) > 0.5);
    let half = |image: &mut [f32]| (0..16 * SIZE * 3).for_each(|at| image[at] += 30.0);
    assert!(shift(asymmetry, &half) > 0.5 && shift(dipole, &half) > 0.5);
}

#[test]
fn flips_and_quarter_turns_change_nothing() {
    for image in galaxies(5, 2) {
        let turned: Vec<f32> = (0..SIZE * SIZE * 3)
            .map(|i| image[at(SIZE - 1 - i / 3 % SIZE, i / 3 / SIZE, i % 3)])
            .collect();
        let flipped: Vec<f32> = image.rchunks_exact(SIZE * 3).flatten().copied().collect();
        let expected = of(&image);
        for other in [turned, flipped] {
            for (k, (a, b)) in expected.iter().zip(of(&other)).enumerate() {
                // Median differences are over other pairs in the corners of the border.
                assert!((a - b).abs() < 0.08, "statistic {k}: {a}, {b}");
            }
        }
    }
}

#[test]
fn new_images_are_rarely_flagged_and_other_ones_nearly_always() {
    use crate::posterior::ood::{FALSE_ALARMS, Threshold};
    let stretch = stretch();
    let cutouts =
        |images: &[Vec<f32>]| -> Vec<Cutout> { images.iter().map(|image| cutout([SIZE, SIZE, 3], image)).collect() };
    let train = cutouts(&galaxies(1500, 3));
    let distribution = fit(&train.iter().collect::<Vec<_>>(), &stretch).unwrap();
    let of_images = |images: &[Vec<f32>]| -> Vec<Distances> {
        cutouts(images)
            .iter()
            .map(|cutout| distances(cutout, &stretch, Some(&distribution)))
            .collect()
    };
    let calibration = of_images(&galaxies(1000, 4));
    let threshold = Threshold::new(&calibration, "x").unwrap();
    let share = |images: &[Vec<f32>]| {
        let scores = of_images(images).into_iter().map(|image| threshold.score_of(&image));
        let above = scores.filter(|&score| score > Some(threshold.score)).count();
        above as f64 / images.len() as f64
    };
    let new = galaxies(1000, 5);
    // Both the threshold and the share have a binomial error.
    let error = (2.0 * FALSE_ALARMS * (1.0 - FALSE_ALARMS) / 1000.0).sqrt();
    let false_alarms = share(&new);
    assert!((false_alarms - FALSE_ALARMS).abs() < 3.0 * error, "{false_alarms}");
    let some = &new[..200];
    let caught = |change: &dyn Fn(&mut [f32])| share(&changed(some, change));
    assert_eq!(
        caught(&|image| image.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 1))),
        1.0
    );
    assert_eq!(
        caught(&|image| image.chunks_exact_mut(3).for_each(|pixel| pixel[1] = pixel[0])),
        1.0
    );
    assert_eq!(caught(&|image| image.iter_mut().for_each(|flux| *flux *= 10.0)), 1.0);
    assert_eq!(caught(&|image| image[at(3, 3, 0)] += 60.0), 1.0);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let wider: Vec<Vec<f32>> = (0..200).map(|_| galaxy(&mut rng, 4.0)).collect();
    assert!(share(&wider) > 0.7, "{}", share(&wider));
}

#[test]
fn masked_pixels_unused_bands_and_extreme_values() {
    let image = &galaxies(1, 7)[0];
    let expected = of(image);
    let mut masked = image.clone();
    for (y, x) in (0..6).flat_map(|y| (0..6).map(move |x| (y, x))) {
        (0..3).for_each(|band| masked[at(y, x, band)] = f32::NAN);
    }
    masked[at(16, 16, 1)] = f32::NAN;
    for (k, (a, b)) in expected.iter().zip(of(&masked)).enumerate() {
        assert!((a - b).abs() < 0.35, "statistic {k}: {a}, {b}");
    }
    let unused = Stretch {
        scale: vec![2.0, 0.0, 1.0],
        ..stretch()
    };
    for size in [1, 2, 3, 5, 8, 9, 20, 101] {
        for value in [0.0, 1.0, f32::NAN, f32::MAX, f32::MIN_POSITIVE] {
            for stretch in [&stretch(), &unused] {
                let image = vec![value; size * (size + 1) * 3];
                let all = statistics(&cutout([size, size + 1, 3], &image), stretch);
                assert_eq!(all.len(), count([size, size + 1, 3]));
                assert!(all.iter().all(|s| s.is_finite()), "{size} {value}: {all:?}");
            }
        }
    }
    assert_eq!(count([6, 5, 1]), 3 + 1 + 1 + 5);
}

#[test]
fn the_border_is_that_of_cutouts() {
    for shape in [[55, 55, 1], [10, 23, 1], [8, 9, 1], [3, 2, 1]] {
        let [height, width, _] = shape;
        let frame = Frame::new(height, width);
        let image: Vec<f32> = (0..height * width).map(|i| i as f32).collect();
        let border: Vec<f64> = cutout(shape, &image).border(0).collect();
        let pixels: Vec<f64> = frame.pixels.iter().map(|&at| at as f64).collect();
        assert_eq!(pixels, border);
        for (a, b) in frame.pairs_at_two {
            assert!(border.contains(&(a as f64)) && border.contains(&(b as f64)));
            assert!(b == a + 2 && b / width == a / width || b == a + 2 * width);
        }
    }
}
