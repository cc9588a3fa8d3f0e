//! The rows of one or several Parquet files with the same columns, some at a time.

use super::values::{Evidence, cell, has_nanoseconds};
use super::{remarks, scan};
use crate::files::{self, unpack};
use crate::survey::catalogue::CatalogueError;
use crate::survey::catalogue::content::{CellRows, Content, LeftOut, Rows};
use crate::survey::catalogue::streamed::Head;
use crate::survey::guard::caught;
use crate::survey::table::{Cell, Column};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files, and the columns that can be read.
#[derive(Debug)]
pub(in super::super) struct ParquetTable {
    files: Vec<ParquetFile>,
    fields: Vec<Arc<Type>>,
}

#[derive(Debug, Clone)]
struct ParquetFile {
    path: PathBuf,
    rows: usize,
}

/// What is known of a column after all of its values in a file were read; or why it cannot be.
type Seen = Result<Evidence, String>;

impl ParquetTable {
    /// Looks at all values of the files. A column that cannot be read in one of them is left out.
    ///
    /// # Errors
    /// A file that cannot be opened, whose metadata are damaged, or that has other columns than the first.
    pub fn survey(paths: Vec<PathBuf>) -> Result<(ParquetTable, Head), CatalogueError> {
        let first = open(&paths[0])?;
        let fields = first.metadata().file_metadata().schema().get_fields().to_vec();
        let remarks = remarks(first.metadata().file_metadata());
        drop(first);
        let several = paths.len() > 1;
        let surveyed = paths.par_iter().map(|path| look(path, &paths[0], &fields));
        let surveyed: Vec<(usize, Vec<Seen>)> = surveyed.collect::<Result<_, _>>()?;
        let mut of_columns: Vec<Seen> = fields.iter().map(|_| Ok(Evidence::default())).collect();
        let mut files = Vec::with_capacity(paths.len());
        for (path, (rows, seen)) in paths.into_iter().zip(surveyed) {
            for (column, seen) in of_columns.iter_mut().zip(seen) {
                match (column.as_mut(), seen) {
                    (Ok(before), Ok(seen)) => before.add(seen),
                    (Ok(_), Err(reason)) if several => *column = Err(format!("{reason}, in {}", path.display())),
                    (Ok(_), Err(reason)) => *column = Err(reason),
                    (Err(_), _) => {}
                }
            }
            files.push(ParquetFile { path, rows });
        }
        let (mut described, mut read, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (field, seen) in fields.into_iter().zip(of_columns) {
            let name = field.name().to_string();
            match seen {
                Ok(evidence) => {
                    let remark = remarks.iter().find(|remark| remark.name == name);
                    let (unit, description) = remark.map_or(("", ""), |r| (r.unit.as_str(), r.description.as_str()));
                    described.push(Column::new(name, evidence.column_type(&field), unit, description));
                    read.push(field);
                }
                Err(reason) => left_out.push(LeftOut { name, reason }),
            }
        }
        if read.is_empty() {
            let path = files[0].path.clone();
            let reasons = left_out
                .iter()
                .map(|column| format!("{}: {}", column.name, column.reason));
            let reasons: Vec<String> = reasons.take(3).collect();
            let source = ParquetError::General(format!("no column can be read; {}", reasons.join("; ")));
            return Err(CatalogueError::Parquet { path, source });
        }
        let content = Content {
            left_out,
            ..Content::new(described, Rows::none())
        };
        let head = Head {
            content,
            rows: files.iter().map(|file| file.rows).sum(),
            types: Vec::new(),
        };
        Ok((ParquetTable { files, fields: read }, head))
    }

    /// The files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// For every file, how many rows it and those before it have.
    pub fn ends(&self) -> Vec<usize> {
        let counts = self.files.iter().scan(0, |end, file| {
            *end += file.rows;
            Some(*end)
        });
        counts.collect()
    }

    /// The rows from `first` on, at most `most` at a time; only the columns that are `needed`, the others stay empty.
    pub fn windows(
        &self,
        mut first: usize,
        most: usize,
        needed: &[bool],
    ) -> impl Iterator<Item = Result<Rows, CatalogueError>> + use<> {
        let mut files = self.files.clone().into_iter();
        while files.as_slice().first().is_some_and(|file| file.rows <= first) {
            first -= files.next().map_or(0, |file| file.rows);
        }
        let fields = self.fields.iter().zip(needed).filter(|(_, needed)| **needed);
        let fields: Vec<Arc<Type>> = fields.map(|(field, _)| field.clone()).collect();
        Windows {
            files,
            skip: first,
            most,
            // A table of which no column is needed has rows all the same.
            fields: if fields.is_empty() {
                self.fields[..1].to_vec()
            } else {
                fields
            },
            places: needed
                .iter()
                .enumerate()
                .filter(|(_, n)| **n)
                .map(|(at, _)| at)
                .collect(),
            columns: needed.len(),
            rows: None,
        }
    }
}

struct Windows {
    files: std::vec::IntoIter<ParquetFile>,
    /// Rows of the next file to leave out.
    skip: usize,
    most: usize,
    /// The columns that are read, and their places among all.
    fields: Vec<Arc<Type>>,
    places: Vec<usize>,
    /// Number of columns.
    columns: usize,
    /// The file that is being read, and its rows.
    rows: Option<(PathBuf, RowIter<'static>)>,
}

impl Iterator for Windows {
    type Item = Result<Rows, CatalogueError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut window = CellRows {
            count: 0,
            columns: vec![Vec::new(); self.columns],
        };
        let nanoseconds: Vec<bool> = self.fields.iter().map(|field| has_nanoseconds(field)).collect();
        while window.count < self.most {
            let Some((path, rows)) = &mut self.rows else {
                let Some(file) = self.files.next() else { break };
                let skip = std::mem::take(&mut self.skip);
                match rows_from(&file.path, &self.fields, skip) {
                    Ok(rows) => self.rows = Some((file.path, rows)),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let row = match rows.next() {
                Some(Ok(row)) => row,
                Some(Err(source)) => {
                    let path = path.clone();
                    return Some(Err(CatalogueError::Parquet { path, source }));
                }
                None => {
                    self.rows = None;
                    continue;
                }
            };
            let values = row.into_columns().into_iter().zip(&nanoseconds);
            for (&place, ((_, value), &nanoseconds)) in self.places.iter().zip(values) {
                window.columns[place].push(cell(value, nanoseconds).unwrap_or(Cell::Null));
            }
            window.count += 1;
        }
        (window.count > 0).then_some(Ok(Rows::Cells(window)))
    }
}

/// The rows of a file behind the first `skip`. Groups of rows that are skipped whole are not read.
fn rows_from(path: &Path, fields: &[Arc<Type>], skip: usize) -> Result<RowIter<'static>, CatalogueError> {
    let (mut before, mut left) = (0, skip);
    let count = |rows: i64| usize::try_from(rows).unwrap_or(0);
    for group in open(path)?.metadata().row_groups() {
        let rows = count(group.num_rows());
        if rows > left {
            break;
        }
        (before, left) = (before + 1, left - rows);
    }
    let options = ReadOptionsBuilder::new().with_predicate(Box::new(move |_, group| group >= before));
    let projection = Type::group_type_builder("schema").with_fields(fields.to_vec()).build();
    let damaged = |source| CatalogueError::Parquet {
        path: path.into(),
        source,
    };
    let reader = SerializedFileReader::new_with_options(file(path)?, options.build()).map_err(damaged)?;
    let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection.map_err(damaged)?));
    let mut rows = rows.map_err(damaged)?;
    if left > 0 {
        rows.nth(left - 1);
    }
    Ok(rows)
}

/// The number of rows of a file, and what its columns say.
fn look(path: &Path, first: &Path, fields: &[Arc<Type>]) -> Result<(usize, Vec<Seen>), CatalogueError> {
    let reader = open(path)?;
    let metadata = reader.metadata();
    if metadata.file_metadata().schema().get_fields() != fields {
        return Err(CatalogueError::OtherColumns {
            path: path.into(),
            first: first.into(),
        });
    }
    let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    let most = unpack::limit(file(path)?.metadata().map_or(0, |file| file.len()));
    let seen = fields.iter().map(|field| {
        let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
        let of_field = chunks.filter(|chunk| chunk.column_path().parts().first().is_some_and(|n| n == field.name()));
        let values = of_field.map(|chunk| u64::try_from(chunk.num_values()).unwrap_or(0));
        let values = values.fold(0, u64::saturating_add);
        // A column of single values takes no more than its pages, however many there are.
        if !field.is_primitive() && values.saturating_mul(size_of::<Cell>() as u64) > most {
            return Err(format!("it claims {values} values, more than the file can hold"));
        }
        let mut evidence = Evidence::default();
        // The decoder panics at types that it does not know.
        let scanned = caught(|| scan(&reader, field, rows, &mut evidence, drop));
        scanned.unwrap_or_else(|_| Err("it is damaged or of an unknown type".into()))?;
        match evidence.rows() {
            found if found != rows => Err(format!("it has {found} of {rows} rows")),
            _ => Ok(evidence),
        }
    });
    Ok((rows, seen.collect()))
}

fn file(path: &Path) -> Result<File, CatalogueError> {
    files::open(path).map_err(|source| CatalogueError::Open {
        path: path.into(),
        source,
    })
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, CatalogueError> {
    SerializedFileReader::new(file(path)?).map_err(|source| CatalogueError::Parquet {
        path: path.into(),
        source,
    })
}
