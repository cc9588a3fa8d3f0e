//! The folder of a HATS catalogue (<https://www.ivoa.net/documents/Notes/HATS/>): Parquet files, one or several for each
//! pixel of a HEALPix tessellation whose pixels are small where there are many objects.

use super::streamed::StreamedTable;
use super::{Catalogue, CatalogueError, Result};
use crate::files;
use crate::survey::healpix::{HEALPIX_29, Pixel};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Kinds of catalogues whose rows are objects.
const OF_OBJECTS: [&str; 2] = ["object", "source"];

/// Why a folder cannot be read as a HATS catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HatsError {
    /// There is nothing of a HATS catalogue in the folder.
    #[error("{} is a folder without hats.properties, so it is not a HATS catalogue", folder.display())]
    NotHats {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of the catalogue that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A list of partitions that is none.
    #[error("cannot read {}: {problem}", path.display())]
    Partitions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A catalogue of something else than objects.
    #[error("{} is a HATS catalogue of the type {kind}, whose rows are not objects", folder.display())]
    Kind {
        /// The folder.
        folder: PathBuf,
        /// Its type.
        kind: String,
    },
    /// A partition without files.
    #[error("{} has no partitions", folder.display())]
    NoPartition {
        /// The folder.
        folder: PathBuf,
    },
    /// A partition that is listed and has no file.
    #[error("{} is in the list of partitions and does not exist; is the copy of the catalogue complete?", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A row that is in the wrong file.
    #[error("row {row} of {} belongs to another partition: its {HEALPIX_29} is {healpix}", path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// The row in it, counted from 1.
        row: usize,
        /// The value of the column, or what else is there.
        healpix: String,
    },
}

/// A catalogue in a folder.
#[derive(Debug)]
pub(super) struct HatsFolder {
    properties: HashMap<String, String>,
    /// In the order of the sky.
    partitions: Vec<Partition>,
}

/// The rows in one pixel.
#[derive(Debug)]
struct Partition {
    pixel: Pixel,
    files: Vec<PathBuf>,
}

impl HatsFolder {
    /// Reads the description of a catalogue, or of the main catalogue of a collection.
    pub fn open(folder: &Path) -> Result<HatsFolder, CatalogueError> {
        open(folder).map_err(CatalogueError::Hats)
    }

    /// The files of all partitions, in the order of these.
    pub fn files(&self) -> Vec<PathBuf> {
        self.partitions.iter().flat_map(|p| p.files.clone()).collect()
    }

    /// The columns of right ascension and declination that the catalogue names.
    pub fn position_columns(&self, head: &Catalogue) -> Option<(usize, usize)> {
        let column = |key: &str| head.find(self.properties.get(key)?);
        column("hats_col_ra").zip(column("hats_col_dec"))
    }

    /// The partitions, if a column says the pixel of every row; `ends`: where the rows of each file end.
    ///
    /// # Errors
    /// A row that is in another partition than its pixel says.
    pub fn check_rows(&self, table: &StreamedTable, ends: &[usize]) -> Result<Option<Vec<Pixel>>> {
        let is_whole = |&column: &usize| table.head.described(column).column_type.range().is_some();
        let Some(column) = table.head.find(HEALPIX_29).filter(is_whole) else {
            return Ok(None);
        };
        let of_files: Vec<(Pixel, &PathBuf)> = self
            .partitions
            .iter()
            .flat_map(|partition| partition.files.iter().map(|file| (partition.pixel, file)))
            .collect();
        let mut file = 0;
        for window in table.windows(0, &table.only([column])) {
            let window = window?;
            for row in 0..window.len() {
                let at = window.first_row() + row;
                while ends[file] <= at {
                    file += 1;
                }
                let (pixel, path) = of_files[file];
                let found = window.whole_number(row, column);
                if !found.is_some_and(|number| u64::try_from(number).is_ok_and(|number| pixel.contains(number))) {
                    return Err(CatalogueError::Hats(HatsError::Elsewhere {
                        path: path.clone(),
                        row: at + 1 - file.checked_sub(1).map_or(0, |before| ends[before]),
                        healpix: found.map_or("empty".into(), |number| number.to_string()),
                    })
                    .into());
                }
            }
        }
        Ok(Some(self.partitions.iter().map(|partition| partition.pixel).collect()))
    }
}

fn open(folder: &Path) -> Result<HatsFolder, HatsError> {
    let collection = folder.join("collection.properties");
    let properties = ["hats.properties", "properties"].map(|name| folder.join(name));
    let Some(properties) = properties.iter().find(|path| path.is_file()) else {
        let main = read_properties(&collection)
            .ok()
            .and_then(|mut p| p.remove("hats_primary_table_url"));
        return match main
            .map(|main| folder.join(main))
            .filter(|main| main != folder && main.is_dir())
        {
            Some(main) if !main.join("collection.properties").is_file() => open(&main),
            _ => Err(HatsError::NotHats { folder: folder.into() }),
        };
    };
    let properties = read_properties(properties)?;
    let kind = properties.get("dataproduct_type").map_or("object", String::as_str);
    if !OF_OBJECTS.contains(&kind) {
        return Err(HatsError::Kind {
            folder: folder.into(),
            kind: kind.into(),
        });
    }
    let listed = folder.join("partition_info.csv");
    let mut pixels = match listed.is_file() {
        true => listed_pixels(&listed)?,
        false => pixels_with_files(&folder.join("dataset"))?,
    };
    pixels.sort_by_key(|pixel| (pixel.first(), pixel.order));
    pixels.dedup();
    let suffix = properties.get("hats_npix_suffix").map_or(".parquet", String::as_str);
    let partition = |pixel: Pixel| {
        let files = files_of(folder, pixel, suffix)?;
        Ok(Partition { pixel, files })
    };
    let partitions: Vec<Partition> = pixels.into_iter().map(partition).collect::<Result<_, _>>()?;
    if partitions.is_empty() {
        return Err(HatsError::NoPartition { folder: folder.into() });
    }
    Ok(HatsFolder { properties, partitions })
}

/// The files of a partition: one, or those in its folder.
fn files_of(folder: &Path, pixel: Pixel, suffix: &str) -> Result<Vec<PathBuf>, HatsError> {
    let (below, name) = pixel.place();
    let place = folder.join(below).join(&name);
    if !place.is_dir() {
        let file = place.with_file_name(format!("{name}{suffix}"));
        return match file.is_file() {
            true => Ok(vec![file]),
            false => Err(HatsError::Missing { path: file }),
        };
    }
    let mut files: Vec<PathBuf> = entries(&place)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "parquet"))
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(HatsError::Missing { path: place }),
        false => Ok(files),
    }
}

/// The keys and values of a file in the format of Java's properties.
fn read_properties(path: &Path) -> Result<HashMap<String, String>, HatsError> {
    let text = files::read_text(path).map_err(|source| HatsError::Read {
        path: path.into(),
        source,
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pairs = lines.filter_map(|line| line.split_once(['=', ':']));
    let unescaped = |text: &str| text.trim().replace("\\:", ":").replace("\\=", "=").replace("\\ ", " ");
    Ok(pairs.map(|(key, value)| (unescaped(key), unescaped(value))).collect())
}

fn listed_pixels(path: &Path) -> Result<Vec<Pixel>, HatsError> {
    let damaged = |problem: String| HatsError::Partitions {
        path: path.into(),
        problem,
    };
    let text = files::read_text(path).map_err(|source| HatsError::Read {
        path: path.into(),
        source,
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| damaged(error.to_string()))?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.ok_or_else(|| damaged(format!("it has no column {name}")))
    };
    let (order, number) = (column("Norder")?, column("Npix")?);
    let mut pixels = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| damaged(error.to_string()))?;
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let pixel = pixel_of(cell(order), cell(number));
        let bad = || damaged(format!("there is no pixel {} of order {}", cell(number), cell(order)));
        pixels.push(pixel.ok_or_else(bad)?);
    }
    Ok(pixels)
}

fn pixel_of(order: &str, number: &str) -> Option<Pixel> {
    Pixel::new(order.parse().ok()?, number.parse().ok()?)
}

/// The pixels that have files, of a catalogue without a list.
fn pixels_with_files(dataset: &Path) -> Result<Vec<Pixel>, HatsError> {
    let number = |path: &Path, before: &str| {
        let name = path.file_name()?.to_str()?.strip_prefix(before)?;
        Some(name.split_once('.').map_or(name, |(number, _)| number).to_string())
    };
    let mut pixels = Vec::new();
    for order in entries(dataset)? {
        let Some(name) = number(&order, "Norder=") else {
            continue;
        };
        for folder in entries(&order)?.iter().filter(|path| path.is_dir()) {
            let found = entries(folder)?;
            pixels.extend(found.iter().filter_map(|path| pixel_of(&name, &number(path, "Npix=")?)));
        }
    }
    Ok(pixels)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, HatsError> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(|source| HatsError::Read {
        path: folder.into(),
        source,
    })
}
