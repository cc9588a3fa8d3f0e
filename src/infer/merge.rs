//! The catalogues of all shards in one: the catalogue of a run without shards.

use super::Error;
use super::shard::Part;
use crate::files;
use crate::progress::{Callback, Event, Phase, warn};
use crate::survey::table::provenance::{ModelFile, Provenance};
use crate::survey::table::sidecar::{self, Sidecar};
use crate::survey::table::{Cell, Column, TableWriter};
use crate::survey::{self, Catalogue};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What was merged.
#[derive(Debug)]
pub struct Merged {
    /// Rows of the catalogue.
    pub rows: u64,
    /// Number of shards.
    pub shards: usize,
}

/// Writes the rows of all shards, whose catalogues are `paths`, to `output`, in the order of a run without shards. The
/// format of the output need not be theirs. `None` if `progress` asks to stop: nothing is written then.
///
/// # Errors
/// A catalogue without the file that describes it; shards of other objects, another model or other options; a shard that
/// is missing, or given twice; an id that is in two shards; a file that cannot be read or written.
pub fn merge(
    paths: &[PathBuf],
    output: &Path,
    provenance: &Provenance,
    progress: &Callback,
) -> Result<Option<Merged>, Error> {
    let mut shards: Vec<ShardFile> = paths
        .iter()
        .map(|path| ShardFile::open(path))
        .collect::<Result<_, _>>()?;
    shards.sort_by_key(|file| file.part.shard.number);
    check(&shards)?;
    files::check_inputs(output, paths.iter().map(PathBuf::as_path)).map_err(survey::Error::from)?;
    let provenance = Provenance {
        model: model_of(&shards[0].description),
        ..provenance.clone()
    };
    let sidecar = Sidecar::create(output, Some(&provenance))?;
    let mut writer: Option<TableWriter> = None;
    let mut ids = HashMap::new();
    let (mut done, total) = (0, shards.iter().map(|file| file.rows).sum());
    for (at, file) in shards.iter().enumerate().filter(|(_, file)| file.rows > 0) {
        let catalogue = file.catalogue()?;
        let writer = match &mut writer {
            Some(writer) => writer,
            empty => {
                let columns = file.columns(&catalogue)?;
                let new = TableWriter::with_provenance(output, columns, Some(&provenance))?;
                new.warnings().iter().for_each(|message| warn(progress, message));
                empty.insert(new)
            }
        };
        for row in 0..catalogue.len() {
            let id = catalogue.text(row, 0);
            if let Some(other) = ids.insert(hash(id), at) {
                return Err(Error::IdTwice {
                    id: id.into(),
                    files: [shards[other].path.clone(), file.path.clone()],
                });
            }
            let cells: Vec<Cell> = (0..catalogue.columns.len()).map(|c| catalogue.cell(row, c)).collect();
            writer.push(&cells).map_err(|source| Error::Row {
                object: id.into(),
                source: source.into(),
            })?;
        }
        done += file.rows;
        let phase = Phase::Merging;
        if progress(Event::Advanced { phase, done, total }).is_break() {
            return Ok(None);
        }
    }
    let written = writer.ok_or(Error::NoRows)?.finish()?;
    written.warnings.iter().for_each(|message| warn(progress, message));
    let rows = written.rows;
    if let Some(sidecar) = sidecar {
        sidecar.write(&written, details(&shards))?;
    }
    let shards = shards.len();
    Ok(Some(Merged { rows, shards }))
}

/// The catalogue of a shard, and what the file beside it says.
struct ShardFile {
    path: PathBuf,
    part: Part,
    rows: usize,
    description: Value,
}

impl ShardFile {
    fn open(path: &Path) -> Result<ShardFile, Error> {
        let description = sidecar::read(path).map_err(|source| Error::NoDescription {
            path: path.into(),
            source,
        })?;
        let part = Part::deserialize(&description["part"]);
        let rows = description["rows"].as_u64();
        let (Ok(part), Some(rows)) = (part, rows) else {
            return Err(Error::NotAShard { path: path.into() });
        };
        Ok(ShardFile {
            path: path.into(),
            part,
            rows: rows as usize,
            description,
        })
    }

    /// Its rows.
    ///
    /// # Errors
    /// A catalogue that cannot be read; one that is not that which the file beside it describes.
    fn catalogue(&self) -> Result<Catalogue, Error> {
        let catalogue = Catalogue::read(&self.path)?;
        let described = self.described()?;
        let same = |(column, name): (&Column, &String)| column.name == *name;
        let same = described.iter().zip(&catalogue.columns).all(same) && described.len() == catalogue.columns.len();
        match same && catalogue.len() == self.rows {
            true => Ok(catalogue),
            false => Err(Error::Changed {
                path: self.path.clone(),
            }),
        }
    }

    /// The columns, as the file beside the catalogue describes them.
    fn described(&self) -> Result<Vec<Column>, Error> {
        sidecar::columns(&self.description).ok_or_else(|| Error::NotAShard {
            path: self.path.clone(),
        })
    }

    /// The same with the types of the catalogue, unless it is CSV.
    fn columns(&self, catalogue: &Catalogue) -> Result<Vec<Column>, Error> {
        let described = self.described()?.into_iter().enumerate();
        let with_type = |(c, column): (usize, Column)| match catalogue.is_described() {
            true => Column {
                unit: column.unit,
                description: column.description,
                ucd: column.ucd,
                ..catalogue.described(c)
            },
            false => column,
        };
        Ok(described.map(with_type).collect())
    }
}

/// Checks sorted shards against each other.
fn check(shards: &[ShardFile]) -> Result<(), Error> {
    let first = shards.first().ok_or(Error::NoRows)?;
    let files = |other: &ShardFile| [first.path.clone(), other.path.clone()];
    for other in &shards[1..] {
        let differs = |name: &str| Error::OtherShard {
            name: name.into(),
            files: files(other),
        };
        if first.part.shard.of != other.part.shard.of {
            return Err(differs("number of shards"));
        }
        if let Some(name) = first.part.origin.difference(&other.part.origin) {
            return Err(differs(name));
        }
        if first.part.objects != other.part.objects {
            return Err(differs("number of objects"));
        }
        if first.description["columns"] != other.description["columns"] {
            return Err(differs("list of columns"));
        }
    }
    let mut pairs = shards.iter().zip(&shards[1..]);
    if let Some((a, b)) = pairs.find(|(a, b)| a.part.shard == b.part.shard) {
        return Err(Error::ShardTwice {
            shard: a.part.shard,
            files: [a.path.clone(), b.path.clone()],
        });
    }
    let of = first.part.shard.of;
    let given: Vec<usize> = shards.iter().map(|file| file.part.shard.number).collect();
    let missing = (1..=of).filter(|number| given.binary_search(number).is_err());
    let missing: Vec<u32> = missing.map(|number| number as u32).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::ShardsMissing { numbers: missing, of }),
    }
}

/// So much of the SHA-256 of an id that no two ids have the same.
fn hash(id: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(id).into();
    std::array::from_fn(|i| digest[i])
}

/// The model, as the file beside a catalogue describes it.
fn model_of(description: &Value) -> Option<ModelFile> {
    let text = |key: &str| description["model"][key].as_str();
    Some(ModelFile {
        path: text("path")?.into(),
        sha256: text("sha256")?.into(),
    })
}

/// What the file beside the merged catalogue says: model and input are those of every shard, counts are added.
fn details(shards: &[ShardFile]) -> Map<String, Value> {
    let first = &shards[0].description;
    let sum =
        |value: &dyn Fn(&Value) -> Option<u64>| -> u64 { shards.iter().filter_map(|f| value(&f.description)).sum() };
    let flags = first["flagged"].as_object().into_iter().flat_map(Map::keys);
    let flagged: Map<String, Value> = flags
        .map(|flag| (flag.clone(), sum(&|d| d["flagged"][flag].as_u64()).into()))
        .collect();
    let details = [
        ("model", first["model"].clone()),
        ("input", first["input"].clone()),
        ("objects", sum(&|d| d["objects"].as_u64()).into()),
        ("without_prediction", sum(&|d| d["without_prediction"].as_u64()).into()),
        ("flagged", flagged.into()),
        ("shards", shards.len().into()),
    ];
    Map::from_iter(details.map(|(key, value)| (key.to_string(), value)))
}
