//! Labelled images through a model: what `calibrate` and `evaluate` share.

use super::arguments::{DeviceArgument, Images, PassArguments, Quiet};
use super::console::Console;
use super::usage;
use crate::device::Device;
use crate::evaluate::{LabelledPredictions, predict_labelled};
use crate::infer::Passes;
use crate::infer::stream::open;
use crate::model::Model;
use crate::survey::{ImageFolder, ImageFolderOptions};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments: a model, and labelled images that it has not seen.
#[derive(clap::Args)]
pub struct LabelledArguments {
    /// Model file written by `lensgpu train` (model.safetensors), or a shipped model (see `lensgpu models`)
    pub model: PathBuf,
    /// Folder with images that the model was not trained on, and the catalogue with their labels; or such a table
    pub dir: PathBuf,
    #[command(flatten)]
    passes: PassArguments,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    pub quiet: Quiet,
    /// Column of the label [default: the preset's or the training table's, otherwise theta_e]
    #[arg(long, value_name = "COLUMN", help_heading = "Images")]
    label: Option<String>,
    #[command(flatten)]
    images: Images,
}

/// Labelled images that fit a model, and the device that computes its predictions.
pub struct LabelledImages {
    pub source: Arc<ImageFolder>,
    device: Device,
    passes: Passes,
}

impl LabelledArguments {
    /// Opens the device and the images, with those of `non_lenses` if there may be any; shows what was opened, and
    /// warnings about it.
    ///
    /// # Errors
    /// Those of [`DeviceArgument::open`] and [`open`]; an unknown preset, as a usage error.
    pub fn open(&self, model: &Model, non_lenses: bool, console: &Console) -> Result<LabelledImages> {
        let device = self.device.open_and_show(console)?;
        let options = self.images.options(&self.dir, self.label.clone(), None)?;
        let options = ImageFolderOptions {
            non_lenses,
            ..options.image_folder(true).map_err(usage)?
        };
        let source = Arc::new(open(model, &options, &|event| console.report(event))?);
        Ok(LabelledImages {
            source,
            device,
            passes: self.passes.passes(),
        })
    }
}

impl LabelledImages {
    /// Predictions for every image, uncalibrated, with progress on the console.
    ///
    /// # Errors
    /// Those of [`predict_labelled`].
    pub fn predict(&self, model: &Model, console: &Console) -> Result<LabelledPredictions> {
        let predictions = predict_labelled(model, &self.device, &self.source, self.passes, &|event| {
            console.report(event)
        });
        console.finish();
        Ok(predictions?)
    }
}
