//! The catalogue and its columns.

use super::radius::Radius;
use super::{ColumnRole, Error, MassOptions};
use crate::likelihood::Likelihood;
use crate::posterior::calibration::PredictiveDistribution;
use crate::survey::Catalogue;
use crate::survey::predictions::Predictions;
use rayon::prelude::*;

/// Smallest number of random draws that has 2.5 % quantiles.
const MIN_SAMPLES: usize = 100;

/// A catalogue, the columns that are used, and the options.
pub(super) struct Input<'a> {
    catalogue: &'a Catalogue,
    pub(super) options: &'a MassOptions,
    predictions: Predictions<'a>,
    /// The likelihood of each row if the distribution of theta_e is the mixture of the members, otherwise `None`: then it
    /// is rebuilt from its quantiles.
    likelihoods: Option<Vec<Likelihood>>,
    /// Columns of the redshifts of lens and source.
    redshifts: [usize; 2],
    /// Columns of their standard deviations.
    errors: [Option<usize>; 2],
    id: Option<usize>,
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
        let redshifts = [
            named(&options.z_lens, ColumnRole::LensRedshift)?,
            named(&options.z_source, ColumnRole::SourceRedshift)?,
        ];
        let predictions = Predictions::find(catalogue)?;
        let errors = [
            optional(&options.z_lens_error, ColumnRole::LensRedshiftError)?,
            optional(&options.z_source_error, ColumnRole::SourceRedshiftError)?,
        ];
        let id = optional(&options.id, ColumnRole::Id)?.or(catalogue.find("id"));
        let from_members = predictions.members() > 0 && !options.from_quantiles;
        let likelihoods = from_members.then(|| predictions.likelihoods()).transpose()?;
        // A calibrated distribution is known by its quantiles only.
        let likelihoods = likelihoods.filter(|likelihoods| are_uncalibrated(&predictions, likelihoods));
        Ok(Input {
            catalogue,
            options,
            predictions,
            likelihoods,
            redshifts,
            errors,
            id,
        })
    }

    /// Whether redshifts have errors.
    pub(super) fn has_errors(&self) -> bool {
        self.errors.iter().any(Option::is_some)
    }

    /// Members whose predictions are in the catalogue.
    pub(super) fn members(&self) -> usize {
        self.predictions.members()
    }

    /// Members whose mixture is used; 0 if the distribution is reconstructed from quantiles.
    pub(super) fn mixture_members(&self) -> usize {
        match self.likelihoods {
            Some(_) => self.members(),
            None => 0,
        }
    }

    /// The mean of theta_e, arcsec; NaN if it is unknown.
    pub(super) fn theta_e(&self, row: usize) -> f64 {
        self.predictions.theta_e(row)
    }

    /// The distribution of theta_e, if it is known and extends above 0.
    pub(super) fn radius(&self, row: usize) -> Option<Radius> {
        match &self.likelihoods {
            Some(likelihoods) => Radius::from_mixture(self.predictions.mixture(row, likelihoods)?),
            None => Radius::from_quantiles(self.predictions.quantiles(row)),
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

/// Whether every row's quantiles are those of its members' mixture.
fn are_uncalibrated(predictions: &Predictions, likelihoods: &[Likelihood]) -> bool {
    let uncalibrated = |row: usize| {
        let mixture = predictions.mixture(row, likelihoods);
        mixture.is_none_or(|mixture| predictions.agree(row, &PredictiveDistribution::of(&mixture, None)))
    };
    (0..likelihoods.len()).into_par_iter().all(uncalibrated)
}
