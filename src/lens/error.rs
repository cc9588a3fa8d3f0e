//! What can go wrong when lenses are simulated.

use super::simulate::population::{Population, PopulationError};
use crate::survey;
use std::io;
use std::path::PathBuf;

/// An error of the simulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No preset has this name.
    #[error("there is no preset '{name}'; the presets are {}", Population::presets().collect::<Vec<_>>().join(", "))]
    UnknownPreset {
        /// As given.
        name: String,
    },
    /// The file of a population cannot be read.
    #[error("cannot read the population {}", path.display())]
    ReadPopulation {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file or preset is not a valid population.
    #[error("the population {name}")]
    Population {
        /// The file or preset.
        name: String,
        /// What is wrong.
        source: Box<PopulationError>,
    },
    /// A population is not valid.
    #[error(transparent)]
    InvalidPopulation(#[from] PopulationError),
    /// The image of a point spread function cannot be used.
    #[error("bands.{band}.psf.file")]
    Psf {
        /// The band.
        band: String,
        /// What is wrong.
        source: Box<survey::Error>,
    },
    /// A population without lenses cannot give any to train on.
    #[error("the population contains no lenses: lens_share = 0")]
    NoLenses,
    /// A population of lenses alone cannot teach what a lens is.
    #[error("the population contains nothing but lenses: lens_share = 1")]
    OnlyLenses,
    /// The crop is larger than the simulated images, or empty.
    #[error("a crop of {size} pixels is not possible; the population has images of {largest} x {largest} pixels")]
    CropSize {
        /// Side of the crop, pixels.
        size: usize,
        /// Side of the population's images, pixels.
        largest: usize,
    },
    /// The population has no band of this name.
    #[error("the population has no band '{name}'; it has {}", bands.join(", "))]
    UnknownBand {
        /// As given.
        name: String,
        /// The bands of the population.
        bands: Vec<String>,
    },
    /// A number of objects of zero.
    #[error("the number of objects is 0; it must be at least 1")]
    NoObjects,
    /// More objects than there are identifiers in the output tables.
    #[error("{count} objects are too many; at most {most} can be written")]
    TooManyObjects {
        /// As given.
        count: usize,
        /// Largest number.
        most: usize,
    },
    /// One image needs more memory than the device offers.
    #[error("an image of {size} x {size} pixels in {bands} bands is too large for {device}")]
    ImageTooLarge {
        /// Side of the image, pixels.
        size: usize,
        /// Bands of the image.
        bands: usize,
        /// Name of the device.
        device: String,
    },
    /// The population hardly ever gives a lens with enough arc pixels.
    #[error(
        "{lenses} lenses in a row have fewer than min_arc_pixels = {min_arc_pixels} arc pixels; make the sources \
         brighter or lower min_arc_pixels"
    )]
    FaintArcs {
        /// Lenses that were left out in a row.
        lenses: usize,
        /// Pixels that the population requires.
        min_arc_pixels: u32,
    },
    /// The caller stopped the simulation.
    #[error("stopped after {objects} objects; nothing was written")]
    Stopped {
        /// Objects simulated until then.
        objects: usize,
    },
    /// A file or folder cannot be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    /// A table cannot be written.
    #[error(transparent)]
    Table(Box<survey::Error>),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] crate::device::Error),
}

// Boxed, as it is large.
impl From<survey::Error> for Error {
    fn from(error: survey::Error) -> Error {
        Error::Table(Box::new(error))
    }
}
