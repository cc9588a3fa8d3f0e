//! The objects of a folder in parts, of which only some need to be in memory.

use super::catalogue::Catalogue;
use super::error::Result;
use super::folder::{ImageFolder, ImageFolderOptions};
use super::healpix::Pixel;
use super::table::ColumnType;
use super::tiles::StreamedTiles;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// An opened folder and its objects, which are handed over in parts: all at once, or those of some rows of a table of
/// positions at a time.
pub struct ImageParts {
    /// What all parts have in common. Its catalogue may have columns only, and it may have no objects.
    pub folder: Arc<ImageFolder>,
    /// `None`: the folder has all objects.
    streamed: Option<Arc<StreamedTiles>>,
    /// Those of all objects that are handed over.
    objects: Range<usize>,
}

/// Some of the objects.
#[derive(Debug, Clone)]
pub struct Part {
    /// A folder that has them.
    pub folder: Arc<ImageFolder>,
    /// Their places in [`ImageFolder::objects`].
    pub objects: Range<usize>,
}

impl ImageParts {
    /// As [`ImageFolder::open`] for images without labels. Of a table of positions, only some rows are in memory at a time,
    /// and 8 bytes of every id while it is opened.
    ///
    /// # Errors
    /// Those of [`ImageFolder::open`].
    pub fn open(options: &ImageFolderOptions) -> Result<ImageParts> {
        match &options.tiles {
            Some(tiles) if !options.require_labels => {
                options.check()?;
                let streamed = StreamedTiles::open(options, tiles)?;
                Ok(ImageParts {
                    folder: streamed.head.clone(),
                    objects: 0..streamed.len(),
                    streamed: Some(Arc::new(streamed)),
                })
            }
            _ => Ok(ImageParts::whole(Arc::new(ImageFolder::open(options)?))),
        }
    }

    /// All objects of a folder in one part.
    pub fn whole(folder: Arc<ImageFolder>) -> ImageParts {
        ImageParts {
            objects: 0..folder.len(),
            folder,
            streamed: None,
        }
    }

    /// Only some of the objects.
    pub fn only(&self, objects: Range<usize>) -> ImageParts {
        let start = self.objects.start;
        ImageParts {
            folder: self.folder.clone(),
            streamed: self.streamed.clone(),
            objects: start + objects.start..start + objects.end,
        }
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are no objects; never after [`open`](Self::open).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects in parts, in order.
    pub fn parts(&self) -> Box<dyn Iterator<Item = Result<Part>>> {
        let objects = self.objects.clone();
        let part = |(folder, objects)| Part { folder, objects };
        match &self.streamed {
            Some(tiles) => Box::new(tiles.clone().parts(objects).map(move |found| found.map(part))),
            None => Box::new(std::iter::once(Ok(part((self.folder.clone(), objects))))),
        }
    }

    /// The type that holds the ids of all objects, also of those that are left out.
    pub(crate) fn ids(&self) -> ColumnType {
        match &self.streamed {
            Some(tiles) => tiles.ids.clone(),
            None => ColumnType::of_ids(self.folder.objects.iter().map(|object| object.id.as_str())),
        }
    }

    /// Whether right ascension and declination are in degrees in every row of the catalogue that has them.
    pub(crate) fn in_degrees(&self) -> bool {
        let all = |catalogue: &Catalogue| (0..catalogue.len()).all(|row| catalogue.is_in_degrees(row));
        match &self.streamed {
            Some(tiles) => tiles.in_degrees,
            None => self.folder.catalogue.as_ref().is_some_and(all),
        }
    }

    /// The partitions of the table of positions, if it is a HATS catalogue that says the pixel of every row.
    pub(crate) fn partitions(&self) -> Option<&[Pixel]> {
        self.streamed.as_ref()?.partitions()
    }

    /// The files of a table of positions that is not in memory.
    pub(crate) fn table_files(&self) -> Option<Vec<PathBuf>> {
        Some(self.streamed.as_ref()?.table_files())
    }
}
