//! The distributions whose mean and variance the network predicts.
//!
//! Each is a symmetric standard distribution of z with a location and a scale, z = (x - location) / scale. For the
//! log-normal, these are the location and scale of ln x.
//!
//! | file | what it has |
//! |---|---|
//! | this one | the list of likelihoods, and what each must define |
//! | `gaussian`, `student_t`, `log_normal` | one likelihood each |
//! | `component` | one ensemble member's distribution, of any likelihood |
//!
//! A new likelihood is a file that implements `Family`, one entry of `likelihoods!`, and its loss on each device.

mod component;
mod error;
mod gaussian;
mod log_normal;
mod student_t;

pub use component::Component;
pub use error::Error;

use rand::Rng;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

macro_rules! likelihoods {
    ($($(#[$attribute:meta])* $variant:ident = $name:literal, $family:expr, $summary:literal;)+) => {
        /// The distribution whose mean and variance the network predicts.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Likelihood {
            $($(#[$attribute])* #[doc = $summary] #[serde(rename = $name)] $variant,)+
        }

        impl Likelihood {
            /// Every likelihood, the default first.
            pub const ALL: [Likelihood; [$($name),+].len()] = [$(Likelihood::$variant),+];

            /// The name in model files, run.toml, catalogues and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Likelihood::$variant => $name,)+
                }
            }

            /// One line for users.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Likelihood::$variant => $summary,)+
                }
            }

            fn family(self) -> &'static dyn Family {
                match self {
                    $(Likelihood::$variant => &$family,)+
                }
            }
        }
    };
}

likelihoods! {
    #[default]
    Gaussian = "gaussian", gaussian::Gaussian,
        "Normal distribution";
    StudentT = "student-t", student_t::StudentT,
        "Student's t with five degrees of freedom: large errors cost the logarithm of their size, not its square";
    LogNormal = "log-normal", log_normal::LogNormal,
        "Normal distribution of the label's logarithm, for positive labels";
}

/// What a likelihood defines. All values are in the label's unit unless stated otherwise.
trait Family: Sync {
    /// Location and scale of the distribution with this mean and standard deviation, both finite and the latter positive.
    ///
    /// # Errors
    /// A mean outside the support.
    fn location_and_scale(&self, mean: f64, sigma: f64) -> Result<(f64, f64), Error>;

    fn mean(&self, of: &Component) -> f64;

    /// Standard deviation.
    fn sigma(&self, of: &Component) -> f64;

    /// The z of an x; minus infinity below the support.
    fn z(&self, of: &Component, x: f64) -> f64;

    /// The x of a z.
    fn x(&self, of: &Component, z: f64) -> f64;

    /// dx/dz at x: the length over which the distribution changes there.
    fn dx_dz(&self, of: &Component, x: f64) -> f64;

    /// ln p(x) without [`log_constant`](Self::log_constant).
    fn log_density(&self, of: &Component, x: f64) -> f64;

    /// The term of ln p(x) that depends on neither x nor the parameters.
    fn log_constant(&self) -> f64;

    /// P(Z > z) of the standard distribution for z >= 0, with full relative precision however small it is.
    fn tail(&self, z: f64) -> f64;

    /// ln [`tail`](Self::tail), also where the tail itself underflows.
    fn log_tail(&self, z: f64) -> f64 {
        self.tail(z).ln()
    }

    /// A z whose [`tail`](Self::tail) is at most `p`, for p <= 1/2.
    fn tail_bound(&self, p: f64) -> f64;

    /// E|X - x|.
    fn distance_to(&self, of: &Component, x: f64) -> f64;

    /// E|X - Y| of independent X and Y.
    fn distance(&self, of: &Component, other: &Component) -> f64;

    /// A random z.
    fn sample(&self, rng: &mut dyn Rng) -> f64;

    /// Whether the network is trained on the label's logarithm.
    fn is_of_logarithm(&self) -> bool;

    /// Mean and variance of the label, where those of the network's output are `mean` and `var`, scaled to the label's
    /// unit or to that of its logarithm.
    fn label_moments(&self, mean: f64, var: f64) -> (f64, f64);

    /// ln(scale / standard deviation), of the label or of its logarithm.
    fn log_scale_over_sigma(&self) -> f64;

    /// What must be added to every location of the equally weighted mixture `after` to give it the mean of `before`,
    /// where the two have the same mean location.
    fn shift_to_mean(&self, before: &[Component], after: &[Component]) -> f64;
}

impl Likelihood {
    /// Whether this is the default, which files leave out.
    pub fn is_default(&self) -> bool {
        *self == Likelihood::default()
    }

    /// Whether the network is trained on the label's logarithm, so that labels must be positive.
    pub fn is_of_logarithm(self) -> bool {
        self.family().is_of_logarithm()
    }

    /// Mean and variance of the label, where those of the network's output are `mean` and `var`, scaled to the label's
    /// unit or, with [`is_of_logarithm`](Self::is_of_logarithm), to that of its logarithm.
    pub fn label_moments(self, mean: f64, var: f64) -> (f64, f64) {
        self.family().label_moments(mean, var)
    }

    /// The term of ln p(x) that depends on neither x nor the parameters.
    pub(crate) fn log_constant(self) -> f64 {
        self.family().log_constant()
    }

    /// P(Z > z) of the standard distribution for z >= 0, with full relative precision however small it is.
    pub(crate) fn tail(self, z: f64) -> f64 {
        self.family().tail(z)
    }

    /// ln P(Z <= z) of the standard distribution, with full precision in both tails.
    pub(crate) fn log_below(self, z: f64) -> f64 {
        if z < 0.0 {
            self.family().log_tail(-z)
        } else {
            (-self.tail(z)).ln_1p()
        }
    }

    /// A z whose [`tail`](Self::tail) is at most `p`, for p <= 1/2.
    pub(crate) fn tail_bound(self, p: f64) -> f64 {
        self.family().tail_bound(p)
    }

    /// What must be added to every location of the equally weighted mixture `after` to give it the mean of `before`,
    /// where the two have the same mean location.
    pub(crate) fn shift_to_mean(self, before: &[Component], after: &[Component]) -> f64 {
        self.family().shift_to_mean(before, after)
    }
}

impl FromStr for Likelihood {
    type Err = Error;

    fn from_str(name: &str) -> Result<Likelihood, Error> {
        let named = Likelihood::ALL.into_iter().find(|likelihood| likelihood.name() == name);
        named.ok_or_else(|| Error::UnknownName { name: name.into() })
    }
}

/// What must be added to a loss of the training step to give -ln p in the label's unit.
///
/// The loss is that of scaled labels, without constants: label = `scale` x output + shift, or ln(label) where the
/// likelihood [is of the logarithm](Likelihood::is_of_logarithm); then the mean of ln(label) must be added as well.
pub fn loss_to_nll(likelihood: Likelihood, scale: f64) -> f64 {
    // The loss contains the logarithm of the standard deviation, the density that of the scale.
    let family = likelihood.family();
    scale.ln() + family.log_scale_over_sigma() - family.log_constant()
}

#[cfg(test)]
mod tests;
