//! Files and folders that appear completely or not at all.
//!
//! A file is written under a temporary name in the same folder, synced to disk and renamed.

mod error;
mod folder;

pub use error::Error;
pub use folder::NewFolder;

use fitsio_pure::io::AtomicFile;
use std::io;
use std::path::Path;

/// Opens a temporary file beside `path`. Nothing appears under `path` before [`AtomicFile::commit`]; until then a file
/// of that name keeps its content, and a temporary file that is dropped leaves nothing behind.
///
/// # Errors
/// `path` is a folder or write protected; its folder does not exist or cannot be written. All are found before anything
/// is written.
pub fn create(path: &Path) -> Result<AtomicFile, Error> {
    let folder = folder_of(path);
    if path.is_dir() {
        return Err(Error::IsFolder { path: path.into() });
    }
    if !folder.is_dir() {
        return Err(Error::NoFolder {
            path: path.into(),
            folder: folder.into(),
        });
    }
    if path.metadata().is_ok_and(|old| old.permissions().readonly()) {
        return Err(Error::WriteProtected { path: path.into() });
    }
    AtomicFile::new(path).map_err(|source| Error::CannotCreate {
        path: path.into(),
        folder: folder.into(),
        source,
    })
}

/// Gives `path` the content that `write` writes, in one step.
///
/// # Errors
/// Those of [`create`], those of `write`, and a full disk; a file of that name then keeps its content.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut AtomicFile) -> io::Result<()>) -> Result<(), Error> {
    let mut file = create(path)?;
    write(&mut file).map_err(Error::write(path))?;
    file.commit().map_err(Error::write(path))
}

/// The folder that contains `path`; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model");
        write_atomic(&path, |file| file.write_all(b"old")).unwrap();
        let error = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(
            matches!(error, Err(Error::Write { path: p, source }) if p == path && source.kind() == io::ErrorKind::StorageFull)
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |name: &str| create(&dir.path().join(name)).err().unwrap().to_string();
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(refused("folder").ends_with("folder is a folder, not a file"));
        let missing = refused("missing/file");
        assert!(
            missing.contains("missing/file: there is no folder") && missing.contains("create it first"),
            "{missing}"
        );
    }
}
