//! `lensgpu population`: the distribution of true Einstein radii behind a catalogue of predictions.

use super::arguments::{Json, Quiet, Seed};
use super::console::Console;
use super::output::{out, outln};
use super::text::{Column, count, table};
use super::usage;
use crate::bayes::mcmc;
use crate::files::NewFolder;
use crate::model::Model;
use crate::population::{
    Error, PopulationOptions, PopulationReport, PriorChoice, Shape, TrainingPrior, as_json, infer_population, write,
};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Infer the distribution of the true Einstein radii of a population from a catalogue of predictions
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu population einstein_radii.csv --model model.safetensors -o population/
  lensgpu population einstein_radii.csv --prior training/catalogue.csv --shape mixture:2 --where 'z_lens < 0.5'
  lensgpu population einstein_radii.fits --prior log-normal:0.4,0.5 --flags near_edge,label_range --json

A network returns posteriors under the distribution of its training labels. That prior is divided out, so it must be \
known: from the model, a table of training labels, or its parameters. docs/population.md has the equations.")]
#[command(mut_arg("seed", |arg| arg.help("Random seed of the sampler")))]
pub struct PopulationArguments {
    /// Catalogue written by `lensgpu infer`
    catalogue: PathBuf,
    /// Model that the catalogue is from: its training labels are the prior, and with the members' columns its calibration
    /// is applied
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Training prior: a table of training labels, log-normal:MU,SIGMA (mean and standard deviation of ln theta_e),
    /// uniform:LOW,HIGH (arcsec), or none if the posteriors contain no prior [default: that of --model]
    #[arg(long, value_name = "PRIOR")]
    prior: Option<String>,
    /// Column of the training labels in the table of --prior
    #[arg(long, value_name = "COLUMN", default_value = "theta_e")]
    prior_column: String,
    /// Shape of the population: log-normal, or mixture:K, a mixture of 2 to 4 log-normal distributions
    #[arg(long, value_name = "SHAPE", default_value = "log-normal", value_parser = shape)]
    shape: Shape,
    /// Flags that a row may have: none, any, or names separated by commas; rows with other flags are left out
    #[arg(long, value_name = "FLAGS", default_value = "none", value_parser = super::choices::flags)]
    flags: i32,
    /// Use only rows that fulfil a condition on the columns, such as 'sigma < 0.5 and z_lens > 0.3'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Rebuild the posteriors from their quantiles even if the catalogue has the members' means and variances
    #[arg(long)]
    from_quantiles: bool,
    /// Folder to write, new or empty: chain.csv, chain.safetensors, summary.json and figures
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Walkers of the sampler, an even number
    #[arg(long, value_name = "N", default_value_t = 32)]
    walkers: usize,
    /// Steps of each walker that are kept, after a quarter as many that are not [default: 2000 per parameter of the shape]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// Steps that are kept by default, per parameter: 50 autocorrelation times are needed.
const STEPS_PER_PARAMETER: usize = 2000;

fn shape(text: &str) -> Result<Shape, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// # Errors
/// Those of [`Model::open`], [`infer_population`] and [`write`]; an output folder that is not empty.
pub fn run(args: PopulationArguments) -> Result<()> {
    let prior = match &args.prior {
        Some(text) => prior(text, &args.prior_column).map_err(usage)?,
        None if args.model.is_none() => return Err(usage(Error::NoPrior { has_model: false })),
        None => PriorChoice::Model,
    };
    let options = PopulationOptions {
        catalogue: args.catalogue,
        condition: args.condition,
        accepted_flags: args.flags,
        from_quantiles: args.from_quantiles,
        prior,
        shape: args.shape,
        walkers: args.walkers,
        steps: args.steps.unwrap_or(STEPS_PER_PARAMETER * args.shape.parameters()),
        seed: args.seed.seed,
    };
    let console = Console::for_result(args.quiet.quiet, args.json.json)?;
    let model = args.model.map(Model::open).transpose()?;
    let folder = args.output.as_deref().map(NewFolder::staged).transpose()?;
    let report = infer_population(&options, model.as_ref(), &|event| console.report(event));
    console.finish();
    let report = report.map_err(|error| match is_usage(&error) {
        true => usage(error),
        false => error.into(),
    })?;
    if let Some(folder) = folder {
        write(folder, &report)?;
    }
    if args.json.json {
        outln!("{}", console.as_json(as_json(&report))?);
    } else if !args.quiet.quiet {
        print(&report, args.output.as_deref());
    }
    Ok(())
}

/// The prior that `--prior` names.
fn prior(text: &str, column: &str) -> Result<PriorChoice, Error> {
    match text.parse::<TrainingPrior>() {
        Ok(prior) => Ok(PriorChoice::Given(prior)),
        Err(_) if Path::new(text).exists() => Ok(PriorChoice::Labels(text.into(), column.into())),
        // FILE.fits[NAME] is a table in a file.
        Err(_) if text.ends_with(']') => Ok(PriorChoice::Labels(text.into(), column.into())),
        Err(error) => Err(error),
    }
}

fn is_usage(error: &Error) -> bool {
    let Error::Sampler(error) = error else { return false };
    matches!(**error, mcmc::Error::Walkers { .. } | mcmc::Error::Steps { .. })
}

fn print(report: &PopulationReport, output: Option<&Path>) {
    outln!("posteriors: {}", report.source);
    outln!("training prior: {}", report.prior);
    outln!("population: {}", report.shape);
    outln!(
        "{} of {} used: {}\n",
        report.theta_e.len(),
        count(report.rows, "row"),
        report.left_out
    );
    let number = |value: f64| format!("{value:.4}");
    let row = |name: String, quantiles: [f64; 5], naive: String| {
        let [low95, low68, median, high68, high95] = quantiles.map(number);
        [
            name,
            median,
            format!("{low68} to {high68}"),
            format!("{low95} to {high95}"),
            naive,
        ]
    };
    let quantities = report.quantities.iter().map(|q| {
        let unit = if q.unit.is_empty() { "" } else { " [arcsec]" };
        let naive = q.naive.map_or("-".into(), number);
        row(format!("{}{unit}", title(q.name)), q.posterior.quantiles, naive)
    });
    let is_mixture = report.shape.components() > 1;
    let parameters = report.parameters.iter().filter(|_| is_mixture);
    let parameters = parameters.map(|(name, posterior)| row(name.clone(), posterior.quantiles, String::new()));
    let columns = [
        Column::Text(""),
        Column::Number("median"),
        Column::Number("68 % interval"),
        Column::Number("95 % interval"),
        Column::Number("catalogue"),
    ];
    out!("{}", table(columns, quantities.chain(parameters)));
    let diagnostics = report.diagnostics();
    let r_hat = diagnostics.parameters.iter().map(|p| p.r_hat).fold(1.0, f64::max);
    outln!(
        "\nBIC {:.1}; {} walkers, {} steps, autocorrelation time {:.0} steps, R-hat {r_hat:.3}, acceptance {:.2}",
        report.bic(),
        diagnostics.walkers,
        diagnostics.steps,
        diagnostics.longest_tau(),
        diagnostics.acceptance
    );
    if let Some(output) = output {
        outln!("chain, summary and figures: {}", output.display());
    }
}

/// What a quantity is, for readers.
fn title(name: &str) -> &str {
    match name {
        "mean" => "mean of theta_e",
        "scatter" => "scatter of theta_e",
        "median" => "median of theta_e",
        "mean_ln" => "mean of ln theta_e",
        "scatter_ln" => "scatter of ln theta_e",
        other => other,
    }
}
