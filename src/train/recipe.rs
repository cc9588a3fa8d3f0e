//! Recipes: a network, and the options that it is trained with.

use super::error::Error;
use super::options::TrainOptions;
use crate::nn::Network;

/// A network with the options of its training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recipe {
    /// The most accurate of those that docs/accuracy.md compares.
    #[default]
    Standard,
    /// That of the reference model: the vanilla network, a Gaussian likelihood, and Adam without further techniques.
    Vanilla,
}

impl Recipe {
    /// Every recipe, the default first.
    pub const ALL: [Recipe; 2] = [Recipe::Standard, Recipe::Vanilla];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Standard => "standard",
            Recipe::Vanilla => "vanilla",
        }
    }

    /// One line for users.
    pub fn summary(self) -> &'static str {
        match self {
            Recipe::Standard => "Residual network, log-normal likelihood, shifts, warm-up",
            Recipe::Vanilla => "The reference: vanilla network, Gaussian likelihood, none of the techniques",
        }
    }

    /// How an ensemble is trained.
    pub fn options(self) -> TrainOptions {
        let vanilla = TrainOptions {
            members: (0..5).collect(),
            batch: 32,
            epochs: 40,
            least_steps: 0,
            learning_rate: 1e-3,
            final_rate: 1e-5,
            clip: 5.0,
            validation: 0.1,
            calibration: 0.1,
            hold_out: 0,
            seed: 1,
            augment: true,
            freeze_convolutions: false,
            adversarial: 0.0,
            beta_nll: 0.0,
            warm_up_mean: 0,
            shift: 0,
            noise: 0.0,
            softening: 0.0,
            warm_up: 0,
            weight_decay: 0.0,
            ema: 0.0,
            patience: 0,
        };
        match self {
            Recipe::Vanilla => vanilla,
            Recipe::Standard => TrainOptions {
                batch: 16,
                least_steps: 8000,
                learning_rate: 3e-3,
                final_rate: 3e-5,
                shift: 1,
                warm_up: 200,
                ..vanilla
            },
        }
    }

    /// The same for the rows of a table, which cannot be shifted, and whose batches are larger.
    pub fn options_for_tables(self) -> TrainOptions {
        let images = self.options();
        TrainOptions {
            batch: 32,
            least_steps: 4000,
            shift: 0,
            ema: if self == Recipe::Standard { 0.999 } else { images.ema },
            ..images
        }
    }

    /// The network for cutouts of `input`: height, width, channels. For rows of a table (1, 1, F) it has two dense layers
    /// of 50 units, in the vanilla recipe one.
    ///
    /// # Errors
    /// Images that are too small for it.
    pub fn network(self, input: &[usize]) -> Result<Network, Error> {
        let network = match self {
            Recipe::Vanilla if matches!(input, [1, 1, _]) => Network::dense(input, &[50]),
            Recipe::Standard => Network::standard(input),
            Recipe::Vanilla => Network::vanilla(input),
        };
        network.map_err(|source| Error::RecipeNetwork {
            recipe: self,
            input: input.to_vec(),
            source: source.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likelihood::Likelihood;

    #[test]
    fn the_vanilla_recipe_is_the_reference() {
        let vanilla = Recipe::Vanilla;
        assert!(vanilla.options().switched_on().is_empty());
        let network = vanilla.network(&[55, 55, 3]).unwrap();
        assert_eq!(network, Network::vanilla(&[55, 55, 3]).unwrap());
        assert_eq!(network.heads().likelihood, Likelihood::Gaussian);
        assert!(vanilla.network(&[9, 9, 1]).is_err(), "too small for its kernels");
    }

    #[test]
    fn the_standard_recipe_takes_images_of_any_size() {
        for input in [[101, 101, 1], [55, 55, 3], [64, 40, 4], [1, 2, 1]] {
            let network = Recipe::Standard.network(&input).unwrap();
            assert_eq!(network.heads().likelihood, Likelihood::LogNormal, "{input:?}");
        }
        assert_eq!(TrainOptions::default(), Recipe::Standard.options());
    }

    #[test]
    fn rows_of_a_table_get_dense_layers_and_no_shifts() {
        for (recipe, layers) in [(Recipe::Standard, 2), (Recipe::Vanilla, 1)] {
            let network = recipe.network(&[1, 1, 7]).unwrap();
            let dense = network.layers.iter().filter(|layer| layer.label().contains("50 units"));
            assert_eq!(
                (dense.count(), network.heads().likelihood),
                (layers, Likelihood::Gaussian)
            );
            assert_eq!(recipe.options_for_tables().shift, 0);
            assert!(!network.takes_images());
        }
        assert!(Recipe::Standard.network(&[55, 55, 3]).unwrap().takes_images());
    }
}
