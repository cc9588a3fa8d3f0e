//! What can go wrong with the images and catalogues of a survey.

use super::bands::BandsError;
use super::catalogue::CatalogueError;
use super::few;
use super::fits::FitsError;
use super::folder::FolderError;
use super::npy::NpyError;
use super::picture::PictureError;
use super::psf::PsfError;
use super::selection::SelectionError;
use super::split::SplitError;
use super::stretch::StretchError;
use super::table::TableError;
use super::tabular::TabularError;
use super::tiles::TilesError;
use std::io;
use std::path::{Path, PathBuf};

/// Images or a catalogue that cannot be read, used or written. Every message names the file, and where it helps the
/// row, the column and the object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    /// A folder whose images are not found, or options that contradict them.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Objects without an image, a row or a usable label.
    #[error(transparent)]
    Selection(Box<SelectionError>),
    /// A catalogue that cannot be read.
    #[error(transparent)]
    Catalogue(Box<CatalogueError>),
    /// A table that cannot be written.
    #[error(transparent)]
    Table(Box<TableError>),
    /// Rows that cannot be split into training, validation and held-out ones.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A table that cannot be used.
    #[error(transparent)]
    Tabular(Box<TabularError>),
    /// Tiles and positions that cannot be used.
    #[error(transparent)]
    Tiles(Box<TilesError>),
    /// A row of a table that has no prediction.
    #[error("{reason}")]
    UnusableRow {
        /// Why not.
        reason: String,
    },
    /// Training images that no stretch can be fitted to.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// A folder that cannot be listed.
    #[error("cannot list the folder {}", path.display())]
    ListFolder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A FITS file that cannot be read.
    #[error("cannot read {}", path.display())]
    Fits {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FitsError,
    },
    /// A file whose bands cannot be found or used.
    #[error("cannot use {}", path.display())]
    Bands {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BandsError,
    },
    /// A `.npy` or `.npz` file that cannot be read.
    #[error("cannot read {}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NpyError,
    },
    /// A picture that cannot be read.
    #[error("cannot read {}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PictureError,
    },
    /// A point spread function that cannot be used.
    #[error("cannot use the point spread function {}", path.display())]
    Psf {
        /// The FITS file.
        path: PathBuf,
        /// What is wrong with it.
        source: PsfError,
    },
    /// An image that is smaller than the part of it that is to be used.
    #[error(
        "{} has {} x {} pixels, fewer than the central {} x {} that are used",
        path.display(), found[0], found[1], crop[0], crop[1]
    )]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Its width and height, pixels.
        found: [usize; 2],
        /// Width and height of the part that is used, pixels.
        crop: [usize; 2],
    },
    /// An image of another size than the first one, where whole images are used.
    #[error("{} has {} x {} pixels, but others have {} x {}", path.display(), found[0], found[1], expected[0], expected[1])]
    SizeDiffers {
        /// The file.
        path: PathBuf,
        /// Its width and height, pixels.
        found: [usize; 2],
        /// Width and height of the first image, pixels.
        expected: [usize; 2],
    },
    /// A row of a catalogue without an image.
    #[error("it has no image")]
    NoImage,
    /// One object's images cannot be used.
    #[error("object {id}")]
    Object {
        /// The object's id.
        id: String,
        /// Why not.
        source: Box<Error>,
    },
    /// A file with bytes that the program reading it does not expect.
    #[error("cannot decode {}: {message}", few(&files.iter().map(|f| f.display()).collect::<Vec<_>>()))]
    Panicked {
        /// The file, or all files of an object with several.
        files: Vec<PathBuf>,
        /// Where the decoder stopped, for developers.
        message: String,
    },
    /// A thread that read images has panicked.
    #[error("a thread that reads images has ended early")]
    ReaderThread,
}

// The errors with the most fields are boxed, so that a result without an error stays small.

impl From<SelectionError> for Error {
    fn from(error: SelectionError) -> Error {
        Error::Selection(Box::new(error))
    }
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Error {
        Error::Catalogue(Box::new(error))
    }
}

impl From<TabularError> for Error {
    fn from(error: TabularError) -> Error {
        Error::Tabular(Box::new(error))
    }
}

impl From<TilesError> for Error {
    fn from(error: TilesError) -> Error {
        Error::Tiles(Box::new(error))
    }
}

impl From<TableError> for Error {
    fn from(error: TableError) -> Error {
        Error::Table(Box::new(error))
    }
}

/// The result of a function of this module.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For use in `map_err`, where the FITS file `path` is read.
    pub(super) fn fits(path: &Path) -> impl FnOnce(FitsError) -> Error {
        move |source| Error::Fits {
            path: path.into(),
            source,
        }
    }

    /// For use in `map_err`, where the bands of the file `path` are found or read.
    pub(super) fn bands(path: &Path) -> impl Fn(BandsError) -> Error {
        move |source| Error::Bands {
            path: path.into(),
            source,
        }
    }

    /// For use in `map_err`, where the folder `path` is listed.
    pub(super) fn list_folder(path: &Path) -> impl Fn(io::Error) -> Error {
        move |source| Error::ListFolder {
            path: path.into(),
            source,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    /// The error with all its causes, as the command line prints it.
    pub fn message<T>(result: Result<T, impl Into<anyhow::Error>>) -> String {
        format!("{:#}", result.err().expect("an error").into())
    }
}
