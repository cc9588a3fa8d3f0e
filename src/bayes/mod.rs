//! Bayesian inference where the posterior is known: the yardstick for predicted uncertainties.
//!
//! | module | what it has |
//! |---|---|
//! | [`linear`] | linear regression, exact |
//! | [`mcmc`] | draws from any posterior, and whether they can be used |
//! | [`student`] | Student's t distribution, of coefficients and predictions |

pub mod linear;
pub mod mcmc;
#[cfg(test)]
mod recorded;
pub mod student;
