//! From labelled images to what an ensemble learns from.

use super::bands::Band;
use super::dataset::{Dataset, EpochImages, Examples, scaled_label};
use super::error::Error;
use super::labelled::LabelledCutouts;
use super::options::{DataOptions, TrainOptions};
use super::recipe::Recipe;
use crate::files;
use crate::likelihood::Likelihood;
use crate::model::{ImageFacts, Model, Target};
use crate::nn::{Heads, MeanActivation, Network};
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::posterior::ood::{Distances, ImageDistribution};
use crate::posterior::quantiles::label_quantiles;
use crate::progress::{Callback, Event, Phase};
use crate::survey::audit::scale_differs;
use crate::survey::reader::read_all;
use crate::survey::sky::SkyRange;
use crate::survey::split::DataSplit;
use crate::survey::{
    self, Cutout, FolderError, ImageFolder, ImageFolderOptions, ImageSource, Photometry, Stretch, statistics,
};
use rayon::prelude::*;
use std::path::Path;

/// Why a fine-tuned model has no lens head although the initial model has one.
const ONLY_LENSES: &str = "all objects are lenses, so the lens head of the initial model is left out: the new model \
                           gives no p_lens";
/// Fewer training rows than this cause a warning.
const FEW: usize = 100;

/// What an ensemble is calibrated and scored on, and the metadata of its model; the [`Dataset`] that it is trained on
/// goes to the trainer.
pub struct Prepared {
    /// Names of the channels.
    pub bands: Vec<String>,
    /// Arcsec per pixel.
    pub pixel_scale: Option<f64>,
    /// The flux scale of the images.
    pub photometry: Photometry,
    /// Name of the survey preset.
    pub preset: Option<String>,
    /// How the images are stored; `None` if they are not in files.
    pub stored: Option<ImageSource>,
    /// Rows of each split.
    pub counts: Counts,
    /// Ids of the validation rows.
    pub validation_ids: Vec<String>,
    /// Ids of the rows held out.
    pub held_out_ids: Vec<String>,
    /// The rows held out, as the network takes them.
    pub held_out: Examples,
    /// The rows for calibration, as the network takes them.
    pub calibration: Examples,
    /// From flux to network input.
    pub stretch: Stretch,
    /// SkyStatistics level and noise of the training images.
    pub sky: SkyRange,
    /// The distribution of the training images' statistics.
    pub statistics: Option<ImageDistribution>,
    /// How far the rows for calibration are from it, or the validation rows if there are none.
    pub distances: Vec<Distances>,
    /// What is known, without a network, of the rows that the model is scored on: those held out, or the validation rows if
    /// there are none.
    pub scored: Vec<ImageFacts>,
    /// What the labels are, and their scale.
    pub label: Target,
    /// Where the training images of each epoch come from, if not from the dataset.
    pub epoch_images: Option<EpochImages>,
    /// Information for the user.
    pub notes: Vec<String>,
    /// What may make the result wrong.
    pub warnings: Vec<String>,
}

/// Number of rows of each split.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub train: usize,
    pub validation: usize,
    pub calibration: usize,
    pub held_out: usize,
}

impl Counts {
    /// Rows of all splits together.
    pub fn all(&self) -> usize {
        self.train + self.validation + self.calibration + self.held_out
    }
}

/// Reads a folder's labelled images, or a table, and makes the network for them. `from` is the model to fine-tune.
///
/// # Errors
/// Those of [`ImageFolder::open`] and [`ImageFolder::read`]; a network that does not fit; a stop.
pub fn read_folder(
    data: &DataOptions,
    network: impl FnOnce(&[usize]) -> Result<Network, Error>,
    from: Option<&Model>,
    progress: &Callback,
) -> Result<(LabelledCutouts, Network), Error> {
    let given = data.image_folder(true)?;
    let given = match from {
        Some(model) => model
            .image_folder(&given)
            .map_err(FolderError::Bands)
            .map_err(survey::Error::from)?,
        None => given,
    };
    let mut source = ImageFolder::open(&given)?;
    let mut network = network(&[source.height, source.width, source.bands.len()])?;
    if network.heads().lens.is_some() {
        source = ImageFolder::open(&ImageFolderOptions {
            non_lenses: true,
            ..given
        })?;
        if from.is_some() && source.objects.iter().all(|object| object.theta_e.is_some()) {
            network = network.without_lens_head();
            source.warnings.push(ONLY_LENSES.into());
        }
    }
    let all: Vec<usize> = (0..source.len()).collect();
    let cutouts = read_all(&source, &all, |done| preparing(progress, done, all.len()))?;
    Ok((LabelledCutouts::of_source(&source, cutouts), network))
}

/// Reports that `done` of `total` images are read or simulated.
///
/// # Errors
/// The callback asks to stop.
pub fn preparing(progress: &Callback, done: usize, total: usize) -> Result<(), Error> {
    let phase = Phase::Preparing;
    match progress(Event::Advanced { phase, done, total }).is_break() {
        true => Err(Error::StoppedBeforeTraining),
        false => Ok(()),
    }
}

/// The splits of `rows` rows.
///
/// # Errors
/// Too few rows to train on.
pub fn split_rows(rows: usize, training: &TrainOptions) -> Result<DataSplit, Error> {
    Ok(DataSplit::new(
        rows,
        training.seed,
        training.validation,
        training.calibration,
        training.hold_out,
    )?)
}

/// Stretches and scales labelled images, and sets the range of the network's mean. The stretch and the label scale of the
/// model to fine-tune, `from`, are kept; a new stretch has the `softening` of the options.
///
/// # Errors
/// Labels that do not fit the network, images with nothing to learn from.
pub fn prepare(
    labelled: &LabelledCutouts,
    split: &DataSplit,
    network: Network,
    from: Option<&Model>,
    softening: f64,
) -> Result<(Prepared, Dataset, Network), Error> {
    let LabelledCutouts {
        cutouts, ids, labels, ..
    } = labelled;
    let is_lens = |row: usize| !labels[row].is_nan();
    for (id, &label) in ids.iter().zip(labels).filter(|(_, label)| !label.is_nan()) {
        check_label(id, label, network.heads())?;
    }
    let mut warnings = labelled.warnings.clone();
    let lenses = split.train.iter().copied().filter(|&row| is_lens(row));
    let train: Vec<&Cutout> = lenses.map(|row| &cutouts[row]).collect();
    if network.heads().lens.is_some() && (train.is_empty() || train.len() == split.train.len()) {
        return Err(Error::OneClass {
            lenses: train.len(),
            others: split.train.len() - train.len(),
        });
    }
    let (stretch, more) = match from {
        Some(model) => (model.about.stretch.clone(), vec![]),
        None => Stretch::fit(&train, &labelled.bands, softening)?,
    };
    warnings.extend(more);
    if let Some(model) = from {
        warnings.extend(differences(model, labelled));
    }
    if train.len() < FEW {
        warnings.push(format!(
            "only {} rows to train on: a network learns little from fewer than {FEW}, and its predictions will be poor",
            train.len()
        ));
    }
    let sky = SkyRange::fit(&train, &stretch);
    let statistics = fit_statistics(&train, &stretch, &mut warnings);
    let new_images = match split.calibration.is_empty() {
        true => &split.validation,
        false => &split.calibration,
    };
    let new_images: Vec<&Cutout> = new_images.iter().map(|&row| &cutouts[row]).collect();
    let distances = distances(&new_images, &stretch, statistics.as_ref());
    let scored = match split.hold_out.is_empty() {
        true => &split.validation,
        false => &split.hold_out,
    };
    let scored: Vec<Cutout> = scored.iter().map(|&row| cutouts[row].clone()).collect();
    let scored = facts(scored, &stretch, statistics.as_ref());
    let examples = |rows: &Vec<usize>| {
        let image = network.input_shape().len();
        let mut images = vec![0.0; rows.len() * image];
        rows.par_iter()
            .zip(images.par_chunks_exact_mut(image))
            .for_each(|(&row, out)| stretch.apply(&cutouts[row], out));
        Examples {
            images,
            labels: rows.iter().map(|&row| labels[row]).collect(),
        }
    };
    let [train, validation, calibration, held_out] =
        [&split.train, &split.validation, &split.calibration, &split.hold_out].map(examples);
    let (scale, shift) = match from {
        Some(model) => (model.about.label.scale, model.about.label.shift),
        None => label_scale(&train.lens_labels(), network.heads()),
    };
    let label = Target {
        name: labelled.label.clone(),
        unit: labelled.unit.clone(),
        scale,
        shift,
        definition: labelled.definition.clone(),
        range: range(&train.lens_labels()),
        quantiles: label_quantiles(&train.lens_labels()),
    };
    let network = bounded(network, &label, from);
    let dataset = Dataset {
        fingerprint: fingerprint(labelled, split),
        bands: Band::all(&stretch, &train.images),
        train,
        validation,
        scale,
        shift,
    };
    let ids = |rows: &[usize]| rows.iter().map(|&row| ids[row].clone()).collect();
    let prepared = Prepared {
        counts: Counts {
            train: split.train.len(),
            validation: split.validation.len(),
            calibration: split.calibration.len(),
            held_out: split.hold_out.len(),
        },
        validation_ids: ids(&split.validation),
        held_out_ids: ids(&split.hold_out),
        bands: labelled.bands.clone(),
        pixel_scale: labelled.pixel_scale,
        photometry: labelled.photometry.clone(),
        preset: labelled.preset.clone(),
        stored: labelled.stored.clone(),
        held_out,
        calibration,
        stretch,
        sky,
        statistics,
        distances,
        scored,
        label,
        epoch_images: None,
        notes: labelled.notes.clone(),
        warnings,
    };
    Ok((prepared, dataset, network))
}

/// The network whose mean is bounded by the range of the training labels, and by that of the model to fine-tune, whose
/// predictions are to stay as they are before the first step.
pub fn bounded(network: Network, label: &Target, from: Option<&Model>) -> Network {
    let scaled = |y: f64| scaled_label(y, network.heads().likelihood, label.scale, label.shift);
    let [mut low, mut high] = [scaled(label.range.0), scaled(label.range.1)];
    if low == high {
        (low, high) = (low - 1.0, high + 1.0);
    }
    if let Some(model) = from {
        let [before_low, before_high] = model.network.heads().mean_range;
        (low, high) = (low.min(before_low), high.max(before_high));
    }
    network.with_mean_range([low, high])
}

/// The distribution of the training images' statistics; if it cannot be fitted, `None` and a warning.
pub fn fit_statistics(
    training: &[&Cutout],
    stretch: &Stretch,
    warnings: &mut Vec<String>,
) -> Option<ImageDistribution> {
    match statistics::fit(training, stretch) {
        Ok(distribution) => Some(distribution),
        Err(error) => {
            warnings.push(format!("image statistics are not part of the ood_score: {error}"));
            None
        }
    }
}

/// How far images are from the training images, without a network.
pub fn distances(images: &[&Cutout], stretch: &Stretch, training: Option<&ImageDistribution>) -> Vec<Distances> {
    let of_image = |cutout: &&Cutout| statistics::distances(cutout, stretch, training);
    images.par_iter().map(of_image).collect()
}

/// What is known of images without a network.
pub fn facts(images: Vec<Cutout>, stretch: &Stretch, training: Option<&ImageDistribution>) -> Vec<ImageFacts> {
    let of_image = |cutout: Cutout| ImageFacts::new(cutout, stretch, training);
    images.into_par_iter().map(of_image).collect()
}

/// How the images differ from those that the initial model was trained on.
fn differences(model: &Model, labelled: &LabelledCutouts) -> Vec<String> {
    let mut warnings = Vec::new();
    if model.about.bands != labelled.bands {
        warnings.push(format!(
            "the initial model was trained on the bands {}, and these are {}",
            model.about.bands.join(", "),
            labelled.bands.join(", ")
        ));
    }
    if let Some((model, here)) = model.about.pixel_scale.zip(labelled.pixel_scale)
        && scale_differs(here, model)
    {
        warnings.push(format!(
            "the initial model was trained on {model}\" per pixel, and these images have {here}\""
        ));
    }
    warnings
}

/// Smallest and largest.
pub fn range(labels: &[f64]) -> (f64, f64) {
    labels
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &y| (a.min(y), b.max(y)))
}

/// Whether the network can predict this label.
fn check_label(object: &str, label: f64, heads: &Heads) -> Result<(), Error> {
    let reason = if heads.likelihood == Likelihood::LogNormal && label <= 0.0 {
        "a log-normal likelihood needs positive labels"
    } else if heads.mean_activation == MeanActivation::Abs && label < 0.0 {
        "the network's mean is an absolute value: use mean_activation = \"bounded\", or correct the label"
    } else {
        return Ok(());
    };
    Err(Error::Label {
        object: object.into(),
        label,
        reason,
    })
}

/// Scale and shift of labels, or of their logarithms for a log-normal likelihood: the standard deviation, and the mean
/// unless the network's mean is an absolute value.
pub fn label_scale(labels: &[f64], heads: &Heads) -> (f64, f64) {
    let logarithmic = heads.likelihood == Likelihood::LogNormal;
    let values = || labels.iter().map(|y| if logarithmic { y.ln() } else { *y });
    let n = labels.len() as f64;
    let mean = values().sum::<f64>() / n;
    let std = (values().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Identical labels: any scale is possible, as long as outputs are near 1.
    let scale = if std > 1e-9 * mean.abs() {
        std
    } else {
        mean.abs().max(1e-30)
    };
    let abs = heads.mean_activation == MeanActivation::Abs;
    (scale, if abs { 0.0 } else { mean })
}

/// FNV-1a hash of the ids, labels and pixels of the training and validation rows. The pixels are those of the files: the
/// last bit of stretched ones depends on the machine, and a run may continue on another one.
fn fingerprint(labelled: &LabelledCutouts, split: &DataSplit) -> u64 {
    let mut hash = FNV_OFFSET;
    for part in [&split.train, &split.validation] {
        for &row in part {
            let label = labelled.labels[row].to_le_bytes();
            let pixels: &[u8] = bytemuck::cast_slice(&labelled.cutouts[row].pixels);
            let bytes = labelled.ids[row].bytes().chain(label).chain(pixels.iter().copied());
            hash = fnv1a(hash, bytes);
        }
        hash = hash.wrapping_mul(31);
    }
    hash
}

/// Reads a network file; without one, the recipe's network.
///
/// # Errors
/// A file that cannot be read or is not a network; layers that do not fit `input`.
pub fn network_of(file: Option<&Path>, recipe: Recipe, input: &[usize]) -> Result<Network, Error> {
    let Some(path) = file else {
        return recipe.network(input);
    };
    let text = files::read_text(path).map_err(|source| Error::NetworkUnreadable {
        path: path.into(),
        source,
    })?;
    Network::from_toml(&text, input).map_err(|source| Error::NetworkFile {
        path: path.into(),
        source: source.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(mean_activation: MeanActivation, likelihood: Likelihood) -> Heads {
        let network = Network::vanilla(&[55, 55, 3]).unwrap();
        Heads {
            mean_activation,
            likelihood,
            ..network.heads().clone()
        }
    }

    #[test]
    fn labels_are_scaled_by_their_standard_deviation() {
        let abs = heads(MeanActivation::Abs, Likelihood::Gaussian);
        let identity = heads(MeanActivation::Identity, Likelihood::StudentT);
        let logarithm = heads(MeanActivation::Identity, Likelihood::LogNormal);
        assert_eq!(label_scale(&[1.0, 3.0], &abs), (1.0, 0.0));
        assert_eq!(label_scale(&[1.0, 3.0], &identity), (1.0, 2.0));
        assert_eq!(label_scale(&[1.0, 2f64.exp()], &logarithm), (1.0, 1.0));
        assert_eq!(label_scale(&[2.0, 2.0], &abs), (2.0, 0.0), "identical labels");
        assert!(label_scale(&[0.0, 0.0], &abs).0 > 0.0);
        let refused = |label, heads| check_label("x", label, heads).unwrap_err().to_string();
        assert!(refused(-1.0, &abs).contains("bounded"));
        assert!(refused(0.0, &logarithm).contains("log-normal likelihood needs positive"));
        assert!(check_label("x", 0.0, &abs).is_ok() && check_label("x", -1.0, &identity).is_ok());
    }
}
