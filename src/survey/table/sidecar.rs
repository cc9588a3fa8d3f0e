//! The file beside a table that describes it: `out.fits.json` for `out.fits`.

use super::provenance::Provenance;
use super::{Column, ColumnType, TableError, Written};
use crate::files;
use crate::survey::error::Result;
use fitsio_pure::io::AtomicFile;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What distinguishes these files from others.
const FORMAT: &str = "lensgpu-table";

/// A description being prepared, which appears beside the table when it is written.
pub struct Sidecar {
    path: PathBuf,
    file: AtomicFile,
    provenance: Provenance,
}

impl Sidecar {
    /// The description of `table`, which need not exist yet; `None` if `provenance` asks for none. Opens a temporary
    /// file, so that a path that cannot be written is an error now.
    ///
    /// # Errors
    /// [`TableError::SidecarTaken`] if there is another file of that name, and those of [`files::create`].
    pub fn create(table: &Path, provenance: Option<&Provenance>) -> Result<Option<Sidecar>> {
        let Some(provenance) = provenance.filter(|provenance| provenance.sidecar) else {
            return Ok(None);
        };
        let path = path_beside(table);
        if path.is_file() && !is_ours(&path) {
            return Err(TableError::SidecarTaken { path }.into());
        }
        Ok(Some(Sidecar {
            file: files::create(&path)?,
            path,
            provenance: provenance.clone(),
        }))
    }

    /// Writes the description: what made the table, its columns and number of rows, and `details`.
    ///
    /// # Errors
    /// A write that fails.
    pub fn write(mut self, table: &Written, details: Map<String, Value>) -> Result<()> {
        let provenance = &self.provenance;
        let mut content = Map::new();
        content.insert("format".into(), FORMAT.into());
        let name = table.path.file_name().unwrap_or_default().to_string_lossy();
        content.insert("file".into(), name.into());
        content.insert("rows".into(), table.rows.into());
        content.insert("program".into(), provenance.program.clone().into());
        content.insert("date".into(), provenance.date.clone().into());
        content.insert("command".into(), provenance.command.clone().into());
        content.extend(
            provenance
                .notes
                .iter()
                .map(|(key, text)| (key.clone(), text.clone().into())),
        );
        content.extend(details);
        let columns = table.columns.iter().map(|column| {
            let mut about = json!({
                "name": column.name,
                "type": column.column_type.name(),
                "unit": column.unit,
                "description": column.description,
            });
            if !column.ucd.is_empty() {
                about["ucd"] = column.ucd.clone().into();
            }
            if let ColumnType::Array { shape, .. } = &column.column_type {
                about["shape"] = json!(shape);
            }
            about
        });
        content.insert("columns".into(), columns.collect());
        let written = serde_json::to_vec_pretty(&content).map_err(io::Error::from);
        let written = written
            .and_then(|text| self.file.write_all(&text))
            .and_then(|()| self.file.write_all(b"\n"));
        Ok(written
            .and_then(|()| self.file.commit())
            .map_err(files::Error::write(&self.path))?)
    }
}

/// The description of `table`.
///
/// # Errors
/// There is none, or it is damaged.
pub fn read(table: &Path) -> io::Result<Value> {
    Ok(serde_json::from_slice(&files::read(&path_beside(table))?)?)
}

/// The columns of a description, unless they are arrays; `None` if it has none.
pub fn columns(description: &Value) -> Option<Vec<Column>> {
    let column = |about: &Value| {
        let text = |key: &str| about[key].as_str();
        let column_type = ColumnType::of_name(text("type")?)?;
        let column = Column::new(text("name")?, column_type, text("unit")?, text("description")?);
        Some(column.shown(text("ucd").unwrap_or_default(), ""))
    };
    description["columns"].as_array()?.iter().map(column).collect()
}

fn path_beside(table: &Path) -> PathBuf {
    // The folder of a HATS catalogue may end in a slash.
    let mut path = table.components().as_path().as_os_str().to_owned();
    path.push(".json");
    path.into()
}

/// Whether this program wrote the file, so that it may be replaced.
fn is_ours(path: &Path) -> bool {
    let text = files::read(path).unwrap_or_default();
    serde_json::from_slice::<Value>(&text).is_ok_and(|content| content["format"] == FORMAT)
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column, TableWriter};
    use super::*;
    use std::fs;

    #[test]
    fn a_sidecar_describes_the_table_and_replaces_only_its_own_kind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.fits");
        let beside = dir.path().join("out.fits.json");
        let provenance = Provenance {
            command: Some("lensgpu infer".into()),
            sidecar: true,
            ..Provenance::new("THETA_E")
        };
        let columns = vec![Column::new("Unnamed: 0", ColumnType::F32, "arcsec", "radius").shown("phys.angSize", "")];
        for model in ["a", "b"] {
            let sidecar = Sidecar::create(&path, Some(&provenance)).unwrap().unwrap();
            let mut writer = TableWriter::create(&path, columns.clone()).unwrap();
            writer.push(&[Cell::F64(1.0)]).unwrap();
            let written = writer.finish().unwrap();
            let details = Map::from_iter([("model".to_string(), model.into())]);
            sidecar.write(&written, details).unwrap();
            let content: Value = serde_json::from_slice(&fs::read(&beside).unwrap()).unwrap();
            assert_eq!((&content["rows"], &content["model"]), (&1.into(), &model.into()));
            assert_eq!(
                (&content["file"], &content["command"]),
                (&"out.fits".into(), &"lensgpu infer".into())
            );
            let column = json!({
                "name": "unnamed_0", "type": "float32", "unit": "arcsec", "description": "radius", "ucd": "phys.angSize"
            });
            assert_eq!(content["columns"], json!([column]));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);

        assert!(Sidecar::create(&path, Some(&Provenance::new("T"))).unwrap().is_none());
        for other in ["{\"format\": \"mine\"}", "[]", "not json", ""] {
            fs::write(&beside, other).unwrap();
            let error = Sidecar::create(&path, Some(&provenance)).err().unwrap().to_string();
            assert!(error.contains("out.fits.json exists"), "{error}");
            assert_eq!(fs::read_to_string(&beside).unwrap(), other);
        }
    }
}
