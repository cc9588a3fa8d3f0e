//! What a folder's images are: a known survey, files by a name pattern, or a `.npy` stack.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::ImageFolderOptions;
use super::cutout::{Cutout, Plane};
use super::fits::{self, Select};
use super::npy::Stack;
use super::pattern::Pattern;
use super::preset::{PRESETS, Preset};
use super::wcs::Astrometry;

/// Images and what they are made of.
#[derive(Debug)]
pub(super) struct FolderLayout {
    pub preset: Option<&'static Preset>,
    pub bands: Vec<String>,
    pub images: Images,
}

/// Where an object's pixels are.
#[derive(Debug)]
pub(super) enum Images {
    /// A file a band.
    Bands { root: PathBuf, patterns: Vec<Pattern> },
    /// A file an object, with all bands in it.
    Whole {
        root: PathBuf,
        pattern: Pattern,
        select: Select,
    },
    /// All objects in one file.
    Stack(Stack),
}

impl FolderLayout {
    /// Takes what the options say, else what the folder looks like.
    pub fn detect(options: &ImageFolderOptions) -> Result<FolderLayout> {
        let dir = &options.dir;
        match std::fs::metadata(dir) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => bail!("{} is a file; give the folder that it is in", dir.display()),
            Err(e) => return Err(e).with_context(|| format!("cannot open the folder {}", dir.display())),
        }
        match (&options.images, options.preset) {
            (Some(_), Some(preset)) => {
                bail!(
                    "--images and --preset {} exclude each other: a preset has its own file names",
                    preset.name
                )
            }
            (Some(pattern), None) => return by_pattern(dir, pattern, options.bands.as_deref()),
            (None, Some(preset)) => return by_preset(dir, preset, options.bands.as_deref()),
            (None, None) => {}
        }
        let mut seen = Vec::new();
        for preset in PRESETS {
            if has_files(dir, preset)? {
                seen.push(preset);
            }
        }
        match seen[..] {
            [preset] => return by_preset(dir, preset, options.bands.as_deref()),
            [] => {}
            _ => {
                let names: Vec<_> = seen.iter().map(|p| p.name).collect();
                bail!(
                    "{} has images of {}; choose with --preset",
                    dir.display(),
                    names.join(" and of ")
                )
            }
        }
        if let Some(path) = one_file(dir, "npy", "images.npy", "keep one of them there")? {
            return stack(&path, options.bands.as_deref());
        }
        let what = match std::fs::read_dir(dir)?.next() {
            None => "is empty",
            Some(_) => "has no images in a layout that is recognised",
        };
        bail!(
            "{} {what}. Needed are Lens Finding Challenge files (Public/Band1/imageSDSS_R-ID.fits or \
             Public/imageEUC_VIS-ID.fits), images.npy, or a pattern for the file names: \
             --images '{{id}}_{{band}}.fits' --bands g,r,i",
            dir.display()
        )
    }
}

/// What `look` sees in the first of these that it can read, or why it cannot read the very first: one damaged file is no
/// reason not to look at the others. There must be one.
pub(super) fn first_readable<I, T>(things: impl Iterator<Item = I>, look: impl FnMut(I) -> Result<T>) -> Result<T> {
    const LOOKS: usize = 10;
    let mut seen = things.take(LOOKS).map(look);
    let first = seen.next().expect("there is a first");
    first.or_else(|error| seen.find_map(Result::ok).ok_or(error))
}

/// The only file in `dir` with this extension, or of several the one with the usual name.
pub(super) fn one_file(dir: &Path, extension: &str, usual: &str, remedy: &str) -> Result<Option<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list the folder {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > 1 {
        let names: Vec<_> = files.iter().filter_map(|f| f.file_name()?.to_str()).collect();
        let Some(place) = names.iter().position(|name| *name == usual) else {
            bail!(
                "{} has several .{extension} files: {}; {remedy}",
                dir.display(),
                names.join(", ")
            )
        };
        return Ok(Some(files.swap_remove(place)));
    }
    Ok(files.pop())
}

/// `DIR/Public` where there is one, as in the challenge's archives.
fn preset_root(dir: &Path) -> PathBuf {
    let public = dir.join("Public");
    if public.is_dir() { public } else { dir.to_owned() }
}

fn preset_pattern(preset: &Preset, band: &str) -> Result<Pattern> {
    let file = preset
        .files
        .iter()
        .find(|(name, _)| *name == band)
        .map(|(_, file)| *file);
    let known = || {
        preset
            .files
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let file = file.with_context(|| format!("the preset {} has no band '{band}'; it has: {}", preset.name, known()))?;
    Ok(Pattern::parse(file, None)?.remove(0))
}

fn has_files(dir: &Path, preset: &Preset) -> Result<bool> {
    let root = preset_root(dir);
    for band in preset.bands {
        if !preset_pattern(preset, band)?.ids(&root)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
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
        images: Images::Bands {
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
            images: Images::Bands { root, patterns },
        });
    }
    let pattern = patterns.remove(0);
    let ids: BTreeSet<String> = pattern.ids(dir)?.into_iter().collect();
    if ids.is_empty() {
        bail!("no file in {} has a name like '{pattern}'", dir.display())
    }
    let (bands, select) = first_readable(ids.iter(), |id| bands_of(&pattern.file(dir, id), bands))?;
    Ok(FolderLayout {
        preset: None,
        bands,
        images: Images::Whole { root, pattern, select },
    })
}

/// The bands of files like this one: a cube's planes, else the extensions of these names, else all images in order.
fn bands_of(sample: &Path, bands: Option<&[String]>) -> Result<(Vec<String>, Select)> {
    let images = fits::describe(sample)?;
    let numbered = |n: usize| (1..=n).map(|i| format!("band{i}")).collect::<Vec<_>>();
    let same_count = |n: usize, what: &str| match bands {
        Some(bands) if bands.len() != n => {
            bail!(
                "{} has {n} {what}, but --bands names {}: {}",
                sample.display(),
                bands.len(),
                bands.join(", ")
            )
        }
        Some(bands) => Ok(bands.to_vec()),
        None => Ok(numbered(n)),
    };
    if images[0].planes > 1 {
        let planes = images[0].planes;
        return Ok((same_count(planes, "planes")?, Select::First { planes }));
    }
    let names: Vec<&str> = images.iter().filter_map(|i| i.name.as_deref()).collect();
    match bands {
        Some(bands)
            if names
                .iter()
                .any(|name| bands.iter().any(|band| fits::same_name(band, name))) =>
        {
            Ok((bands.to_vec(), Select::Named(bands.to_vec())))
        }
        None if names.len() == images.len() => {
            let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
            Ok((names.clone(), Select::Named(names)))
        }
        _ => Ok((same_count(images.len(), "images")?, Select::InOrder(images.len()))),
    }
}

fn stack(path: &Path, bands: Option<&[String]>) -> Result<FolderLayout> {
    let stack = Stack::open(path)?;
    let channels = stack.shape[3];
    let bands = match bands {
        Some(bands) if bands.len() != channels => bail!(
            "{} has {channels} channels, but --bands names {}: {}",
            path.display(),
            bands.len(),
            bands.join(", ")
        ),
        Some(bands) => bands.to_vec(),
        None => (1..=channels).map(|i| format!("band{i}")).collect(),
    };
    Ok(FolderLayout {
        preset: None,
        bands,
        images: Images::Stack(stack),
    })
}

impl Images {
    /// Height, width, and what the header says, without reading pixels.
    pub fn probe(&self, id: &str) -> Result<(usize, usize, Astrometry)> {
        let file = match self {
            Images::Stack(stack) => return Ok((stack.shape[1], stack.shape[2], Astrometry::default())),
            Images::Bands { root, patterns } => patterns[0].file(root, id),
            Images::Whole { root, pattern, .. } => pattern.file(root, id),
        };
        let image = &fits::describe(&file)?[0];
        Ok((image.height, image.width, image.sky))
    }

    /// Fills the cutout's bands; `index` counts the images of a stack. Images of another size are refused unless
    /// `crop` is set.
    pub fn fill(&self, cutout: &mut Cutout, index: usize, crop: bool, flux_scale: f64) -> Result<Astrometry> {
        let put = |cutout: &mut Cutout, band: usize, plane: &Plane, file: &Path| {
            if !crop && (plane.height, plane.width) != (cutout.height, cutout.width) {
                bail!(
                    "{} is {} x {} pixels where others are {} x {}; give --crop N to use the central N x N of each",
                    file.display(),
                    plane.width,
                    plane.height,
                    cutout.width,
                    cutout.height
                );
            }
            cutout
                .fill_band(band, plane, flux_scale)
                .with_context(|| format!("cannot use {}", file.display()))
        };
        match self {
            Images::Stack(stack) => {
                let [_, height, width, step] = stack.shape;
                let values = stack.read(index)?;
                for offset in 0..step {
                    let plane = Plane {
                        values: &values,
                        offset,
                        step,
                        width,
                        height,
                        integer: stack.integer,
                    };
                    put(cutout, offset, &plane, &stack.path)?;
                }
                Ok(Astrometry::default())
            }
            Images::Bands { root, patterns } => {
                let mut sky = Astrometry::default();
                for (band, pattern) in patterns.iter().enumerate() {
                    let file = pattern.file(root, &cutout.id);
                    let image = &fits::read(&file, &Select::First { planes: 1 })?[0];
                    put(cutout, band, &image.plane(0), &file)?;
                    sky = sky.or(image.sky);
                }
                Ok(sky)
            }
            Images::Whole { root, pattern, select } => {
                let file = pattern.file(root, &cutout.id);
                let images = fits::read(&file, select)?;
                let planes = images
                    .iter()
                    .flat_map(|image| (0..image.planes).map(|plane| image.plane(plane)));
                for (band, plane) in planes.enumerate() {
                    put(cutout, band, &plane, &file)?;
                }
                Ok(images
                    .iter()
                    .fold(Astrometry::default(), |sky, image| sky.or(image.sky)))
            }
        }
    }
}
