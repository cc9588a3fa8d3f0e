//! Colour pictures by a name pattern.

use std::collections::BTreeSet;

use super::{FolderLayout, first_readable, names};
use crate::survey::bands::{BandChoice, BandsError, Photometry, PixelRules, unnamed};
use crate::survey::error::{Error, Result};
use crate::survey::folder::{FolderError, ImageFolderOptions};
use crate::survey::images::Images;
use crate::survey::pattern::Pattern;
use crate::survey::picture::picture_shape;

/// The channels of a colour picture.
const CHANNELS: [&str; 3] = ["R", "G", "B"];

/// Pictures with all bands in one file, and what to say of them.
pub(super) fn open(
    options: &ImageFolderOptions,
    mut patterns: Vec<Pattern>,
    bands: Option<Vec<BandChoice>>,
    ids: &BTreeSet<String>,
) -> Result<FolderLayout> {
    let dir = &options.dir;
    if patterns.len() > 1 || ids.is_empty() {
        let (path, pattern) = (dir.clone(), patterns[0].to_string());
        return Err(FolderError::NoMatch { path, pattern }.into());
    }
    let pattern = patterns.remove(0);
    let (file, channels) = first_readable(ids.iter(), |id| {
        let file = pattern.file(dir, id);
        let (_, _, channels) = picture_shape(&file)?;
        Ok((file, channels))
    })?;
    let found: Vec<String> = match channels {
        3 => CHANNELS.map(str::to_owned).to_vec(),
        _ => vec![String::new()],
    };
    let bands = match bands {
        Some(bands) => bands,
        None => {
            let names = if channels == 3 { found.clone() } else { unnamed(1) };
            BandChoice::all(&names).map_err(FolderError::Bands)?
        }
    };
    let order = order(&bands, &found).map_err(Error::bands(&file))?;
    let scaled = "the images are pictures: their levels were stretched for display and are no fluxes, so that a model \
                  for fluxes cannot be used on them, nor the reverse";
    Ok(FolderLayout {
        preset: options.preset,
        bands: names(&bands),
        images: Images::Pictures {
            root: dir.clone(),
            pattern,
            order,
            rules: PixelRules::new(&options.pixels, options.preset),
        },
        photometry: Photometry::default(),
        notes: Vec::new(),
        warnings: vec![scaled.into()],
    })
}

/// The channel of each band: by name, or in order if the bands have no names.
fn order(bands: &[BandChoice], found: &[String]) -> Result<Vec<usize>, BandsError> {
    let unnamed = BandChoice::are_unnamed(bands) || found.iter().all(String::is_empty);
    let expected = || bands.iter().map(|band| band.file.clone()).collect();
    if unnamed && bands.len() == found.len() {
        return Ok((0..found.len()).collect());
    }
    if unnamed {
        let found = found.to_vec();
        return Err(BandsError::Count {
            expected: expected(),
            found,
        });
    }
    let place = |band: &BandChoice| found.iter().position(|name| name.eq_ignore_ascii_case(&band.file));
    bands
        .iter()
        .map(place)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| BandsError::Missing {
            missing: bands
                .iter()
                .filter(|band| place(band).is_none())
                .map(|band| band.file.clone())
                .collect(),
            expected: expected(),
            found: found.to_vec(),
        })
}
