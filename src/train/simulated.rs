//! Simulated lenses to train on, instead of images from a folder.
//!
//! They come in blocks, each determined by the seed and its own number, so a resumed run simulates the same ones. An
//! epoch trains on [`EPOCHS_PER_LENS`] blocks: a new one, and those of the epochs before. So no lens is stored, and none
//! is trained on in more than [`EPOCHS_PER_LENS`] epochs. Validation, calibration and held-out lenses are separate
//! blocks. For a network with a lens head, blocks contain the population's other objects as well; only stretch and
//! label scale are always fitted on lenses.

use super::bands::Band;
use super::dataset::{Dataset, EpochImages, Examples};
use super::error::Error;
use super::options::{RunOptions, SimulateOptions};
use super::prepare::{Counts, Prepared, bounded, distances, facts, fit_statistics, label_scale, preparing, range};
use crate::device::Device;
use crate::files;
use crate::lens::simulate::plan::Window;
use crate::lens::simulate::population::Psf;
use crate::lens::simulate::simulator::Lenses;
use crate::lens::{Population, Simulator};
use crate::model::{Model, Target};
use crate::nn::Network;
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::posterior::quantiles::label_quantiles;
use crate::progress::Callback;
use crate::survey::sky::SkyRange;
use crate::survey::{Challenge, Cutout, Photometry, Preset, Stretch};
use rayon::prelude::*;
use std::collections::VecDeque;

/// Epochs that train on the same lens.
const EPOCHS_PER_LENS: usize = 4;
/// Lenses that the stretch is fitted on.
const STRETCH_LENSES: usize = 2000;

/// Numbers of the blocks that are not trained on. The objects of block b have the numbers b 2^32, b 2^32 + 1, ...
const VALIDATION: u64 = 1 << 30;
const CALIBRATION: u64 = VALIDATION + 1;
const HELD_OUT: u64 = VALIDATION + 2;
const STRETCH: u64 = VALIDATION + 3;

/// Simulates and prepares lenses; the counterpart of [`prepare_folder`](super::prepare::prepare_folder).
///
/// # Errors
/// A population that is not valid; bands or a crop that it does not have; a stop.
pub fn prepare(
    options: &RunOptions,
    simulate: &SimulateOptions,
    network: impl FnOnce(&[usize]) -> Result<Network, Error>,
    from: Option<&Model>,
    device: &Device,
    progress: &Callback,
) -> Result<(Prepared, Dataset, Network), Error> {
    let population = simulate.population()?;
    let (window, bands) = window(options, simulate, &population)?;
    let shape = [window.size, window.size, bands.len()];
    let network = network(&shape)?;
    let training = &options.training;
    let mut simulator = Simulator::new(device, &population, window, training.seed, simulate.pool)?;
    let block = simulate.pool / EPOCHS_PER_LENS;
    let least = least_arc_pixels(simulate, &population);
    let drawn = Drawn {
        others: network.heads().lens.is_some(),
        min_arc_pixels: least,
    };
    let counts = Counts {
        train: block * EPOCHS_PER_LENS,
        validation: rows_of(simulate.pool, training.validation),
        calibration: rows_of(simulate.pool, training.calibration),
        held_out: training.hold_out,
    };
    let stretch_lenses = STRETCH_LENSES.min(simulate.pool);
    let all = stretch_lenses + counts.validation + counts.calibration + counts.held_out;
    let mut made = 0;
    let mut lenses = |block: u64, count: usize| {
        let drawn = match block {
            STRETCH => Drawn { others: false, ..drawn },
            _ => drawn,
        };
        let lenses = drawn.block(&mut simulator, block, count)?;
        made += count;
        preparing(progress, made, all)?;
        Ok::<_, Error>(lenses)
    };
    let sample = lenses(STRETCH, stretch_lenses)?;
    let cutouts = cutouts(&sample, shape);
    let sampled: Vec<&Cutout> = cutouts.iter().collect();
    let (stretch, mut warnings) = match from {
        Some(model) => (model.about.stretch.clone(), vec![]),
        None => Stretch::fit(&sampled, &bands, training.softening)?,
    };
    let sky = SkyRange::fit(&sampled, &stretch);
    let statistics = fit_statistics(&sampled, &stretch, &mut warnings);
    let (scale, shift) = match from {
        Some(model) => (model.about.label.scale, model.about.label.shift),
        None => label_scale(&sample.labels, network.heads()),
    };
    let validation = lenses(VALIDATION, counts.validation)?;
    let calibration = lenses(CALIBRATION, counts.calibration)?;
    let held_out = lenses(HELD_OUT, counts.held_out)?;
    let new_images = self::cutouts(
        if counts.calibration > 0 {
            &calibration
        } else {
            &validation
        },
        shape,
    );
    let new_images: Vec<&Cutout> = new_images.iter().collect();
    let distances = distances(&new_images, &stretch, statistics.as_ref());
    let scored = match counts.held_out {
        0 => &validation,
        _ => &held_out,
    };
    let scored = facts(self::cutouts(scored, shape), &stretch, statistics.as_ref());
    let [validation, calibration, held_out] =
        [validation, calibration, held_out].map(|lenses| stretched(&lenses, shape, &stretch));
    let ids = |name: &str, count: usize| (0..count).map(|k| format!("{name}{k}")).collect();
    let label = Target {
        name: "theta_e".into(),
        unit: "arcsec".into(),
        scale,
        shift,
        definition: Some(population.label.name().into()),
        range: range(&sample.labels),
        quantiles: label_quantiles(&sample.labels),
    };
    let network = bounded(network, &label, from);
    let dataset = Dataset {
        // Only their number: [`EpochImages`] makes the images.
        train: Examples {
            images: vec![],
            labels: vec![0.0; counts.train],
        },
        validation,
        bands: Band::all(&stretch, &stretched(&sample, shape, &stretch).images),
        scale,
        shift,
        fingerprint: fingerprint(&population, simulate.pool, least),
    };
    let epoch_images = epoch_images(simulator, block, drawn, shape, stretch.clone());
    let prepared = Prepared {
        pixel_scale: Some(population.pixel_scale),
        photometry: Photometry {
            unit: None,
            zero_points: vec![Some(population.zero_point); shape[2]],
        },
        preset: Preset::by_name(&simulate.population).ok().map(|p| p.name.into()),
        stored: None,
        counts,
        validation_ids: ids("validation", counts.validation),
        held_out_ids: ids("held_out", counts.held_out),
        held_out,
        calibration,
        bands,
        stretch,
        sky,
        statistics,
        distances,
        scored,
        label,
        epoch_images: Some(epoch_images),
        notes: vec![format!(
            "simulated lenses{}: {}",
            if drawn.others { " and other objects" } else { "" },
            population.description
        )],
        warnings,
    };
    Ok((prepared, dataset, network))
}

/// Which objects of the population are used.
#[derive(Clone, Copy)]
struct Drawn {
    /// Whether objects that are not lenses are used.
    others: bool,
    /// Arc pixels that a lens must have.
    min_arc_pixels: u32,
}

impl Drawn {
    /// The first `count` objects of a block.
    fn block(self, simulator: &mut Simulator, block: u64, count: usize) -> Result<Lenses, Error> {
        let (first, min_arc_pixels) = (block << 32, self.min_arc_pixels);
        Ok(match self.others {
            true => simulator.lenses_and_others(first, count, min_arc_pixels)?,
            false => simulator.lenses(first, count, min_arc_pixels)?,
        })
    }
}

/// Epoch e trains on the blocks e to e + [`EPOCHS_PER_LENS`] - 1.
fn epoch_images(
    mut simulator: Simulator,
    block: usize,
    drawn: Drawn,
    shape: [usize; 3],
    stretch: Stretch,
) -> EpochImages {
    let mut held: VecDeque<(usize, Examples)> = VecDeque::new();
    Box::new(move |epoch| {
        held.retain(|(number, _)| (epoch..epoch + EPOCHS_PER_LENS).contains(number));
        for number in epoch..epoch + EPOCHS_PER_LENS {
            if held.iter().all(|(held, _)| *held != number) {
                let lenses = drawn.block(&mut simulator, number as u64, block)?;
                held.push_back((number, stretched(&lenses, shape, &stretch)));
            }
        }
        let mut pool = Examples::default();
        for (_, examples) in &held {
            pool.images.extend_from_slice(&examples.images);
            pool.labels.extend_from_slice(&examples.labels);
        }
        Ok(pool)
    })
}

/// The part of the population's images that the network is given: what the options say, otherwise what the survey preset
/// uses, otherwise all of it.
fn window(
    options: &RunOptions,
    simulate: &SimulateOptions,
    population: &Population,
) -> Result<(Window, Vec<String>), Error> {
    let challenge = challenge(&simulate.population);
    let bands = match (&options.data.bands, challenge) {
        (Some(bands), _) => bands.clone(),
        (None, Some(challenge)) => challenge.bands.iter().map(ToString::to_string).collect(),
        (None, None) => population.bands.iter().map(|b| b.name.clone()).collect(),
    };
    let size = options
        .data
        .crop
        .or(challenge.map(|c| c.crop))
        .unwrap_or(population.size);
    if options.data.flux_scale != 1.0 {
        return Err(Error::FluxScale);
    }
    Ok((Window::new(population, size, &bands)?, bands))
}

/// The challenge that the population of this name simulates.
fn challenge(population: &str) -> Option<&'static Challenge> {
    let preset = Preset::by_name(population).ok()?;
    preset.challenge.as_ref()
}

/// Arc pixels that a lens must have: as many as the population requires, and as the survey preset requires of the images
/// that it trains on.
fn least_arc_pixels(simulate: &SimulateOptions, population: &Population) -> u32 {
    let of_preset = challenge(&simulate.population).map_or(0, |challenge| challenge.min_lensed_pixels as u32);
    population.min_arc_pixels.max(of_preset)
}

/// A fraction of the rows, rounded as for the splits of a folder.
fn rows_of(rows: usize, fraction: f64) -> usize {
    (rows as f64 * fraction).round() as usize
}

fn cutouts(lenses: &Lenses, shape: [usize; 3]) -> Vec<Cutout> {
    let images = lenses.images.chunks_exact(shape.iter().product());
    images
        .map(|image| Cutout::of_image(String::new(), shape, image, None))
        .collect()
}

fn stretched(lenses: &Lenses, shape: [usize; 3], stretch: &Stretch) -> Examples {
    let mut images = vec![0.0; lenses.images.len()];
    cutouts(lenses, shape)
        .par_iter()
        .zip(images.par_chunks_exact_mut(shape.iter().product()))
        .for_each(|(cutout, out)| stretch.apply(cutout, out));
    Examples {
        images,
        labels: lenses.labels.clone(),
    }
}

/// FNV-1a hash of what determines the lenses of a run, besides its seed: the population as a file has it, the images of
/// its PSFs, and these numbers.
fn fingerprint(population: &Population, pool: usize, least_arc_pixels: u32) -> u64 {
    let population = Population {
        description: String::new(),
        ..population.clone()
    };
    let text = serde_json::to_string(&population).expect("a population is text and numbers");
    let psfs = population.bands.iter().filter_map(|band| match &band.psf {
        // It was read before; if it is gone now, so is the run that needs it.
        Psf::Image { file } => Some(files::read(file).unwrap_or_default()),
        _ => None,
    });
    let numbers = format!("{pool} {least_arc_pixels}");
    let bytes = text
        .into_bytes()
        .into_iter()
        .chain(psfs.flatten())
        .chain(numbers.into_bytes());
    fnv1a(FNV_OFFSET, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::fs;

    #[test]
    fn lenses_of_a_survey_have_the_arc_pixels_that_its_preset_requires() {
        for (name, least) in [
            ("lfc1-ground", 20),
            ("lfc1-space", 20),
            ("lenstronomy-check", 20),
            ("euclid", 40),
        ] {
            let simulate = SimulateOptions {
                population: name.into(),
                pool: 8,
            };
            let mut population = simulate.population().unwrap();
            assert_eq!(least_arc_pixels(&simulate, &population), least, "{name}");
            population.min_arc_pixels = 30;
            assert_eq!(least_arc_pixels(&simulate, &population), 30, "{name}");
        }
    }

    /// Where this value changes, runs that simulate and were begun before cannot be resumed.
    #[test]
    fn the_fingerprints_of_the_presets_are_unchanged() {
        let hash = Population::presets().fold(FNV_OFFSET, |hash, name| {
            let of_preset = fingerprint(&Population::preset(name).unwrap(), 8, 20);
            fnv1a(hash, of_preset.to_le_bytes())
        });
        assert_eq!(hash, 2_761_223_662_486_347_092);
    }

    #[test]
    fn a_fingerprint_is_of_what_determines_the_lenses() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("psf.fits");
        let mut population = Population::preset("lfc1-ground").unwrap();
        population.bands[0].psf = Psf::Image { file: file.clone() };
        let mut fingerprints = HashSet::new();
        let mut of = |population: &Population, pool| fingerprints.insert(fingerprint(population, pool, 20));
        assert!(of(&population, 8));
        assert!(of(&population, 9), "the pool");
        fs::write(&file, "another image").unwrap();
        assert!(of(&population, 8), "the PSF");
        population.description = "in other words".into();
        assert!(!of(&population, 8), "not the description");
        population.pixel_scale *= 1.01;
        assert!(of(&population, 8), "any number");
    }
}
