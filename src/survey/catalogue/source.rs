//! The file of a catalogue: its name, which may end in `[EXTENSION]`, its bytes and its format.

use super::CatalogueError;
use crate::files::{self, unpack};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The bytes of a catalogue, unpacked if they were gzipped.
pub(super) struct Source {
    /// The file, without an extension in brackets.
    pub path: PathBuf,
    /// The table in the file, if the name ends in `[EXTENSION]`.
    pub extension: Option<String>,
    pub bytes: Vec<u8>,
    /// Whether they were gzipped.
    pub was_packed: bool,
}

/// Bytes that tell the format.
const BEGINNING: u64 = 1 << 16;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Fits,
    VoTable,
    Parquet,
}

impl Source {
    /// Reads `path`; `file.fits[2]` is a part of `file.fits` unless there is a file of that name.
    pub fn open(path: &Path) -> Result<Source, CatalogueError> {
        let (path, extension) = split(path);
        let mut bytes = files::read(&path).map_err(|source| CatalogueError::Open {
            path: path.clone(),
            source,
        })?;
        let was_packed = unpack::is_gzip(&bytes);
        if was_packed {
            bytes = unpack::gunzip(&bytes).map_err(|source| CatalogueError::Gzip {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Source {
            path,
            extension,
            bytes,
            was_packed,
        })
    }

    /// Its beginning, which tells the format. What is gzipped is read whole.
    pub fn beginning(path: &Path) -> Result<Source, CatalogueError> {
        let (file, extension) = split(path);
        let mut bytes = Vec::new();
        let opened = files::open(&file).and_then(|opened| opened.take(BEGINNING).read_to_end(&mut bytes));
        opened.map_err(|source| CatalogueError::Open {
            path: file.clone(),
            source,
        })?;
        if unpack::is_gzip(&bytes) {
            return Source::open(path);
        }
        Ok(Source {
            path: file,
            extension,
            bytes,
            was_packed: false,
        })
    }

    /// # Errors
    /// A table is named in a file that has only one.
    pub fn refuse_extension(&self, format: Format) -> Result<(), CatalogueError> {
        match (format, &self.extension) {
            (Format::Text | Format::Parquet, Some(extension)) => Err(CatalogueError::NoExtensions {
                path: self.path.clone(),
                extension: extension.clone(),
            }),
            (Format::Text | Format::Parquet | Format::Fits | Format::VoTable, _) => Ok(()),
        }
    }

    /// The format, by the content; what is not recognised is text unless the file's extension says otherwise.
    pub fn format(&self) -> Result<Format, CatalogueError> {
        let begins = |with: &[u8]| self.bytes.starts_with(with);
        if begins(b"SIMPLE  =") {
            return Ok(Format::Fits);
        }
        if begins(b"PAR1") {
            return Ok(Format::Parquet);
        }
        let foreign: [(&[u8], &str); 8] = [
            (
                b"PK\x03\x04",
                "an Excel or OpenDocument workbook, or another zip archive",
            ),
            (b"\xD0\xCF\x11\xE0", "an Excel workbook"),
            (b"\x89HDF", "an HDF5 file"),
            (b"SQLite format 3", "an SQLite database"),
            (b"\x93NUMPY", "a NumPy array"),
            (b"BZh", "compressed by bzip2"),
            (b"\xFD7zXZ", "compressed by xz"),
            (b"\x28\xB5\x2F\xFD", "compressed by Zstandard"),
        ];
        if let Some((_, found)) = foreign.iter().find(|(magic, _)| begins(magic)) {
            return Err(self.foreign(found));
        }
        let head = self.head();
        if head.contains("<votable") || head.contains(":votable") {
            return Ok(Format::VoTable);
        }
        if head.starts_with("<!doctype html") || head.starts_with("<html") {
            return Err(self.foreign("a web page"));
        }
        if head.starts_with("<?xml") {
            return Err(self.foreign("an XML file without a VOTable"));
        }
        if head.starts_with('\\') || (head.starts_with('|') && head.lines().next().unwrap_or("").ends_with('|')) {
            return Err(self.foreign("a fixed-width, IPAC or LaTeX table"));
        }
        let name = self.path.to_string_lossy().to_ascii_lowercase();
        let name = name.trim_end_matches(".gz");
        let named: [(&[&str], &str); 3] = [
            (&[".fits", ".fit", ".fts", ".ldac"], "FITS"),
            (&[".vot", ".votable", ".xml"], "VOTable"),
            (&[".parquet", ".parq", ".pq"], "Parquet"),
        ];
        match named
            .iter()
            .find(|(ends, _)| ends.iter().any(|end| name.ends_with(end)))
        {
            Some((_, expected)) => Err(CatalogueError::NotThisFormat {
                path: self.path.clone(),
                expected,
            }),
            None => Ok(Format::Text),
        }
    }

    fn foreign(&self, found: &'static str) -> CatalogueError {
        CatalogueError::Format {
            path: self.path.clone(),
            found,
        }
    }

    /// The first characters, in lower case, without a byte order mark and the zeros of UTF-16.
    fn head(&self) -> String {
        let bytes = self.bytes.iter().take(4096).filter(|&&b| b != 0);
        let head: String = bytes.map(|b| b.to_ascii_lowercase() as char).collect();
        let marks = ["\u{ef}\u{bb}\u{bf}", "\u{ff}\u{fe}", "\u{fe}\u{ff}"];
        let start = marks.iter().find_map(|mark| head.strip_prefix(mark)).unwrap_or(&head);
        start.trim_start().to_string()
    }
}

/// `file.fits[NAME]` as the file and the name, if there is such a file and none with the whole name.
fn split(path: &Path) -> (PathBuf, Option<String>) {
    let whole = || (path.to_owned(), None);
    let Some(text) = path.to_str().filter(|_| !path.exists()) else {
        return whole();
    };
    match text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        Some((file, extension)) if Path::new(file).is_file() => (file.into(), Some(extension.trim().into())),
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn format(name: &str, bytes: &[u8]) -> Result<Format, String> {
        let source = Source {
            path: name.into(),
            extension: None,
            bytes: bytes.to_vec(),
            was_packed: false,
        };
        source.format().map_err(|error| error.to_string())
    }

    #[test]
    fn the_content_decides_and_then_the_name() {
        assert_eq!(format("a.csv", b"SIMPLE  =   T"), Ok(Format::Fits));
        assert_eq!(format("a.csv", b"PAR1...."), Ok(Format::Parquet));
        let votable = b"\xEF\xBB\xBF<?xml version='1.0'?>\n<!-- by hand -->\n<VOTABLE version='1.3'>";
        assert_eq!(format("a.txt", votable), Ok(Format::VoTable));
        assert_eq!(format("a.txt", b"<v:VOTABLE xmlns:v='http://x'>"), Ok(Format::VoTable));
        assert_eq!(format("a.dat", b"id,z\n"), Ok(Format::Text));
        for (name, bytes, expected) in [
            ("a.fits.gz", &b"id,z"[..], "not a FITS file"),
            ("a.pq", b"id,z", "not a Parquet file"),
            ("a.xml", b"id,z", "not a VOTable file"),
            ("a.xml", b"<?xml version='1.0'?><svg/>", "without a VOTable"),
            ("a.csv", b"<!DOCTYPE html><html>", "a web page"),
            ("a.csv", b"PK\x03\x04", "workbook"),
            ("a.tbl", b"|id |z  |\n|int|real|", "IPAC or LaTeX table"),
        ] {
            let message = format(name, bytes).unwrap_err();
            assert!(message.contains(expected) && message.contains(name), "{message}");
        }
    }

    #[test]
    fn an_extension_in_brackets_unless_a_file_has_that_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.fits"), "a").unwrap();
        fs::write(at("b.fits"), "b").unwrap();
        fs::write(at("b.fits[2]"), "b2").unwrap();
        let open = |name: &str| Source::open(&at(name)).map(|s| (s.path, s.extension, s.bytes)).ok();
        assert_eq!(
            open("a.fits[X, 2]"),
            Some((at("a.fits"), Some("X, 2".into()), b"a".to_vec()))
        );
        assert_eq!(open("b.fits[2]"), Some((at("b.fits[2]"), None, b"b2".to_vec())));
        assert_eq!(open("c.fits[2]"), None);
    }
}
