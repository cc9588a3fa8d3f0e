//! Lenses made on the fly instead of read from a folder.
//!
//! They come in blocks, each made from the run's seed and its own number alone, so a run that goes on makes the same
//! ones. An epoch trains on [`SEEN`] blocks: one that is new and those of the epochs before, so that no lens is stored,
//! and none seen in more than [`SEEN`] epochs. Validation, calibration and held-out lenses are blocks of their own.

use super::bands::Band;
use super::options::{RunOptions, SimulateOptions};
use super::prepare::{Counts, Prepared, label_scale, range};
use super::trainer::{Dataset, Examples, Fresh};
use crate::device::Device;
use crate::lens::simulate::plan::Window;
use crate::lens::simulate::simulator::Lenses;
use crate::lens::{Population, Simulator};
use crate::model::{Model, Target};
use crate::nn::Network;
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::survey::sky::SkyRange;
use crate::survey::{Cutout, Preset, Stretch};
use anyhow::{Result, ensure};
use std::collections::VecDeque;

/// Epochs that see a lens.
const SEEN: usize = 4;
/// Lenses that the stretch is fitted on.
const STRETCH: usize = 2000;

/// Blocks that are not trained on, by number; an object's number in the population is its block's times 2^32 and on.
const VALIDATION: u64 = 1 << 30;
const CALIBRATION: u64 = VALIDATION + 1;
const HELD_OUT: u64 = VALIDATION + 2;
const OF_THE_STRETCH: u64 = VALIDATION + 3;

/// What [`Prepared::new`] gives for a folder.
///
/// # Errors
/// A population that cannot be; bands or a crop that it does not have; a model to start from that has another stretch.
pub fn prepare(
    options: &RunOptions,
    simulate: &SimulateOptions,
    network: impl FnOnce(&[usize]) -> Result<Network>,
    from: Option<&Model>,
    device: &Device,
    progress: &dyn Fn(usize, usize) -> Result<()>,
) -> Result<(Prepared, Dataset, Network)> {
    let population = simulate.population()?;
    let (window, bands) = window(options, simulate, &population)?;
    let shape = [window.size, window.size, bands.len()];
    let network = network(&shape)?;
    let training = &options.training;
    let mut simulator = Simulator::new(device, &population, window, training.seed, simulate.pool)?;
    let block = simulate.pool / SEEN;
    let least = least_arc_pixels(simulate, &population);
    let counts = Counts {
        train: block * SEEN,
        validation: share(simulate.pool, training.validation),
        calibration: share(simulate.pool, training.calibration),
        held_out: training.hold_out,
    };
    let of_the_stretch = STRETCH.min(simulate.pool);
    let all = of_the_stretch + counts.validation + counts.calibration + counts.held_out;
    let mut made = 0;
    let mut lenses = |block: u64, count: usize| {
        let lenses = simulator.lenses(block << 32, count, least)?;
        made += count;
        progress(made, all)?;
        anyhow::Ok(lenses)
    };
    let sample = lenses(OF_THE_STRETCH, of_the_stretch)?;
    let cutouts = cutouts(&sample, shape);
    let seen: Vec<&Cutout> = cutouts.iter().collect();
    let (stretch, warnings) = match from {
        Some(model) => (model.about.stretch.clone(), vec![]),
        None => Stretch::fit(&seen, &bands)?,
    };
    let sky = SkyRange::fit(&seen, &stretch);
    let (scale, shift) = match from {
        Some(model) => (model.about.label.scale, model.about.label.shift),
        None => label_scale(&sample.labels, network.heads()),
    };
    let mut examples = |block, count| Ok(stretched(&lenses(block, count)?, shape, &stretch));
    let validation: Examples = examples(VALIDATION, counts.validation)?;
    let calibration: Result<Examples> = examples(CALIBRATION, counts.calibration);
    let held_out: Result<Examples> = examples(HELD_OUT, counts.held_out);
    let ids = |name: &str, count: usize| (0..count).map(|k| format!("{name}{k}")).collect();
    let label = Target {
        name: "theta_e".into(),
        unit: "arcsec".into(),
        scale,
        shift,
        definition: Some(population.label.name().into()),
        range: range(&sample.labels),
    };
    let dataset = Dataset {
        // As many as an epoch has; [`Fresh`] brings the images themselves.
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
    let fresh = fresh(simulator, block, least, shape, stretch.clone());
    let prepared = Prepared {
        pixel_scale: Some(population.pixel_scale),
        preset: Preset::by_name(&simulate.population).ok().map(|p| p.name.into()),
        counts,
        validation_ids: ids("validation", counts.validation),
        held_out_ids: ids("held_out", counts.held_out),
        held_out: held_out?,
        calibration: calibration?,
        bands,
        stretch,
        sky,
        label,
        fresh: Some(fresh),
        news: vec![format!("lenses made on the fly: {}", population.description)],
        warnings,
    };
    Ok((prepared, dataset, network))
}

/// The lenses of an epoch: those of its block and of the [`SEEN`] - 1 blocks behind it.
fn fresh(mut simulator: Simulator, block: usize, min_arc_pixels: u32, shape: [usize; 3], stretch: Stretch) -> Fresh {
    let mut held: VecDeque<(usize, Examples)> = VecDeque::new();
    Box::new(move |epoch| {
        held.retain(|(number, _)| (epoch..epoch + SEEN).contains(number));
        for number in epoch..epoch + SEEN {
            if held.iter().all(|(held, _)| *held != number) {
                let lenses = simulator.lenses((number as u64) << 32, block, min_arc_pixels)?;
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

/// The part of the population's images that the network sees: what the user says, else what the survey's preset uses,
/// else all.
fn window(options: &RunOptions, simulate: &SimulateOptions, population: &Population) -> Result<(Window, Vec<String>)> {
    let preset = Preset::by_name(&simulate.population).ok();
    let bands = match (&options.data.bands, preset) {
        (Some(bands), _) => bands.clone(),
        (None, Some(preset)) => preset.bands.iter().map(ToString::to_string).collect(),
        (None, None) => population.bands.iter().map(|b| b.name.clone()).collect(),
    };
    let size = options.data.crop.or(preset.map(|p| p.crop)).unwrap_or(population.size);
    ensure!(
        options.data.flux_scale == 1.0,
        "--flux-scale has no use with --simulate: change the population's electron"
    );
    Ok((Window::new(population, size, &bands)?, bands))
}

/// Arc pixels that a lens must have: as many as the population asks for, and as the survey's preset asks of a real one to
/// be trained on.
fn least_arc_pixels(simulate: &SimulateOptions, population: &Population) -> u32 {
    let of_the_survey = Preset::by_name(&simulate.population).map_or(0, |preset| preset.min_lensed_pixels as u32);
    population.min_arc_pixels.max(of_the_survey)
}

/// A part of the rows, as a split of a folder has it.
fn share(rows: usize, share: f64) -> usize {
    (rows as f64 * share).round() as usize
}

fn cutouts(lenses: &Lenses, shape: [usize; 3]) -> Vec<Cutout> {
    let images = lenses.images.chunks_exact(shape.iter().product());
    images
        .map(|image| Cutout::of_image(String::new(), shape, image))
        .collect()
}

fn stretched(lenses: &Lenses, shape: [usize; 3], stretch: &Stretch) -> Examples {
    let mut images = vec![0.0; lenses.images.len()];
    for (cutout, out) in cutouts(lenses, shape)
        .iter()
        .zip(images.chunks_exact_mut(shape.iter().product()))
    {
        stretch.apply(cutout, out);
    }
    Examples {
        images,
        labels: lenses.labels.clone(),
    }
}

/// FNV-1a over what decides which lenses a run sees, its seed aside.
fn fingerprint(population: &Population, pool: usize, least_arc_pixels: u32) -> u64 {
    let text = format!("{population:?} {pool} {least_arc_pixels}");
    fnv1a(FNV_OFFSET, text.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenses_of_a_survey_have_the_arcs_that_its_real_ones_must_have() {
        for (name, least) in [
            ("lfc1-ground", 20),
            ("lfc1-space", 20),
            ("lenstronomy-check", 20),
            ("euclid", 0),
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
}
