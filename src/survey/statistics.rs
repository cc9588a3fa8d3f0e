//! Statistics of a cutout that need no network: what changes with other units, noise, bands, point spread functions, pixel
//! scales and objects. [`ImageDistribution`] says which values are usual.
//!
//! | statistics | number | of |
//! |---|---|---|
//! | `sky`, `noise`, `noise_correlation` | one each per band | the border: level; differences of adjacent pixels; those at a distance of two pixels relative to these |
//! | `ring` | per ring and band | mean flux in rings around the centre: brightness, colours, concentration, sharpness |
//! | `peak` | per band | flux in the centre above that of the third ring |
//! | `correlation`, `noise_correlation` of bands | one each per pair of bands | all pixels; differences of adjacent pixels in the border |
//! | `asymmetry`, `dipole` | 1 each | the centre against itself rotated by 180 degrees; centre of light |
//! | `spike`, `hole`, `stripe` | 1 each | pixels above and below all but one of their neighbours; rows and columns that differ from their neighbours |
//!
//! Those of a row of a table are its standardised features.
//!
//! Fluxes are in units of the stretch's scale. All statistics are asinh, ln or atanh of what they describe, so a relative
//! change shifts them by the same amount at any level. None changes if the image is flipped or rotated by 90 degrees.

use super::cutout::{BORDER, is_row};
use super::{Cutout, Stretch};
use crate::posterior;
use crate::posterior::ood::{Distances, ImageDistribution};
use rayon::prelude::*;

/// Inner radii of the rings, pixels; further rings are larger by [`GROWTH`].
const RINGS: [f32; 8] = [0.0, 1.5, 3.0, 5.0, 8.0, 12.0, 17.0, 24.0];
/// Ratio of the outer to the inner radius of rings beyond [`RINGS`].
const GROWTH: f32 = 1.4;
/// Radius, pixels, within which the asymmetry is measured.
const ASYMMETRY_RADIUS: f32 = 12.0;
/// Radius, pixels, within which the dipole is measured.
const DIPOLE_RADIUS: f32 = 5.0;
/// Largest flux, in units of the stretch's scale: its square is finite.
const MAX_FLUX: f64 = 1e6;
/// Differences beyond this many standard deviations of the noise count as this many.
const MAX_DIFFERENCE: f32 = 4.0;
/// Median absolute difference of two pixels to the standard deviation of one.
const TO_SIGMA: f32 = 1.4826 * std::f32::consts::FRAC_1_SQRT_2;
/// Smallest noise, in units of the stretch's scale.
const LEAST_NOISE: f32 = 1e-4;

/// Number of statistics of an image of this shape: height, width, bands.
pub fn count(shape: [usize; 3]) -> usize {
    let [height, width, bands] = shape;
    if is_row([height, width]) {
        return bands;
    }
    bands * (3 + rings(height, width).len() + 1) + bands * (bands - 1) + 5
}

/// The statistics of a cutout, always finite; [`count`] of them. Masked pixels count as their neighbours do.
///
/// # Panics
/// If the bands are not those of the stretch.
pub fn statistics(cutout: &Cutout, stretch: &Stretch) -> Vec<f32> {
    assert_eq!(cutout.channels, stretch.scale.len(), "the stretch has other bands");
    if cutout.is_row() {
        let mut features = vec![0.0; cutout.channels];
        stretch.apply(cutout, &mut features);
        return features;
    }
    let size = (cutout.height, cutout.width);
    let frame = Frame::new(cutout.height, cutout.width);
    let bands: Vec<Band> = (0..cutout.channels)
        .map(|b| Band::new(cutout, stretch, b, &frame))
        .collect();
    let mut all = Vec::with_capacity(count([cutout.height, cutout.width, cutout.channels]));
    for band in &bands {
        all.extend([band.sky.asinh(), band.noise.ln(), (band.noise_at_two / band.noise).ln()]);
    }
    rings_and_peaks(&bands, size, &mut all);
    for (second, b) in bands.iter().enumerate() {
        for a in &bands[..second] {
            all.push(fisher(correlation(&a.roots, &b.roots)));
            all.push(fisher(correlation(&a.differences, &b.differences)));
        }
    }
    all.extend(shape(&bands, size));
    all.extend(defects(&bands, size));
    all
}

/// Images that a distribution is fitted to: enough for the covariance of a hundred statistics.
const FIT_IMAGES: usize = 10_000;

/// The distribution of the statistics of training images.
///
/// # Errors
/// Those of [`ImageDistribution::fit`].
pub fn fit(training: &[&Cutout], stretch: &Stretch) -> Result<ImageDistribution, posterior::Error> {
    let some = &training[..training.len().min(FIT_IMAGES)];
    let rows: Vec<Vec<f32>> = some.par_iter().map(|cutout| statistics(cutout, stretch)).collect();
    ImageDistribution::fit(&rows)
}

/// The distances of one image that need no network.
pub fn distances(cutout: &Cutout, stretch: &Stretch, training: Option<&ImageDistribution>) -> Distances {
    let distances = training.map(|training| training.distances(&statistics(cutout, stretch)));
    Distances {
        features: None,
        statistics: distances.map(|[distance, _]| distance),
        largest: distances.map(|[_, largest]| largest),
    }
}

/// One band, in units of the stretch's scale.
struct Band {
    /// (H, W).
    flux: Vec<f32>,
    /// (H, W): square roots of the flux with its sign, without their mean. They correlate as bright and faint parts do.
    roots: Vec<f32>,
    /// Of adjacent pixels in the border, in units of the noise; 0 where a pixel is masked.
    differences: Vec<f32>,
    /// Median of the border.
    sky: f32,
    /// Standard deviation of a pixel, from differences of adjacent ones in the border.
    noise: f32,
    /// The same from pixels at a distance of two.
    noise_at_two: f32,
}

impl Band {
    fn new(cutout: &Cutout, stretch: &Stretch, band: usize, frame: &Frame) -> Band {
        let scale = stretch.scale[band];
        let unit = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let scaled = |flux: f32| (f64::from(flux) * unit).clamp(-MAX_FLUX, MAX_FLUX) as f32;
        let pixels = cutout.pixels.chunks_exact(cutout.channels);
        let mut flux: Vec<f32> = pixels.map(|pixel| scaled(pixel[band])).collect();
        let masked: Option<Vec<bool>> =
            (cutout.masked_fraction > 0.0).then(|| cutout.band(band).map(|(_, masked)| masked).collect());
        let usable = |at: usize| masked.as_ref().is_none_or(|masked| !masked[at]);

        let mut sky: Vec<f32> = frame
            .pixels
            .iter()
            .filter(|&&at| usable(at))
            .map(|&at| flux[at])
            .collect();
        let sky = median(&mut sky);
        let difference = |&(a, b): &(usize, usize)| match usable(a) && usable(b) {
            true => flux[b] - flux[a],
            false => f32::NAN,
        };
        let spread = |differences: &[f32]| {
            let known = differences.iter().filter(|difference| !difference.is_nan());
            let mut sizes: Vec<u32> = known.map(|difference| difference.abs().to_bits()).collect();
            (TO_SIGMA * median_of_sizes(&mut sizes)).max(LEAST_NOISE)
        };
        let mut differences: Vec<f32> = frame.pairs.iter().map(difference).collect();
        let noise = spread(&differences);
        let at_two: Vec<f32> = frame.pairs_at_two.iter().map(difference).collect();
        let noise_at_two = spread(&at_two);
        let limit = MAX_DIFFERENCE * noise;
        for difference in &mut differences {
            *difference = match difference.is_nan() {
                true => 0.0,
                false => difference.clamp(-limit, limit) / noise,
            };
        }

        if let Some(masked) = &masked {
            fill(&mut flux, masked, cutout.width, sky);
        }
        let mut roots: Vec<f32> = flux.iter().map(|f| f.abs().sqrt().copysign(*f)).collect();
        let mean = roots.iter().sum::<f32>() / roots.len() as f32;
        roots.iter_mut().for_each(|root| *root -= mean);
        Band {
            flux,
            roots,
            differences,
            sky,
            noise,
            noise_at_two,
        }
    }
}

/// Gives masked pixels the mean of their unmasked neighbours, or `sky` if all are masked.
fn fill(flux: &mut [f32], masked: &[bool], width: usize, sky: f32) {
    let height = flux.len() / width;
    for at in (0..flux.len()).filter(|&at| masked[at]) {
        let (y, x) = (at / width, at % width);
        let neighbours = [
            (y > 0).then(|| at - width),
            (y + 1 < height).then(|| at + width),
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
        ];
        let known = neighbours.into_iter().flatten().filter(|&at| !masked[at]);
        let (sum, n) = known.fold((0.0, 0.0), |(sum, n), at| (sum + flux[at], n + 1.0));
        flux[at] = if n > 0.0 { sum / n } else { sky };
    }
}

/// The outer [`BORDER`] rows and columns, as indices of pixels.
struct Frame {
    /// Row by row.
    pixels: Vec<usize>,
    /// Pixels with the one to the right and the one below, if both are in the frame.
    pairs: Vec<(usize, usize)>,
    /// The same at a distance of two pixels.
    pairs_at_two: Vec<(usize, usize)>,
}

impl Frame {
    fn new(height: usize, width: usize) -> Frame {
        let inner = |at: usize, size: usize| (BORDER..size.saturating_sub(BORDER)).contains(&at);
        let contains = |y: usize, x: usize| y < height && x < width && !(inner(y, height) && inner(x, width));
        let mut frame = Frame {
            pixels: vec![],
            pairs: vec![],
            pairs_at_two: vec![],
        };
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            if !contains(y, x) {
                continue;
            }
            let at = y * width + x;
            frame.pixels.push(at);
            for (step, pairs) in [(1, &mut frame.pairs), (2, &mut frame.pairs_at_two)] {
                if contains(y, x + step) {
                    pairs.push((at, at + step));
                }
                if contains(y + step, x) {
                    pairs.push((at, at + step * width));
                }
            }
        }
        frame
    }
}

/// Outer radii of the rings that lie inside an image; at least one.
fn rings(height: usize, width: usize) -> Vec<f32> {
    let half = height.min(width) as f32 / 2.0;
    let mut outer: Vec<f32> = RINGS[1..].to_vec();
    while let Some(next) = outer.last().map(|last| last * GROWTH)
        && next <= half
    {
        outer.push(next);
    }
    let inside = outer.iter().filter(|&&radius| radius <= half).count();
    outer.truncate(inside.max(1));
    outer
}

/// Asinh of the mean flux per ring and band, in units of twice the standard error that the stretch's scale gives; then
/// per band that of the first ring above the third, or above 0 if there is none.
fn rings_and_peaks(bands: &[Band], (height, width): (usize, usize), all: &mut Vec<f32>) {
    let outer = rings(height, width);
    let (mut counts, mut sums) = (vec![0.0f32; outer.len()], vec![0.0f32; outer.len() * bands.len()]);
    for (at, square) in squared_radii(height, width).enumerate() {
        let Some(ring) = outer.iter().position(|radius| square < radius * radius) else {
            continue;
        };
        counts[ring] += 1.0;
        for (sum, band) in sums[ring * bands.len()..].iter_mut().zip(bands) {
            *sum += band.flux[at];
        }
    }
    let unit = |ring: usize| 0.5 * counts[ring].sqrt();
    let mean = |ring: usize, band: usize| sums[ring * bands.len() + band] / counts[ring].max(1.0);
    for ring in 0..outer.len() {
        all.extend((0..bands.len()).map(|band| (mean(ring, band) * unit(ring)).asinh()));
    }
    let around = |band: usize| if outer.len() > 2 { mean(2, band) } else { 0.0 };
    all.extend((0..bands.len()).map(|band| ((mean(0, band) - around(band)) * unit(0)).asinh()));
}

/// Squared distances from the centre, pixels, row by row.
fn squared_radii(height: usize, width: usize) -> impl Iterator<Item = f32> {
    let offset = |at: usize, size: usize| at as f32 - (size - 1) as f32 / 2.0;
    (0..height).flat_map(move |y| (0..width).map(move |x| offset(y, height).powi(2) + offset(x, width).powi(2)))
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let norm = (product(a, a) * product(b, b)).sqrt();
    if norm > 0.0 { product(a, b) / norm } else { 0.0 }
}

/// Fisher's transformation of a correlation, whose error does not depend on its value.
fn fisher(correlation: f32) -> f32 {
    correlation.clamp(-0.9999, 0.9999).atanh()
}

/// Asymmetry and dipole of the mean over bands, each relative to the sum of absolute fluxes.
fn shape(bands: &[Band], (height, width): (usize, usize)) -> [f32; 2] {
    let mean = |at: usize| bands.iter().map(|band| band.flux[at]).sum::<f32>() / bands.len() as f32;
    let last = height * width - 1;
    let (mut difference, mut total) = (0.0, 1.0);
    let (mut dipole, mut inner) = ([0.0f32; 2], 1.0);
    for (at, square) in squared_radii(height, width).enumerate() {
        if square >= ASYMMETRY_RADIUS * ASYMMETRY_RADIUS {
            continue;
        }
        let flux = mean(at);
        difference += (flux - mean(last - at)).abs();
        total += flux.abs();
        if square < DIPOLE_RADIUS * DIPOLE_RADIUS {
            dipole[0] += flux * ((at / width) as f32 - (height - 1) as f32 / 2.0);
            dipole[1] += flux * ((at % width) as f32 - (width - 1) as f32 / 2.0);
            inner += flux.abs();
        }
    }
    let dipole = dipole[0].hypot(dipole[1]) / inner;
    [(difference / total + 0.01).ln(), (dipole + 0.01).ln()]
}

/// The largest spike, hole and stripe of all bands.
///
/// A spike is a pixel's flux above the second largest of its four neighbours, so a cosmic ray may hit two pixels; a tenth
/// of the neighbour's flux is added to the noise, because peaks of galaxies are sharp as well. A stripe is a row or column
/// whose pixels, clipped to the noise, differ from the mean of their neighbours on both sides.
fn defects(bands: &[Band], (height, width): (usize, usize)) -> [f32; 3] {
    let mut stripe = 0.0f32;
    if height < 3 || width < 3 {
        return [0.1f32.ln(), 0.1f32.ln(), 0.01f32.ln()];
    }
    let inner = width - 2;
    // Per column, so that the loop over a row is one over independent lanes.
    let [mut spikes, mut holes] = [vec![0.0f32; inner], vec![0.0f32; inner]];
    for band in bands {
        let noise = 1.0 / band.noise;
        let scaled: Vec<f32> = band.flux.iter().map(|flux| flux * noise).collect();
        let (mut rows, mut columns) = (vec![0.0f32; inner], vec![0.0f32; inner]);
        for y in 1..height - 1 {
            let part = |y: usize, x: usize| &scaled[y * width + x..][..inner];
            let (centre, left, right) = (part(y, 1), part(y, 0), part(y, 2));
            let (up, down) = (part(y - 1, 1), part(y + 1, 1));
            for x in 0..inner {
                let (flux, left, right, up, down) = (centre[x], left[x], right[x], up[x], down[x]);
                // The middle two of the four neighbours.
                let (a, b) = (
                    least(most(left, right), most(up, down)),
                    most(least(left, right), least(up, down)),
                );
                let (second, third) = (most(a, b), least(a, b));
                spikes[x] = most(spikes[x], (flux - second) / (1.0 + 0.1 * second.abs()));
                holes[x] = most(holes[x], (third - flux) / (1.0 + 0.1 * third.abs()));
                rows[x] = (flux - 0.5 * (up + down)).clamp(-1.0, 1.0);
                columns[x] += (flux - 0.5 * (left + right)).clamp(-1.0, 1.0);
            }
            stripe = most(stripe, rows.iter().sum::<f32>().abs() / inner as f32);
        }
        let column = columns
            .iter()
            .fold(0.0f32, |largest, column| most(largest, column.abs()));
        stripe = most(stripe, column / (height - 2) as f32);
    }
    let largest = |values: &[f32]| values.iter().copied().fold(0.1, most);
    [largest(&spikes).ln(), largest(&holes).ln(), (stripe + 0.01).ln()]
}

/// The larger of two numbers that are not NaN: one instruction, unlike [`f32::max`].
fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The smaller of two numbers that are not NaN.
fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The median, or the upper one of an even number of values; 0 without values.
fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let half = values.len() / 2;
    *values.select_nth_unstable_by(half, f32::total_cmp).1
}

/// The median of numbers that are not negative: they are ordered as their bits are, which compares faster.
fn median_of_sizes(sizes: &mut [u32]) -> f32 {
    if sizes.is_empty() {
        return 0.0;
    }
    let half = sizes.len() / 2;
    f32::from_bits(*sizes.select_nth_unstable(half).1)
}

#[cfg(test)]
mod tests;
