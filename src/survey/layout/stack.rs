//! All images in one file.

use std::path::Path;

use super::{FolderLayout, names};
use crate::survey::bands::{BandChoice, Photometry, PixelRules, unnamed};
use crate::survey::error::Result;
use crate::survey::folder::{FolderError, ImageFolderOptions};
use crate::survey::images::Images;
use crate::survey::npy::Stack;

/// The stack, and its bands: those named, or `band1`, `band2`, ...
pub(super) fn open(options: &ImageFolderOptions, path: &Path, bands: Option<Vec<BandChoice>>) -> Result<FolderLayout> {
    let stack = Stack::open(path)?;
    let found = stack.shape[3];
    let mut notes = Vec::new();
    let bands = match bands {
        Some(bands) if bands.len() != found => {
            return Err(FolderError::BandCount {
                path: path.into(),
                found,
                bands: names(&bands),
            }
            .into());
        }
        Some(bands) => {
            let names = names(&bands);
            if found > 1 && !BandChoice::are_unnamed(&bands) {
                let channels = names.join(", ");
                notes.push(format!(
                    "the channels of {} have no names, and are taken as {channels}",
                    path.display()
                ));
            }
            names
        }
        None => unnamed(found),
    };
    Ok(FolderLayout {
        preset: options.preset,
        bands,
        images: Images::Stack {
            stack,
            rules: PixelRules::new(&options.pixels, options.preset),
        },
        photometry: Photometry::default(),
        notes,
        warnings: Vec::new(),
    })
}
