//! The folder for files of this program that can be made again.

use std::env;
use std::path::PathBuf;

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
