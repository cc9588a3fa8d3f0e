//! Distances, Einstein radii, masses, and the mass model of a simulated lens.
//!
//! | file | contents |
//! |---|---|
//! | [`cosmology`], [`units`] | distances, constants |
//! | [`einstein`] | conversions between Einstein radius, enclosed mass and velocity dispersion |
//! | [`mass`] | the mass model in f64: deflection, convergence, critical curve |
//! | [`convention`] | what an Einstein radius means in other programs, and conversions |

pub mod convention;
pub mod cosmology;
pub mod einstein;
mod error;
pub mod mass;
mod quadrature;
pub mod units;

pub use error::Error;
