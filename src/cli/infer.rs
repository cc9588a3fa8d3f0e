//! `lensgpu infer`: a model and a folder of images to a catalogue.

use super::arguments::Images;
use super::console::Console;
use super::usage;
use crate::device::Device;
use crate::infer::stream::Passes;
use crate::infer::{InferOptions, InferReport, infer};
use crate::model::Model;
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::terminal::terminal_scatter;
use crate::survey::flags::FLAGS;
use crate::train::run::Watcher;
use anyhow::{Result, bail};
use serde_json::json;
use std::path::PathBuf;

/// Einstein radii with uncertainties for a folder of images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu infer runs/ground/model.safetensors candidates/ -o einstein_radii.csv
  lensgpu infer model.safetensors cutouts/ --images '{id}_{band}.fits' -o out.fits --catalogue targets.csv
  lensgpu infer model.safetensors simulated/ --catalogue truth.csv --truth theta_e --plot check.svg -o out.csv")]
pub struct Infer {
    /// The model.safetensors that `lensgpu train` wrote
    model: PathBuf,
    /// Folder with the images
    dir: PathBuf,
    /// The catalogue to write, .csv or .fits
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write each member's mean and variance as well
    #[arg(long)]
    member_columns: bool,
    /// The catalogue's column with true Einstein radii in arcsec: score the answers
    #[arg(long, value_name = "COLUMN")]
    truth: Option<String>,
    /// Plot the answers against the truth
    #[arg(long, value_name = "SVG", requires = "truth")]
    plot: Option<PathBuf>,
    /// Answers as the members give them, without the model's calibration
    #[arg(long)]
    raw: bool,
    /// See each image in all flips and quarter turns, and average each member's mean and variance over them
    #[arg(long)]
    tta: bool,
    /// Images on the device at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print what came out as JSON, for scripts
    #[arg(long)]
    json: bool,
    /// Warnings only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    images: Images,
}

/// # Errors
/// Those of [`Model::read`] and [`infer`].
pub fn run(args: Infer) -> Result<()> {
    let console = Console::new("images", args.quiet)?;
    let mut model = Model::read(&args.model)?;
    if args.raw {
        model.about.calibration = None;
    }
    let device = Device::choose(&args.device).map_err(usage)?;
    console.say(&format!("device: {}", device.name()));
    let options = InferOptions {
        images: args
            .images
            .options(&args.dir, None, None)?
            .image_folder(false)
            .map_err(usage)?,
        output: args.output.clone(),
        member_columns: args.member_columns,
        truth: args.truth.clone(),
        passes: Passes {
            batch: usize::from(args.batch),
            all_views: args.tta,
        },
    };
    let report = infer(&model, &device, &options, &mut |done, all| {
        console.progress(done, all);
        !console.stop()
    });
    console.finish();
    let report = report?;
    warn(&report, &console);
    if let (Some(path), Some(metrics)) = (&args.plot, &report.metrics) {
        let title = format!("{} objects", metrics.n);
        write_svg(path, &predicted_vs_true(&title, &report.scored, metrics)?)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&report, &args))?);
    } else if !args.quiet {
        print(&report, &args);
    }
    if report.rows < report.objects {
        bail!(
            "stopped: {} has {} of {} objects",
            args.output.display(),
            report.rows,
            report.objects
        );
    }
    Ok(())
}

fn warn(report: &InferReport, console: &Console) {
    for reason in report.unread.iter().take(5) {
        console.warn(reason);
    }
    if report.unread.len() > 5 {
        console.warn(&format!("and {} more without an answer", report.unread.len() - 5));
    }
    let sky = FLAGS
        .iter()
        .position(|f| f.name == "sky")
        .map_or(0, |i| report.flagged[i]);
    if 2 * sky > report.rows {
        console.warn(&format!(
            "the sky or noise of {sky} of {} images lies outside what the model was trained on: \
             are the fluxes in another unit or zero point? --flux-scale FACTOR multiplies them",
            report.rows
        ));
    }
}

fn print(report: &InferReport, args: &Infer) {
    if let Some(metrics) = &report.metrics {
        let (truth, predicted): (Vec<f64>, Vec<f64>) =
            report.scored.iter().map(|s| (s.truth, s.prediction.theta_e)).unzip();
        println!(
            "theta_e [arcsec], true along x, predicted along y:\n{}",
            terminal_scatter(&truth, &predicted, 56, 24)
        );
        println!("{metrics}");
    }
    println!("{} objects in {}", report.rows, args.output.display());
    for (flag, &count) in FLAGS.iter().zip(&report.flagged).filter(|(_, count)| **count > 0) {
        println!("  {count:>6} flagged {} ({}): {}", flag.name, flag.bit, flag.meaning);
    }
    if let Some(plot) = &args.plot {
        println!("plot: {}", plot.display());
    }
}

fn as_json(report: &InferReport, args: &Infer) -> serde_json::Value {
    let flagged: serde_json::Map<String, serde_json::Value> = FLAGS
        .iter()
        .zip(&report.flagged)
        .map(|(f, &count)| (f.name.to_string(), count.into()))
        .collect();
    json!({
        "output": args.output,
        "objects": report.objects,
        "rows": report.rows,
        "without_answer": report.unread.len(),
        "flagged": flagged,
        "metrics": report.metrics,
    })
}
