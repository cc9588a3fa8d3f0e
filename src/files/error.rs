//! What can go wrong when a file or a folder is written.

use std::io;
use std::path::{Path, PathBuf};

/// A file or folder that cannot be written. Every variant names the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file was to be written, but `path` is a folder.
    #[error("{} is a folder, not a file", path.display())]
    IsFolder {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// A device, a FIFO or a socket, which a file would replace.
    #[error("{} is not a regular file; name another output", path.display())]
    NotAFile {
        /// The path given.
        path: PathBuf,
    },
    /// A link that leads nowhere.
    #[error("{} is a link to a file that does not exist; remove the link, or name another output", path.display())]
    BrokenLink {
        /// The link.
        path: PathBuf,
    },
    /// The output would replace an input.
    #[error("{} is read by this command; name another output", path.display())]
    IsInput {
        /// The output.
        path: PathBuf,
    },
    /// Another process writes to the folder.
    #[error("the folder {} is in use by {holder}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, and the machine that it runs on.
        holder: String,
    },
    /// The folder that the file was to be written in does not exist.
    #[error("{}: there is no folder {}; create it first", path.display(), folder.display())]
    NoFolder {
        /// The file that was to be written.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
    },
    /// A file of this name exists and may not be replaced.
    #[error("{} exists and is write protected", path.display())]
    WriteProtected {
        /// The file that was to be replaced.
        path: PathBuf,
    },
    /// The folder does not let us create a file.
    #[error("{}: cannot create a file in {}", path.display(), folder.display())]
    CannotCreate {
        /// The file or folder that was to be written.
        path: PathBuf,
        /// The folder in which the temporary file was to be created.
        folder: PathBuf,
        /// What the operating system or the encoder says.
        source: io::Error,
    },
    /// Writing began, and failed.
    #[error("{}: writing failed; is the disk full?", path.display())]
    Write {
        /// The file that was being written.
        path: PathBuf,
        /// What the operating system or the encoder says.
        source: io::Error,
    },
    /// A new folder was asked for, but there is something in it.
    #[error("the folder {} is not empty", path.display())]
    FolderNotEmpty {
        /// The folder that was to be new.
        path: PathBuf,
    },
    /// A new folder was asked for, but `path` exists and cannot be listed; it may be a file.
    #[error("{} is not a folder that can be read", path.display())]
    NotAFolder {
        /// The folder that was to be new.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The folder cannot be created.
    #[error("the folder {} cannot be created", path.display())]
    CannotCreateFolder {
        /// The folder that was to be new.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Write`]: for use in `map_err`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    }
}
