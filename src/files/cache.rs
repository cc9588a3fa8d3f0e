//! The folder for files of this program that can be made again.

use super::{Error, folder_of, write_atomic};
use fitsio_pure::io::AtomicFile;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where the system wants them: `XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`;
/// in each of them the folder `lensgpu`, which may not exist yet. `None` for a user without a home.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let system = if cfg!(target_os = "windows") {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join("Library/Caches")))
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
    };
    Some(system?.join("lensgpu"))
}

/// Gives a file in the cache folder, which is made if there is none, the content that `write` writes, in one step.
///
/// # Errors
/// The folder cannot be made; those of [`write_atomic`].
pub fn write_cached(path: &Path, write: impl FnOnce(&mut AtomicFile) -> io::Result<()>) -> Result<(), Error> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|source| Error::CannotCreateFolder {
        path: folder.into(),
        source,
    })?;
    write_atomic(path, write)
}
