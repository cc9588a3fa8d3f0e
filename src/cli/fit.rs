//! `lensgpu fit`: a Bayesian linear regression of a table.

use super::arguments::{DeviceArgument, Json, Quiet, Seed, members};
use super::console::Console;
use super::output::{out, outln};
use super::text::Column::{Number, Text};
use super::text::{count, table};
use crate::fit::report::{FitReport, Parameter, Scores};
use crate::fit::{Basis, CoefficientPrior, FitOptions, HoldOut, NoiseModel, fit_table};
use anyhow::Result;
use std::path::PathBuf;

/// Fit a table by Bayesian linear regression, exactly and by MCMC, and compare a deep ensemble on the same rows
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu fit photometry.csv --label z_spec --features g,r,i,z --hold-out 0.2 -o fits/photometry
  lensgpu fit relation.fits --label log_mass --features log_sigma --noise column:e_log_mass
  lensgpu fit photometry.csv --label z_spec --features g,r --hold-out-where 'z_spec > 1' -o fits/beyond
  lensgpu fit decay.csv --label flux --features time --basis poly:3 --prior normal:5 --no-ensemble --json

docs/bayes.md has the equations, the priors and how convergence is judged.")]
#[command(mut_arg("seed", |arg| {
    arg.help("Random seed: which rows are held out, the walkers of the MCMC, and the ensemble")
}))]
pub struct Fit {
    /// Table: CSV, FITS, VOTable or Parquet
    table: PathBuf,
    /// Column to predict
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// Columns to predict it from [default: all others]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    features: Option<Vec<String>>,
    /// Powers of each feature: poly:K for x, x^2, ..., x^K
    #[arg(long, value_name = "poly:K", default_value_t = Basis::default())]
    basis: Basis,
    /// Prior of the coefficients of standardised columns: flat, or normal:WIDTH in units of the noise
    #[arg(long, value_name = "PRIOR", default_value_t = CoefficientPrior::default())]
    prior: CoefficientPrior,
    /// Noise of the label: inverse-gamma:SHAPE,RATE or reference (its variance is unknown), known:SIGMA, or column:NAME
    #[arg(long, value_name = "NOISE", default_value_t = NoiseModel::default())]
    noise: NoiseModel,
    /// Fraction of the rows that nothing is fitted to, and that the predictions are scored on
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    hold_out: f64,
    /// Hold out the rows that fulfil a condition instead, such as 'z > 2': predictions outside of the data
    #[arg(long, value_name = "CONDITION", conflicts_with = "hold_out")]
    hold_out_where: Option<String>,
    /// Accept columns that depend on each other, and more coefficients than rows: the prior decides
    #[arg(long)]
    leave_to_prior: bool,
    /// New folder for fit.json, the chain, predictions and figures
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Members of the deep ensemble: their number, or a range such as 3..7
    #[arg(long, value_name = "N", default_value = "5", value_parser = members_argument)]
    members: Members,
    /// Leave the deep ensemble out
    #[arg(long)]
    no_ensemble: bool,
    /// Largest number of MCMC steps per walker; fewer are taken if the chain converges before
    #[arg(long, value_name = "N", default_value_t = 128_000)]
    largest_steps: usize,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// Numbers of members; a type of its own, because clap takes a list as several arguments.
#[derive(Clone)]
struct Members(Vec<u32>);

fn members_argument(text: &str) -> Result<Members, String> {
    members(text).map(Members)
}

/// # Errors
/// Those of [`fit_table`], and a device that is not there.
pub fn run(args: Fit) -> Result<()> {
    if args.leave_to_prior && args.prior == CoefficientPrior::Flat {
        return Err(super::usage(anyhow::anyhow!(
            "--leave-to-prior needs a prior that is not flat, such as --prior normal:10"
        )));
    }
    if !(0.0..1.0).contains(&args.hold_out) {
        return Err(super::usage(anyhow::anyhow!(
            "--hold-out is a fraction, at least 0 and below 1, not {}",
            args.hold_out
        )));
    }
    let console = Console::new(args.quiet.quiet)?;
    let device = match args.no_ensemble {
        true => None,
        false => Some(args.device.open_and_show(&console)?),
    };
    let options = FitOptions {
        table: args.table,
        label: args.label,
        features: args.features,
        basis: args.basis,
        prior: args.prior,
        noise: args.noise,
        hold_out: match args.hold_out_where {
            Some(condition) => HoldOut::Where(condition),
            None => HoldOut::Fraction(args.hold_out),
        },
        leave_to_prior: args.leave_to_prior,
        largest_steps: args.largest_steps,
        seed: args.seed.seed,
        members: if args.no_ensemble { Vec::new() } else { args.members.0 },
        output: args.output,
    };
    let report = fit_table(&options, device.as_ref(), &|event| console.report(event));
    console.finish();
    let report = report?;
    if args.json.json {
        outln!("{}", serde_json::to_string_pretty(&report)?);
    } else if !args.quiet.quiet {
        print(&report, &options);
    }
    Ok(())
}

fn print(report: &FitReport, options: &FitOptions) {
    outln!(
        "{}: {} fitted, {} held out, basis {}, prior {}, noise {}",
        report.label.axis(),
        count(report.rows, "row"),
        report.held_out_rows,
        report.basis,
        report.prior,
        report.noise_model
    );
    let columns = [
        Text("parameter"),
        Number("mean"),
        Number("sigma"),
        Number("68 %"),
        Number("95 %"),
        Number("MCMC mean"),
        Number("sigma"),
        Number("difference"),
    ];
    let parameters = report.coefficients.iter().chain(&report.noise);
    out!("{}", table(columns, parameters.map(row)));
    outln!("difference: MCMC mean minus exact mean, in Monte Carlo standard errors");
    match report.log_evidence {
        Some(evidence) => outln!("ln evidence: {evidence:.3}"),
        None => outln!("ln evidence: not defined, because the prior is improper"),
    }
    let all = || report.coefficients.iter().chain(&report.noise).map(|p| p.diagnostics);
    let largest = |of: fn(&crate::bayes::mcmc::ParameterDiagnostics) -> f64| all().map(|d| of(&d)).fold(0.0, f64::max);
    outln!(
        "MCMC: {} of {} steps, acceptance {:.2}, autocorrelation time at most {:.0} steps, R-hat at most {:.3}, at least {:.0} \
         effective draws",
        count(report.mcmc.walkers, "walker"),
        report.mcmc.steps,
        report.mcmc.acceptance,
        largest(|d| d.tau),
        largest(|d| d.r_hat),
        all().map(|d| d.ess_bulk.min(d.ess_tail)).fold(f64::INFINITY, f64::min)
    );
    let ensemble = report.ensemble.as_ref().and_then(|ensemble| ensemble.held_out);
    let scores: Vec<[String; 5]> = [("linear regression", report.held_out), ("deep ensemble", ensemble)]
        .into_iter()
        .filter_map(|(name, scores)| scores.map(|scores| score_row(name, &scores)))
        .collect();
    if !scores.is_empty() {
        outln!("on the {}:", count(report.held_out_rows, "held-out row"));
        let columns = [
            Text(""),
            Number("RMSE"),
            Number("NLL"),
            Number("within 68 %"),
            Number("within 95 %"),
        ];
        out!("{}", table(columns, scores));
    }
    if let Some(folder) = &options.output {
        let folder = folder.display();
        outln!("written to {folder}: fit.json, chain.safetensors, chain.csv, predictions.csv");
        outln!("figures: {folder}/corner.svg, {folder}/prediction.svg, {folder}/residuals.svg, and as .png");
    }
}

fn row(parameter: &Parameter) -> [String; 8] {
    let exact = &parameter.exact;
    let [q02, q16, _, q84, q97] = exact.quantiles;
    let number = |value: f64| significant(value, exact.quantiles[4] - exact.quantiles[0]);
    [
        parameter.name.clone(),
        number(exact.mean),
        number(exact.sigma),
        format!("{} to {}", number(q16), number(q84)),
        format!("{} to {}", number(q02), number(q97)),
        number(parameter.mcmc.mean),
        number(parameter.mcmc.sigma),
        parameter.difference.map_or("-".into(), |d| format!("{d:+.1}")),
    ]
}

/// A number with three digits of the width of its distribution.
fn significant(value: f64, width: f64) -> String {
    let digits = 2 - width.abs().max(f64::MIN_POSITIVE).log10().floor() as i32;
    match digits {
        ..=-4 | 8.. => format!("{value:.4e}"),
        digits => format!("{value:.*}", digits.max(0) as usize),
    }
}

fn score_row(name: &str, scores: &Scores) -> [String; 5] {
    let percent = |fraction: f64| format!("{:.1} %", 100.0 * fraction);
    [
        name.into(),
        format!("{:.4}", scores.rmse),
        format!("{:.4}", scores.nll),
        percent(scores.coverage_68),
        percent(scores.coverage_95),
    ]
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_have_three_digits_of_their_uncertainty() {
        assert_eq!(significant(12.345_678, 0.5), "12.346");
        assert_eq!(significant(-1234.6, 200.0), "-1235");
        assert_eq!(significant(1.5e-9, 1e-10), "1.5000e-9");
        assert_eq!(significant(3e7, 1e6), "3.0000e7");
    }
}
