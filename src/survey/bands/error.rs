//! Why the bands of a file cannot be found or used.

/// Why the bands of a file cannot be found or used. The messages speak of the file as "it";
/// [`Error`](crate::survey::Error) adds its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BandsError {
    /// A band without a name.
    #[error("'{text}' is not the name of a band, nor a pair NAME=NAME IN THE FILES")]
    EmptyName {
        /// The text given.
        text: String,
    },
    /// Two channels with one name.
    #[error("two bands are called '{name}'")]
    TwoChannels {
        /// The name.
        name: String,
    },
    /// Bands that are not those of the model, or in another order.
    #[error("the model takes the bands {}, in this order, and not {}", expected.join(", "), found.join(", "))]
    NotTheModels {
        /// The model's bands.
        expected: Vec<String>,
        /// The bands given.
        found: Vec<String>,
    },
    /// None of the file's images is flux.
    #[error("it has no image of flux; it has: {}", found.join(", "))]
    NoFlux {
        /// The names of its images.
        found: Vec<String>,
    },
    /// The file's bands have other names.
    #[error("it has no band {}; it has {}, and the bands needed are {}", missing.join(", "), found.join(", "), expected.join(", "))]
    Missing {
        /// The bands that are not there.
        missing: Vec<String>,
        /// All bands needed.
        expected: Vec<String>,
        /// The bands of the file.
        found: Vec<String>,
    },
    /// Several bands of the file have the name.
    #[error("its bands {} could all be {name}", found.join(", "))]
    Ambiguous {
        /// The band needed.
        name: String,
        /// The bands of the file.
        found: Vec<String>,
    },
    /// Bands without names, of another number than needed.
    #[error("it has {} {}{}, and {} {} needed: {}", found.len(), if found.len() == 1 { "band" } else { "bands" },
        names(found), expected.len(), if expected.len() == 1 { "is" } else { "are" }, expected.join(", "))]
    Count {
        /// The bands needed.
        expected: Vec<String>,
        /// The bands of the file; an empty name for a band that nothing names.
        found: Vec<String>,
    },
    /// A mask of another size than its image.
    #[error("its mask {name} has {} x {} pixels, and its image has {} x {}", found[0], found[1], expected[0], expected[1])]
    MaskSize {
        /// The mask.
        name: String,
        /// Its width and height.
        found: [usize; 2],
        /// Width and height of the image.
        expected: [usize; 2],
    },
    /// A file of masks without an image.
    #[error("it has no image")]
    NoMask,
    /// A stack of Pan-STARRS on its asinh scale, whose parameters are not complete.
    #[error(
        "its pixels are on the asinh scale of Pan-STARRS, and it has {present} but no {missing}: they cannot be \
         converted to flux"
    )]
    AsinhScale {
        /// The keyword that it has.
        present: &'static str,
        /// The keyword that it lacks.
        missing: &'static str,
    },
    /// A unit of flux that is not known.
    #[error("'{text}' is not a unit of flux; known are {known}, and the AB magnitude of one unit, such as 27")]
    UnknownUnit {
        /// The text given.
        text: String,
        /// The known units.
        known: String,
    },
    /// A unit is asked for, and the file does not say which unit it has.
    #[error("its unit of flux is not known: it has no zero point")]
    NoZeroPoint,
}

fn names(found: &[String]) -> String {
    match found.iter().any(|name| !name.is_empty()) {
        true => format!(" ({})", found.join(", ")),
        false => String::new(),
    }
}
