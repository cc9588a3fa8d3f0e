//! `lensgpu infer`: from a model and a folder of images to a catalogue.

use super::arguments::{DeviceArgument, Images, Json, PassArguments, ProvenanceArguments, Quiet};
use super::console::Console;
use super::output::{out, outln};
use super::text;
use super::tiles::Tiles;
use super::usage;
use crate::files;
use crate::infer::{InferOptions, InferReport, Shard, infer};
use crate::model::Model;
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::terminal::terminal_scatter;
use crate::survey::ImageFolderOptions;
use crate::survey::flags::FLAGS;
use anyhow::{Result, anyhow, bail};
use serde_json::json;
use std::path::PathBuf;

/// Measure Einstein radii with uncertainties for a folder of images, or predict the label of the rows of a table
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu infer runs/ground/model.safetensors candidates/ -o einstein_radii.csv
  lensgpu infer model.safetensors cutouts/ --images '{id}_{band}.fits' -o out.fits --catalogue targets.csv
  lensgpu infer lfc1-ground candidates/ -o einstein_radii.csv --resume
  lensgpu infer lfc1-ground --tiles 'coadds/{tile}_{band}.fits' --positions targets.parquet -o einstein_radii.parquet
  lensgpu infer lfc1-ground --tiles 'coadds/{tile}_{band}.fits' --positions targets_hats/ -o einstein_radii.hats
  lensgpu infer model.safetensors survey/ --shard 3/64 -o shards/out_3.parquet
  lensgpu infer runs/photometry/model.safetensors photometry.fits -o redshifts.csv
  lensgpu infer model.safetensors simulated/ --catalogue truth.csv --truth theta_e --plot check.svg -o out.csv")]
pub struct Infer {
    /// Model file written by `lensgpu train` (model.safetensors), or a shipped model (see `lensgpu models`)
    model: PathBuf,
    /// Folder with the images; or a table with the features of the model's training table
    #[arg(required_unless_present = "tiles", conflicts_with = "tiles")]
    dir: Option<PathBuf>,
    /// Catalogue to write: .csv, .fits, .vot (VOTable) or .parquet; or a folder .hats (HATS)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Continue the same command after it was stopped or killed: what OUTPUT.unfinished has is not predicted again
    #[arg(long)]
    resume: bool,
    /// Predict the K-th of N contiguous shares of the objects; `lensgpu merge` joins them, see docs/cluster.md
    #[arg(long, value_name = "K/N", conflicts_with = "no_sidecar")]
    shard: Option<Shard>,
    /// Also write each member's mean and variance
    #[arg(long)]
    member_columns: bool,
    /// Catalogue column with true values (Einstein radii in arcsec): score the predictions
    #[arg(long, value_name = "COLUMN")]
    truth: Option<String>,
    /// Also write rows for images that have no row in the catalogue, after those that have
    #[arg(long, requires = "catalogue")]
    keep_unmatched: bool,
    /// Plot predicted against true values
    #[arg(long, value_name = "SVG", requires = "truth")]
    plot: Option<PathBuf>,
    /// Skip calibration
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    provenance: ProvenanceArguments,
    #[command(flatten)]
    passes: PassArguments,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    tiles: Tiles,
}

/// Writes the catalogue.
///
/// # Errors
/// Those of [`Model::open`] and [`infer`].
pub fn run(args: Infer) -> Result<()> {
    if let Some(plot) = &args.plot {
        files::check(plot)?;
    }
    if args.shard.is_some()
        && args
            .output
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("hats"))
    {
        return Err(usage(anyhow!(
            "shards cannot be HATS catalogues; give them a name that ends in .parquet, and `lensgpu merge` the name {}",
            args.output.display()
        )));
    }
    let console = Console::for_result(args.quiet.quiet, args.json.json)?;
    let mut model = Model::open(&args.model)?;
    if args.raw {
        model.about.calibration = None;
    }
    let device = args.device.open_and_show(&console)?;
    let tiles = args.tiles.source(&model, args.images.pixel_scale);
    let folder = tiles.as_ref().map(|tiles| tiles.folder.clone()).or(args.dir.clone());
    let images = args.images.options(&folder.unwrap_or_default(), None, None)?;
    let images = ImageFolderOptions {
        keep_unmatched: args.keep_unmatched,
        ..images.image_folder(false).map_err(usage)?
    };
    let mut provenance = args.provenance.of("THETA_E", Some(&args.model))?;
    provenance
        .notes
        .extend(args.shard.map(|shard| ("shard".into(), shard.to_string())));
    let options = InferOptions {
        images: match tiles {
            Some(tiles) => ImageFolderOptions {
                catalogue: Some(tiles.positions),
                tiles: Some(tiles.options),
                ..images
            },
            None => images,
        },
        output: args.output.clone(),
        provenance: Some(provenance),
        member_columns: args.member_columns,
        truth: args.truth.clone(),
        passes: args.passes.passes(),
        resume: args.resume,
        shard: args.shard,
    };
    let report = infer(&model, &device, &options, &|event| console.report(event));
    console.finish();
    let report = report?;
    if report.other_flux_unit() && !args.json.json {
        console.line("--flux-scale FACTOR multiplies all fluxes");
    }
    if let (Some(path), Some(metrics)) = (&args.plot, &report.metrics) {
        let title = format!("{} objects", metrics.n);
        write_svg(
            path,
            &predicted_vs_true(&title, &model.quantity(), &report.scored, metrics)?,
        )?;
    }
    if args.json.json {
        outln!("{}", serde_json::to_string_pretty(&as_json(&report, &console.kept()))?);
    } else if !args.quiet.quiet {
        print(&model, &report, &args);
    }
    if report.rows < report.objects {
        bail!(
            "stopped: {} has {} of {} objects; {} is as it was; --resume continues",
            report.output.display(),
            report.rows,
            report.objects,
            args.output.display()
        );
    }
    Ok(())
}

fn print(model: &Model, report: &InferReport, args: &Infer) {
    let quantity = model.quantity();
    if let Some(metrics) = &report.metrics {
        let (truth, predicted): (Vec<f64>, Vec<f64>) =
            report.scored.iter().map(|s| (s.truth, s.prediction.theta_e)).unzip();
        outln!(
            "{}, true along x, predicted along y:\n{}",
            quantity.of(&model.prediction_column()),
            terminal_scatter(&quantity, &truth, &predicted, 56, 24)
        );
        out!("{}", text::metrics(&quantity, metrics));
    }
    outln!("{} objects in {}", report.rows, report.output.display());
    for (flag, &count) in FLAGS.iter().zip(&report.flagged).filter(|(_, count)| **count > 0) {
        outln!("  {count:>6} flagged {} ({}): {}", flag.name, flag.bit, flag.meaning);
    }
    if let Some(plot) = &args.plot {
        outln!("plot: {}", plot.display());
    }
}

fn as_json(report: &InferReport, warnings: &[String]) -> serde_json::Value {
    let flagged: serde_json::Map<String, serde_json::Value> = FLAGS
        .iter()
        .zip(&report.flagged)
        .map(|(f, &count)| (f.name.to_string(), count.into()))
        .collect();
    json!({
        "output": report.output,
        "objects": report.objects,
        "rows": report.rows,
        "without_prediction": report.unread.len(),
        "without_image": report.without_image(),
        "flagged": flagged,
        "metrics": report.metrics,
        "warnings": warnings,
    })
}
