//! Writes a HATS catalogue (<https://www.ivoa.net/documents/Notes/HATS/>): a folder with a Parquet file for each pixel of a
//! HEALPix tessellation, whose pixels are small where there are many rows.
//!
//! Rows are kept in a file until those of a partition are known, and then written in the order of the sky. Rows of a
//! catalogue that was partitioned before come partition by partition; otherwise the partitions follow from all rows, of
//! which 16 bytes each are held in memory.
//!
//! | file | what it does |
//! |---|---|
//! | this one | rows to partitions |
//! | `spool` | rows that wait for their partition to be written |
//! | `files` | what describes the catalogue besides the partitions |

mod files;
mod spool;

use super::parquet::ParquetTable;
use super::provenance::Provenance;
use super::{Cell, Column, ColumnType, Complete, Content, Format};
use crate::files::NewFolder;
use crate::survey::healpix::{HEALPIX_29, ORDER_29, Pixel, healpix_29};
use spool::{Entry, Spool};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Rows of a partition, unless so many have the same position.
const MOST_ROWS: usize = 1_000_000;

pub(super) struct HatsTable {
    folder: NewFolder,
    /// Name of the catalogue.
    name: String,
    columns: Vec<Column>,
    provenance: Option<Provenance>,
    position: [usize; 2],
    /// The column that says the pixel, if the rows have it; otherwise it is put before the others.
    healpix: Option<usize>,
    /// The partitions of the catalogue that the rows come from, in order.
    given: Option<Vec<Pixel>>,
    most_rows: usize,
    /// The one of them whose rows are in the spool.
    current: Option<Pixel>,
    spool: Spool,
    written: Vec<WrittenPartition>,
    without_position: u64,
}

/// A partition whose file is complete.
pub(super) struct WrittenPartition {
    pub pixel: Pixel,
    pub rows: u64,
    /// The file, below the folder `dataset`.
    pub file: String,
    pub bytes: u64,
}

/// Where the position is in a row: the columns by their UCDs, otherwise by their names.
pub(super) fn position(columns: &[Column]) -> Option<[usize; 2]> {
    let by = |is: &dyn Fn(&Column) -> bool| columns.iter().position(|c| c.column_type == ColumnType::F64 && is(c));
    let ucd = |ucd: &'static str| by(&move |column: &Column| column.ucd == ucd);
    let name = |name: &'static str| by(&move |column: &Column| column.name.eq_ignore_ascii_case(name));
    let main = ucd("pos.eq.ra;meta.main").zip(ucd("pos.eq.dec;meta.main"));
    main.or(name("ra").zip(name("dec"))).map(|(ra, dec)| [ra, dec])
}

impl HatsTable {
    /// `position`: the places of right ascension and declination, degrees; `given`: the partitions of the catalogue that
    /// the rows come from.
    pub(super) fn new(
        folder: NewFolder,
        name: String,
        columns: &[Column],
        position: [usize; 2],
        provenance: Option<&Provenance>,
        given: Option<&[Pixel]>,
    ) -> io::Result<HatsTable> {
        let is_healpix = |column: &Column| column.name == HEALPIX_29 && column.column_type.range().is_some();
        let healpix = columns.iter().position(is_healpix);
        let mut columns = columns.to_vec();
        if healpix.is_none() {
            let description = "HEALPix pixel of order 29 in the nested scheme";
            columns.insert(0, Column::new(HEALPIX_29, ColumnType::I64, "", description));
        }
        Ok(HatsTable {
            spool: Spool::new(folder.path())?,
            folder,
            name,
            columns,
            provenance: provenance.cloned(),
            position,
            // The rows say which of them they belong to, or they are partitioned anew.
            given: given.filter(|_| healpix.is_some()).map(<[Pixel]>::to_vec),
            healpix,
            most_rows: MOST_ROWS,
            current: None,
            written: Vec::new(),
            without_position: 0,
        })
    }

    /// The pixel of a row, if it has a position.
    fn pixel_of(&self, row: &[&Cell]) -> Option<u64> {
        match self.healpix.map(|column| row[column]) {
            Some(Cell::Int(number)) => u64::try_from(*number).ok(),
            // Text, as CSV has it.
            Some(Cell::Str(text)) => text.trim().parse().ok(),
            Some(_) => None,
            None => {
                let [ra, dec] = self.position.map(|column| match row[column] {
                    Cell::F64(number) => *number,
                    Cell::Str(text) => text.trim().parse().unwrap_or(f64::NAN),
                    Cell::Bool(_) | Cell::Int(_) | Cell::Array(_) | Cell::Null => f64::NAN,
                });
                (ra.is_finite() && dec.abs() <= 90.0).then(|| healpix_29(ra, dec))
            }
        }
    }

    /// Begins the partition of a pixel of order 29, unless its rows are being collected.
    fn begin(&mut self, healpix: u64) -> io::Result<()> {
        let Some(given) = &self.given else { return Ok(()) };
        if self.current.is_some_and(|pixel| pixel.contains(healpix)) {
            return Ok(());
        }
        let next = given.iter().copied().find(|pixel| pixel.contains(healpix));
        let next = next.filter(|next| self.written.iter().all(|partition| partition.pixel != *next));
        let next = next.ok_or_else(|| io::Error::other("the rows of a partition do not follow each other"))?;
        self.flush()?;
        self.current = Some(next);
        Ok(())
    }

    /// Writes the rows that were collected: of the current partition, or of partitions that follow from them.
    fn flush(&mut self) -> io::Result<()> {
        let entries = self.spool.take_sorted()?;
        match self.current.take() {
            Some(pixel) => self.write(pixel, &entries)?,
            None => {
                let mut partitions = Vec::new();
                let mut rest = &entries[..];
                for pixel in Pixel::all() {
                    let (inside, behind) = rest.split_at(rest.partition_point(|entry| pixel.contains(entry.healpix)));
                    divide(pixel, inside, self.most_rows, &mut partitions);
                    rest = behind;
                }
                for (pixel, entries) in partitions {
                    self.write(pixel, entries)?;
                }
            }
        }
        self.spool.clear()
    }

    /// Writes a partition.
    fn write(&mut self, pixel: Pixel, entries: &[Entry]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let (below, name) = pixel.place();
        let name = format!("{name}.parquet");
        let place = self.folder.path().join(&below);
        fs::create_dir_all(&place)?;
        let path: PathBuf = place.join(&name);
        let file = crate::files::create(&path).map_err(io::Error::other)?;
        let mut table = ParquetTable::new(file, &self.columns, self.provenance.as_ref())?;
        for entry in entries {
            let mut row = self.spool.row(*entry)?;
            if self.healpix.is_none() {
                row.insert(0, Cell::Int(entry.healpix as i64));
            }
            table.push(&row.iter().collect::<Vec<_>>())?;
        }
        table.into_file()?.commit()?;
        let below = below.trim_start_matches("dataset/");
        self.written.push(WrittenPartition {
            pixel,
            rows: entries.len() as u64,
            file: format!("{below}/{name}"),
            bytes: fs::metadata(&path)?.len(),
        });
        Ok(())
    }
}

/// Divides a pixel until no part has more rows than `most`.
fn divide<'a>(pixel: Pixel, entries: &'a [Entry], most: usize, partitions: &mut Vec<(Pixel, &'a [Entry])>) {
    if entries.len() <= most || pixel.order == ORDER_29 {
        if !entries.is_empty() {
            partitions.push((pixel, entries));
        }
        return;
    }
    let mut rest = entries;
    for child in pixel.children() {
        let (inside, behind) = rest.split_at(rest.partition_point(|entry| child.contains(entry.healpix)));
        divide(child, inside, most, partitions);
        rest = behind;
    }
}

impl Format for HatsTable {
    fn push(&mut self, row: &[&Cell]) -> io::Result<()> {
        match self.pixel_of(row) {
            Some(healpix) if healpix < 12 << (2 * ORDER_29) => {
                self.begin(healpix)?;
                self.spool.push(healpix, row)
            }
            Some(_) | None => {
                self.without_position += 1;
                Ok(())
            }
        }
    }

    fn complete(mut self: Box<Self>, _rows: u64) -> io::Result<Complete> {
        self.flush()?;
        if self.written.is_empty() {
            return Err(io::Error::other("no row has a position, which HATS needs"));
        }
        self.written.sort_by_key(|partition| partition.pixel.first());
        self.spool.remove()?;
        // `_healpix_29` may stand before the others.
        let before = usize::from(self.healpix.is_none());
        let position = self.position.map(|column| self.columns[column + before].name.clone());
        files::write(
            self.folder.path(),
            &self.name,
            &self.columns,
            position,
            self.provenance.as_ref(),
            &self.written,
        )?;
        let without = self.without_position;
        let warning = (without > 0)
            .then(|| format!("{without} rows without a position are left out, because HATS has no place for them"));
        Ok(Complete {
            content: Content::Folder(self.folder),
            warnings: warning.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests;
