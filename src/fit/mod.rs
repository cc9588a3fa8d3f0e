//! `lensgpu fit`: a Bayesian linear regression of a table, exact and by MCMC, and a deep ensemble on the same rows.
//!
//! | file | what it does |
//! |---|---|
//! | `options` | what is fitted, and the prior |
//! | `table` | the columns of the table as numbers |
//! | [`design`] | powers of standardised features |
//! | [`model`] | the exact posterior in the units of the table |
//! | `explore` | the same posterior by MCMC |
//! | `ensemble` | the deep ensemble |
//! | [`report`] | the result |
//! | [`figures`], `files` | what is drawn and written |

pub mod design;
mod ensemble;
mod error;
mod explore;
pub mod figures;
mod files;
pub mod model;
mod options;
pub mod report;
mod table;

pub use error::Error;
pub use options::{Basis, CoefficientPrior, FitOptions, HoldOut, NoiseModel};
pub use report::FitReport;
pub use table::Name;

use crate::bayes::mcmc::Chain;
use crate::bayes::student::StudentT;
use crate::device::Device;
use crate::files::NewFolder;
use crate::progress::{Callback, note, warn};
use crate::survey::split::random_order;
use ensemble::Ensemble;
use files::Written;
use model::{LinearModel, features};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use report::{EnsembleReport, LEVELS, Marginal, McmcReport, Parameter, RowPrediction, Scores};
use table::Table;

/// Name of the standard deviation of the noise among the parameters.
const SIGMA: &str = "sigma";
/// Fewest rows that are fitted.
const LEAST_ROWS: usize = 3;

/// Fits a table, and writes the chain, the predictions and the figures if there is a folder for them.
///
/// # Errors
/// A table that cannot be read; cells that are not finite numbers, constant columns, designs that do not determine the
/// coefficients; a chain that does not converge; an ensemble that cannot be trained; a folder that is not empty. Nothing is
/// written then.
pub fn fit_table(options: &FitOptions, device: Option<&Device>, progress: &Callback) -> Result<FitReport, Error> {
    let table = Table::read(options)?;
    table.notes.iter().for_each(|text| note(progress, text));
    table.warnings.iter().for_each(|text| warn(progress, text));
    let (fitted, held_out) = split(&table, options)?;
    let linear = LinearModel::new(&table, &fitted, options)?;
    let folder = options.output.as_deref().map(NewFolder::staged).transpose()?;

    let coefficients = linear.names(&table.features);
    let chain = explore::explore(&linear, &coefficients, options.largest_steps, options.seed, progress)?;
    // Correlated draws need not all be written.
    let every = ((chain.diagnostics().longest_tau() / 2.0) as usize).max(1);

    let mut ensemble = match (device, options.members.is_empty()) {
        (Some(device), false) => Some(Ensemble::train(
            &table,
            &fitted,
            &options.members,
            options.seed,
            device,
            progress,
        )?),
        _ => None,
    };
    let rows: Vec<(Vec<f64>, f64)> = (0..table.labels.len())
        .map(|row| (features(&table, row), table.labels[row]))
        .collect();
    let by_ensemble = ensemble.as_mut().map(|ensemble| ensemble.predict(&rows)).transpose()?;
    let noise_of = |row: usize| table.noise.as_ref().map(|noise| noise[row]);
    let with_noise = rows.iter().enumerate().map(|(row, values)| (values, noise_of(row)));
    let by_linear = predict(&linear, with_noise);
    let scores =
        |predictions: &[RowPrediction]| Scores::new(held_out.iter().map(|&row| (table.labels[row], &predictions[row])));

    let diagnostics = chain.diagnostics();
    let (parameters, noise) = parameters(&linear, &coefficients, &chain)?;
    let report = FitReport {
        table: table.path.clone(),
        label: table.label.clone(),
        features: table.features.clone(),
        basis: options.basis,
        prior: options.prior,
        noise_model: options.noise.clone(),
        rows: fitted.len(),
        held_out_rows: held_out.len(),
        dof: Some(linear.posterior().dof()).filter(|dof| dof.is_finite()),
        coefficients: parameters,
        noise,
        log_evidence: linear.log_evidence(),
        mcmc: McmcReport {
            walkers: diagnostics.walkers,
            steps: diagnostics.steps,
            acceptance: diagnostics.acceptance,
            every,
        },
        held_out: scores(&by_linear),
        ensemble: by_ensemble.as_ref().map(|predictions| EnsembleReport {
            members: options.members.len(),
            held_out: scores(predictions),
        }),
    };
    if let Some(folder) = folder {
        let drawn = figures::Drawn {
            report: &report,
            linear: &linear,
            chain: &chain,
            labels: &table.labels,
            values: &table.values,
            held_out: &held_out,
            by_linear: &by_linear,
            by_ensemble: by_ensemble.as_deref(),
        };
        let curves = match (table.features.len(), &table.noise) {
            (1, None) => Some(curves(&table, &linear, ensemble.as_mut())?),
            _ => None,
        };
        files::write(
            folder.path(),
            &Written {
                report: &report,
                chain: &chain,
                every,
                drawn: &drawn,
                curves: curves.as_ref(),
            },
        )?;
        folder.keep()?;
    }
    Ok(report)
}

/// Rows that are fitted and rows that are held out, each in the order of the table.
fn split(table: &Table, options: &FitOptions) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let rows = table.labels.len();
    let held_out = match (&table.held_out, &options.hold_out) {
        (Some(held_out), _) => held_out.clone(),
        (None, &HoldOut::Fraction(fraction)) if (0.0..1.0).contains(&fraction) => {
            let mut order = random_order(rows, &mut ChaCha8Rng::seed_from_u64(options.seed));
            order.truncate((fraction * rows as f64).round() as usize);
            order.sort_unstable();
            order
        }
        (None, &HoldOut::Fraction(fraction)) => return Err(Error::HoldOutFraction { fraction }),
        (None, HoldOut::Where(_)) => Vec::new(),
    };
    let fitted: Vec<usize> = (0..rows).filter(|row| held_out.binary_search(row).is_err()).collect();
    match fitted.len() < LEAST_ROWS {
        true => Err(Error::HoldOut {
            held_out: held_out.len(),
            rows,
        }),
        false => Ok((fitted, held_out)),
    }
}

/// The coefficients, and the noise unless it is known.
fn parameters(
    linear: &LinearModel,
    names: &[String],
    chain: &Chain,
) -> Result<(Vec<Parameter>, Option<Parameter>), Error> {
    let summaries = chain.summary().map_err(|source| Error::Mcmc {
        parameters: names.join(", "),
        source,
    })?;
    let parameter = |j: usize, name: &str, exact: Marginal| {
        let difference = (summaries[j].mean - exact.mean) / summaries[j].standard_error;
        Parameter {
            name: name.into(),
            exact,
            mcmc: summaries[j],
            difference: Some(difference).filter(|difference| difference.is_finite()),
            diagnostics: chain.diagnostics().parameters[j],
        }
    };
    let exact = linear.coefficients();
    let coefficients = names
        .iter()
        .zip(&exact)
        .enumerate()
        .map(|(j, (name, t))| parameter(j, name, marginal(t)));
    let noise = linear.noise().map(|noise| {
        let quantiles = LEVELS.map(|level| noise.quantile(level));
        parameter(
            names.len(),
            SIGMA,
            Marginal {
                mean: noise.mean(),
                sigma: noise.sigma(),
                quantiles,
            },
        )
    });
    Ok((coefficients.collect(), noise))
}

fn marginal(t: &StudentT) -> Marginal {
    Marginal {
        mean: if t.dof > 1.0 { t.location } else { f64::INFINITY },
        sigma: t.sigma(),
        quantiles: LEVELS.map(|level| t.quantile(level)),
    }
}

/// Predictions for rows of features, each with the label, or NaN, and with the standard deviation of its noise if each row
/// has its own.
fn predict<'a>(
    linear: &LinearModel,
    rows: impl IntoIterator<Item = (&'a (Vec<f64>, f64), Option<f64>)>,
) -> Vec<RowPrediction> {
    // All rows have the same number of degrees of freedom.
    let standard = StudentT {
        location: 0.0,
        scale: 1.0,
        dof: linear.posterior().dof(),
    };
    let z = LEVELS.map(|level| standard.quantile(level));
    let of = |((features, label), noise): (&(Vec<f64>, f64), Option<f64>)| {
        let t = linear.predict(features, noise);
        RowPrediction {
            mean: t.location,
            sigma: t.sigma(),
            quantiles: z.map(|z| t.location + t.scale * z),
            nll: -t.log_pdf(*label),
        }
    };
    rows.into_iter().map(of).collect()
}

/// Predictions along the only feature, also beyond the data.
pub struct Curves {
    /// Values of the feature.
    pub x: Vec<f64>,
    /// Predictions of the linear model.
    pub linear: Vec<RowPrediction>,
    /// Predictions of the ensemble.
    pub ensemble: Option<Vec<RowPrediction>>,
}

/// Points of a curve, and how far it goes on beyond the data on either side, in units of their range.
const POINTS: usize = 121;
const BEYOND: f64 = 0.25;

fn curves(table: &Table, linear: &LinearModel, ensemble: Option<&mut Ensemble>) -> Result<Curves, Error> {
    let values = &table.values[0];
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let range = high - low;
    let at = |i: usize| low - BEYOND * range + (1.0 + 2.0 * BEYOND) * range * i as f64 / (POINTS - 1) as f64;
    let rows: Vec<(Vec<f64>, f64)> = (0..POINTS).map(|i| (vec![at(i)], f64::NAN)).collect();
    Ok(Curves {
        x: (0..POINTS).map(at).collect(),
        linear: predict(linear, rows.iter().map(|values| (values, None))),
        ensemble: ensemble.map(|ensemble| ensemble.predict(&rows)).transpose()?,
    })
}
