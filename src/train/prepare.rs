//! From a folder of images to what an ensemble learns from.

use super::bands::Band;
use super::options::{DataOptions, TrainOptions};
use super::trainer::{Dataset, Examples, Fresh};
use crate::likelihood::Likelihood;
use crate::model::{Model, Target};
use crate::nn::{Heads, MeanActivation, Network};
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::survey::audit::scale_differs;
use crate::survey::reader::read_all;
use crate::survey::sky::SkyRange;
use crate::survey::split::{Split, split};
use crate::survey::{Cutout, Source, Stretch};
use anyhow::{Context, Result, ensure};

/// Rows below which the user is warned.
const FEW: usize = 100;

/// What an ensemble is trained, calibrated and scored on, beside the [`Dataset`] that the trainer takes.
pub struct Prepared {
    pub bands: Vec<String>,
    pub pixel_scale: Option<f64>,
    pub preset: Option<String>,
    /// How many rows have which part.
    pub counts: Counts,
    /// Names of the validation rows and of those held out.
    pub validation_ids: Vec<String>,
    pub held_out_ids: Vec<String>,
    /// Network input of the rows held out and of those for calibration, and their labels.
    pub held_out: Examples,
    pub calibration: Examples,
    pub stretch: Stretch,
    pub sky: SkyRange,
    pub label: Target,
    /// Where the training images of an epoch come from, if not from the dataset.
    pub fresh: Option<Fresh>,
    /// What the user should read, and what they should not miss.
    pub news: Vec<String>,
    pub warnings: Vec<String>,
}

/// Rows of each part.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub train: usize,
    pub validation: usize,
    pub calibration: usize,
    pub held_out: usize,
}

impl Counts {
    pub fn all(&self) -> usize {
        self.train + self.validation + self.calibration + self.held_out
    }
}

impl Prepared {
    /// A folder's labelled rows, read, split and stretched. `from` is the model that the members start from: its stretch
    /// and label scale are kept. `progress` is told how many of how many objects are read; its error ends the reading.
    ///
    /// # Errors
    /// Those of [`Source::open`] and [`Source::read`]; labels that do not fit the network; too few rows.
    pub fn new(
        data: &DataOptions,
        training: &TrainOptions,
        network: impl FnOnce(&[usize]) -> Result<Network>,
        from: Option<&Model>,
        progress: impl Fn(usize, usize) -> Result<()> + Sync,
    ) -> Result<(Prepared, Dataset, Network)> {
        let source = Source::open(&data.source(true)?)?;
        let network = network(&[source.height, source.width, source.bands.len()])?;
        let split = split(
            source.len(),
            training.seed,
            training.validation,
            training.calibration,
            training.hold_out,
        )?;
        let all: Vec<usize> = (0..source.len()).collect();
        let cutouts = read_all(&source, &all, |done| progress(done, all.len()))?;
        for object in &source.objects {
            let label = object.theta_e.expect("a labelled row");
            check_label(label, network.heads()).with_context(|| format!("object {}", object.id))?;
        }
        let mut warnings = source.warnings.clone();
        warnings.extend(source.audit(&cutouts));
        let near_edge = source.count_near_edge();
        if near_edge > 0 {
            warnings.push(format!(
                "{near_edge} of {} Einstein radii are larger than 0.8 of the cutout's half width and cannot be seen \
                 whole: use a larger --crop where the images allow it",
                source.len()
            ));
        }
        let train: Vec<&Cutout> = split.train.iter().map(|&row| &cutouts[row]).collect();
        let (stretch, more) = match from {
            Some(model) => (model.about.stretch.clone(), vec![]),
            None => Stretch::fit(&train, &source.bands)?,
        };
        warnings.extend(more);
        let sky = SkyRange::fit(&train, &stretch);
        let examples = |rows: &[usize]| {
            let image = network.input_shape().len();
            let mut images = vec![0.0; rows.len() * image];
            for (&row, out) in rows.iter().zip(images.chunks_exact_mut(image)) {
                stretch.apply(&cutouts[row], out);
            }
            let label = |&row: &usize| cutouts[row].theta_e.expect("a labelled row");
            Examples {
                images,
                labels: rows.iter().map(label).collect(),
            }
        };
        if let Some(model) = from
            && model.about.bands != source.bands
        {
            warnings.push(format!(
                "the model to start from was trained on the bands {}, and these are {}",
                model.about.bands.join(", "),
                source.bands.join(", ")
            ));
        }
        if let Some((model, here)) = from.and_then(|m| m.about.pixel_scale).zip(source.pixel_scale)
            && scale_differs(here, model)
        {
            warnings.push(format!(
                "the model to start from was trained on {model}\" a pixel, and these images have {here}\""
            ));
        }
        if split.train.len() < FEW {
            warnings.push(format!(
                "only {} rows to train on: a network learns little from fewer than {FEW}, and its answers will be poor",
                split.train.len()
            ));
        }
        let [train, validation, calibration, held_out] =
            [&split.train, &split.validation, &split.calibration, &split.hold_out].map(|rows| examples(rows));
        let (scale, shift) = match from {
            Some(model) => (model.about.label.scale, model.about.label.shift),
            None => label_scale(&train.labels, network.heads()),
        };
        let range = range(&train.labels);
        let label = Target {
            name: source.label.clone().unwrap_or_else(|| "theta_e".into()),
            unit: "arcsec".into(),
            scale,
            shift,
            definition: source.preset.map(|p| p.label.into()),
            range,
        };
        let fingerprint = fingerprint(&source, &split);
        let dataset = Dataset {
            bands: Band::all(&stretch, &train.images),
            train,
            validation,
            scale,
            shift,
            fingerprint,
        };
        let ids = |rows: &[usize]| rows.iter().map(|&row| source.objects[row].id.clone()).collect();
        let prepared = Prepared {
            counts: Counts {
                train: split.train.len(),
                validation: split.validation.len(),
                calibration: split.calibration.len(),
                held_out: split.hold_out.len(),
            },
            validation_ids: ids(&split.validation),
            held_out_ids: ids(&split.hold_out),
            bands: source.bands.clone(),
            pixel_scale: source.pixel_scale,
            preset: source.preset.map(|p| p.name.into()),
            held_out,
            calibration,
            stretch,
            sky,
            label,
            fresh: None,
            news: vec![source.dropped.to_string()],
            warnings,
        };
        Ok((prepared, dataset, network))
    }
}

/// Smallest and largest.
pub fn range(labels: &[f64]) -> (f64, f64) {
    labels
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &y| (a.min(y), b.max(y)))
}

/// Whether the network can answer this.
pub fn check_label(label: f64, heads: &Heads) -> Result<()> {
    ensure!(
        heads.likelihood != Likelihood::LogNormal || label > 0.0,
        "the label is {label}, and a log-normal likelihood needs positive ones: use another with --likelihood"
    );
    ensure!(
        heads.mean_activation != MeanActivation::Abs || label >= 0.0,
        "the label is {label}, and the network's mean is |a|: use mean_activation = \"identity\", or correct it"
    );
    Ok(())
}

/// Labels, or their logarithms where the likelihood is log-normal, are divided by their standard deviation, and shifted by
/// their mean where the network's mean is free of sign.
pub fn label_scale(labels: &[f64], heads: &Heads) -> (f64, f64) {
    let logarithmic = heads.likelihood == Likelihood::LogNormal;
    let values = || labels.iter().map(|y| if logarithmic { y.ln() } else { *y });
    let n = labels.len() as f64;
    let mean = values().sum::<f64>() / n;
    let std = (values().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Identical labels: any scale will do, as long as outputs are near 1.
    let scale = if std > 1e-9 * mean.abs() {
        std
    } else {
        mean.abs().max(1e-30)
    };
    let abs = heads.mean_activation == MeanActivation::Abs;
    (scale, if abs { 0.0 } else { mean })
}

/// FNV-1a over the ids and labels of the training and validation rows.
fn fingerprint(source: &Source, split: &Split) -> u64 {
    let mut hash = FNV_OFFSET;
    for part in [&split.train, &split.validation] {
        for &row in part {
            let object = &source.objects[row];
            let label = object.theta_e.unwrap_or(f64::NAN).to_le_bytes();
            hash = fnv1a(hash, object.id.bytes().chain(label));
        }
        hash = hash.wrapping_mul(31);
    }
    hash
}

/// A network file, or the vanilla network.
pub fn network_of(file: Option<&std::path::Path>, input: &[usize]) -> Result<Network> {
    let Some(path) = file else {
        return Network::vanilla(input).with_context(|| {
            let sizes: Vec<String> = input.iter().map(usize::to_string).collect();
            format!(
                "the vanilla network does not fit images of {}; describe another one with --network",
                sizes.join("x")
            )
        });
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Network::from_toml(&text, input).with_context(|| path.display().to_string())
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
    fn labels_are_scaled_by_their_spread() {
        let abs = heads(MeanActivation::Abs, Likelihood::Gaussian);
        let identity = heads(MeanActivation::Identity, Likelihood::StudentT);
        let logarithm = heads(MeanActivation::Identity, Likelihood::LogNormal);
        assert_eq!(label_scale(&[1.0, 3.0], &abs), (1.0, 0.0));
        assert_eq!(label_scale(&[1.0, 3.0], &identity), (1.0, 2.0));
        assert_eq!(label_scale(&[1.0, 2f64.exp()], &logarithm), (1.0, 1.0));
        assert_eq!(label_scale(&[2.0, 2.0], &abs), (2.0, 0.0), "identical labels");
        assert!(label_scale(&[0.0, 0.0], &abs).0 > 0.0);
        let refused = |label, heads| check_label(label, heads).unwrap_err().to_string();
        assert!(refused(-1.0, &abs).contains("identity"));
        assert!(refused(0.0, &logarithm).contains("--likelihood"));
        assert!(check_label(0.0, &abs).is_ok() && check_label(-1.0, &identity).is_ok());
    }
}
