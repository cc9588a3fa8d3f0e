//! Distances, Einstein radii, masses, and the mass model of a simulated lens.
//!
//! | file | what it does |
//! |---|---|
//! | [`cosmology`], [`units`] | distances, constants |
//! | [`einstein`] | Einstein radius, mass inside it, velocity dispersion |
//! | [`mass`] | the mass model in f64: deflection, critical curve |

pub mod cosmology;
pub mod einstein;
pub mod mass;
pub mod units;
