//! Files that are seen whole or not at all: written beside their name, synced to disk, renamed.

use anyhow::{Context, Result, ensure};
use fitsio_pure::io::AtomicFile;
use std::path::Path;

/// Opens a temporary file beside `path`. Nothing is seen under `path` before [`AtomicFile::commit`]; until then a file
/// of that name keeps its content, and a temporary file that is dropped leaves nothing behind.
///
/// # Errors
/// `path` is a folder or write protected; its folder does not exist or is closed to us. All before anything is written.
pub fn create(path: &Path) -> Result<AtomicFile> {
    let shown = path.display();
    ensure!(!path.is_dir(), "{shown} is a folder: give the name of a file in it");
    let folder = folder_of(path);
    ensure!(
        folder.is_dir(),
        "{shown}: there is no folder {}: create it first",
        folder.display()
    );
    if let Ok(old) = path.metadata() {
        ensure!(
            !old.permissions().readonly(),
            "{shown} exists and is write protected: choose another name"
        );
    }
    AtomicFile::new(path)
        .with_context(|| format!("{shown}: cannot write in {}: choose another folder", folder.display()))
}

/// Gives `path` the content that `write` writes, in one step.
///
/// # Errors
/// Those of [`create`] and of `write`, and a full disk; whatever stood under `path` is left as it was.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut AtomicFile) -> Result<()>) -> Result<()> {
    let mut file = create(path)?;
    write(&mut file).with_context(|| write_failed(path))?;
    file.commit().with_context(|| write_failed(path))
}

/// Makes a folder that is not there yet, or takes one that is empty.
///
/// # Errors
/// A folder with something in it, a file of that name, a folder that cannot be made or written.
pub fn new_folder(path: &Path) -> Result<()> {
    let shown = path.display();
    if path.exists() {
        let mut entries = std::fs::read_dir(path)
            .with_context(|| format!("{shown} is not a folder that can be read: name another with -o"))?;
        ensure!(
            entries.next().is_none(),
            "{shown} is not empty: name another folder with -o"
        );
    }
    std::fs::create_dir_all(path).with_context(|| format!("the folder {shown} cannot be made"))?;
    tempfile::tempfile_in(path).with_context(|| format!("{shown} cannot be written: name another folder with -o"))?;
    Ok(())
}

/// The folder that `path` lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What to say when bytes could not be written to `path`.
pub fn write_failed(path: &Path) -> String {
    format!("{}: writing failed: is the disk full?", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model");
        write_atomic(&path, |file| Ok(file.write_all(b"old")?)).unwrap();
        let error = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            anyhow::bail!("no space left")
        });
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains("model: writing failed") && error.contains("no space left"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
