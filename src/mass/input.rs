//! The catalogue and its columns.

use super::columns::QUANTILES;
use super::radius::Radius;
use super::{ColumnRole, Error, MassOptions};
use crate::likelihood::Likelihood;
use crate::posterior::mixture::{LEVELS, Mixture};
use crate::survey::Catalogue;
use rayon::prelude::*;

/// Smallest number of random draws that has 2.5 % quantiles.
const MIN_SAMPLES: usize = 100;

/// Difference, in sigma, of quantiles that are rounded.
const QUANTILE_TOLERANCE: f64 = 0.01;

/// A catalogue, the columns that are used, and the options.
pub(super) struct Input<'a> {
    catalogue: &'a Catalogue,
    pub(super) options: &'a MassOptions,
    theta_e: usize,
    /// Columns of the mean and variance of each member, which are those of the uncalibrated mixture.
    members: Vec<[usize; 2]>,
    distribution: DistributionColumns,
    /// Columns of the redshifts of lens and source.
    redshifts: [usize; 2],
    /// Columns of their standard deviations.
    errors: [Option<usize>; 2],
    id: Option<usize>,
}

/// What the distribution of theta_e is taken from.
enum DistributionColumns {
    /// The predictions of the members, by the likelihood of each row.
    Members(Vec<Likelihood>),
    /// Columns of the quantiles.
    Quantiles([usize; 5]),
}

impl<'a> Input<'a> {
    /// Finds the columns.
    pub(super) fn new(catalogue: &'a Catalogue, options: &'a MassOptions) -> Result<Self, Error> {
        if options.samples < MIN_SAMPLES {
            return Err(Error::TooFewSamples {
                samples: options.samples,
                least: MIN_SAMPLES,
            });
        }
        let named = |name: &str, role| {
            let column = catalogue.column(name);
            column.map_err(|error| Error::MissingColumn {
                role,
                source: error.into(),
            })
        };
        let optional = |name: &Option<String>, role| name.as_ref().map(|name| named(name, role)).transpose();
        let from_infer = |name: &str| {
            let column = catalogue.column(name);
            column.map_err(|error| Error::NotPredictions { source: error.into() })
        };
        let redshifts = [
            named(&options.z_lens, ColumnRole::LensRedshift)?,
            named(&options.z_source, ColumnRole::SourceRedshift)?,
        ];
        let members = members(catalogue);
        let [a, b, c, d, e] = QUANTILES.map(from_infer);
        let quantiles = DistributionColumns::Quantiles([a?, b?, c?, d?, e?]);
        let mut input = Input {
            catalogue,
            options,
            theta_e: from_infer("theta_e")?,
            members,
            distribution: quantiles,
            redshifts,
            errors: [
                optional(&options.z_lens_error, ColumnRole::LensRedshiftError)?,
                optional(&options.z_source_error, ColumnRole::SourceRedshiftError)?,
            ],
            id: optional(&options.id, ColumnRole::Id)?.or(catalogue.find("id")),
        };
        if !input.members.is_empty() && !options.from_quantiles {
            input.use_members_if_uncalibrated(likelihoods(catalogue)?);
        }
        Ok(input)
    }

    /// Takes the members' mixture as the distribution if every row's quantiles are its own. Those of a calibrated model
    /// are not: its distribution is known by the quantiles only.
    fn use_members_if_uncalibrated(&mut self, likelihoods: Vec<Likelihood>) {
        let DistributionColumns::Quantiles(columns) = self.distribution else {
            return;
        };
        let uncalibrated = |row: usize| {
            let Some(mixture) = self.mixture(row, &likelihoods) else {
                return true;
            };
            let tolerance = QUANTILE_TOLERANCE * mixture.sigma();
            let agrees = |(column, p): (usize, f64)| {
                let [found, expected] = [self.number(row, column), mixture.quantile(p)];
                (found - expected).abs() <= tolerance || (found - expected.max(0.0)).abs() <= tolerance
            };
            columns.into_iter().zip(LEVELS).all(agrees)
        };
        if (0..self.catalogue.len()).into_par_iter().all(uncalibrated) {
            self.distribution = DistributionColumns::Members(likelihoods);
        }
    }

    /// The mixture of the members of a row, if they have a prediction.
    fn mixture(&self, row: usize, likelihoods: &[Likelihood]) -> Option<Mixture> {
        let moments = self.members.iter().map(|columns| columns.map(|c| self.number(row, c)));
        let (mu, var): (Vec<f64>, Vec<f64>) = moments.map(|[mu, var]| (mu, var)).unzip();
        Mixture::new(likelihoods[row], &mu, &var).ok()
    }

    /// Whether redshifts have errors.
    pub(super) fn has_errors(&self) -> bool {
        self.errors.iter().any(Option::is_some)
    }

    /// Members whose predictions are in the catalogue.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// Members whose mixture is used; 0 if the distribution is reconstructed from quantiles.
    pub(super) fn mixture_members(&self) -> usize {
        match &self.distribution {
            DistributionColumns::Members(_) => self.members.len(),
            DistributionColumns::Quantiles(_) => 0,
        }
    }

    /// The mean of theta_e, arcsec; NaN if it is unknown.
    pub(super) fn theta_e(&self, row: usize) -> f64 {
        self.number(row, self.theta_e)
    }

    /// The distribution of theta_e, if it is known and extends above 0.
    pub(super) fn radius(&self, row: usize) -> Option<Radius> {
        match &self.distribution {
            DistributionColumns::Members(likelihoods) => Radius::from_mixture(self.mixture(row, likelihoods)?),
            DistributionColumns::Quantiles(columns) => {
                Radius::from_quantiles(columns.map(|column| self.number(row, column)))
            }
        }
    }

    /// Redshifts of lens and source; NaN if they are unknown.
    pub(super) fn redshifts(&self, row: usize) -> [f64; 2] {
        self.redshifts.map(|column| self.number(row, column))
    }

    /// Standard deviations of the redshifts: NaN if they are unknown, 0 if the caller named no column.
    pub(super) fn redshift_errors(&self, row: usize) -> [f64; 2] {
        self.errors
            .map(|column| column.map_or(0.0, |column| self.number(row, column)))
    }

    /// The text that, with the seed, determines the random numbers of a row.
    pub(super) fn id(&self, row: usize) -> String {
        self.id
            .map_or(row.to_string(), |id| self.catalogue.text(row, id).to_string())
    }

    fn number(&self, row: usize, column: usize) -> f64 {
        self.catalogue.number(row, column)
    }
}

/// The columns mu_0, var_0, mu_1, ... up to the first that is missing.
fn members(catalogue: &Catalogue) -> Vec<[usize; 2]> {
    let column = |name: &str, member: usize| catalogue.find(&format!("{name}_{member}"));
    (0..)
        .map_while(|member| Some([column("mu", member)?, column("var", member)?]))
        .collect()
}

/// The likelihood of each row. `infer` writes that column only if it is not Gaussian.
fn likelihoods(catalogue: &Catalogue) -> Result<Vec<Likelihood>, Error> {
    let Some(column) = catalogue.find("likelihood") else {
        return Ok(vec![Likelihood::Gaussian; catalogue.len()]);
    };
    let of_row = |row: usize| match catalogue.text(row, column).trim() {
        // A row without a prediction.
        "" => Ok(Likelihood::Gaussian),
        name => name.parse().map_err(|source| Error::Likelihood {
            path: catalogue.path.clone(),
            row: row + 1,
            source,
        }),
    };
    (0..catalogue.len()).map(of_row).collect()
}
