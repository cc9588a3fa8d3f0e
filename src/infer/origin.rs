//! What predictions follow from, so that those of different runs are not mixed.

use super::shard::Shard;
use super::{Error, Passes};
use crate::files;
use crate::files::checksum::hexadecimal;
use crate::model::Model;
use crate::survey::{ImageFolderOptions, ImageParts};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
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
    pub fn new(
        model: &'a Model,
        images: &'a ImageFolderOptions,
        passes: Passes,
        source: &ImageParts,
    ) -> Result<Inputs<'a>, Error> {
        let mut weights = model.clone();
        // Members' predictions are kept, which do not depend on it.
        weights.about.calibration = None;
        Ok(Inputs {
            model,
            images,
            passes,
            weights: weights.checksum()?,
            positions: positions_of(source),
        })
    }

    /// Of a run that may be continued, with all images of `source`. The device is not part of it: a run may continue on
    /// another one.
    pub fn of_run(&self, source: &ImageParts, shard: Shard) -> Origin {
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
    pub fn of_shards(&self, source: &ImageParts) -> Origin {
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
fn positions_of(source: &ImageParts) -> String {
    let Some(files) = source.table_files() else {
        return String::new();
    };
    // It has been read before; one that can no longer be read is another one by now.
    checksum_of(&files).unwrap_or_else(|error| error.to_string())
}

fn checksum_of(paths: &[PathBuf]) -> io::Result<String> {
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 16]);
    for path in paths {
        let mut file = files::open(path)?;
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                read => hash.update(&chunk[..read]),
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// A checksum of the objects' ids, and of the names and lengths of their files; with `places`, also of the folders and
/// times of these. Ids and tiles of a table of positions follow from it and from the tiles.
fn images_of(source: &ImageParts, places: bool) -> String {
    let mut hash = Sha256::new();
    let mut last = Vec::new();
    let folder = &source.folder;
    let objects = folder
        .objects
        .iter()
        .map(|object| (object.id.as_str(), folder.files(object)));
    let tiles = (folder.is_empty()).then(|| ("", folder.shared_files()));
    for (id, files) in objects.chain(tiles) {
        hash.update(id.as_bytes());
        hash.update([0]);
        // A stack is the file of all objects.
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

    #[test]
    fn positions_that_move_are_another_table() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("targets.csv");
        let checksum = |text: &str| {
            fs::write(&table, text).unwrap();
            checksum_of(std::slice::from_ref(&table)).unwrap()
        };
        let before = checksum("id,ra,dec\n1,10.0,-5.0\n");
        assert_ne!(checksum("id,ra,dec\n1,10.1,-5.0\n"), before);
        assert_eq!(checksum("id,ra,dec\n1,10.0,-5.0\n"), before);
    }
}
