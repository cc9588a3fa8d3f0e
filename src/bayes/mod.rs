//! Bayesian inference where the posterior is known: the yardstick for predicted uncertainties.
//!
//! | module | what it has |
//! |---|---|
//! | [`linear`] | linear regression, exact |
//! | [`mcmc`] | draws from any posterior, and whether they can be used |
//! | [`draws`] | draws as files |
//! | [`noise_sigma`] | the distribution of the noise |
//! | [`student`] | Student's t distribution, of coefficients and predictions |

pub mod draws;
mod invert;
pub mod linear;
pub mod mcmc;
pub mod noise_sigma;
#[cfg(test)]
mod recorded;
pub mod student;
