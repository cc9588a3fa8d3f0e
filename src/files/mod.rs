//! Files and folders that appear completely or not at all, and files that are read in bounded time and memory.
//!
//! A file is written under a temporary name in the same folder, synced to disk and renamed.

mod cache;
pub mod checksum;
mod error;
mod folder;
mod input;
mod lock;
mod names;
mod stale;
pub mod unpack;

pub use cache::{cache_folder, write_cached};
pub use error::Error;
pub use folder::NewFolder;
pub use input::{open, read, read_text};
pub use lock::FolderLock;
pub use names::{is_below, is_name};

use fitsio_pure::io::AtomicFile;
use std::io;
use std::path::Path;

/// Opens a temporary file beside `path`. Nothing appears under `path` before [`AtomicFile::commit`]; until then a file
/// of that name keeps its content, and a temporary file that is dropped leaves nothing behind.
///
/// A link is followed: the file that it leads to gets the new content.
///
/// # Errors
/// `path` is a folder, something else that is no regular file, a link to nothing, or write protected; its folder does not
/// exist or cannot be written. All are found before anything is written.
pub fn create(path: &Path) -> Result<AtomicFile, Error> {
    let folder = folder_of(path);
    match path.metadata() {
        Ok(old) if old.is_dir() => return Err(Error::IsFolder { path: path.into() }),
        Ok(old) if !old.is_file() => return Err(Error::NotAFile { path: path.into() }),
        Ok(_) => {}
        Err(_) if path.is_symlink() => return Err(Error::BrokenLink { path: path.into() }),
        Err(_) => {}
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
    stale::remove_stale(path);
    AtomicFile::new(path).map_err(|source| Error::CannotCreate {
        path: path.into(),
        folder: folder.into(),
        source,
    })
}

/// Checks that a file can be written at `path`, before the work whose result it is to hold.
///
/// # Errors
/// Those of [`create`].
pub fn check(path: &Path) -> Result<(), Error> {
    create(path).map(drop)
}

/// Whether two paths lead to the same file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    whole(a).is_some_and(|a| Some(a) == whole(b))
}

/// Checks that writing `output` replaces none of the files that are read.
///
/// # Errors
/// [`Error::IsInput`].
pub fn check_inputs<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
    match inputs.into_iter().any(|input| same_file(output, input)) {
        true => Err(Error::IsInput { path: output.into() }),
        false => Ok(()),
    }
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
    #[cfg(unix)]
    fn a_link_is_followed_and_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write_atomic(&link, |out| out.write_all(b"new")).unwrap();
        assert!(link.is_symlink() && fs::read(&file).unwrap() == b"new");
        assert!(same_file(&file, &link) && !same_file(&file, &dir.path().join("other")));
        assert!(matches!(
            check_inputs(&link, [file.as_path()]),
            Err(Error::IsInput { .. })
        ));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |name: &str| create(&dir.path().join(name)).err().unwrap().to_string();
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(refused("folder").ends_with("folder is a folder, not a file"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", dir.path().join("broken")).unwrap();
            assert!(refused("broken").contains("is a link to a file that does not exist"));
            let socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
            assert!(refused("socket").contains("socket is not a regular file"));
            drop(socket);
        }
        let missing = refused("missing/file");
        assert!(
            missing.contains("missing/file: there is no folder") && missing.contains("create it first"),
            "{missing}"
        );
    }
}
