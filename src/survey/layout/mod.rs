//! Detects the layout of a folder: a known survey, files by a name pattern, or a stack.
//!
//! | file | what it does |
//! |---|---|
//! | this one | chooses the layout |
//! | `challenge` | files of the Lens Finding Challenge |
//! | `files` | files by a name pattern: one per object, or one per object and band |
//! | `pictures` | colour pictures by a name pattern |
//! | `stack` | all images in one file |

mod challenge;
mod files;
mod pictures;
mod stack;

pub(super) use files::usual_pattern;

use std::path::{Path, PathBuf};

use super::bands::{BandChoice, Photometry};
use super::error::{Error, Result};
use super::folder::{FolderError, ImageFolderOptions};
use super::images::Images;
use super::pattern::is_hidden;
use super::preset::{Challenge, PRESETS, Preset};

/// The files of a folder, and the bands in them.
#[derive(Debug)]
pub(super) struct FolderLayout {
    pub preset: Option<&'static Preset>,
    pub bands: Vec<String>,
    pub images: Images,
    /// The flux scale, as far as headers say.
    pub photometry: Photometry,
    /// What to say of how the files are read.
    pub notes: Vec<String>,
    /// The same, where it may be wrong.
    pub warnings: Vec<String>,
}

impl FolderLayout {
    /// The challenge whose files these are.
    pub fn challenge(&self) -> Option<&'static Challenge> {
        self.preset.and_then(|preset| preset.challenge.as_ref())
    }

    /// Follows the options, and otherwise detects the layout from the files.
    pub fn detect(options: &ImageFolderOptions) -> Result<FolderLayout> {
        let dir = &options.dir;
        match std::fs::metadata(dir) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(FolderError::NotAFolder { path: dir.clone() }.into()),
            Err(source) => {
                let path = dir.clone();
                return Err(FolderError::Open { path, source }.into());
            }
        }
        let bands = options.bands.as_deref().map(BandChoice::all).transpose();
        let bands = bands.map_err(FolderError::Bands)?;
        match (&options.images, options.preset) {
            (
                Some(_),
                Some(Preset {
                    name,
                    challenge: Some(_),
                    ..
                }),
            ) => {
                return Err(FolderError::PresetAndPattern { preset: name }.into());
            }
            (Some(pattern), _) => return files::by_pattern(options, pattern, bands),
            (None, Some(preset)) if preset.challenge.is_some() => return challenge::open(options, preset, bands),
            (None, Some(_)) => {
                let pattern =
                    files::usual_pattern(dir)?.ok_or_else(|| FolderError::NotRecognised { path: dir.clone() })?;
                return files::by_pattern(options, &pattern, bands);
            }
            (None, None) => {}
        }
        let mut detected = Vec::new();
        for preset in PRESETS {
            if let Some(challenge) = &preset.challenge
                && challenge::has_files(dir, preset, challenge)?
            {
                detected.push(preset);
            }
        }
        match detected[..] {
            [preset] => return challenge::open(options, preset, bands),
            [] => {}
            _ => {
                let presets = detected.iter().map(|p| p.name).collect();
                let path = dir.clone();
                return Err(FolderError::SeveralPresets { path, presets }.into());
            }
        }
        for (extension, usual) in [("npy", "images.npy"), ("npz", "images.npz")] {
            if let Some(path) = one_file(dir, extension, usual)? {
                return stack::open(options, &path, bands);
            }
        }
        if let Some(pattern) = files::usual_pattern(dir)?
            && files::holds_all_bands(dir, &pattern, bands.as_deref())
        {
            return files::by_pattern(options, &pattern, bands);
        }
        if let Some(bands) = bands
            && let Some(pattern) = files::usual_band_pattern(dir, &bands)?
        {
            let mut layout = files::by_pattern(options, &pattern, Some(bands))?;
            layout.notes.push(format!("the names of the files are '{pattern}'"));
            return Ok(layout);
        }
        let path = dir.clone();
        let mut entries = std::fs::read_dir(dir).map_err(Error::list_folder(dir))?;
        let is_empty = entries.all(|entry| entry.is_ok_and(|entry| is_hidden(&entry.file_name())));
        Err(match is_empty {
            true => FolderError::Empty { path },
            false => FolderError::NotRecognised { path },
        }
        .into())
    }
}

/// The first of the items that `read` can read, or the error of the very first: damaged files, however many, do not keep
/// the others from being used. There must be at least one item. `read` should read headers only.
pub(super) fn first_readable<I, T>(items: impl Iterator<Item = I>, read: impl FnMut(I) -> Result<T>) -> Result<T> {
    let mut results = items.map(read);
    let first = results.next().expect("at least one item");
    first.or_else(|error| results.find_map(Result::ok).ok_or(error))
}

/// The only file in `dir` with this extension, or, if there are several, the one with the usual name.
pub(super) fn one_file(dir: &Path, extension: &'static str, usual: &str) -> Result<Option<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::list_folder(dir))? {
        let entry = entry.map_err(Error::list_folder(dir))?;
        let path = entry.path();
        if is_hidden(&entry.file_name()) {
            continue;
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > 1 {
        if let Some(place) = files
            .iter()
            .position(|f| f.file_name().is_some_and(|name| name == usual))
        {
            return Ok(Some(files.swap_remove(place)));
        }
        let name = |f: &PathBuf| f.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(FolderError::SeveralFiles {
            path: dir.into(),
            extension,
            names: files.iter().map(name).collect(),
        }
        .into());
    }
    Ok(files.pop())
}

/// Whether the folder has a file of the preset or the pattern in the options.
pub(super) fn has_files(options: &ImageFolderOptions) -> Result<bool> {
    let dir = &options.dir;
    match (&options.images, options.preset) {
        (Some(pattern), _) => files::has_any(dir, pattern, options.bands.as_deref()),
        (None, Some(preset)) => match &preset.challenge {
            Some(challenge) => challenge::has_files(dir, preset, challenge),
            None => Ok(files::usual_pattern(dir)?.is_some()),
        },
        (None, None) => Ok(false),
    }
}

fn names(bands: &[BandChoice]) -> Vec<String> {
    bands.iter().map(|band| band.name.clone()).collect()
}
