//! Writing a catalogue: CSV or FITS by the file name's extension.
//!
//! Rows are pushed one by one and memory stays flat. Nothing is seen under the final name before
//! [`TableWriter::finish`]: until then a file of that name keeps its old content, and a writer that is dropped
//! leaves nothing behind.
//!
//! Numbers are written with as many digits as it takes to read back the same f64, so CSV and FITS hold the same
//! values. An unknown value (null, or NaN) is empty in CSV; in FITS it is NaN, the column's TNULL or an empty string.

mod fits;

use crate::files::{self, folder_of, write_failed};
use anyhow::{Context, Result, bail, ensure};
use fitsio_pure::io::AtomicFile;
use std::path::{Path, PathBuf};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Str,
    F64,
    I32,
}

/// One column; `unit` as FITS writes units (`arcsec`, `deg`) and `description` may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
    pub unit: String,
    pub description: String,
}

impl Column {
    pub fn new(name: impl Into<String>, column_type: ColumnType, unit: &str, description: &str) -> Column {
        Column {
            name: name.into(),
            column_type,
            unit: unit.into(),
            description: description.into(),
        }
    }
}

/// One value of a row. `Null` fits any column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Str(String),
    F64(f64),
    I32(i32),
    Null,
}

impl ColumnType {
    /// The narrowest kind that holds all of a column's texts without changing what they say: whole numbers become
    /// I32, or F64 above that range; a leading zero (`007`) or more digits than an f64 holds make text of them.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ColumnType {
        let mut kind = None;
        for text in texts.into_iter().map(str::trim).filter(|t| !t.is_empty()) {
            kind = match (kind, kind_of_text(text)) {
                (_, ColumnType::Str) => return ColumnType::Str,
                (Some(ColumnType::F64), _) | (_, ColumnType::F64) => Some(ColumnType::F64),
                _ => Some(ColumnType::I32),
            };
        }
        kind.unwrap_or(ColumnType::Str)
    }

    /// `text` as a cell of this kind; empty is `Null`, and so is a text that is no such number.
    pub fn cell(self, text: &str) -> Cell {
        let trimmed = text.trim();
        match self {
            ColumnType::Str if text.is_empty() => Cell::Null,
            ColumnType::Str => Cell::Str(text.into()),
            ColumnType::F64 => trimmed.parse().map_or(Cell::Null, Cell::F64),
            ColumnType::I32 => trimmed.parse().map_or(Cell::Null, Cell::I32),
        }
    }
}

fn kind_of_text(text: &str) -> ColumnType {
    let digits = text.trim_start_matches(['-', '+']);
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<f64>() {
        Err(_) => ColumnType::Str,
        Ok(_) if padded => ColumnType::Str,
        Ok(_) if whole && text.parse::<i32>().is_ok() => ColumnType::I32,
        Ok(value) if whole && value.abs() > 2f64.powi(53) => ColumnType::Str,
        Ok(_) => ColumnType::F64,
    }
}

/// A catalogue being written.
pub struct TableWriter {
    path: PathBuf,
    columns: Vec<Column>,
    sink: Sink,
    rows: u64,
}

enum Sink {
    Csv(Box<csv::Writer<AtomicFile>>),
    Fits(fits::FitsTable),
}

impl TableWriter {
    /// Opens a temporary file beside `path` and so finds out now, not after hours of work, that `path` cannot be
    /// written: an extension other than `.csv` and `.fits`, a folder of that name, a folder that does not exist or
    /// is closed to us, a file that is write protected.
    pub fn create(path: &Path, columns: Vec<Column>) -> Result<TableWriter> {
        let shown = path.display();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or("")
            .to_ascii_lowercase();
        ensure!(
            extension == "csv" || extension == "fits",
            "{shown}: cannot write a table of this kind: the name must end in .csv or .fits"
        );
        let file = files::create(path)?;
        let sink = if extension == "csv" {
            let mut csv = csv::Writer::from_writer(file);
            csv.write_record(columns.iter().map(|c| &c.name))
                .with_context(|| write_failed(path))?;
            Sink::Csv(Box::new(csv))
        } else {
            Sink::Fits(fits::FitsTable::new(file, folder_of(path), &columns).with_context(|| write_failed(path))?)
        };
        Ok(TableWriter {
            path: path.into(),
            columns,
            sink,
            rows: 0,
        })
    }

    /// Appends a row: one cell a column, of the column's kind or null.
    pub fn push(&mut self, row: &[Cell]) -> Result<()> {
        let number = self.rows + 1;
        ensure!(
            row.len() == self.columns.len(),
            "{}, row {number}: {} values for {} columns",
            self.path.display(),
            row.len(),
            self.columns.len()
        );
        for (cell, column) in row.iter().zip(&self.columns) {
            match (cell, column.column_type) {
                (Cell::Null, _)
                | (Cell::Str(_), ColumnType::Str)
                | (Cell::F64(_), ColumnType::F64)
                | (Cell::I32(_), ColumnType::I32) => {}
                _ => bail!(
                    "{}, row {number}: {cell:?} does not fit column {} of kind {:?}",
                    self.path.display(),
                    column.name,
                    column.column_type
                ),
            }
        }
        match &mut self.sink {
            Sink::Csv(csv) => csv.write_record(row.iter().map(csv_text)).map_err(anyhow::Error::from),
            Sink::Fits(fits) => fits.push(row, &self.columns),
        }
        .with_context(|| write_failed(&self.path))?;
        self.rows = number;
        Ok(())
    }

    /// Completes the table, syncs it to disk and puts it under its name. Returns the number of rows.
    pub fn finish(self) -> Result<u64> {
        let complete = || match self.sink {
            Sink::Csv(csv) => anyhow::Ok(csv.into_inner().map_err(|e| e.into_error())?),
            Sink::Fits(fits) => fits.complete(&self.columns, self.rows),
        };
        let file = complete().with_context(|| write_failed(&self.path))?;
        file.commit().with_context(|| write_failed(&self.path))?;
        Ok(self.rows)
    }
}

fn csv_text(cell: &Cell) -> String {
    match cell {
        Cell::Str(text) => text.clone(),
        Cell::I32(value) => value.to_string(),
        Cell::F64(value) if value.is_nan() => String::new(),
        Cell::F64(value) => format!("{value:?}"), // shortest that reads back the same
        Cell::Null => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitsio_pure::bintable::{BinaryColumnData, parse_binary_table_columns, read_binary_column};
    use fitsio_pure::hdu::parse_fits;
    use std::fs;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("id", ColumnType::Str, "", "name of the object"),
            Column::new("ra", ColumnType::F64, "deg", ""),
            Column::new("theta_e", ColumnType::F64, "arcsec", "Einstein radius"),
            Column::new("flags", ColumnType::I32, "", "bit mask"),
        ]
    }

    fn rows() -> [Vec<Cell>; 3] {
        let text = |s: &str| Cell::Str(s.into());
        [
            vec![text("a"), Cell::F64(150.1163213), Cell::F64(0.1 + 0.2), Cell::I32(-3)],
            vec![text("lens, \"7\""), Cell::Null, Cell::F64(f64::NAN), Cell::I32(128)],
            vec![Cell::Null, Cell::F64(1e-12), Cell::F64(2.0), Cell::Null],
        ]
    }

    fn written(name: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let mut writer = TableWriter::create(&path, columns()).unwrap();
        rows().iter().for_each(|row| writer.push(row).unwrap());
        assert!(!path.exists());
        assert_eq!(writer.finish().unwrap(), 3);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        (dir, path)
    }

    #[test]
    fn csv_text_is_exact() {
        let (_dir, path) = written("out.csv");
        let expected = "id,ra,theta_e,flags\n\
                        a,150.1163213,0.30000000000000004,-3\n\
                        \"lens, \"\"7\"\"\",,,128\n\
                        ,1e-12,2.0,\n";
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn fits_reads_back() {
        let (_dir, path) = written("out.FITS");
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len() % 2880, 0);
        let hdus = parse_fits(&bytes).unwrap();
        let table = hdus.get(1).unwrap();
        let names: Vec<_> = parse_binary_table_columns(&table.cards, 4)
            .unwrap()
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(names, ["id", "ra", "theta_e", "flags"].map(|n| Some(n.to_string())));
        let column = |i| read_binary_column(&bytes, table, i).unwrap();
        let BinaryColumnData::Ascii(id) = column(0) else {
            panic!()
        };
        assert_eq!(
            id.iter().map(|s| s.trim_end_matches(['\0', ' '])).collect::<Vec<_>>(),
            ["a", "lens, \"7\"", ""]
        );
        let BinaryColumnData::Double(ra) = column(1) else {
            panic!()
        };
        assert!(ra[0] == 150.1163213 && ra[1].is_nan() && ra[2] == 1e-12);
        let BinaryColumnData::Double(theta_e) = column(2) else {
            panic!()
        };
        assert!(theta_e[0] == 0.1 + 0.2 && theta_e[1].is_nan() && theta_e[2] == 2.0);
        assert_eq!(column(3), BinaryColumnData::Int(vec![-3, 128, i32::MIN]));
        let card = |key: &str| {
            table
                .cards
                .iter()
                .find(|c| c.keyword_str() == key)
                .and_then(|c| c.value.clone())
        };
        let text = |s: &str| Some(fitsio_pure::value::Value::String(s.into()));
        assert_eq!(
            (card("TUNIT2"), card("TUNIT3"), card("TUNIT1")),
            (text("deg"), text("arcsec"), None)
        );
        assert_eq!(card("TCOMM3"), text("Einstein radius"));
        assert_eq!(
            card("TNULL4"),
            Some(fitsio_pure::value::Value::Integer(i32::MIN as i64))
        );
    }

    #[test]
    fn a_table_without_rows_is_valid() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["empty.csv", "empty.fits"] {
            let path = dir.path().join(name);
            assert_eq!(TableWriter::create(&path, columns()).unwrap().finish().unwrap(), 0);
        }
        assert_eq!(
            fs::read_to_string(dir.path().join("empty.csv")).unwrap(),
            "id,ra,theta_e,flags\n"
        );
        assert!(parse_fits(&fs::read(dir.path().join("empty.fits")).unwrap()).is_ok());
    }

    #[test]
    fn an_abandoned_table_leaves_the_old_file_and_nothing_else() {
        for name in ["out.csv", "out.fits"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            fs::write(&path, "old").unwrap();
            let mut writer = TableWriter::create(&path, columns()).unwrap();
            writer.push(&rows()[0]).unwrap();
            drop(writer);
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn paths_that_cannot_be_written_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |name: &str| {
            format!(
                "{:#}",
                TableWriter::create(&dir.path().join(name), columns()).err().unwrap()
            )
        };
        for name in ["out.parquet", "out", "out.fits.gz"] {
            let message = refused(name);
            assert!(message.contains(name) && message.contains(".csv or .fits"), "{message}");
        }
        fs::create_dir(dir.path().join("folder.csv")).unwrap();
        assert!(refused("folder.csv").contains("is a folder"));
        assert!(refused("missing/out.csv").contains("create it first"));
        let protected = dir.path().join("protected.fits");
        fs::write(&protected, "old").unwrap();
        let mut permissions = fs::metadata(&protected).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&protected, permissions).unwrap();
        assert!(refused("protected.fits").contains("write protected"));
        assert_eq!(fs::read_to_string(&protected).unwrap(), "old");
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::create(&dir.path().join("out.csv"), columns()).unwrap();
        assert!(
            writer
                .push(&rows()[0][..3])
                .unwrap_err()
                .to_string()
                .contains("row 1: 3 values for 4 columns")
        );
        let wrong = [Cell::F64(1.0), Cell::Null, Cell::Null, Cell::Null];
        assert!(writer.push(&wrong).unwrap_err().to_string().contains("column id"));
    }

    #[test]
    fn kinds_of_texts() {
        let cases: [(&[&str], ColumnType); 9] = [
            (&["1", " -20 ", ""], ColumnType::I32),
            (&["1", "2.5"], ColumnType::F64),
            (&["2.5", "1"], ColumnType::F64),
            (&["3000000000"], ColumnType::F64),
            (&["5853498713190525696"], ColumnType::Str), // a Gaia number: an f64 would change it
            (&["007"], ColumnType::Str),
            (&["0", "0.5", "-0.5"], ColumnType::F64),
            (&["1", "x"], ColumnType::Str),
            (&["", ""], ColumnType::Str),
        ];
        for (texts, kind) in cases {
            assert_eq!(ColumnType::of_texts(texts.iter().copied()), kind, "{texts:?}");
        }
        assert_eq!(ColumnType::I32.cell(" 7"), Cell::I32(7));
        assert_eq!(ColumnType::F64.cell(""), Cell::Null);
        assert_eq!(ColumnType::Str.cell(" a"), Cell::Str(" a".into()));
    }
}
