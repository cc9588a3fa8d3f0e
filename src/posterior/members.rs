//! Each member's prediction for one image.

use super::mixture::Mixture;
use crate::likelihood::Likelihood;
use anyhow::Result;

/// Each member's answer for one image, in scaled labels, or in the label's unit where that is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberPredictions {
    pub likelihood: Likelihood,
    pub mu: Vec<f64>,
    pub var: Vec<f64>,
    /// How unlike the training images this one is, see [`ood`](super::ood); `None` where the model does not know.
    pub ood_score: Option<f64>,
}

impl MemberPredictions {
    /// Gaussians, in the label's unit.
    pub fn gaussian(mu: &[f64], var: &[f64]) -> MemberPredictions {
        MemberPredictions {
            likelihood: Likelihood::Gaussian,
            mu: mu.to_vec(),
            var: var.to_vec(),
            ood_score: None,
        }
    }

    /// Mean and variance in the label's unit: label = scale x output + shift, or its logarithm where the likelihood is
    /// log-normal.
    pub fn in_units(&self, scale: f64, shift: f64) -> MemberPredictions {
        let outputs = self.mu.iter().zip(&self.var);
        let label = |(mu, var): (&f64, &f64)| self.likelihood.label_moments(scale * mu + shift, scale * scale * var);
        let (mu, var) = outputs.map(label).unzip();
        MemberPredictions {
            likelihood: self.likelihood,
            mu,
            var,
            ood_score: self.ood_score,
        }
    }

    /// Of an answer in the label's unit.
    ///
    /// # Errors
    /// Those of [`Mixture::new`].
    pub fn mixture(&self) -> Result<Mixture> {
        Mixture::new(self.likelihood, &self.mu, &self.var)
    }

    /// The answer of some members, by their places.
    pub fn of(&self, members: &[usize]) -> MemberPredictions {
        let pick = |values: &[f64]| members.iter().map(|&m| values[m]).collect();
        MemberPredictions {
            likelihood: self.likelihood,
            mu: pick(&self.mu),
            var: pick(&self.var),
            ood_score: self.ood_score,
        }
    }

    pub fn add(&mut self, other: &MemberPredictions) {
        let add = |sums: &mut Vec<f64>, values: &[f64]| sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
        add(&mut self.mu, &other.mu);
        add(&mut self.var, &other.var);
        self.ood_score = self.ood_score.zip(other.ood_score).map(|(sum, v)| sum + v);
    }
}
