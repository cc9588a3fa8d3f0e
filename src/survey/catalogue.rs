//! A catalogue: a CSV file with a header line or a FITS table. Columns are found by name, and errors name the line.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::error::Result;
use super::fits::{FitsError, table};
use super::table::{Cell, Column, ColumnType};
use csv::StringRecord;

/// A table held as text, so that its columns can be passed through unchanged.
#[derive(Debug)]
pub struct Catalogue {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Names of the columns, in their order.
    pub columns: Vec<String>,
    rows: Vec<StringRecord>,
    /// Types, units and descriptions of the columns of a FITS table; empty for a CSV file.
    described: Vec<Column>,
}

/// Why a catalogue, or a column or row of it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The file cannot be opened.
    #[error("cannot open the catalogue {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is gzipped or a FITS table, and damaged.
    #[error("cannot read {}", path.display())]
    Fits {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FitsError,
    },
    /// The file is not a valid CSV file.
    #[error("cannot read {}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        source: csv::Error,
    },
    /// The catalogue has columns only.
    #[error("the catalogue {} has no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A column is missing.
    #[error("{} has no column '{name}'; it has: {}", path.display(), columns.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        name: String,
        /// The columns of the catalogue.
        columns: Vec<String>,
    },
    /// A row without an id.
    #[error("{place}: the id (column '{column}') is empty")]
    EmptyId {
        /// The row.
        place: Place,
        /// The column of ids.
        column: String,
    },
    /// Two rows with the same id.
    #[error("{place}: the id {id} is already used in {first}; ids (column '{column}') must be unique")]
    RepeatedId {
        /// The second of the rows.
        place: Place,
        /// The first of the rows.
        first: RowNumber,
        /// Their id.
        id: String,
        /// The column of ids.
        column: String,
    },
}

/// A row of a file, for messages: `cat.csv line 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The row in it.
    pub row: RowNumber,
}

/// Where a row is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowNumber {
    /// A line of a CSV file, counted from 1; the header line counts.
    Line(u64),
    /// A row of a FITS table, counted from 1.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.row)
    }
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            RowNumber::Line(line) => write!(f, "line {line}"),
            RowNumber::Row(row) => write!(f, "row {row}"),
        }
    }
}

impl Catalogue {
    /// Reads the first binary table of a FITS file, gzipped or not, or a CSV file; the first bytes decide. In a CSV file,
    /// lines that begin with `#` are comments, and spaces around cells are dropped.
    ///
    /// # Errors
    /// A file that cannot be opened or read, or has no rows.
    pub fn read(path: &Path) -> Result<Self> {
        let fits_error = |source| CatalogueError::Fits {
            path: path.into(),
            source,
        };
        let mut bytes = std::fs::read(path).map_err(|source| CatalogueError::Open {
            path: path.into(),
            source,
        })?;
        if fitsio_pure::gzip::is_gzip(&bytes) {
            let unpacked = fitsio_pure::gzip::decompress(&bytes).map_err(FitsError::Gzip);
            bytes = unpacked.map_err(fits_error)?;
        }
        let catalogue = if bytes.starts_with(b"SIMPLE  =") {
            let (described, rows) = table::read(&bytes).map_err(fits_error)?;
            Catalogue {
                path: path.to_owned(),
                columns: described.iter().map(|c| c.name.clone()).collect(),
                rows,
                described,
            }
        } else {
            Catalogue::from_csv(path, &bytes).map_err(|source| CatalogueError::Csv {
                path: path.into(),
                source,
            })?
        };
        if catalogue.is_empty() {
            return Err(CatalogueError::NoRows { path: path.into() }.into());
        }
        Ok(catalogue)
    }

    fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(bytes);
        Ok(Catalogue {
            path: path.to_owned(),
            columns: reader.headers()?.iter().map(str::to_owned).collect(),
            rows: reader.records().collect::<Result<_, _>>()?,
            described: Vec::new(),
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows; never after [`read`](Self::read).
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The column of this name, counted from 0. The case of letters matters only if it tells two columns apart.
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c == name);
        exact.or_else(|| self.columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
    }

    /// As [`find`](Self::find).
    ///
    /// # Errors
    /// [`CatalogueError::NoColumn`], which lists the columns there are.
    pub fn column(&self, name: &str) -> Result<usize, CatalogueError> {
        self.find(name).ok_or_else(|| CatalogueError::NoColumn {
            path: self.path.clone(),
            name: name.into(),
            columns: self.columns.clone(),
        })
    }

    /// The text of a cell; `row` and `column` are counted from 0.
    pub fn text(&self, row: usize, column: usize) -> &str {
        self.rows[row].get(column).unwrap_or("")
    }

    /// A cell as a number; NaN if it is empty or not a number.
    pub fn number(&self, row: usize, column: usize) -> f64 {
        self.text(row, column).parse().unwrap_or(f64::NAN)
    }

    /// A cell as it is passed through; `row` and `column` are counted from 0.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        match self.text(row, column) {
            "" => Cell::Null,
            text => Cell::Str(text.into()),
        }
    }

    /// A column's name, the type that holds its cells and, in FITS, its unit and description.
    pub fn described(&self, column: usize) -> Column {
        self.described.get(column).cloned().unwrap_or_else(|| {
            let column_type = ColumnType::of_texts((0..self.len()).map(|row| self.text(row, column)));
            Column::new(&self.columns[column], column_type, "", "")
        })
    }

    /// Where a row is, for messages; `row` is counted from 0.
    pub fn place(&self, row: usize) -> Place {
        Place {
            path: self.path.clone(),
            row: self.row_number(row),
        }
    }

    fn row_number(&self, row: usize) -> RowNumber {
        match self.rows[row].position() {
            Some(position) => RowNumber::Line(position.line()),
            None => RowNumber::Row(row + 1),
        }
    }

    /// The row of each id.
    ///
    /// # Errors
    /// An id that is empty or repeated.
    pub fn rows_by_id(&self, id_column: usize) -> Result<HashMap<&str, usize>, CatalogueError> {
        let mut rows = HashMap::with_capacity(self.len());
        let column = || self.columns[id_column].clone();
        for row in 0..self.len() {
            let id = self.text(row, id_column);
            if id.is_empty() {
                return Err(CatalogueError::EmptyId {
                    place: self.place(row),
                    column: column(),
                });
            }
            if let Some(first) = rows.insert(id, row) {
                return Err(CatalogueError::RepeatedId {
                    place: self.place(row),
                    first: self.row_number(first),
                    id: id.into(),
                    column: column(),
                });
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;

    fn catalogue(text: &str) -> Result<Catalogue> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cat.csv");
        std::fs::write(&path, text).unwrap();
        Catalogue::read(&path)
    }

    #[test]
    fn columns_are_found_in_any_case_and_cells_trimmed() {
        let cat = catalogue("\u{feff}ID, Theta_E ,note\n# a comment\n7, 1.5 ,\"a, b\"\n8,,x\n").unwrap();
        assert_eq!(cat.columns, ["ID", "Theta_E", "note"]);
        assert_eq!(cat.find("theta_e"), Some(1));
        assert_eq!(cat.number(0, 1), 1.5);
        assert!(cat.number(1, 1).is_nan());
        assert_eq!(cat.text(0, 2), "a, b");
        let place = cat.place(1).to_string();
        assert!(place.ends_with("cat.csv line 4"), "{place}");
        assert_eq!(cat.rows_by_id(0).unwrap()["8"], 1);
    }

    #[test]
    fn errors_name_the_file_the_columns_and_the_line() {
        let cat = catalogue("id,radius\n1,2\n1,3\n").unwrap();
        let missing = cat.column("theta_e").unwrap_err().to_string();
        assert!(missing.contains("cat.csv has no column 'theta_e'") && missing.contains("id, radius"));
        let twice = cat.rows_by_id(0).unwrap_err().to_string();
        assert!(
            twice.contains("line 3") && twice.contains("line 2") && twice.contains("id 1"),
            "{twice}"
        );
        assert!(catalogue("id,x\n").unwrap_err().to_string().contains("no rows"));
        let ragged = message(catalogue("id,x\n1,2\n3\n"));
        assert!(ragged.contains("line: 3"), "{ragged}");
    }

    #[test]
    fn a_fits_table_is_read_as_it_was_written() {
        use super::super::table::TableWriter;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cat.fits");
        let columns = [
            Column::new("id", ColumnType::Str, "", "name of the object"),
            Column::new("z", ColumnType::F64, "", ""),
            Column::new("theta_e", ColumnType::F64, "arcsec", "Einstein radius"),
            Column::new("flags", ColumnType::I32, "", "bit mask"),
        ];
        let mut writer = TableWriter::create(&path, columns.to_vec()).unwrap();
        let rows = [
            [
                Cell::Str("007".into()),
                Cell::F64(0.1 + 0.2),
                Cell::F64(2.0),
                Cell::Int(-3),
            ],
            [Cell::Str("lens, 8".into()), Cell::Null, Cell::F64(f64::NAN), Cell::Null],
        ];
        rows.iter().for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap();
        let check = |path: &Path| {
            let cat = Catalogue::read(path).unwrap();
            assert_eq!((0..4).map(|i| cat.described(i)).collect::<Vec<_>>(), columns);
            let texts = |row| (0..4).map(|i| cat.text(row, i).to_string()).collect::<Vec<_>>();
            assert_eq!(texts(0), ["007", "0.30000000000000004", "2.0", "-3"]);
            assert_eq!(texts(1), ["lens, 8", "", "", ""]);
            assert_eq!(cat.place(1).row, RowNumber::Row(2));
        };
        check(&path);
        let bytes = std::fs::read(&path).unwrap();
        for (content, expected) in [(&bytes[..2880], "no binary table"), (&bytes[..5770], "cut short")] {
            std::fs::write(&path, content).unwrap();
            let error = message(Catalogue::read(&path));
            assert!(error.contains("cat.fits") && error.contains(expected), "{error}");
        }
    }
}
