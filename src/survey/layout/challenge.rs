//! Files of the Lens Finding Challenge.

use std::path::{Path, PathBuf};

use super::{FolderLayout, names};
use crate::survey::bands::{BandChoice, BandReader};
use crate::survey::error::Result;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::images::Images;
use crate::survey::pattern::Pattern;
use crate::survey::preset::{Challenge, Preset};

/// `DIR/Public` if it exists, as in the challenge's archives.
fn root(dir: &Path) -> PathBuf {
    let public = dir.join("Public");
    if public.is_dir() { public } else { dir.to_owned() }
}

fn pattern(preset: &Preset, challenge: &Challenge, band: &str) -> Result<Pattern> {
    Ok(Pattern::parse(challenge.file(band, preset.name)?, None)?.remove(0))
}

/// Whether a folder has files of this challenge.
pub(super) fn has_files(dir: &Path, preset: &Preset, challenge: &Challenge) -> Result<bool> {
    let root = root(dir);
    for band in challenge.bands {
        if !pattern(preset, challenge, band)?.ids(&root)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files of a challenge, and the bands named or the usual ones.
pub(super) fn open(
    options: &ImageFolderOptions,
    preset: &'static Preset,
    bands: Option<Vec<BandChoice>>,
) -> Result<FolderLayout> {
    let challenge = preset.challenge.as_ref().expect("the preset of a challenge");
    let usual = || {
        challenge.bands.iter().map(|band| BandChoice {
            name: band.to_string(),
            file: band.to_string(),
        })
    };
    let bands = bands.unwrap_or_else(|| usual().collect());
    let patterns = bands
        .iter()
        .map(|band| pattern(preset, challenge, &band.file))
        .collect::<Result<_>>()?;
    Ok(FolderLayout {
        preset: Some(preset),
        bands: names(&bands),
        images: Images::PerBand {
            root: root(&options.dir),
            patterns,
            bands,
            reader: BandReader::new(&options.pixels, Some(preset)),
        },
        notes: Vec::new(),
        warnings: Vec::new(),
    })
}
