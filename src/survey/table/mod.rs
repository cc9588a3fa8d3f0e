//! Writes a catalogue: CSV or FITS, by the extension of the file name.
//!
//! Rows are written one by one, so that memory stays constant. Nothing appears under the final name before
//! [`TableWriter::finish`]: until then a file of that name keeps its content, and a writer that is dropped leaves nothing
//! behind.
//!
//! Numbers have as many digits as are needed to recover the same f64, so that CSV and FITS hold the same values. An
//! unknown value (null, or NaN) is empty in CSV; in FITS it is NaN, the column's TNULL or an empty text.

mod column;
mod fits;

pub use column::{Cell, Column, ColumnType};

use super::error::Result;
use crate::files::{self, folder_of};
use fitsio_pure::io::AtomicFile;
use std::io;
use std::path::{Path, PathBuf};

/// A table that cannot be written, or a row that does not fit it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Neither CSV nor FITS.
    #[error("{}: cannot write a table of this format; the name must end in .csv or .fits", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A row with another number of values than there are columns.
    #[error("{}, row {row}: {values} values for {columns} columns", path.display())]
    RowLength {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// Values in the row.
        values: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// A value of another type than its column.
    #[error("{}, row {row}: {cell:?} does not fit the column '{column}' of type {column_type:?}", path.display())]
    CellType {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// The column's type.
        column_type: ColumnType,
        /// The value.
        cell: Cell,
    },
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
    /// Opens a temporary file beside `path`. A `path` that cannot be written is an error now rather than after hours of
    /// work.
    ///
    /// # Errors
    /// An extension other than `.csv` and `.fits`, and those of [`files::create`].
    pub fn create(path: &Path, columns: Vec<Column>) -> Result<TableWriter> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "csv" && extension != "fits" {
            return Err(TableError::Extension { path: path.into() }.into());
        }
        let file = files::create(path)?;
        let sink = if extension == "csv" {
            let mut csv = csv::Writer::from_writer(file);
            let header = csv.write_record(columns.iter().map(|c| &c.name));
            header.map_err(io::Error::from).map_err(files::Error::write(path))?;
            Sink::Csv(Box::new(csv))
        } else {
            let table = fits::FitsTable::new(file, folder_of(path), &columns);
            Sink::Fits(table.map_err(files::Error::write(path))?)
        };
        Ok(TableWriter {
            path: path.into(),
            columns,
            sink,
            rows: 0,
        })
    }

    /// Appends a row: one cell per column, of the column's type or null.
    ///
    /// # Errors
    /// A row that does not fit the columns; a write that fails.
    pub fn push(&mut self, row: &[Cell]) -> Result<()> {
        self.check(row)?;
        match &mut self.sink {
            Sink::Csv(csv) => csv.write_record(row.iter().map(csv_text)).map_err(io::Error::from),
            Sink::Fits(fits) => fits.push(row, &self.columns),
        }
        .map_err(files::Error::write(&self.path))?;
        self.rows += 1;
        Ok(())
    }

    fn check(&self, row: &[Cell]) -> Result<(), TableError> {
        let (path, number) = (|| self.path.clone(), self.rows + 1);
        if row.len() != self.columns.len() {
            return Err(TableError::RowLength {
                path: path(),
                row: number,
                values: row.len(),
                columns: self.columns.len(),
            });
        }
        let fits = |(cell, column): &(&Cell, &Column)| {
            matches!(
                (cell, &column.column_type),
                (Cell::Null | Cell::Str(_), _)
                    | (Cell::F64(_), ColumnType::F64 | ColumnType::F32)
                    | (
                        Cell::Int(_),
                        ColumnType::U8 | ColumnType::I16 | ColumnType::I32 | ColumnType::I64
                    )
                    | (Cell::Bool(_), ColumnType::Bool)
                    | (Cell::Array(_), ColumnType::Array { .. })
            )
        };
        match row.iter().zip(&self.columns).find(|pair| !fits(pair)) {
            None => Ok(()),
            Some((cell, column)) => Err(TableError::CellType {
                path: path(),
                row: number,
                column: column.name.clone(),
                column_type: column.column_type.clone(),
                cell: cell.clone(),
            }),
        }
    }

    /// Completes the table, syncs it to disk and puts it under its name. Returns the number of rows.
    ///
    /// # Errors
    /// A write that fails; a file of that name then keeps its content.
    pub fn finish(self) -> Result<u64> {
        let complete = match self.sink {
            Sink::Csv(csv) => csv.into_inner().map_err(|e| e.into_error()),
            Sink::Fits(fits) => fits.complete(&self.columns, self.rows),
        };
        let written = complete.and_then(AtomicFile::commit);
        written.map_err(files::Error::write(&self.path))?;
        Ok(self.rows)
    }
}

fn csv_text(cell: &Cell) -> String {
    match cell {
        Cell::Str(text) => text.clone(),
        Cell::Int(value) => value.to_string(),
        Cell::F64(value) if value.is_nan() => String::new(),
        // The shortest text from which the same value is recovered.
        Cell::F64(value) => format!("{value:?}"),
        Cell::Bool(_) | Cell::Array(_) => unreachable!("TEMPORARY"),
        Cell::Null => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
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
            vec![text("a"), Cell::F64(150.1163213), Cell::F64(0.1 + 0.2), Cell::Int(-3)],
            vec![text("lens, \"7\""), Cell::Null, Cell::F64(f64::NAN), Cell::Int(128)],
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
    fn a_csv_file_has_the_exact_values() {
        let (_dir, path) = written("out.csv");
        let expected = "id,ra,theta_e,flags\n\
                        a,150.1163213,0.30000000000000004,-3\n\
                        \"lens, \"\"7\"\"\",,,128\n\
                        ,1e-12,2.0,\n";
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn a_fits_table_has_the_exact_values() {
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
    fn a_table_may_be_empty() {
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
    fn a_path_that_cannot_be_written_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |name: &str| message(TableWriter::create(&dir.path().join(name), columns()));
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
        let short = writer.push(&rows()[0][..3]).unwrap_err().to_string();
        assert!(short.contains("row 1: 3 values for 4 columns"), "{short}");
        let wrong = [Cell::F64(1.0), Cell::Null, Cell::Null, Cell::Null];
        let wrong = writer.push(&wrong).unwrap_err().to_string();
        assert!(wrong.contains("'id'"), "{wrong}");
    }
}
