//! What `lensgpu train` can be told beyond its defaults; docs/training.md says what each does.

use crate::likelihood::Likelihood;
use crate::train::TrainOptions;

/// Everything is off unless it is given.
#[derive(clap::Args)]
#[command(next_help_heading = "Techniques (docs/training.md)")]
pub struct Techniques {
    /// What a member's mean and variance are of [default: the network file's, else gaussian]
    #[arg(long, value_name = "NAME", value_parser = super::choices::likelihood())]
    pub likelihood: Option<Likelihood>,
    /// Weigh each image's loss by its variance to this power, 0 to 1 (usual: 0.5)
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    beta_nll: Option<f32>,
    /// Fit the mean alone, by the squared error, in so many epochs at the beginning (usual: 5)
    #[arg(long, value_name = "EPOCHS")]
    warm_up_mean: Option<usize>,
    /// Train on images moved against the network as well, by this share of each band's range (usual: 0.01)
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    adversarial: Option<f32>,
    /// Shift each image by up to so many pixels along each axis
    #[arg(long, value_name = "PIXELS")]
    shift: Option<usize>,
    /// Add noise to each image, in units of the sky's noise (usual: 0.3)
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    noise: Option<f32>,
    /// Let the learning rate rise to its first value over so many steps (usual: 100)
    #[arg(long, value_name = "STEPS")]
    warm_up: Option<usize>,
    /// Shrink kernels by this share of the learning rate in each step (usual: 1e-4)
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Keep the moving average of the weights, of this decay (usual: 0.999)
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    ema: Option<f32>,
    /// End a member's training after so many epochs without a better validation nll (usual: 10)
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<usize>,
}

impl Techniques {
    /// `base` with what is given.
    pub fn over(&self, base: TrainOptions) -> TrainOptions {
        TrainOptions {
            beta_nll: self.beta_nll.unwrap_or(base.beta_nll),
            warm_up_mean: self.warm_up_mean.unwrap_or(base.warm_up_mean),
            adversarial: self.adversarial.unwrap_or(base.adversarial),
            shift: self.shift.unwrap_or(base.shift),
            noise: self.noise.unwrap_or(base.noise),
            warm_up: self.warm_up.unwrap_or(base.warm_up),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            ema: self.ema.unwrap_or(base.ema),
            patience: self.patience.unwrap_or(base.patience),
            ..base
        }
    }
}
