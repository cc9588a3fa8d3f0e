//! The operations of the simulator. A task is one object, or one plane of it.

mod arcs;
mod convolve;
mod deflection;
mod noise;
mod object;
mod psf;
mod render;

use super::simd::LANES;

/// One value per lane.
type Lane = [f32; LANES];
