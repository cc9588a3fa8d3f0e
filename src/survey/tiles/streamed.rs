//! Tiles, and a table of positions of which only a part is in memory at a time.

use super::cut::{Stamps, Tiles};
use super::positions::Positions;
use super::{Opened, Outside, TileOptions, place, table};
use crate::survey::catalogue::{Catalogue, StreamedTable};
use crate::survey::error::Result;
use crate::survey::folder::{ImageFolder, ImageFolderOptions};
use crate::survey::healpix::Pixel;
use crate::survey::images::Images;
use crate::survey::selection::{DropReport, StreamedRows};
use crate::survey::table::ColumnType;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Objects around whose positions stamps are cut out of tiles.
#[derive(Debug)]
pub(in crate::survey) struct StreamedTiles {
    table: Arc<StreamedTable>,
    rows: StreamedRows,
    positions: Positions,
    tiles: Arc<Tiles>,
    /// A folder without objects.
    pub head: Arc<ImageFolder>,
    /// For every window of the table, its first row and the number of objects before it.
    windows: Vec<(usize, usize)>,
    objects: usize,
    /// The type of the ids.
    pub ids: ColumnType,
    /// Whether right ascension and declination are in degrees in every row.
    pub in_degrees: bool,
}

impl StreamedTiles {
    /// Opens the tiles and the table of positions, and looks at all of these once.
    ///
    /// # Errors
    /// No tiles, or tiles that cannot be used; no positions, or none in a tile; ids that are empty or repeated.
    pub fn open(options: &ImageFolderOptions, tiles: &TileOptions) -> Result<StreamedTiles> {
        let opened = Opened::open(options, tiles)?;
        let (path, wanted) = table(options, tiles)?;
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let mut table = StreamedTable::open(&path, &wanted)?;
        let positions = opened.positions(&mut table.head, tiles)?;
        let rows = StreamedRows::new(options, &table.head)?;
        let (mut windows, mut outside, mut in_degrees) = (Vec::new(), Outside::default(), true);
        let mut ids = rows.check();
        let columns = match positions {
            Positions::Pixels { columns, .. } => columns.to_vec(),
            Positions::Sky => Vec::new(),
        };
        let sky = table.head.positions().into_iter().flat_map(|(ra, dec)| [ra, dec]);
        let needed = table.only(columns.into_iter().chain(sky).chain(rows.columns()));
        for window in table.windows(0, &needed) {
            let window = window?;
            windows.push((window.first_row(), outside.objects));
            let mut objects = rows.objects(&window);
            ids.see(&window, &objects)?;
            in_degrees = in_degrees && (0..window.len()).all(|row| window.is_in_degrees(row));
            place(&mut objects, &window, positions, &opened.tiles.set, &mut outside);
        }
        let dropped = DropReport::of(table.len(), outside.objects);
        rows.some_selected(&table, outside.objects)?;
        ids.finish(&table)?;
        let mut head = opened.folder(options, tiles, table.header());
        head.warnings
            .extend(outside.warning(&table.head.path, &opened.tiles.set)?);
        head.notes.push(format!("{}: {dropped}", table.head.path.display()));
        let head = ImageFolder {
            id_column: rows.id_column,
            dropped,
            ..head
        };
        Ok(StreamedTiles {
            table: Arc::new(table),
            positions,
            tiles: opened.tiles,
            head: Arc::new(head),
            windows,
            objects: outside.objects,
            ids: ids.column_type(),
            rows,
            in_degrees,
        })
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects
    }

    /// The files of the table of positions, in order.
    pub fn table_files(&self) -> Vec<PathBuf> {
        self.table.files()
    }

    /// The partitions of the table, if it is a HATS catalogue that says the pixel of every row.
    pub fn partitions(&self) -> Option<&[Pixel]> {
        self.table.partitions.as_deref()
    }

    /// A part of the objects, in order: folders, and which of their objects belong to it.
    pub fn parts(
        self: Arc<Self>,
        objects: Range<usize>,
    ) -> impl Iterator<Item = Result<(Arc<ImageFolder>, Range<usize>)>> {
        let begin = self.windows.partition_point(|&(_, before)| before <= objects.start);
        let (first, mut at) = self.windows[begin.saturating_sub(1)];
        let mut windows = None;
        std::iter::from_fn(move || {
            while at < objects.end {
                let windows = windows.get_or_insert_with(|| self.table.clone().windows_ahead(first));
                let folder = match windows.next()? {
                    Ok(window) => self.folder(window),
                    Err(error) => return Some(Err(error)),
                };
                let range = at..at + folder.len();
                at = range.end;
                let used = objects.start.max(range.start)..objects.end.min(range.end);
                if !used.is_empty() {
                    return Some(Ok((Arc::new(folder), used.start - range.start..used.end - range.start)));
                }
            }
            None
        })
    }

    /// The objects of some rows.
    fn folder(&self, window: Catalogue) -> ImageFolder {
        let mut objects = self.rows.objects(&window);
        let mut outside = Outside::default();
        let placed = place(&mut objects, &window, self.positions, &self.tiles.set, &mut outside);
        let head = &self.head;
        ImageFolder {
            objects,
            bands: head.bands.clone(),
            unit: head.unit.clone(),
            label: None,
            stored: head.stored.clone(),
            notes: Vec::new(),
            warnings: Vec::new(),
            dropped: DropReport::default(),
            photometry: head.photometry.clone(),
            images: Images::Tiles(Stamps {
                tiles: self.tiles.clone(),
                placed,
            }),
            catalogue: Some(window),
            ..**head
        }
    }
}
