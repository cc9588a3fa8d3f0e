//! `lensgpu evaluate`: scores a model on labelled images and writes a report.

use super::arguments::Seed;
use super::console::Console;
use super::labelled::LabelledArguments;
use super::text::{Column, class_metrics, metrics, table};
use crate::evaluate::Evaluation;
use crate::files::{self, NewFolder};
use crate::model::shipped::Named;
use crate::model::{Model, utc_now};
use crate::posterior::Quantity;
use crate::posterior::metrics::Metrics;
use crate::report::{self, Subject};
use anyhow::Result;
use std::path::PathBuf;

/// Score a model on labelled images: metrics, plots and a report
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu evaluate runs/ground/model.safetensors test_lenses/ -o report/
  lensgpu evaluate model.safetensors cutouts/ --images '{id}_{band}.fits' --catalogue truth.csv --label theta_e -o report/
  lensgpu evaluate model.safetensors test_lenses/ --raw -o report_uncalibrated/")]
#[command(mut_arg("seed", |arg| arg.help("Random seed of the bootstrap")))]
pub struct Evaluate {
    /// Folder to write, new or empty: report.html, metrics.json, metrics.csv, figures/
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Skip the model's calibration
    #[arg(long)]
    raw: bool,
    /// Training log, for the training curves [default: log.csv beside MODEL]
    #[arg(long, value_name = "CSV")]
    log: Option<PathBuf>,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    labelled: LabelledArguments,
}

/// # Errors
/// Those of [`LabelledArguments::open`], [`Evaluation::new`] and [`report::write`]; an output folder that is not empty.
pub fn run(args: Evaluate) -> Result<()> {
    let labelled = &args.labelled;
    let quiet = labelled.quiet.quiet;
    let console = Console::new(quiet)?;
    let mut model = Model::open(&labelled.model)?;
    if args.raw {
        model.about.calibration = None;
    }
    let has_lens_head = model.network.heads().lens.is_some();
    let images = labelled.open(&model, has_lens_head, &console)?;
    let folder = NewFolder::create(&args.output)?;
    let known = images.predict(&model, &console)?;
    let evaluation = Evaluation::new(&model, &images.source, known, args.seed.seed)?;
    let beside_model = match Named::of(&labelled.model)? {
        Named::File(path) => Some(files::folder_of(path).join("log.csv")),
        Named::Shipped(_) => None,
    };
    let log = args.log.or(beside_model.filter(|log| log.exists()));
    let subject = Subject {
        model: &model,
        model_file: labelled.model.display().to_string(),
        data: labelled.dir.display().to_string(),
        date: utc_now(),
    };
    let page = report::write(&args.output, &subject, &evaluation, &images.source, log.as_deref())?;
    folder.keep()?;
    if !quiet {
        print(&model.quantity(), &evaluation);
        println!("report: {}", page.display());
    }
    Ok(())
}

fn print(quantity: &Quantity, evaluation: &Evaluation) {
    let of_all = metrics(quantity, &evaluation.sets[0].metrics);
    print!("{of_all}\n{}", by_flag(quantity, evaluation));
    let median = &evaluation.median.metrics;
    let rmse = quantity.with_unit(&format!("{:.3}", median.rmse));
    print!("\n  with the mixture's median instead of its mean: RMSE {rmse}");
    match quantity.is_angle() {
        true => {
            println!(", errors above 1\" {:.1} %", 100.0 * median.share_above_1_arcsec);
            println!("  {}", evaluation.largest);
        }
        false => println!(),
    }
    if let Some(classification) = &evaluation.classification {
        print!("\nlens or not:\n{}", class_metrics(&classification.metrics));
    }
    println!("\n{}", in_one_sentence(quantity, &evaluation.sets[0].metrics));
}

/// How good the predictions are.
fn in_one_sentence(quantity: &Quantity, m: &Metrics) -> String {
    let number = |value: f64| quantity.with_unit(&format!("{value:.3}"));
    let values = if quantity.is_angle() { "radii" } else { "values" };
    format!(
        "For these {} objects, the RMSE is {}, half of the errors are below {}, and {:.0} % of the true {values} lie in \
         the 68 % interval, {:.0} % in the 95 % interval.",
        m.n,
        number(m.rmse),
        number(m.median_abs_error),
        100.0 * m.coverage_683,
        100.0 * m.coverage_954
    )
}

/// The accuracy of the predictions with each flag.
///
/// A catastrophic outlier is further than max(1", 5 sigma) from the true value.
fn by_flag(quantity: &Quantity, evaluation: &Evaluation) -> String {
    let rows = evaluation.by_flag().map(|(name, set)| {
        let m = &set.metrics;
        let rmse = quantity.with_unit(&format!("{:.3}", m.rmse));
        let outliers = match quantity.is_angle() {
            true => format!("{:.1} %", 100.0 * m.runaway_share),
            false => "-".into(),
        };
        [name.into(), m.n.to_string(), rmse, outliers]
    });
    let columns = [
        Column::Text("flag"),
        Column::Number("objects"),
        Column::Number("RMSE"),
        Column::Number("catastrophic outliers"),
    ];
    table(columns, rows)
}
