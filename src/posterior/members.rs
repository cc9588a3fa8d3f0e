//! Each member's prediction for one object.

use super::Error;
use super::mixture::Mixture;
use crate::likelihood::Likelihood;
use serde::{Deserialize, Serialize};

/// Each member's prediction for one object, in scaled labels or in the label's unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberPredictions {
    /// Of every member.
    pub likelihood: Likelihood,
    /// Means, (M).
    pub mu: Vec<f64>,
    /// Variances, (M).
    pub var: Vec<f64>,
    /// Probabilities that the image shows a lens, (M); empty if the network has no lens head.
    pub lens: Vec<f64>,
    /// Distances of the features from those of the training images, see [`ood`](super::ood), (M); empty if the model has
    /// no features to compare with.
    pub feature_distances: Vec<f64>,
    /// Smallest possible label, below which no quantile is reported: 0 for a radius, minus infinity for the label of a table.
    pub lowest: f64,
}

impl MemberPredictions {
    /// Gaussians of the given means and variances, in the label's unit.
    pub fn gaussian(mu: &[f64], var: &[f64]) -> MemberPredictions {
        MemberPredictions {
            likelihood: Likelihood::Gaussian,
            mu: mu.to_vec(),
            var: var.to_vec(),
            ..MemberPredictions::default()
        }
    }

    /// Means and variances of the label, where label = scale x output + shift, or its logarithm for a log-normal
    /// likelihood.
    pub fn in_units(&self, scale: f64, shift: f64) -> MemberPredictions {
        let outputs = self.mu.iter().zip(&self.var);
        let label = |(mu, var): (&f64, &f64)| self.likelihood.label_moments(scale * mu + shift, scale * scale * var);
        let (mu, var) = outputs.map(label).unzip();
        MemberPredictions {
            likelihood: self.likelihood,
            mu,
            var,
            lens: self.lens.clone(),
            feature_distances: self.feature_distances.clone(),
            lowest: self.lowest,
        }
    }

    /// The ensemble's probability that the image shows a lens, the mean of those of the members; `None` if the network
    /// has no lens head.
    pub fn p_lens(&self) -> Option<f64> {
        let sum: f64 = self.lens.iter().sum();
        (!self.lens.is_empty()).then_some(sum / self.lens.len() as f64)
    }

    /// The mean distance of the features of all members from those of the training images; `None` if the model has no
    /// features to compare with.
    pub fn feature_distance(&self) -> Option<f64> {
        let sum: f64 = self.feature_distances.iter().sum();
        (!self.feature_distances.is_empty()).then_some(sum / self.feature_distances.len() as f64)
    }

    /// The ensemble's distribution, from predictions in the label's unit.
    ///
    /// # Errors
    /// Those of [`Mixture::new`].
    pub fn mixture(&self) -> Result<Mixture, Error> {
        let mut mixture = Mixture::new(self.likelihood, &self.mu, &self.var)?;
        mixture.lowest = self.lowest;
        Ok(mixture)
    }

    /// The predictions of the members with these indices.
    ///
    /// # Panics
    /// An index that no member has.
    pub fn select(&self, members: &[usize]) -> MemberPredictions {
        let pick = |values: &[f64]| match values {
            [] => vec![],
            values => members.iter().map(|&m| values[m]).collect(),
        };
        MemberPredictions {
            likelihood: self.likelihood,
            mu: pick(&self.mu),
            var: pick(&self.var),
            lens: pick(&self.lens),
            feature_distances: pick(&self.feature_distances),
            lowest: self.lowest,
        }
    }

    /// Adds the means, variances, probabilities and distances of `other`, to be divided by the number of terms later.
    pub fn add(&mut self, other: &MemberPredictions) {
        let add = |sums: &mut Vec<f64>, values: &[f64]| sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
        add(&mut self.mu, &other.mu);
        add(&mut self.var, &other.var);
        add(&mut self.lens, &other.lens);
        add(&mut self.feature_distances, &other.feature_distances);
    }
}
