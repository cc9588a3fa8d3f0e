//! `lensgpu models`: lists the shipped models, and packs a model so that it can be shipped.

use super::arguments::{DeviceArgument, Images, Json, PassArguments};
use super::output::{out, outln};
use super::text::{
    Column::{Number, Text},
    count, table,
};
use super::usage;
use crate::files;
use crate::infer::stream::{PredictedObject, open, stream};
use crate::model::shipped::{SHIPPED, ShippedModel};
use crate::model::{Card, Model};
use crate::numeric::median;
use crate::survey::ImageParts;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::iter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// List the models that this program contains; every command that takes a model file also takes their names
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu models
  lensgpu models --json
  lensgpu infer euclid-vis cutouts/ -o einstein_radii.csv
  lensgpu models pack runs/mine/model.safetensors -o mine.safetensors held_out/")]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "lensgpu models [OPTIONS] [COMMAND]"
)]
pub struct Models {
    #[command(flatten)]
    json: Json,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Pack(Box<Pack>),
}

/// Write a model with weights in 16 bits, half as large, and say by how much its predictions change
#[derive(clap::Args)]
#[command(after_help = "Example:
  lensgpu models pack runs/vis/model.safetensors -o assets/models/euclid-vis.safetensors held_out/ \\
    --trained-on 'euclid simulations, VIS' --scored-on '2,000 more of them' --rmse 0.08 --nmad 0.03")]
struct Pack {
    /// Model file written by `lensgpu train` (model.safetensors)
    model: PathBuf,
    /// Folder with images to compare the predictions on
    dir: Option<PathBuf>,
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// For the list of models: what the model was trained on
    #[arg(long, value_name = "TEXT", requires = "scored_on")]
    trained_on: Option<String>,
    /// For the list of models: the images that its errors were measured on
    #[arg(long, value_name = "TEXT", requires = "trained_on")]
    scored_on: Option<String>,
    /// For the list of models: root mean square error on these images, arcsec
    #[arg(long, value_name = "ARCSEC", requires = "scored_on")]
    rmse: Option<f64>,
    /// For the list of models: normalised median absolute deviation on these images, arcsec
    #[arg(long, value_name = "ARCSEC", requires = "scored_on")]
    nmad: Option<f64>,
    #[command(flatten)]
    passes: PassArguments,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    images: Images,
}

/// # Errors
/// A model that cannot be read or written; images that do not fit it; standard output cannot be written.
pub fn run(args: Models) -> Result<()> {
    if let Some(Command::Pack(pack)) = args.command {
        return pack.run();
    }
    let models: Vec<(&ShippedModel, Model)> = SHIPPED
        .iter()
        .map(|shipped| Ok((shipped, shipped.read()?)))
        .collect::<Result<_>>()?;
    let text = match (args.json.json, models.is_empty()) {
        (true, _) => serde_json::to_string_pretty(&models.iter().map(as_json).collect::<Vec<_>>())? + "\n",
        (false, true) => "this program contains no models\n".into(),
        (false, false) => as_text(&models),
    };
    out!("{text}");
    Ok(())
}

fn as_text(models: &[(&ShippedModel, Model)]) -> String {
    let rows = models.iter().map(|(shipped, model)| {
        let (about, input) = (&model.about, model.network.input_shape());
        let card = about.card.clone().unwrap_or_default();
        let arcsec = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}\""));
        [
            shipped.name.into(),
            about.bands.join(","),
            about.pixel_scale.map_or("-".into(), |scale| format!("{scale}\"")),
            format!("{}x{}", input.h, input.w),
            model.members.len().to_string(),
            arcsec(card.rmse),
            arcsec(card.nmad),
            megabytes(shipped.bytes.len()),
            card.trained_on,
        ]
    });
    table(
        [
            Text("name"),
            Text("bands"),
            Number("pixel scale"),
            Number("image"),
            Number("members"),
            Number("RMSE"),
            Number("NMAD"),
            Number("size"),
            Text("trained on"),
        ],
        rows,
    )
}

fn as_json((shipped, model): &(&ShippedModel, Model)) -> Value {
    let (about, input) = (&model.about, model.network.input_shape());
    json!({
        "name": shipped.name,
        "bands": about.bands,
        "pixel_scale": about.pixel_scale,
        "image": [input.h, input.w],
        "members": model.members.len(),
        "label": about.label.definition,
        "label_range": about.label.range,
        "precision": about.precision.name(),
        "card": about.card,
        "bytes": shipped.bytes.len(),
    })
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl Pack {
    fn run(self) -> Result<()> {
        files::check(&self.output)?;
        let mut model = Model::open(&self.model)?;
        if let (Some(trained_on), Some(scored_on)) = (&self.trained_on, &self.scored_on) {
            model.about.card = Some(Card {
                trained_on: trained_on.clone(),
                scored_on: scored_on.clone(),
                rmse: self.rmse,
                nmad: self.nmad,
            });
        }
        let packed = model.packed()?;
        packed.write(&self.output)?;
        let size = std::fs::metadata(&self.output)
            .with_context(|| self.output.display().to_string())?
            .len();
        outln!("model: {}, {}", self.output.display(), megabytes(size as usize));
        if let Some(dir) = &self.dir {
            let [before, after] = [self.predictions(&model, dir)?, self.predictions(&packed, dir)?];
            out!("{}", differences(&before, &after));
        }
        Ok(())
    }

    /// Mean, sigma and out-of-distribution score of every image that has a prediction, uncalibrated.
    fn predictions(&self, model: &Model, dir: &Path) -> Result<Vec<[f64; 3]>> {
        let device = self.device.open()?;
        let options = self
            .images
            .options(dir, None, None)?
            .image_folder(false)
            .map_err(usage)?;
        let silent = &|_: crate::progress::Event| ControlFlow::Continue(());
        let source = ImageParts::whole(Arc::new(open(model, &options, silent)?));
        let mut all = Vec::with_capacity(source.len());
        stream(
            model,
            &device,
            &source,
            self.passes.passes(),
            iter::empty(),
            silent,
            &mut |predicted: PredictedObject| {
                let object = predicted.streamed;
                if let Ok(forecast) = object.forecast(None) {
                    let score = object.image.ok().and_then(|image| image.ood_score(model));
                    let prediction = forecast.prediction();
                    all.push([prediction.theta_e, prediction.sigma, score.unwrap_or(0.0)]);
                }
                Ok::<(), crate::infer::Error>(())
            },
        )?;
        Ok(all)
    }
}

/// How the same images' predictions differ, in arcsec and in units of the predicted sigma.
fn differences(before: &[[f64; 3]], after: &[[f64; 3]]) -> String {
    let pairs = || before.iter().zip(after);
    let rows = [
        ("mean [arcsec]", pairs().map(|(a, b)| (a[0] - b[0]).abs()).collect()),
        (
            "mean / sigma",
            pairs().map(|(a, b)| (a[0] - b[0]).abs() / a[1]).collect(),
        ),
        (
            "sigma, relative",
            pairs().map(|(a, b)| (b[1] / a[1] - 1.0).abs()).collect(),
        ),
        (
            "ood_score, absolute",
            pairs().map(|(a, b)| (a[2] - b[2]).abs()).collect(),
        ),
    ];
    let rows = rows.map(|(what, mut changes): (&str, Vec<f64>)| {
        let largest = changes.iter().copied().fold(0.0, f64::max);
        let typical = median(&mut changes).unwrap_or(0.0);
        [what.into(), format!("{largest:.1e}"), format!("{typical:.1e}")]
    });
    let head = [Text("change"), Number("largest"), Number("median")];
    format!("{}\n{}", count(before.len(), "image"), table(head, rows))
}
