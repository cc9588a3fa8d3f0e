//! What can be wrong with a population.

use toml::de;

/// A value of a population's file that is impossible, or a file that cannot be parsed. Keys are written as in the file,
/// `deflector.axis_ratio` for instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PopulationError {
    /// The file is not TOML, or has an unknown key, a missing key or a value of another type.
    #[error(transparent)]
    Toml(#[from] de::Error),
    /// A value is out of range.
    #[error("{key} = {value}; allowed is {allowed}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// A distribution extends beyond the allowed range.
    #[error("{key} = {distribution} ranges from {least} to {most}; allowed is {allowed}")]
    Range {
        /// The key.
        key: String,
        /// The distribution, as in the file.
        distribution: String,
        /// Smallest value that can be drawn.
        least: f64,
        /// Largest value that can be drawn.
        most: f64,
        /// The values that are allowed.
        allowed: String,
    },
    /// The parameters of a distribution are inconsistent.
    #[error("{key} = {distribution}: {requirement}")]
    Distribution {
        /// The key.
        key: String,
        /// The distribution, as in the file.
        distribution: String,
        /// The condition that is not met.
        requirement: &'static str,
    },
    /// Of two keys that exclude each other, both or neither are given.
    #[error("{table}: exactly one of '{}' and '{}' is required", keys[0], keys[1])]
    ExactlyOne {
        /// The table that the keys belong to.
        table: String,
        /// The keys.
        keys: [&'static str; 2],
    },
    /// A band without any noise.
    #[error("bands.{band}: sky and read_noise can both be 0; their sum must be positive")]
    NoNoise {
        /// The band.
        band: String,
    },
    /// Point spread functions come from images in some bands only.
    #[error("bands.psf: {images} of {bands} bands have kind = \"image\"; allowed is all or none")]
    MixedPsfs {
        /// Bands with an image.
        images: usize,
        /// All bands.
        bands: usize,
    },
    /// Velocity dispersions and redshifts hardly ever give an Einstein radius in the required range.
    #[error(
        "deflector.theta_e: none of {draws} draws of sigma_v, z_lens and z_source gives a radius within [{}, {}] arcsec \
         with the source behind the lens", within[0], within[1]
    )]
    NoRadius {
        /// Draws that were made.
        draws: usize,
        /// Smallest and largest radius, arcsec.
        within: [f64; 2],
    },
}
