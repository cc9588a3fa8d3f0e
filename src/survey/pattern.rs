//! File-name patterns: `{id}_{band}.fits`, `{band}/{id}.fits`, `{id}/{band}.fits`, `{id}.fits`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::folder::FolderError;
use crate::files::is_name;

const ID: &str = "{id}";
const BAND: &str = "{band}";

/// Whether a file is hidden: macOS writes `._NAME` beside NAME on disks of other systems, and `.DS_Store`.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The path of a file relative to a folder, with `{id}` in place of the object's id.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(String);

impl Pattern {
    /// The pattern of each band, or one pattern if the text has no `{band}` (all bands in one file).
    pub fn parse(text: &str, bands: Option<&[String]>) -> Result<Vec<Pattern>, FolderError> {
        let pattern = || text.to_owned();
        if !text.contains(ID) {
            return Err(FolderError::PatternWithoutId { pattern: pattern() });
        }
        if text.split('/').any(|part| part.matches(ID).count() > 1) {
            return Err(FolderError::PatternRepeatsId { pattern: pattern() });
        }
        Pattern::of_bands(text, bands)
    }

    /// In the pattern of tiles' names, what differs between tiles.
    pub const TILE: &str = "{tile}";

    /// The pattern of each band, or one pattern if the text has no `{band}`, of tiles: `{tile}` is what `{id}` is for
    /// objects, and need not be there.
    pub fn of_tiles(text: &str, bands: &[String]) -> Result<Vec<Pattern>, FolderError> {
        if text.contains(Pattern::TILE) {
            return Pattern::parse(&text.replace(Pattern::TILE, ID), Some(bands));
        }
        Pattern::of_bands(text, Some(bands))
    }

    fn of_bands(text: &str, bands: Option<&[String]>) -> Result<Vec<Pattern>, FolderError> {
        if !text.contains(BAND) {
            return Ok(vec![Pattern(text.to_owned())]);
        }
        match bands {
            Some(bands) if !bands.is_empty() => match bands.iter().find(|band| !is_name(band)) {
                Some(band) => Err(FolderError::BandIsPath { band: band.clone() }),
                None => Ok(bands.iter().map(|band| Pattern(text.replace(BAND, band))).collect()),
            },
            _ => Err(FolderError::PatternNeedsBands { pattern: text.into() }),
        }
    }

    pub fn file(&self, root: &Path, id: &str) -> PathBuf {
        root.join(self.0.replace(ID, id))
    }

    /// The ids of all existing files that are not hidden; none if the folder is missing.
    pub fn ids(&self, root: &Path) -> Result<HashSet<String>> {
        let (folder, name) = self.split();
        let folder = root.join(folder);
        let (prefix, rest) = name.split_once(ID).unwrap_or((name, ""));
        let (suffix, below) = rest.split_once('/').unwrap_or((rest, ""));
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(HashSet::new()),
            Err(e) => return Err(Error::list_folder(&folder)(e)),
        };
        let mut ids = HashSet::new();
        for entry in entries {
            let entry = entry.map_err(Error::list_folder(&folder))?;
            let name = entry.file_name();
            let is_folder = || entry.file_type().is_ok_and(|kind| !kind.is_file()) && entry.path().is_dir();
            if is_hidden(&name) || (below.is_empty() && is_folder()) {
                continue;
            }
            let id = name
                .to_str()
                .and_then(|n| n.strip_prefix(prefix))
                .and_then(|n| n.strip_suffix(suffix));
            if let Some(id) = id.filter(|id| !id.is_empty())
                && (below.is_empty() || self.file(root, id).is_file())
            {
                ids.insert(id.to_owned());
            }
        }
        Ok(ids)
    }

    /// The folders that do not depend on the id, and the rest of the path.
    fn split(&self) -> (&str, &str) {
        let before = self.0.find(ID).unwrap_or(0);
        match self.0[..before].rfind('/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => ("", &self.0),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    fn sorted(ids: HashSet<String>) -> Vec<String> {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort();
        ids
    }

    #[test]
    fn ids_are_found_in_file_and_folder_names() {
        let dir = tempfile::tempdir().unwrap();
        let bands = ["g".to_owned(), "r".to_owned()];
        for name in [
            "a_g.fits",
            "a_b_g.fits",
            "a_r.fits",
            "g/im-7.fits",
            "9/g.fits",
            "9/g.txt",
            "8/r.fits",
            "_g.fits",
            "._a_g.fits",
            ".9/g.fits",
            "folder_g.fits/x",
        ] {
            touch(dir.path(), name);
        }
        let ids = |text| sorted(Pattern::parse(text, Some(&bands)).unwrap()[0].ids(dir.path()).unwrap());
        assert_eq!(ids("{id}_{band}.fits"), ["a", "a_b"]);
        assert_eq!(ids("{band}/im-{id}.fits"), ["7"]);
        assert_eq!(ids("{id}/{band}.fits"), ["9"]);
        assert!(ids("nowhere/{id}.fits").is_empty());
        let both = Pattern::parse("{id}/{id}_{band}.fits", Some(&bands)).unwrap();
        assert_eq!(both[1].file(Path::new("x"), "7"), Path::new("x/7/7_r.fits"));
    }

    #[test]
    fn patterns_without_an_id_or_bands_are_refused() {
        fn error(text: &str, bands: Option<&[String]>) -> String {
            Pattern::parse(text, bands).unwrap_err().to_string()
        }
        assert!(error("{band}.fits", None).contains("no {id}"));
        assert!(error("{id}_{band}.fits", None).contains("no bands are named"));
        assert!(error("{id}_{id}.fits", None).contains("twice"));
        for band in ["../../home", "a/b", "a\\b", "a\u{1b}[2J"] {
            let bands = ["g".into(), band.into()];
            assert!(error("{id}_{band}.fits", Some(&bands[..])).contains("is not the name of a band"));
        }
    }
}
