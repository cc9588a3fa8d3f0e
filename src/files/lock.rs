//! One writer per folder: a locked file in it, which the operating system unlocks when the process ends, however it ends.

use super::Error;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file.
pub(super) const NAME: &str = ".lock";

/// The lock of a folder, released when dropped.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Takes the lock, also from a process that has ended without releasing it.
    ///
    /// # Errors
    /// Another process has it: [`Error::InUse`] says which; the folder cannot be written.
    pub fn take(folder: &Path) -> Result<FolderLock, Error> {
        let path = folder.join(NAME);
        loop {
            let cannot_create = |source| Error::CannotCreate {
                path: folder.into(),
                folder: folder.into(),
                source,
            };
            let open = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path);
            let mut file = open.map_err(cannot_create)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse {
                        folder: folder.into(),
                        holder: fs::read_to_string(&path).unwrap_or_default().trim().into(),
                    });
                }
                // A file system without locks: work goes on, as it did before there were any.
                Err(TryLockError::Error(_)) => {}
            }
            // The process that had it may have removed the file meanwhile; then this lock protects nothing.
            if !is_same(&file, &path) {
                continue;
            }
            let holder = format!("process {} on {}\n", std::process::id(), host());
            let written = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
            written.map_err(cannot_create)?;
            return Ok(FolderLock { path, _file: file });
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the open file is the one that has this path.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().map(identity).ok() == fs::metadata(path).map(identity).ok()
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}

/// The name of this machine, as far as it is known.
fn host() -> String {
    let from_file = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_variable = || {
        std::env::var("HOSTNAME")
            .or_else(|_| std::env::var("COMPUTERNAME"))
            .ok()
    };
    let host = from_file.or_else(from_variable).unwrap_or_default();
    match host.trim() {
        "" => "this machine".into(),
        host => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_lock_and_keeps_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        let error = FolderLock::take(dir.path()).unwrap_err().to_string();
        let holder = format!("process {} on", std::process::id());
        assert!(error.contains("is in use") && error.contains(&holder), "{error}");
        drop(lock);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        // A file that a killed process left behind is not locked.
        fs::write(dir.path().join(NAME), "process 1 on elsewhere, and a long name\n").unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert!(text.starts_with(&holder) && !text.contains("long"), "{text}");
        drop(lock);
    }
}
