//! A catalogue: a CSV with a header line or a FITS table, whose columns are found by name and whose errors name lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::fits_table;
use super::table::{Column, ColumnType};
use anyhow::{Context, Result, anyhow, bail};
use csv::StringRecord;

/// A table held as text, so that its columns can be passed through unchanged.
#[derive(Debug)]
pub struct Catalogue {
    pub path: PathBuf,
    pub columns: Vec<String>,
    rows: Vec<StringRecord>,
    /// What a FITS table says about its columns; empty for a CSV.
    described: Vec<Column>,
}

impl Catalogue {
    /// Reads the first binary table of a FITS file (gzipped or not, told by its first bytes), else a CSV, where lines
    /// that begin with `#` are comments and spaces around cells are dropped.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let mut bytes = std::fs::read(path).with_context(|| format!("cannot open the catalogue {name}"))?;
        if fitsio_pure::gzip::is_gzip(&bytes) {
            bytes = fitsio_pure::gzip::decompress(&bytes)
                .map_err(|e| anyhow!("cannot read {name}: its gzip stream is damaged or cut short ({e})"))?;
        }
        let catalogue = if bytes.starts_with(b"SIMPLE  =") {
            let (described, rows) = fits_table::read(&bytes).with_context(|| format!("cannot read {name}"))?;
            Catalogue {
                path: path.to_owned(),
                columns: described.iter().map(|c| c.name.clone()).collect(),
                rows,
                described,
            }
        } else {
            Catalogue::from_csv(path, &bytes)?
        };
        if catalogue.is_empty() {
            bail!("the catalogue {name} has no rows");
        }
        Ok(catalogue)
    }

    fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self> {
        let name = path.display();
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let columns: Vec<String> = reader
            .headers()
            .with_context(|| format!("cannot read the first line of {name}"))?
            .iter()
            .map(str::to_owned)
            .collect();
        let rows = reader
            .records()
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("cannot read {name}"))?;
        Ok(Catalogue {
            path: path.to_owned(),
            columns,
            rows,
            described: Vec::new(),
        })
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The column of this name, by preference in the same letter case.
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c == name);
        exact.or_else(|| self.columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
    }

    /// As [`find`](Self::find); a missing column is an error that lists those there are and says which option names one.
    pub fn column(&self, name: &str, option: &str) -> Result<usize> {
        self.find(name).with_context(|| {
            format!(
                "{} has no column '{name}'; it has: {}. Name another with {option}",
                self.path.display(),
                self.columns.join(", ")
            )
        })
    }

    /// The cell's text, `row` and `column` counted from 0.
    pub fn text(&self, row: usize, column: usize) -> &str {
        self.rows[row].get(column).unwrap_or("")
    }

    /// The cell as a number; NaN where it is empty or no number.
    pub fn number(&self, row: usize, column: usize) -> f64 {
        self.text(row, column).parse().unwrap_or(f64::NAN)
    }

    /// A column's name with the kind that holds its cells and, from FITS, its unit and description.
    pub fn described(&self, column: usize) -> Column {
        self.described.get(column).cloned().unwrap_or_else(|| {
            let kind = ColumnType::of_texts((0..self.len()).map(|row| self.text(row, column)));
            Column::new(&self.columns[column], kind, "", "")
        })
    }

    /// `FILE line N` of a CSV, `FILE row N` of a FITS table, for messages.
    pub fn place(&self, row: usize) -> String {
        match self.rows[row].position() {
            Some(position) => format!("{} line {}", self.path.display(), position.line()),
            None => format!("{} row {}", self.path.display(), row + 1),
        }
    }

    /// Row of each id; an empty or repeated id is an error.
    pub fn rows_by_id(&self, id_column: usize) -> Result<HashMap<&str, usize>> {
        let mut rows = HashMap::with_capacity(self.len());
        for row in 0..self.len() {
            let id = self.text(row, id_column);
            if id.is_empty() {
                bail!(
                    "{}: the id (column '{}') is empty",
                    self.place(row),
                    self.columns[id_column]
                );
            }
            if let Some(first) = rows.insert(id, row) {
                bail!(
                    "{}: the id {id} is there already, at {}; ids (column '{}') must differ",
                    self.place(row),
                    self.place(first),
                    self.columns[id_column]
                );
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
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
        assert!(cat.place(1).ends_with("cat.csv line 4"), "{}", cat.place(1));
        assert_eq!(cat.rows_by_id(0).unwrap()["8"], 1);
    }

    #[test]
    fn errors_name_the_file_the_columns_and_the_line() {
        let cat = catalogue("id,radius\n1,2\n1,3\n").unwrap();
        let missing = cat.column("theta_e", "--label").unwrap_err().to_string();
        assert!(missing.contains("cat.csv") && missing.contains("id, radius") && missing.contains("--label"));
        let twice = cat.rows_by_id(0).unwrap_err().to_string();
        assert!(
            twice.contains("line 3") && twice.contains("line 2") && twice.contains("id 1"),
            "{twice}"
        );
        assert!(catalogue("id,x\n").unwrap_err().to_string().contains("no rows"));
        let ragged = format!("{:#}", catalogue("id,x\n1,2\n3\n").unwrap_err());
        assert!(ragged.contains("line: 3"), "{ragged}");
    }

    #[test]
    fn a_fits_table_is_read_as_it_was_written() {
        use super::super::table::{Cell, TableWriter};
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
                Cell::I32(-3),
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
            assert!(cat.place(1).ends_with("cat.fits row 2"));
        };
        check(&path);
        let bytes = std::fs::read(&path).unwrap();
        for (content, expected) in [(&bytes[..2880], "no binary table"), (&bytes[..5770], "cut short")] {
            std::fs::write(&path, content).unwrap();
            let error = format!("{:#}", Catalogue::read(&path).unwrap_err());
            assert!(error.contains("cat.fits") && error.contains(expected), "{error}");
        }
    }
}
