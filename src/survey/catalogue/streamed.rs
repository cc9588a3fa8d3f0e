//! A table whose rows are read in windows, so that memory does not depend on their number. All rows are looked at once
//! when it is opened: the types of columns, and which columns can be read, are those of the whole table.

use super::content::{Content, Rows};
use super::fits::FitsTable;
use super::hats::HatsFolder;
use super::parquet::ParquetTable;
use super::source::{Format, Source};
use super::text::TextTable;
use super::{Catalogue, CatalogueError, Result, file_name};
use crate::survey::error::Error;
use crate::survey::guard::caught;
use crate::survey::healpix::Pixel;
use crate::survey::table::{Cell, ColumnType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Rows of a window, at most.
const MOST_ROWS: usize = 8192;
/// Cells of a window, about, at most.
const MOST_CELLS: usize = 1 << 19;

/// What is known of a table before its rows are read again.
pub(super) struct Head {
    /// Without rows.
    pub content: Content,
    /// Number of rows.
    pub rows: usize,
    /// Types of the columns, where the file does not say them.
    pub types: Vec<ColumnType>,
}

/// A table whose rows are read in windows.
#[derive(Debug)]
pub(in crate::survey) struct StreamedTable {
    /// Its columns, without rows. Their types are those of all rows.
    pub head: Catalogue,
    rows: usize,
    source: Origin,
    /// The partitions of a HATS catalogue that says the HEALPix pixel of every row.
    pub partitions: Option<Vec<Pixel>>,
}

/// Where the rows come from.
#[derive(Debug)]
enum Origin {
    Text(TextTable),
    Fits(FitsTable),
    Parquet(ParquetTable),
    /// A file that is read whole, in one window.
    Whole {
        path: PathBuf,
        wanted: Vec<String>,
    },
}

impl StreamedTable {
    /// Opens what [`Catalogue::read_with`] reads, or the folder of a HATS catalogue.
    ///
    /// # Errors
    /// Those of [`Catalogue::read_with`]; a folder that is not a HATS catalogue, or a damaged one.
    pub fn open(path: &Path, wanted: &[&str]) -> Result<StreamedTable> {
        if path.is_dir() {
            return StreamedTable::of_folder(path);
        }
        let source = Source::beginning(path)?;
        let (format, file) = (source.format()?, file_name(&source.path));
        source.refuse_extension(format)?;
        let extension = source.extension.as_deref();
        let path_of_file = source.path.as_path();
        // The decoders are not ours; damaged files must not end the program.
        let surveyed = caught(|| {
            Ok(match format {
                _ if source.was_packed => None,
                Format::VoTable => None,
                Format::Text => TextTable::survey(path_of_file, wanted)?.map(|(t, head)| (Origin::Text(t), head)),
                Format::Fits => {
                    let (table, head) = FitsTable::survey(path_of_file, wanted, extension, &file)?;
                    Some((Origin::Fits(table), head))
                }
                Format::Parquet => {
                    let (table, head) = ParquetTable::survey(vec![path_of_file.into()])?;
                    Some((Origin::Parquet(table), head))
                }
            })
        });
        let damaged = || CatalogueError::Damaged {
            path: source.path.clone(),
        };
        match surveyed.unwrap_or_else(|_| Err(damaged()))? {
            Some((origin, head)) => StreamedTable::new(path_of_file, origin, head),
            None => StreamedTable::whole(path, wanted),
        }
    }

    fn whole(path: &Path, wanted: &[&str]) -> Result<StreamedTable> {
        let catalogue = Catalogue::read_with(path, wanted)?;
        let columns = 0..catalogue.columns.len();
        let types = columns.map(|column| catalogue.described(column).column_type).collect();
        let head = Head {
            rows: catalogue.len(),
            content: Content {
                names: catalogue.columns.clone(),
                described: catalogue.described.clone(),
                rows: Rows::none(),
                notes: catalogue.notes.clone(),
                // Among them those about columns that are left out.
                warnings: Vec::new(),
                left_out: catalogue.left_out.clone(),
            },
            types,
        };
        let origin = Origin::Whole {
            path: path.into(),
            wanted: wanted.iter().map(|name| name.to_string()).collect(),
        };
        let mut table = StreamedTable::new(&catalogue.path, origin, head)?;
        table.head.warnings = catalogue.warnings;
        Ok(table)
    }

    fn of_folder(path: &Path) -> Result<StreamedTable> {
        let folder = HatsFolder::open(path)?;
        let surveyed = caught(|| ParquetTable::survey(folder.files()));
        let damaged = || Err(CatalogueError::Damaged { path: path.into() });
        let (parquet, head) = surveyed.unwrap_or_else(|_| damaged())?;
        let ends = parquet.ends();
        let mut table = StreamedTable::new(path, Origin::Parquet(parquet), head)?;
        if let Some(columns) = folder.position_columns(&table.head) {
            table.head.set_positions(columns);
        }
        table.partitions = folder.check_rows(&table, &ends)?;
        Ok(table)
    }

    fn new(path: &Path, source: Origin, head: Head) -> Result<StreamedTable> {
        if head.rows == 0 {
            return Err(CatalogueError::NoRows { path: path.into() }.into());
        }
        let mut table = StreamedTable {
            head: Catalogue {
                types: head.types,
                ..Catalogue::new(path.into(), head.content)
            },
            rows: head.rows,
            source,
            partitions: None,
        };
        table.head.differing = table.differing()?;
        Ok(table)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Its files, in the order of the rows.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.source {
            Origin::Parquet(table) => table.paths(),
            Origin::Text(_) | Origin::Fits(_) | Origin::Whole { .. } => vec![self.head.path.clone()],
        }
    }

    /// A table with these columns and without rows.
    pub fn header(&self) -> Catalogue {
        Catalogue {
            notes: self.head.notes.clone(),
            warnings: self.head.warnings.clone(),
            ..self.head.window(Rows::none(), 0)
        }
    }

    /// Pairs of columns of the same name, apart from the case of letters, whose values differ in a row.
    fn differing(&self) -> Result<Vec<(usize, usize)>> {
        let names = &self.head.columns;
        let all = (0..names.len()).flat_map(|one| (one + 1..names.len()).map(move |other| (one, other)));
        let mut same: Vec<(usize, usize)> = all
            .filter(|&(one, other)| names[one].eq_ignore_ascii_case(&names[other]))
            .collect();
        let mut differing = Vec::new();
        if same.is_empty() {
            return Ok(differing);
        }
        let needed = self.only(same.iter().flat_map(|&(one, other)| [one, other]));
        for window in self.windows(0, &needed) {
            let window = window?;
            let differs = |&(one, other): &(usize, usize)| {
                (0..window.len()).any(|row| window.cell(row, one) != window.cell(row, other))
            };
            let (found, left) = same.into_iter().partition(differs);
            differing.extend::<Vec<_>>(found);
            same = left;
        }
        Ok(differing)
    }

    /// Which columns are these, of all.
    pub fn only(&self, columns: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut needed = vec![false; self.head.columns.len()];
        columns.into_iter().for_each(|column| needed[column] = true);
        needed
    }

    /// The rows from `first` on in windows, in order. Only the columns that are `needed` must be asked for. A file that
    /// is read whole is one window, whatever `first` is.
    pub fn windows(&self, first: usize, needed: &[bool]) -> impl Iterator<Item = Result<Catalogue>> {
        self.windows_of((MOST_CELLS / needed.len().max(1)).clamp(1, MOST_ROWS), first, needed)
    }

    fn windows_of(&self, most: usize, first: usize, needed: &[bool]) -> impl Iterator<Item = Result<Catalogue>> {
        let (mut at, mut whole) = (first, None);
        let mut rows: Box<dyn Iterator<Item = Result<Rows, CatalogueError>>> = match &self.source {
            Origin::Text(table) => Box::new(table.windows(first, most)),
            Origin::Fits(table) => Box::new(table.windows(first, most)),
            Origin::Parquet(table) => Box::new(table.windows(first, most, needed)),
            Origin::Whole { path, wanted } => {
                whole = Some((path, wanted));
                Box::new(std::iter::empty())
            }
        };
        std::iter::from_fn(move || {
            if let Some((path, wanted)) = whole.take() {
                let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                return Some(Catalogue::read_with(path, &wanted).map(|catalogue| Catalogue {
                    position_columns: self.head.position_columns,
                    ..catalogue
                }));
            }
            let damaged = || CatalogueError::Damaged {
                path: self.head.path.clone(),
            };
            let next = caught(|| rows.next()).unwrap_or_else(|_| Some(Err(damaged())))?;
            Some(next.map_err(Error::from).map(|rows| {
                let first = at;
                at += rows.count();
                self.head.window(rows, first)
            }))
        })
    }

    /// As [`windows`](Self::windows) with all columns, read ahead by a thread. Dropping it stops the thread.
    pub fn windows_ahead(self: Arc<Self>, first: usize) -> impl Iterator<Item = Result<Catalogue>> {
        let (sender, receiver) = sync_channel(1);
        thread::spawn(move || {
            for window in self.windows(first, &vec![true; self.head.columns.len()]) {
                if sender.send(window).is_err() {
                    break;
                }
            }
        });
        receiver.into_iter()
    }
}

impl Catalogue {
    /// Rows of a table of which this is the head; `first` is the first of them.
    fn window(&self, rows: Rows, first: usize) -> Catalogue {
        Catalogue {
            path: self.path.clone(),
            columns: self.columns.clone(),
            notes: Vec::new(),
            warnings: Vec::new(),
            described: self.described.clone(),
            texts: self.columns.iter().map(|_| std::sync::OnceLock::new()).collect(),
            left_out: self.left_out.clone(),
            position_columns: self.position_columns,
            types: self.types.clone(),
            differing: self.differing.clone(),
            first,
            rows,
        }
    }

    /// The first of its rows among those of the table that it is a window of.
    pub(in crate::survey) fn first_row(&self) -> usize {
        self.first
    }

    /// A whole number of a row, if it is one.
    pub(in crate::survey) fn whole_number(&self, row: usize, column: usize) -> Option<i64> {
        match self.cell(row, column) {
            Cell::Int(number) => Some(number),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
