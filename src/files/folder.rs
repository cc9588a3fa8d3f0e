//! New folders: refused where something is in the way, and removed again unless they are kept.

use super::lock;
use super::stale::{STAGING, remove_stale};
use super::{Error, folder_of};
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::TempDir;

/// A folder that is new, or was empty. It is removed again when this value is dropped, unless [`keep`](Self::keep) is
/// called: a command that fails before it has produced anything leaves nothing behind.
///
/// There are two ways to fill it. [`create`](Self::create) makes the folder under its final name at once, for work that
/// must survive a crash; [`staged`](Self::staged) collects the content in a hidden folder, so that it appears under its
/// final name all at once.
#[must_use = "the folder is removed when this value is dropped"]
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    staging: Option<TempDir>,
    /// The folders that did not exist before, innermost first.
    created: Vec<PathBuf>,
}

impl NewFolder {
    /// Creates the folder `path` and the folders that contain it, or takes an existing one that is empty.
    ///
    /// If it is not kept, the folders that were created here are removed again as far as they are empty.
    ///
    /// # Errors
    /// A folder that is not empty, a file of that name, a folder that cannot be created or written.
    pub fn create(path: &Path) -> Result<NewFolder, Error> {
        require_empty(path)?;
        let folder = NewFolder::with_parents(path, path)?;
        tempfile::tempfile_in(path).map_err(|source| Error::CannotCreate {
            path: path.into(),
            folder: path.into(),
            source,
        })?;
        Ok(folder)
    }

    /// Creates a hidden folder for the content: beside `path`, renamed to `path` by [`keep`](Self::keep); or in `path` if
    /// that is an empty folder, which may be a mount point, the working directory or a link, and then its content is moved
    /// up. If it is not kept, the hidden folder is removed with its content.
    ///
    /// # Errors
    /// A folder `path` that is not empty, a file of that name, a parent folder that cannot be created or written.
    pub fn staged(path: &Path) -> Result<NewFolder, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        remove_stale(path);
        remove_stale(&path.join(&name));
        require_empty(path)?;
        let parent = if path.is_dir() { path } else { folder_of(path) };
        let mut folder = NewFolder::with_parents(path, parent)?;
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.{}.", std::process::id());
        builder.prefix(&prefix).suffix(STAGING);
        // Less what the umask takes away, as for any new folder; a temporary folder is private otherwise.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let staging = builder.tempdir_in(parent).map_err(|source| Error::CannotCreate {
            path: path.into(),
            folder: parent.into(),
            source,
        })?;
        folder.staging = Some(staging);
        Ok(folder)
    }

    /// Where to write the content.
    pub fn path(&self) -> &Path {
        self.staging.as_ref().map_or(&self.path, TempDir::path)
    }

    /// Keeps the folder, under its final name.
    ///
    /// # Errors
    /// Only if [`staged`](Self::staged): the final name cannot be taken, for instance because something has been put
    /// there meanwhile. The content is removed then.
    pub fn keep(mut self) -> Result<(), Error> {
        if let Some(staging) = self.staging.take() {
            let failed = |source| Error::Write {
                path: self.path.clone(),
                source,
            };
            match self.path.is_dir() {
                true => move_up(staging.path(), &self.path).map_err(failed)?,
                false => {
                    fs::rename(staging.path(), &self.path).map_err(failed)?;
                    // The content has moved: there is nothing left to remove.
                    let _ = staging.keep();
                }
            }
        }
        self.created.clear();
        Ok(())
    }

    /// Keeps the content of a [`staged`](Self::staged) folder under another name in the same folder as the final one.
    ///
    /// # Errors
    /// Something has this name. The content is removed then.
    pub fn keep_as(mut self, path: &Path) -> Result<(), Error> {
        if let Some(staging) = self.staging.take() {
            fs::rename(staging.path(), path).map_err(Error::write(path))?;
            // The content has moved: there is nothing left to remove.
            let _ = staging.keep();
        }
        Ok(())
    }

    /// Creates `folder` and all that contain it. `path` is the folder that will be kept.
    fn with_parents(path: &Path, folder: &Path) -> Result<NewFolder, Error> {
        let missing = |p: &&Path| !p.as_os_str().is_empty() && !p.exists();
        let created = folder.ancestors().take_while(missing).map(Path::to_owned).collect();
        // Built before the folders are created, so that a failure halfway removes those that were.
        let new = NewFolder {
            path: path.into(),
            staging: None,
            created,
        };
        fs::create_dir_all(folder).map_err(|source| Error::CannotCreateFolder {
            path: folder.into(),
            source,
        })?;
        Ok(new)
    }
}

/// Moves the content of a folder into the one that contains it, which must have nothing else.
fn move_up(from: &Path, to: &Path) -> io::Result<()> {
    let others = fs::read_dir(to)?
        .flatten()
        .filter(|entry| entry.file_name() != from.file_name().unwrap_or_default());
    if others.count() > 0 {
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // The hidden folder first: its parent is to be empty.
        drop(self.staging.take());
        for folder in &self.created {
            // Fails where something is in it, which is then not ours to delete.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn require_empty(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(|source| Error::NotAFolder {
        path: path.into(),
        source,
    })?;
    // A lock that a killed process left behind is no content; whether it is held is found out when it is taken.
    let mut entries = entries.filter(|entry| entry.as_ref().map_or(true, |entry| entry.file_name() != lock::NAME));
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::FolderNotEmpty { path: path.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_kept_goes_away_with_the_parents_made_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let is_empty = || fs::read_dir(dir.path()).unwrap().next().is_none();
        let folder = NewFolder::create(&path).unwrap();
        assert!(path.is_dir());
        drop(folder);
        assert!(is_empty());
        let folder = NewFolder::staged(&path).unwrap();
        fs::write(folder.path().join("file"), "half").unwrap();
        assert!(!path.exists(), "the content is hidden until it is kept");
        drop(folder);
        assert!(is_empty());
        fs::create_dir_all(&path).unwrap();
        drop(NewFolder::create(&path).unwrap());
        drop(NewFolder::staged(&path).unwrap());
        assert!(path.is_dir(), "a folder that was there before stays");
    }

    #[test]
    fn a_folder_that_is_kept_has_its_content() {
        let dir = tempfile::tempdir().unwrap();
        for (name, new) in [
            ("a/b", NewFolder::create as fn(&Path) -> _),
            ("c/d", NewFolder::staged),
            ("c/empty", NewFolder::staged),
        ] {
            let path = dir.path().join(name);
            if name.ends_with("empty") {
                fs::create_dir_all(&path).unwrap();
            }
            let folder = new(&path).unwrap();
            fs::write(folder.path().join("file"), "all").unwrap();
            folder.keep().unwrap();
            assert_eq!(fs::read(path.join("file")).unwrap(), b"all");
            assert_eq!(
                fs::read_dir(path.parent().unwrap()).unwrap().count(),
                if name == "c/empty" { 2 } else { 1 }
            );
        }
    }

    #[test]
    fn a_folder_with_content_and_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let error = NewFolder::create(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert!(matches!(
            NewFolder::staged(dir.path()),
            Err(Error::FolderNotEmpty { .. })
        ));
        let file = dir.path().join("file");
        assert!(matches!(NewFolder::create(&file), Err(Error::NotAFolder { .. })));
        let below = NewFolder::create(&file.join("new"));
        assert!(matches!(below, Err(Error::CannotCreateFolder { .. })));
        let late = dir.path().join("late");
        let folder = NewFolder::staged(&late).unwrap();
        fs::create_dir(&late).unwrap();
        fs::write(late.join("file"), "another program's").unwrap();
        assert!(folder.keep().is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
