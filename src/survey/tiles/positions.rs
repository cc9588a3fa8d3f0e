//! Which columns of a table hold the positions, and what they are.

use super::TilesError;
use crate::survey::catalogue::Catalogue;
use crate::survey::error::Result;

/// The columns of the positions, as the user names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionColumns {
    /// Right ascension and declination, degrees unless the table says otherwise.
    Sky([String; 2]),
    /// Pixels along x and y.
    Pixels([String; 2]),
}

/// How the rows of a table say where their objects are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Positions {
    /// By the catalogue's right ascension and declination.
    Sky,
    /// By pixels in these columns; `first` is the number of the first pixel.
    Pixels { columns: [usize; 2], first: f64 },
}

/// Names of pixel columns, and the number of the first pixel: Python's programs count from 0, SExtractor from 1 as FITS.
const PIXELS: [([&str; 2], f64); 5] = [
    (["x", "y"], 0.0),
    (["xcentroid", "ycentroid"], 0.0),
    (["x_centroid", "y_centroid"], 0.0),
    (["x_image", "y_image"], 1.0),
    (["xwin_image", "ywin_image"], 1.0),
];

impl Positions {
    /// The columns that the user names, otherwise those on the sky, otherwise those in pixels.
    ///
    /// # Errors
    /// Columns that are not there.
    pub fn find(catalogue: &mut Catalogue, named: Option<&PositionColumns>) -> Result<Positions> {
        match named {
            Some(PositionColumns::Sky([ra, dec])) => {
                let columns = (catalogue.column(ra)?, catalogue.column(dec)?);
                catalogue.set_positions(columns);
                Ok(Positions::Sky)
            }
            Some(PositionColumns::Pixels([x, y])) => Ok(Positions::Pixels {
                columns: [catalogue.column(x)?, catalogue.column(y)?],
                first: first_of(x),
            }),
            None if catalogue.positions().is_some() => Ok(Positions::Sky),
            None => {
                let found = PIXELS.iter().find_map(|([x, y], first)| {
                    let columns = [catalogue.find(x)?, catalogue.find(y)?];
                    Some(Positions::Pixels { columns, first: *first })
                });
                let none = || TilesError::NoPositions {
                    path: catalogue.path.clone(),
                    columns: catalogue.columns.clone(),
                };
                Ok(found.ok_or_else(none)?)
            }
        }
    }
}

/// The number of the first pixel of a column with this name.
fn first_of(name: &str) -> f64 {
    let known = PIXELS.iter().find(|([x, _], _)| x.eq_ignore_ascii_case(name));
    known.map_or(0.0, |(_, first)| *first)
}
