//! Temporary files and folders of processes that were killed.
//!
//! Their names are `.NAME.PID.REST`, where NAME is the file or folder that was to be written and PID the process. Only
//! those of one NAME are looked at: a process in another container, whose number says nothing here, rarely writes the same
//! file at the same time.

use super::folder_of;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Removes what dead processes left of an attempt to write `path`; looks once per process and path.
pub fn remove_stale(path: &Path) {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !seen.get_or_insert_default().insert(path.into()) {
        return;
    }
    drop(seen);
    let (Some(name), Ok(entries)) = (
        path.file_name().and_then(|name| name.to_str()),
        fs::read_dir(folder_of(path)),
    ) else {
        return;
    };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let process = found.to_str().and_then(|found| process_of(found, name));
        if process.is_some_and(is_dead) {
            // What cannot be removed does no harm.
            let _ = match entry.path().is_dir() {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
    }
}

/// The process that the temporary file `found` belongs to, if it is one for the target `name`.
fn process_of(found: &str, name: &str) -> Option<u32> {
    let rest = found.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?;
    let (process, rest) = rest.split_once('.')?;
    (rest.ends_with(".tmp") || rest.ends_with(STAGING)).then_some(())?;
    process.parse().ok()
}

/// The end of the name of a hidden folder whose content is being written.
pub const STAGING: &str = ".new";

/// Whether there is no such process. Only Linux lists its processes in a folder; elsewhere nothing is removed.
fn is_dead(process: u32) -> bool {
    Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{process}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_dead_processes_and_of_the_same_name_go() {
        let dir = tempfile::tempdir().unwrap();
        let own = std::process::id();
        // No process has this number: it is above the largest that Linux gives.
        let dead = u32::MAX - 1;
        let names = [
            (format!(".out.csv.{dead}.0.00ab12cd.tmp"), false),
            (format!(".out.csv.{own}.0.00ab12cd.tmp"), true),
            (format!(".other.csv.{dead}.0.00ab12cd.tmp"), true),
            (format!(".out.csv.{dead}.0.txt"), true),
            ("out.csv".into(), true),
            (".out.csv.tmp".into(), true),
        ];
        names
            .iter()
            .for_each(|(name, _)| fs::write(dir.path().join(name), "x").unwrap());
        let folder = dir.path().join(format!(".out.csv.{dead}.abc{STAGING}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("image"), "x").unwrap();
        remove_stale(&dir.path().join("out.csv"));
        let on_linux = Path::new("/proc/self").exists();
        for (name, kept) in names {
            assert_eq!(dir.path().join(&name).exists(), kept || !on_linux, "{name}");
        }
        assert_eq!(folder.exists(), !on_linux);
    }
}
