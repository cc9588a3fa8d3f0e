//! Optional training techniques of `lensgpu train`; docs/training.md describes each.

use crate::likelihood::Likelihood;
use crate::train::TrainOptions;

/// Each technique is as in the recipe unless it is given; 0 turns it off.
#[derive(clap::Args)]
#[command(next_help_heading = "Techniques (docs/training.md)")]
pub struct Techniques {
    /// Distribution that each member predicts [default: that of the network]
    #[arg(long, value_name = "NAME", value_parser = super::choices::likelihood())]
    pub likelihood: Option<Likelihood>,
    /// Also train a lens head: p_lens, the probability that an image shows a lens; the catalogue needs is_lens
    #[arg(long)]
    pub p_lens: bool,
    /// Weight each image's loss by its variance to this power, 0 to 1 (usually 0.5)
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    beta_nll: Option<f32>,
    /// Fit only the mean, by squared error, during the first EPOCHS epochs (usually 5)
    #[arg(long, value_name = "EPOCHS")]
    warm_up_mean: Option<usize>,
    /// Also train on adversarially perturbed images; EPS is a fraction of each band's range (usually 0.01)
    #[arg(long, value_name = "EPS", allow_negative_numbers = true)]
    adversarial: Option<f32>,
    /// Shift each image at random by up to PIXELS along each axis
    #[arg(long, value_name = "PIXELS")]
    shift: Option<usize>,
    /// Add Gaussian noise to each image, in units of the sky noise (usually 0.3)
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    noise: Option<f32>,
    /// Stretch flux linearly up to this many times the sky noise, then logarithmically [default: by the images' brightness]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true, conflicts_with = "from")]
    softening: Option<f64>,
    /// Increase the learning rate linearly over the first STEPS steps (usually 100)
    #[arg(long, value_name = "STEPS")]
    warm_up: Option<usize>,
    /// Decoupled weight decay of the kernels, relative to the learning rate (usually 1e-4)
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Use an exponential moving average of the weights with this decay (usually 0.999)
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true)]
    ema: Option<f32>,
    /// Stop training a member after EPOCHS epochs without a better validation NLL (usually 10)
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<usize>,
}

impl Techniques {
    /// `base` with the techniques that are given.
    pub fn over(&self, base: TrainOptions) -> TrainOptions {
        TrainOptions {
            beta_nll: self.beta_nll.unwrap_or(base.beta_nll),
            warm_up_mean: self.warm_up_mean.unwrap_or(base.warm_up_mean),
            adversarial: self.adversarial.unwrap_or(base.adversarial),
            shift: self.shift.unwrap_or(base.shift),
            noise: self.noise.unwrap_or(base.noise),
            softening: self.softening.unwrap_or(base.softening),
            warm_up: self.warm_up.unwrap_or(base.warm_up),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            ema: self.ema.unwrap_or(base.ema),
            patience: self.patience.unwrap_or(base.patience),
            ..base
        }
    }
}
