//! The physics of lenses: distances, masses, velocity dispersions.

pub mod cosmology;
pub mod einstein;
pub mod mass_table;
pub mod radius;
pub mod units;
