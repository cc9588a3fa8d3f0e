//! Detects the layout of a folder: a known survey, files by a name pattern, or a `.npy` stack.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::fits::{self, BandHdus};
use super::folder::{FolderError, ImageFolderOptions};
use super::guard::guarded;
use super::images::Images;
use super::npy::Stack;
use super::pattern::{Pattern, is_hidden};
use super::preset::{PRESETS, Preset};

/// The files of a folder, and the bands in them.
#[derive(Debug)]
pub(super) struct FolderLayout {
    pub preset: Option<&'static Preset>,
    pub bands: Vec<String>,
    pub images: Images,
}

impl FolderLayout {
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
        match (&options.images, options.preset) {
            (Some(_), Some(preset)) => return Err(FolderError::PresetAndPattern { preset: preset.name }.into()),
            (Some(pattern), None) => return by_pattern(dir, pattern, options.bands.as_deref()),
            (None, Some(preset)) => return by_preset(dir, preset, options.bands.as_deref()),
            (None, None) => {}
        }
        let mut detected = Vec::new();
        for preset in PRESETS {
            if has_preset_files(dir, preset)? {
                detected.push(preset);
            }
        }
        match detected[..] {
            [preset] => return by_preset(dir, preset, options.bands.as_deref()),
            [] => {}
            _ => {
                let presets = detected.iter().map(|p| p.name).collect();
                let path = dir.clone();
                return Err(FolderError::SeveralPresets { path, presets }.into());
            }
        }
        if let Some(path) = one_file(dir, "npy", "images.npy")? {
            return stack(&path, options.bands.as_deref());
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

/// `DIR/Public` if it exists, as in the challenge's archives.
fn preset_root(dir: &Path) -> PathBuf {
    let public = dir.join("Public");
    if public.is_dir() { public } else { dir.to_owned() }
}

fn preset_pattern(preset: &Preset, band: &str) -> Result<Pattern> {
    Ok(Pattern::parse(preset.file(band)?, None)?.remove(0))
}

fn has_preset_files(dir: &Path, preset: &Preset) -> Result<bool> {
    let root = preset_root(dir);
    for band in preset.bands {
        if !preset_pattern(preset, band)?.ids(&root)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the folder has a file of the preset or the pattern in the options.
pub(super) fn has_files(options: &ImageFolderOptions) -> Result<bool> {
    let dir = &options.dir;
    match (&options.images, options.preset) {
        (Some(text), _) => {
            for pattern in Pattern::parse(text, options.bands.as_deref())? {
                if !pattern.ids(dir)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (None, Some(preset)) => has_preset_files(dir, preset),
        (None, None) => Ok(false),
    }
}

fn by_preset(dir: &Path, preset: &'static Preset, bands: Option<&[String]>) -> Result<FolderLayout> {
    let bands = bands.map_or_else(|| preset.bands.iter().map(|b| b.to_string()).collect(), <[_]>::to_vec);
    let patterns = bands
        .iter()
        .map(|band| preset_pattern(preset, band))
        .collect::<Result<_>>()?;
    Ok(FolderLayout {
        preset: Some(preset),
        bands,
        images: Images::PerBand {
            root: preset_root(dir),
            patterns,
        },
    })
}

fn by_pattern(dir: &Path, text: &str, bands: Option<&[String]>) -> Result<FolderLayout> {
    let mut patterns = Pattern::parse(text, bands)?;
    let root = dir.to_owned();
    if text.contains("{band}") {
        let bands = bands.unwrap_or_default().to_vec();
        return Ok(FolderLayout {
            preset: None,
            bands,
            images: Images::PerBand { root, patterns },
        });
    }
    let pattern = patterns.remove(0);
    let ids: BTreeSet<String> = pattern.ids(dir)?.into_iter().collect();
    if ids.is_empty() {
        let (path, pattern) = (root, pattern.to_string());
        return Err(FolderError::NoMatch { path, pattern }.into());
    }
    let (names, bands) = first_readable(ids.iter(), |id| {
        let file = pattern.file(dir, id);
        guarded(|| vec![file.clone()], || bands_of(&file, bands))
    })?;
    Ok(FolderLayout {
        preset: None,
        bands: names,
        images: Images::PerObject { root, pattern, bands },
    })
}

/// The bands as the user names them, or `band1`, `band2`, ...: as many as `path` has `what`.
fn band_names(
    path: &Path,
    count: usize,
    what: &'static str,
    bands: Option<&[String]>,
) -> Result<Vec<String>, FolderError> {
    match bands {
        Some(bands) if bands.len() != count => Err(FolderError::BandCount {
            path: path.into(),
            found: count,
            what,
            bands: bands.to_vec(),
        }),
        Some(bands) => Ok(bands.to_vec()),
        None => Ok((1..=count).map(|i| format!("band{i}")).collect()),
    }
}

/// The bands of files like this one: the planes of a cube, the extensions with these names, or all images in order.
fn bands_of(sample: &Path, bands: Option<&[String]>) -> Result<(Vec<String>, BandHdus)> {
    let images = fits::headers(sample)?;
    if images[0].planes > 1 {
        let planes = images[0].planes;
        let names = band_names(sample, planes, "planes", bands)?;
        return Ok((names, BandHdus::First { planes }));
    }
    let names: Vec<&str> = images.iter().filter_map(|i| i.name.as_deref()).collect();
    match bands {
        Some(bands)
            if names
                .iter()
                .any(|name| bands.iter().any(|band| fits::same_name(band, name))) =>
        {
            Ok((bands.to_vec(), BandHdus::Named(bands.to_vec())))
        }
        None if names.len() == images.len() => {
            let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
            Ok((names.clone(), BandHdus::Named(names)))
        }
        _ => {
            let count = images.len();
            let names = band_names(sample, count, "images", bands)?;
            Ok((names, BandHdus::InOrder(count)))
        }
    }
}

fn stack(path: &Path, bands: Option<&[String]>) -> Result<FolderLayout> {
    let stack = Stack::open(path)?;
    Ok(FolderLayout {
        preset: None,
        bands: band_names(path, stack.shape[3], "channels", bands)?,
        images: Images::Stack(stack),
    })
}
