//! The rows of a table, some at a time.

use super::rows::{FitsColumn, FitsRows, Layout, Seen, Table};
use super::{FitsTableError, decode, find, formats};
use crate::files;
use crate::survey::catalogue::CatalogueError;
use crate::survey::catalogue::content::Rows;
use crate::survey::catalogue::streamed::Head;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of rows that are read at a time, at most.
const MOST_BYTES: usize = 8 << 20;

/// A table in a file.
#[derive(Debug)]
pub(in super::super) struct FitsTable {
    path: PathBuf,
    layout: Layout,
    /// Where its data unit is in the file.
    start: usize,
    columns: Arc<[FitsColumn]>,
}

impl FitsTable {
    /// Finds the table, as [`read`](super::read) does, and looks at all of its rows.
    ///
    /// # Errors
    /// A file that cannot be opened; no such table, or a damaged one.
    pub fn survey(
        path: &Path,
        wanted: &[&str],
        extension: Option<&str>,
        name: &str,
    ) -> Result<(FitsTable, Head), CatalogueError> {
        let mut file = open(path)?;
        let of_file = |source| CatalogueError::Fits {
            path: path.into(),
            source,
        };
        let length = file.metadata().map_err(FitsTableError::Read).map_err(of_file)?.len() as usize;
        let (hdu, note) = find(&mut file, length, wanted, extension, name).map_err(of_file)?;
        let layout = Layout::new(hdu.data.len(), &hdu.cards);
        let mut found: Vec<(Result<FitsColumn, String>, Seen)> = formats(&hdu.cards, layout.row_length)
            .into_iter()
            .map(|format| (format, Seen::default()))
            .collect();
        let all = |found: &[(Result<FitsColumn, String>, Seen)]| -> Vec<FitsColumn> {
            found.iter().filter_map(|(column, _)| column.clone().ok()).collect()
        };
        let everything = FitsTable {
            path: path.into(),
            layout,
            start: hdu.data.start,
            columns: all(&found).into(),
        };
        let mut first = 0;
        while first < layout.rows {
            let table = everything
                .window(&mut file, first, usize::MAX)
                .map_err(FitsTableError::Read);
            let table = table.map_err(of_file)?;
            for (column, seen) in &mut found {
                if let Ok(column) = column {
                    table.see(column, seen);
                }
            }
            first += table.rows();
        }
        let typed = found.into_iter().map(|(column, seen)| {
            let column = column?;
            Ok((layout.column_type(&column, &seen)?, column))
        });
        let (mut content, columns) = decode(&hdu.cards, typed);
        content.notes.extend(note);
        let head = Head {
            content,
            rows: layout.rows,
            types: Vec::new(),
        };
        let columns = columns.into();
        Ok((FitsTable { columns, ..everything }, head))
    }

    /// The rows from `first` on, at most `most` at a time.
    pub fn windows(&self, mut first: usize, most: usize) -> impl Iterator<Item = Result<Rows, CatalogueError>> + use<> {
        let table = FitsTable {
            path: self.path.clone(),
            layout: self.layout,
            start: self.start,
            columns: self.columns.clone(),
        };
        let mut opened = None;
        std::iter::from_fn(move || {
            if first >= table.layout.rows {
                return None;
            }
            let file = match &mut opened {
                Some(file) => file,
                none => match open(&table.path) {
                    Ok(file) => none.insert(file),
                    Err(error) => return Some(Err(error)),
                },
            };
            let rows = table.window(file, first, most).map_err(|source| CatalogueError::Fits {
                path: table.path.clone(),
                source: FitsTableError::Read(source),
            });
            Some(rows.map(|rows| {
                first += rows.rows();
                Rows::Fits(FitsRows::new(rows, table.columns.clone()))
            }))
        })
    }

    /// At most `most` rows from `first` on, at least one, and their arrays.
    fn window(&self, file: &mut File, first: usize, most: usize) -> io::Result<Table> {
        let Layout { row_length, heap, .. } = self.layout;
        let most = most.min(MOST_BYTES / row_length).max(1).min(self.layout.rows - first);
        let bytes = read_at(file, self.start + first * row_length, most * row_length)?;
        let mut rows = Table::window(self.layout, bytes);
        let arrays = rows.arrays(self.columns.iter());
        if !arrays.is_empty() {
            rows.set_arrays(
                arrays.start,
                read_at(file, self.start + heap + arrays.start, arrays.len())?,
            );
        }
        Ok(rows)
    }
}

fn open(path: &Path) -> Result<File, CatalogueError> {
    files::open(path).map_err(|source| CatalogueError::Open {
        path: path.into(),
        source,
    })
}

fn read_at(file: &mut File, from: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(from as u64))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
