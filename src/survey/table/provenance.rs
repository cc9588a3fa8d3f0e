//! What made a table: program, date, model and command line.

use crate::files::{self, checksum::hexadecimal};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What made a table. FITS, VOTable and Parquet files hold it in their headers.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// The name of the table, such as `THETA_E` (EXTNAME in FITS).
    pub table: String,
    /// The program and its version.
    pub program: String,
    /// When the table was begun: UTC, such as `2026-01-31T12:00:00Z`.
    pub date: String,
    /// The command line, quoted for a shell.
    pub command: Option<String>,
    /// The model that made the predictions.
    pub model: Option<ModelFile>,
    /// Anything else that is worth knowing: a name and a text.
    pub notes: Vec<(String, String)>,
    /// Whether a CSV file has it too, and the columns' types, units and descriptions: as the header of an ECSV file,
    /// in lines that begin with `#`.
    pub in_csv: bool,
    /// Whether a [`Sidecar`](super::sidecar::Sidecar) beside the table has it too.
    pub sidecar: bool,
}

impl Provenance {
    /// The provenance of a table that this program writes now, of which nothing else is known.
    pub fn new(table: &str) -> Provenance {
        Provenance {
            table: table.into(),
            program: concat!("lensgpu ", env!("CARGO_PKG_VERSION")).into(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: None,
            model: None,
            notes: Vec::new(),
            in_csv: false,
            sidecar: false,
        }
    }

    /// All of it as names and texts, for headers that hold any.
    pub(super) fn entries(&self) -> Vec<(&str, String)> {
        let mut entries = vec![
            ("table", self.table.clone()),
            ("program", self.program.clone()),
            ("date", self.date.clone()),
        ];
        if let Some(model) = &self.model {
            entries.extend([("model", model.name()), ("model_sha256", model.sha256.clone())]);
        }
        entries.extend(self.command.iter().map(|command| ("command", command.clone())));
        entries.extend(self.notes.iter().map(|(key, text)| (key.as_str(), text.clone())));
        entries
    }
}

/// A model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl ModelFile {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> io::Result<ModelFile> {
        let mut file = files::open(path)?;
        let (mut hash, mut bytes) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut bytes)? {
                0 => break,
                read => hash.update(&bytes[..read]),
            }
        }
        Ok(ModelFile {
            path: path.into(),
            sha256: hexadecimal(hash.finalize().as_slice()),
        })
    }

    /// The model with this name and content.
    pub fn of_bytes(name: &Path, bytes: &[u8]) -> ModelFile {
        ModelFile {
            path: name.into(),
            sha256: hexadecimal(Sha256::digest(bytes).as_slice()),
        }
    }

    /// The name of the file, without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into()
    }
}

/// Arguments as one command line, which a POSIX shell takes apart into the same arguments.
pub fn command_line(arguments: impl IntoIterator<Item = String>) -> String {
    let quoted = arguments.into_iter().map(|argument| {
        let safe = |c: char| c.is_alphanumeric() || "_-./=:,+@%^".contains(c);
        if !argument.is_empty() && argument.chars().all(safe) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        std::fs::write(&path, "abc").unwrap();
        let model = ModelFile::read(&path).unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            model.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(model.name(), "model.safetensors");
        assert_eq!(model, ModelFile::of_bytes(&path, b"abc"));
    }

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let arguments = [
            "lensgpu",
            "infer",
            "--images",
            "{id}_{band}.fits",
            "it's",
            "",
            "--bands",
            "a=g,b=r",
            "x\ny",
        ];
        assert_eq!(
            command_line(arguments.map(String::from)),
            "lensgpu infer --images '{id}_{band}.fits' 'it'\\''s' '' --bands a=g,b=r 'x\ny'"
        );
    }
}
