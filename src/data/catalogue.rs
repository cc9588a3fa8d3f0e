//! A catalogue: a CSV with a header line, whose columns are found by name and whose errors name lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use csv::StringRecord;

/// A CSV table held as text, so that its columns can be passed through unchanged.
#[derive(Debug)]
pub struct Catalogue {
    pub path: PathBuf,
    pub columns: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Catalogue {
    /// Reads a CSV; lines that begin with `#` are comments, spaces around cells are dropped.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_path(path)
            .with_context(|| format!("cannot open the catalogue {name}"))?;
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
        if rows.is_empty() {
            bail!("the catalogue {name} has no rows below its header line");
        }
        Ok(Catalogue {
            path: path.to_owned(),
            columns,
            rows,
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

    /// `FILE line N`, for messages.
    pub fn place(&self, row: usize) -> String {
        let line = self.rows[row].position().map_or(0, |p| p.line());
        format!("{} line {line}", self.path.display())
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
}
