//! What predictions follow from, so that those of different runs are not mixed.

use super::shard::Shard;
use super::{Error, Passes};
use crate::files;
use crate::files::checksum::hexadecimal;
use crate::model::Model;
use crate::survey::{ImageFolder, ImageFolderOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Names, and values that differ if predictions may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Origin(Vec<(String, String)>);

impl Origin {
    pub(super) fn new<const N: usize>(entries: [(&str, String); N]) -> Origin {
        Origin(entries.map(|(name, value)| (name.to_string(), value)).into())
    }

    /// The name of the first value that differs.
    pub fn difference<'a>(&'a self, other: &Origin) -> Option<&'a str> {
        let entries = self.0.iter();
        let mut differing = entries.filter(|entry| !other.0.contains(entry));
        differing.next().map(|(name, _)| name.as_str())
    }
}

/// What the origin of a run and that of all shards have in common.
pub(super) struct Inputs<'a> {
    model: &'a Model,
    images: &'a ImageFolderOptions,
    passes: Passes,
    /// Checksum of the weights.
    weights: String,
    /// Checksum of the table of positions.
    positions: String,
}

impl<'a> Inputs<'a> {
    /// # Errors
    /// A model that cannot be written.
    pub fn new(model: &'a Model, images: &'a ImageFolderOptions, passes: Passes) -> Result<Inputs<'a>, Error> {
        let mut weights = model.clone();
        // Members' predictions are kept, which do not depend on it.
        weights.about.calibration = None;
        Ok(Inputs {
            model,
            images,
            passes,
            weights: weights.checksum()?,
            positions: positions_of(images),
        })
    }

    /// Of a run that may be continued, with all images of `source`. The device is not part of it: a run may continue on
    /// another one.
    pub fn of_run(&self, source: &ImageFolder, shard: Shard) -> Origin {
        Origin::new([
            ("version of lensgpu", env!("CARGO_PKG_VERSION").to_string()),
            ("model", self.weights.clone()),
            ("value of --tta", self.passes.all_views.to_string()),
            ("shard", shard.to_string()),
            ("description of the images", format!("{:?}", self.images)),
            ("set of images", images_of(source, true)),
            ("table of positions", self.positions.clone()),
        ])
    }

    /// Of all shards of `source`. Their predictions are calibrated, and each may have its own copy of the images: folders
    /// and times are not part of it.
    pub fn of_shards(&self, source: &ImageFolder) -> Origin {
        let images = ImageFolderOptions {
            dir: PathBuf::new(),
            catalogue: None,
            ..self.images.clone()
        };
        let checksum = |text: &str| hexadecimal(&Sha256::digest(text));
        Origin::new([
            ("version of lensgpu", env!("CARGO_PKG_VERSION").to_string()),
            ("model", self.weights.clone()),
            (
                "calibration of the model",
                checksum(&format!("{:?}", self.model.about.calibration)),
            ),
            ("value of --tta", self.passes.all_views.to_string()),
            ("description of the images", checksum(&format!("{images:?}"))),
            ("set of images", images_of(source, false)),
            ("table of positions", self.positions.clone()),
        ])
    }
}

/// A checksum of the table around whose positions images are cut out of tiles; empty if they are not.
fn positions_of(images: &ImageFolderOptions) -> String {
    let Some((_, table)) = images.tiles.as_ref().zip(images.catalogue.as_ref()) else {
        return String::new();
    };
    // It has been read before; one that can no longer be read is another one by now.
    checksum_of(table).unwrap_or_else(|error| error.to_string())
}

fn checksum_of(path: &Path) -> io::Result<String> {
    let mut file = files::open(path)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// A checksum of the objects' ids, and of the names and lengths of their files; with `places`, also of the folders and
/// times of these.
fn images_of(source: &ImageFolder, places: bool) -> String {
    let mut hash = Sha256::new();
    let mut last = Vec::new();
    for object in &source.objects {
        hash.update(object.id.as_bytes());
        hash.update([0]);
        let files = source.files(object);
        // A stack is the file of all objects, and a tile those of many.
        if files == last {
            continue;
        }
        for file in &files {
            let metadata = fs::metadata(file).ok();
            let length = metadata.as_ref().map(fs::Metadata::len);
            match places {
                true => {
                    let modified = metadata.and_then(|m| m.modified().ok()?.duration_since(UNIX_EPOCH).ok());
                    hash.update(format!("{} {length:?} {modified:?}\0", file.display()));
                }
                false => {
                    let name = file.file_name().unwrap_or_default();
                    hash.update(format!("{} {length:?}\0", name.display()));
                }
            }
        }
        last = files;
    }
    hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::TileOptions;

    #[test]
    fn positions_that_move_are_another_set_of_images() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("targets.csv");
        fs::write(&table, "id,ra,dec\n1,10.0,-5.0\n").unwrap();
        let tiles = TileOptions {
            pattern: "{band}.fits".into(),
            columns: None,
            size: [5, 5],
            pixel_scale: None,
        };
        let images = ImageFolderOptions {
            catalogue: Some(table.clone()),
            tiles: Some(tiles),
            ..ImageFolderOptions::new(folder.path())
        };
        let before = positions_of(&images);
        assert_eq!(positions_of(&images), before);
        fs::write(&table, "id,ra,dec\n1,10.1,-5.0\n").unwrap();
        assert_ne!(positions_of(&images), before);
        assert_eq!(positions_of(&ImageFolderOptions { tiles: None, ..images }), "");
    }
}
