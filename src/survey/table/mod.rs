//! Writes a catalogue: CSV, FITS, VOTable, Parquet or HATS, by the extension of the file name.
//!
//! Rows are written one by one, so that memory stays constant. Nothing appears under the final name before
//! [`TableWriter::finish`]: until then a file of that name keeps its content, and a writer that is dropped leaves nothing
//! behind.
//!
//! Numbers have as many digits as are needed to recover the same f64, so that all formats hold the same values. An
//! unknown value (null, or NaN) is empty in CSV and VOTable and null in Parquet; in FITS it is NaN, the column's TNULL or
//! a text that begins with a zero byte.
//!
//! | file | contents |
//! |---|---|
//! | this one | the writer, which checks rows |
//! | `column` | columns, their types, and cells |
//! | `csv`, `fits`, `votable`, `parquet`, `hats` | the formats |
//! | `names`, `text` | what a format cannot hold: names of columns, characters |
//! | [`provenance`], [`sidecar`] | what made a table, in the table and in a file beside it |

mod column;
mod csv;
mod error;
mod fits;
mod hats;
mod names;
mod parquet;
pub mod provenance;
pub mod sidecar;
mod text;
mod votable;

pub(super) use column::is_canonical;
pub use column::{Cell, Column, ColumnType};
pub use error::TableError;
pub(super) use text::escape;

use super::error::Result;
use super::healpix::Pixel;
use crate::files::{self, NewFolder, folder_of};
use fitsio_pure::io::AtomicFile;
use provenance::Provenance;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A catalogue being written.
pub struct TableWriter {
    path: PathBuf,
    /// The columns of each row that is pushed.
    columns: Vec<Column>,
    /// Those of them that are written, and how they are named in the file.
    kept: Vec<usize>,
    written: Vec<Column>,
    warnings: Vec<String>,
    format: Box<dyn Format>,
    rows: u64,
}

/// A table that is complete.
#[derive(Debug)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Number of rows.
    pub rows: u64,
    /// Its columns, with their names in the file.
    pub columns: Vec<Column>,
    /// What the format could not hold as it was, found in the rows; see also [`TableWriter::warnings`].
    pub warnings: Vec<String>,
}

/// The name of a table that is not complete: `out.partial.csv` for `out.csv`.
pub fn partial(path: &Path) -> PathBuf {
    let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = (name(path.file_stem()), name(path.extension()));
    path.with_file_name(format!("{stem}.partial.{extension}"))
}

/// Removes a table that this program has written.
pub fn remove(path: &Path) {
    // What cannot be removed does no harm.
    let _ = match path.join("hats.properties").is_file() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
}

/// A file format, which is given only columns that it can hold.
trait Format {
    /// Appends a row that fits the columns.
    fn push(&mut self, row: &[&Cell]) -> io::Result<()>;

    /// Writes what is left of a table of `rows` rows. The caller must commit the file.
    fn complete(self: Box<Self>, rows: u64) -> io::Result<Complete>;
}

/// A table with all its content, and warnings about it.
struct Complete {
    content: Content,
    warnings: Vec<String>,
}

/// What has the content, under another name than the final one.
enum Content {
    File(AtomicFile),
    Folder(NewFolder),
}

/// What the extension of a file name says.
#[derive(Clone, Copy)]
enum Kind {
    Csv,
    Fits,
    VoTable,
    Parquet,
    Hats,
}

impl Kind {
    fn of(path: &Path) -> Option<Kind> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Kind::Csv),
            "fits" | "fit" => Some(Kind::Fits),
            "vot" | "votable" | "xml" => Some(Kind::VoTable),
            "parquet" => Some(Kind::Parquet),
            "hats" => Some(Kind::Hats),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Csv => "CSV",
            Kind::Fits => "FITS",
            Kind::VoTable => "VOTable",
            Kind::Parquet => "Parquet",
            Kind::Hats => "HATS",
        }
    }

    fn can_hold(self, column_type: &ColumnType) -> bool {
        match self {
            Kind::Csv => csv::can_hold(column_type),
            Kind::Fits => fits::can_hold(column_type),
            Kind::VoTable => votable::can_hold(column_type),
            Kind::Parquet | Kind::Hats => true,
        }
    }

    fn names(self, columns: &[Column]) -> Vec<String> {
        match self {
            Kind::Csv => columns.iter().map(|column| column.name.clone()).collect(),
            Kind::Fits => names::for_fits(columns),
            Kind::VoTable | Kind::Parquet | Kind::Hats => names::unique(columns),
        }
    }
}

impl TableWriter {
    /// As [`with_provenance`](Self::with_provenance), without one.
    ///
    /// # Errors
    /// Those of [`with_provenance`](Self::with_provenance).
    pub fn create(path: &Path, columns: Vec<Column>) -> Result<TableWriter> {
        TableWriter::with_provenance(path, columns, None)
    }

    /// As [`partitioned`](Self::partitioned), of rows without partitions.
    ///
    /// # Errors
    /// Those of [`partitioned`](Self::partitioned).
    pub fn with_provenance(path: &Path, columns: Vec<Column>, provenance: Option<&Provenance>) -> Result<TableWriter> {
        TableWriter::partitioned(path, columns, provenance, None)
    }

    /// Opens a temporary file beside `path`. A `path` or columns that cannot be written are an error now rather than
    /// after hours of work; columns that are renamed or left out are [`warnings`](Self::warnings).
    ///
    /// A HATS catalogue has these `partitions` if the rows have a column `_healpix_29`; they must come partition by
    /// partition. Otherwise it is partitioned anew. Other formats have no partitions.
    ///
    /// # Errors
    /// An extension other than `.csv`, `.fits`, `.fit`, `.vot`, `.votable`, `.xml`, `.parquet` and `.hats`; more columns
    /// than FITS can have; no columns of positions, which HATS needs; and those of [`files::create`] and
    /// [`NewFolder::staged`].
    pub fn partitioned(
        path: &Path,
        columns: Vec<Column>,
        provenance: Option<&Provenance>,
        partitions: Option<&[Pixel]>,
    ) -> Result<TableWriter> {
        let kind = Kind::of(path).ok_or_else(|| TableError::Extension { path: path.into() })?;
        let (kept, left_out): (Vec<usize>, Vec<usize>) =
            (0..columns.len()).partition(|&i| kind.can_hold(&columns[i].column_type));
        let mut written: Vec<Column> = kept.iter().map(|&i| columns[i].clone()).collect();
        if matches!(kind, Kind::Fits) && written.len() > fits::MAX_COLUMNS {
            return Err(TableError::TooManyColumns {
                path: path.into(),
                columns: written.len(),
                most: fits::MAX_COLUMNS,
            }
            .into());
        }
        let names = kind.names(&written);
        let mut warnings: Vec<String> = names::warning(kind.name(), &written, &names).into_iter().collect();
        if !left_out.is_empty() {
            let list: Vec<_> = left_out.iter().map(|&i| columns[i].name.as_str()).collect();
            warnings.push(format!(
                "columns left out, because {} cannot hold their arrays: {}",
                kind.name(),
                list.join(", ")
            ));
        }
        for (column, name) in written.iter_mut().zip(names) {
            column.name = name;
        }

        let format: io::Result<Box<dyn Format>> = match kind {
            Kind::Csv => {
                let provenance = provenance.filter(|p| p.in_csv);
                csv::CsvTable::new(files::create(path)?, &written, provenance).map(|t| Box::new(t) as _)
            }
            Kind::Fits => {
                let file = files::create(path)?;
                fits::FitsTable::new(file, folder_of(path), &written, provenance).map(|t| Box::new(t) as _)
            }
            Kind::VoTable => {
                votable::VoTable::new(files::create(path)?, &written, provenance).map(|t| Box::new(t) as _)
            }
            Kind::Parquet => {
                parquet::ParquetTable::new(files::create(path)?, &written, provenance).map(|t| Box::new(t) as _)
            }
            Kind::Hats => {
                let position = hats::position(&written).ok_or_else(|| TableError::NoPosition { path: path.into() })?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let folder = NewFolder::staged(path)?;
                let table = hats::HatsTable::new(folder, name, &written, position, provenance, partitions);
                table.map(|t| Box::new(t) as _)
            }
        };
        Ok(TableWriter {
            path: path.into(),
            columns,
            kept,
            written,
            warnings,
            format: format.map_err(files::Error::write(path))?,
            rows: 0,
        })
    }

    /// Columns that are renamed, and columns that are left out, because the format cannot hold them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Appends a row: one cell per column, of the column's type or null.
    ///
    /// # Errors
    /// A row that does not fit the columns; a write that fails.
    pub fn push(&mut self, row: &[Cell]) -> Result<()> {
        self.check(row)?;
        let kept: Vec<&Cell> = self.kept.iter().map(|&i| &row[i]).collect();
        self.format.push(&kept).map_err(files::Error::write(&self.path))?;
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
        match row
            .iter()
            .zip(&self.columns)
            .find(|(cell, column)| !column.column_type.fits(cell))
        {
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

    /// Completes the table under the name that [`partial`] gives: a file of its own name keeps its content.
    ///
    /// # Errors
    /// A write that fails.
    pub fn finish_partial(self) -> Result<Written> {
        let path = partial(&self.path);
        let complete = self.format.complete(self.rows).map_err(files::Error::write(&path))?;
        match complete.content {
            Content::File(mut file) => {
                file.flush().map_err(files::Error::write(&path))?;
                // The temporary file goes away without having replaced anything.
                let mut content = files::open(file.temp_path()).map_err(files::Error::write(&path))?;
                files::write_atomic(&path, |file| io::copy(&mut content, file).map(drop))?;
            }
            Content::Folder(folder) => {
                remove(&path);
                folder.keep_as(&path)?;
            }
        }
        Ok(Written {
            warnings: complete.warnings,
            path,
            rows: self.rows,
            columns: self.written,
        })
    }

    /// Completes the table, syncs it to disk and puts it under its name.
    ///
    /// # Errors
    /// A write that fails; a file of that name then keeps its content.
    pub fn finish(self) -> Result<Written> {
        let complete = self
            .format
            .complete(self.rows)
            .map_err(files::Error::write(&self.path))?;
        match complete.content {
            Content::File(file) => file.commit().map_err(files::Error::write(&self.path))?,
            Content::Folder(folder) => folder.keep()?,
        }
        Ok(Written {
            warnings: complete.warnings,
            path: self.path,
            rows: self.rows,
            columns: self.written,
        })
    }
}

#[cfg(test)]
mod tests;
