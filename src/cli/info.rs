//! `lensgpu info`: shows the content of a model file.

use super::arguments::Json;
use super::output::out;
use super::text::{
    Column::{Number, Text},
    count, table,
};
use crate::model::{About, Model};
use crate::nn::{Layer, Layout, MeanActivation, Network, Shape};
use crate::survey::Missing;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Show the content of a model file: network, label, images, training, calibration and members
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu info runs/quickstart/model.safetensors
  lensgpu info euclid-vis
  lensgpu info model.safetensors --json | jq .training.members")]
pub struct Info {
    /// Model file written by `lensgpu train` (model.safetensors), or a shipped model (see `lensgpu models`)
    model: PathBuf,
    #[command(flatten)]
    json: Json,
}

/// # Errors
/// Those of [`Model::open`]; standard output cannot be written.
pub fn run(args: Info) -> Result<()> {
    let model = Model::open(&args.model)?;
    let text = if args.json.json {
        format!("{}\n", serde_json::to_string_pretty(&as_json(&model)?)?)
    } else {
        as_text(&model)?
    };
    out!("{text}");
    Ok(())
}

/// The metadata as in the file, and each layer's shapes and number of values.
fn as_json(model: &Model) -> Result<Value> {
    let mut value = serde_json::to_value(&model.about)?;
    let layers = layers(&model.network)?;
    let layers = layers.iter().map(|l| {
        json!({ "layer": l.label, "input": [l.input.h, l.input.w, l.input.c], "output": l.output, "values": l.values })
    });
    value["layers"] = layers.collect();
    value["network"] = serde_json::to_value(&model.network)?;
    value["members"] = model.members.iter().map(|m| m.number).collect();
    value["values_per_member"] = Layout::new(&model.network)?.values().into();
    Ok(value)
}

fn as_text(model: &Model) -> Result<String> {
    let (about, network) = (&model.about, &model.network);
    let (label, training) = (&about.label, &about.training);
    let mut text = String::new();
    let members = model.members.len();
    let values = Layout::new(network)?.values();
    writeln!(
        text,
        "{} with {values} values each, stored as {}\n",
        count(members, "member"),
        about.precision.name()
    )?;

    writeln!(text, "network")?;
    let rows = layers(network)?.into_iter().map(|l| {
        let output = match l.output {
            Some([h, w, c]) => Shape::image(h, w, c).to_string(),
            None => "mu, var".into(),
        };
        [l.label, l.input.to_string(), output, l.values.to_string()]
    });
    text += &table(
        [Text("layer"), Number("input"), Number("output"), Number("values")],
        rows,
    );

    let unit = &label.unit;
    writeln!(text, "\nlabel")?;
    let definition = label
        .definition
        .as_ref()
        .map_or(String::new(), |d| format!(", defined as {d}"));
    let in_unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" in {unit}")
    };
    writeln!(text, "  {}{in_unit}{definition}", label.name)?;
    writeln!(text, "  {} = {} x output + {}", label.name, label.scale, label.shift)?;
    if network.heads().mean_activation == MeanActivation::Abs {
        writeln!(text, "  predictions are never negative: the mean is an absolute value")?;
    }
    let range = format!("{} to {} {unit}", label.range.0, label.range.1);
    writeln!(text, "  range of the training labels: {}", range.trim_end())?;

    match network.takes_images() {
        true => images(&mut text, about, network)?,
        false => features(&mut text, about)?,
    }

    writeln!(text, "\ntraining")?;
    writeln!(
        text,
        "  {}: {} for training, {} for validation, {} for calibration, {} held out",
        count(training.rows, "row"),
        training.train,
        training.validation,
        training.calibration,
        training.held_out
    )?;
    writeln!(
        text,
        "  {}, batch {}, learning rate {}, seed {}",
        count(training.epochs, "epoch"),
        training.batch,
        // Without the digits of its conversion from f32.
        training.learning_rate as f32,
        training.seed
    )?;
    writeln!(
        text,
        "  lensgpu {} on {}, {}",
        training.version, training.device, training.date
    )?;
    if let Some(card) = &about.card {
        writeln!(text, "  trained on: {}", card.trained_on)?;
        let figures = [("RMSE", card.rmse), ("NMAD", card.nmad)];
        let figures = figures.map(|(name, value)| value.map(|value| format!(", {name} {value:.3} {unit}")));
        writeln!(
            text,
            "  scored on: {}{}",
            card.scored_on,
            figures.into_iter().flatten().collect::<String>()
        )?;
    }
    for (option, value) in &training.options {
        writeln!(text, "  {option} {value}")?;
    }
    if let Some(calibration) = &about.calibration {
        let record = &calibration.record;
        writeln!(text, "  calibration: {}", calibration.map)?;
        writeln!(
            text,
            "    fitted on {} of {}, {}",
            count(record.rows, "row"),
            record.data,
            record.date
        )?;
    }
    let score = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
    let rows = training.members.iter().map(|m| {
        [
            m.number.to_string(),
            m.best_epoch.to_string(),
            score(m.nll),
            score(m.rmse),
            m.steps.to_string(),
            m.skipped.to_string(),
            m.restored.to_string(),
        ]
    });
    let rmse = model.quantity().of("validation RMSE");
    text += &table(
        [
            Text("member"),
            Number("best epoch"),
            Number("validation NLL"),
            Number(&rmse),
            Number("steps"),
            Number("skipped"),
            Number("restored"),
        ],
        rows,
    );
    Ok(text)
}

/// The images that a model takes.
fn images(text: &mut String, about: &About, network: &Network) -> Result<()> {
    writeln!(text, "\nimages")?;
    let scale = about
        .pixel_scale
        .map_or("pixel scale unknown".into(), |s| format!("{s} arcsec per pixel"));
    let from = about.preset.as_ref().map_or(String::new(), |p| format!(", preset {p}"));
    writeln!(text, "  {} pixels, {scale}{from}", network.input_shape())?;
    let number = |value: f64| format!("{value:.4}");
    let range = |[low, high]: [f64; 2]| format!("{low:.2} to {high:.2}");
    let rows = about
        .bands
        .iter()
        .zip(&about.sky.bands)
        .enumerate()
        .map(|(i, (band, sky))| {
            let (scale, mean, std) = (about.stretch.scale[i], about.stretch.mean[i], about.stretch.std[i]);
            let scale = if scale == 0.0 {
                "dead".into()
            } else {
                format!("{scale:.4e}")
            };
            [
                band.clone(),
                scale,
                format!("{:.2}", about.stretch.softening(i)),
                number(mean),
                number(std),
                range(sky.sky),
                range(sky.noise),
            ]
        });
    *text += &table(
        [
            Text("band"),
            Number("scale s"),
            Number("b"),
            Number("mean"),
            Number("std"),
            Number("sky range / s"),
            Number("noise range / s"),
        ],
        rows,
    );
    writeln!(text, "  network input = (asinh(flux / (b s)) - mean) / std")?;
    if let Some(source) = &about.images {
        let remembered = [
            ("pattern of the file names", &source.pattern),
            ("column of the ids", &source.id_column),
            ("column of the label", &source.label),
        ];
        for (what, value) in remembered {
            if let Some(value) = value {
                writeln!(text, "  {what}: {value}")?;
            }
        }
        if !source.bands.is_empty() {
            writeln!(text, "  names of the bands in the files: {}", source.bands.join(", "))?;
        }
    }
    Ok(())
}

/// The rows of tables that a model takes.
fn features(text: &mut String, about: &About) -> Result<()> {
    writeln!(text, "\nfeatures")?;
    let rows = about.bands.iter().enumerate().map(|(i, name)| {
        let stretch = &about.stretch;
        match stretch.scale[i] {
            0.0 => [name.clone(), "not used".into(), String::new()],
            _ => [
                name.clone(),
                format!("{:.6}", stretch.mean[i]),
                format!("{:.6}", stretch.std[i]),
            ],
        }
    });
    *text += &table([Text("feature"), Number("mean"), Number("std")], rows);
    writeln!(text, "  network input = (value - mean) / std")?;
    let missing = about.images.as_ref().and_then(|source| source.missing);
    let missing = missing.map_or("rows with a missing value have no prediction", Missing::summary);
    writeln!(text, "  {missing}")?;
    Ok(())
}

/// A layer as it is shown.
struct LayerInfo {
    label: String,
    input: Shape,
    /// Height, width, channels; `None` for the heads.
    output: Option<[usize; 3]>,
    /// Number of weights and running statistics of one member.
    values: usize,
}

fn layers(network: &Network) -> Result<Vec<LayerInfo>> {
    let (shapes, layout) = (network.shapes()?, Layout::new(network)?);
    let layers = network.layers.iter().enumerate().map(|(i, layer)| {
        let names = layer.names();
        let of_layer = |name: &str| name.rsplit_once('.').is_some_and(|(layer, _)| names.contains(&layer));
        let tensors = layout.params.iter().chain(&layout.stats).filter(|p| of_layer(&p.name));
        LayerInfo {
            label: layer.label(),
            input: shapes[i][0],
            output: match layer {
                Layer::Heads(_) => None,
                _ => Some([shapes[i][1].h, shapes[i][1].w, shapes[i][1].c]),
            },
            values: tensors.map(|p| p.len()).sum(),
        }
    });
    Ok(layers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::model;

    #[test]
    fn text_shows_the_content() {
        let text = as_text(&model()).unwrap();
        for expected in [
            "2 members with 65 values each, stored as float32\n",
            "  conv1: 3 filters of 2x2, relu               6x5x2    5x4x3      27\n",
            "  theta_e in arcsec, defined as theta_e_crit\n",
            "  theta_e = 0.30000000000000004 x output + 0\n",
            "  6x5x2 pixels, 0.2 arcsec per pixel\n",
            "  I           dead  1.00  0.0000  1.0000  -1.00 to 1.00     0.50 to 2.00\n",
            "  800 rows: 630 for training, 70 for validation, 0 for calibration, 100 held out\n",
            "  7               12         -0.3000                    0.3333    240        1         0\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }

    #[test]
    fn json_has_the_metadata_and_the_layers() {
        let value = as_json(&model()).unwrap();
        assert_eq!(value["label"]["name"], "theta_e");
        assert_eq!(value["members"], json!([3, 7]));
        assert_eq!(value["layers"][0]["output"], json!([5, 4, 3]));
        assert_eq!(value["layers"][4]["output"], Value::Null);
        let in_layers: u64 = value["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["values"].as_u64().unwrap())
            .sum();
        assert_eq!(value["values_per_member"], in_layers);
        assert_eq!(value["training"]["members"][1]["rmse"], 1.0 / 3.0);
    }
}
