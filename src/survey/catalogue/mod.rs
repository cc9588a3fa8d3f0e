//! A catalogue: a table of objects, in a text file, FITS, VOTable or Parquet. Columns are found by name, and errors
//! name the row.
//!
//! | file | what it does |
//! |---|---|
//! | `source` | the file, its extension in brackets, and its format |
//! | `text`, `fits`, `votable`, `parquet` | decoders, one per format |
//! | `content` | what a decoder hands over |
//! | `streamed` | a table whose rows are read in windows |
//! | `hats` | the folder of a HATS catalogue |
//! | `choose` | which of the tables in a file is the catalogue |
//! | `positions` | which columns are right ascension and declination |

mod choose;
mod content;
mod error;
mod fits;
mod hats;
mod parquet;
mod positions;
mod source;
mod streamed;
mod text;
mod votable;

pub use error::{CatalogueError, Place, RowNumber};
pub use fits::FitsTableError;
pub use hats::HatsError;
pub(in crate::survey) use streamed::StreamedTable;
pub use votable::VoTableError;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::error::Result;
use super::few;
use super::guard::caught;
use super::table::{Cell, Column, ColumnType};
use crate::files;
use content::{Content, LeftOut, Rows, as_described, number_of, text_of};
use positions::PositionColumns;
use source::{Format, Source};

/// A table in memory, whose columns can be passed through unchanged.
#[derive(Debug)]
pub struct Catalogue {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Names of the columns, in their order.
    pub columns: Vec<String>,
    /// What was detected and is not obvious, such as a separator or a table that is not the first; the file is named.
    pub notes: Vec<String>,
    /// What may be wrong, such as columns that are left out; the file is named.
    pub warnings: Vec<String>,
    /// Types, units and descriptions of the columns; empty for plain text files.
    described: Vec<Column>,
    rows: Rows,
    /// The texts of the columns that were asked for, where cells are not texts.
    texts: Vec<OnceLock<Vec<String>>>,
    left_out: Vec<LeftOut>,
    position_columns: Option<PositionColumns>,
    /// Types of the columns of the table that this is a part of, where the file does not say them; otherwise empty.
    types: Vec<ColumnType>,
    /// Columns of the same name whose values differ in a row of the table that this is a part of.
    differing: Vec<(usize, usize)>,
    /// The first of its rows in the table that this is a part of.
    first: usize,
}

impl Catalogue {
    /// As [`read_with`](Self::read_with), if no columns are known to be needed.
    ///
    /// # Errors
    /// As [`read_with`](Self::read_with).
    pub fn read(path: &Path) -> Result<Self> {
        Catalogue::read_with(path, &[])
    }

    /// Reads a text file (CSV, or values separated by semicolons, tabs, vertical bars or spaces; ECSV), a FITS table, a
    /// VOTable or a Parquet file. All but Parquet may be gzipped. The content decides about the format.
    ///
    /// `wanted` are columns that will be needed: of several tables in a file, the one that has them is read. A `path`
    /// that ends in `[NAME]` or `[NUMBER]`, such as `cat.fits[OBJECTS]`, names the table.
    ///
    /// # Errors
    /// A file that cannot be opened or read, or has no rows.
    pub fn read_with(path: &Path, wanted: &[&str]) -> Result<Self> {
        let source = Source::open(path)?;
        let path = source.path.clone();
        // The decoders are not ours; damaged files must not end the program.
        let content = caught(|| decode(source, wanted));
        let content = content.unwrap_or_else(|_| Err(CatalogueError::Damaged { path: path.clone() }))?;
        if content.rows.count() == 0 {
            return Err(CatalogueError::NoRows { path }.into());
        }
        Ok(Catalogue::new(path, content))
    }

    fn new(path: PathBuf, content: Content) -> Catalogue {
        let file = file_name(&path);
        let Content {
            names,
            described,
            rows,
            notes,
            mut warnings,
            left_out,
        } = content;
        if let Some(warning) = left_out_warning(&file, &left_out) {
            warnings.push(warning);
        }
        if let Some(warning) = repeated_names_warning(&file, &names) {
            warnings.push(warning);
        }
        Catalogue {
            path,
            position_columns: PositionColumns::find(&names, &described),
            texts: names.iter().map(|_| OnceLock::new()).collect(),
            columns: names,
            notes,
            warnings,
            described,
            rows,
            left_out,
            types: Vec::new(),
            differing: Vec::new(),
            first: 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.count()
    }

    /// Whether there are no rows; never after [`read`](Self::read).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column of this name, counted from 0. The case of letters matters only if it tells two columns apart.
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c == name);
        exact.or_else(|| self.columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
    }

    /// As [`find`](Self::find).
    ///
    /// # Errors
    /// [`CatalogueError::NoColumn`], which lists the columns there are; several columns of this name with different
    /// values; a column that cannot be read.
    pub fn column(&self, name: &str) -> Result<usize, CatalogueError> {
        let path = || self.path.clone();
        let Some(found) = self.find(name) else {
            let left_out = self
                .left_out
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(name));
            return Err(match left_out {
                Some(column) => CatalogueError::UnusableColumn {
                    path: path(),
                    name: column.name.clone(),
                    reason: column.reason.clone(),
                },
                None => CatalogueError::NoColumn {
                    path: path(),
                    name: name.into(),
                    columns: self.columns.clone(),
                },
            });
        };
        // Of columns that differ in the case of letters from the name asked for, none is better than the others.
        let exact = self.columns[found] == name;
        let same_name = |&column: &usize| match exact {
            true => self.columns[column] == name,
            false => self.columns[column].eq_ignore_ascii_case(name),
        };
        let same: Vec<usize> = (found..self.columns.len()).filter(same_name).collect();
        let differs = |&other: &usize| {
            self.differing.contains(&(found, other))
                || (0..self.len()).any(|row| self.cell(row, found) != self.cell(row, other))
        };
        match same[1..].iter().any(differs) {
            true => Err(CatalogueError::AmbiguousColumn {
                path: path(),
                name: name.into(),
                count: same.len(),
            }),
            false => Ok(found),
        }
    }

    /// The text of a cell; `row` and `column` are counted from 0. In a text file, that is the text byte for byte;
    /// otherwise a number has as many digits as are needed to recover the same value. An unknown value is empty.
    pub fn text(&self, row: usize, column: usize) -> &str {
        if let Rows::Texts(rows) = &self.rows {
            return rows.text(row, column);
        }
        let column_type = &self.described[column].column_type;
        let text = |row| text_of(&self.cell(row, column), column_type);
        &self.texts[column].get_or_init(|| (0..self.len()).map(text).collect())[row]
    }

    /// A cell as a number; NaN if it is empty or not a number.
    pub fn number(&self, row: usize, column: usize) -> f64 {
        match &self.rows {
            Rows::Texts(rows) => rows.number(row, column),
            Rows::Fits(_) | Rows::Cells(_) => number_of(&self.cell(row, column)),
        }
    }

    /// A cell as it is passed through; `row` and `column` are counted from 0. In a text file, it is a text, with a
    /// decimal point if the column has decimal commas, or an array.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        match &self.rows {
            Rows::Texts(rows) => match self.described.get(column).map(|column| &column.column_type) {
                Some(ColumnType::Array { element, .. }) => text::array(rows.text(row, column), element),
                _ => match rows.with_point(row, column) {
                    text if text.is_empty() => Cell::Null,
                    text => Cell::Str(text.into_owned()),
                },
            },
            Rows::Fits(rows) => as_described(rows.cell(row, column), &self.described[column].column_type),
            Rows::Cells(rows) => as_described(rows.columns[column][row].clone(), &self.described[column].column_type),
        }
    }

    /// Whether the file describes its columns; plain text has only their names.
    pub fn is_described(&self) -> bool {
        !self.described.is_empty()
    }

    /// A column's name, the type that holds its cells and, where the format has them, its unit and description.
    pub fn described(&self, column: usize) -> Column {
        self.described.get(column).cloned().unwrap_or_else(|| {
            if let Some(column_type) = self.types.get(column) {
                return Column::new(&self.columns[column], column_type.clone(), "", "");
            }
            let Rows::Texts(rows) = &self.rows else {
                return Column::new(&self.columns[column], ColumnType::Str, "", "");
            };
            let texts: Vec<_> = (0..rows.len()).map(|row| rows.with_point(row, column)).collect();
            let column_type = ColumnType::of_texts(texts.iter().map(AsRef::as_ref));
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
        match &self.rows {
            Rows::Texts(rows) => rows.row_number(row),
            Rows::Fits(_) | Rows::Cells(_) => RowNumber::Row(self.first + row + 1),
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

fn decode(source: Source, wanted: &[&str]) -> Result<Content, CatalogueError> {
    let format = source.format()?;
    source.refuse_extension(format)?;
    let (path, extension, file) = (source.path.clone(), source.extension.clone(), file_name(&source.path));
    let extension = extension.as_deref();
    match format {
        Format::Text => text::read(source, wanted),
        Format::Fits => {
            let content = fits::read(source.bytes, wanted, extension, &file);
            content.map_err(|source| CatalogueError::Fits { path, source })
        }
        Format::VoTable => {
            let content = votable::read(source.bytes, wanted, extension, &file);
            content.map_err(|source| CatalogueError::VoTable { path, source })
        }
        Format::Parquet => {
            let file = files::open(&path).map_err(|source| CatalogueError::Open {
                path: path.clone(),
                source,
            })?;
            parquet::read(file).map_err(|source| CatalogueError::Parquet { path, source })
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Columns that are named in a warning.
const FEW: usize = 5;

fn left_out_warning(file: &str, left_out: &[LeftOut]) -> Option<String> {
    let (shown, more) = left_out.split_at(left_out.len().min(FEW));
    let mut names: Vec<String> = shown
        .iter()
        .map(|column| format!("{} ({})", column.name, column.reason))
        .collect();
    if !more.is_empty() {
        names.push(format!("and {} more", more.len()));
    }
    (!names.is_empty()).then(|| format!("{file}: columns that cannot be read are left out: {}", names.join(", ")))
}

fn repeated_names_warning(file: &str, names: &[String]) -> Option<String> {
    let mut seen = HashMap::with_capacity(names.len());
    names
        .iter()
        .filter(|name| !name.is_empty())
        .for_each(|name| *seen.entry(name.as_str()).or_insert(0) += 1);
    let mut repeated: Vec<&str> = seen
        .into_iter()
        .filter(|&(_, count)| count > 1)
        .map(|(name, _)| name)
        .collect();
    repeated.sort_unstable();
    (!repeated.is_empty()).then(|| format!("{file} has several columns of the same name: {}", few(&repeated)))
}

#[cfg(test)]
mod tests;
