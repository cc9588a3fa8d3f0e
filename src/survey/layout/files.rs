//! Files by a name pattern: one per object with all its bands, or one per object and band.

use std::collections::BTreeSet;
use std::path::Path;

use super::{FolderLayout, first_readable, names, pictures};
use crate::survey::bands::{BandChoice, BandReader, FileSummary};
use crate::survey::error::{Error, Result};
use crate::survey::folder::{FolderError, ImageFolderOptions};
use crate::survey::images::Images;
use crate::survey::pattern::{Pattern, is_hidden};
use crate::survey::picture;

/// Whether a file has a name like this pattern, in any of the bands.
pub(super) fn has_any(dir: &Path, text: &str, bands: Option<&[String]>) -> Result<bool> {
    let bands = bands.map(BandChoice::all).transpose().map_err(FolderError::Bands)?;
    let in_files: Option<Vec<String>> = bands.map(|all| all.into_iter().map(|band| band.file).collect());
    for pattern in Pattern::parse(text, in_files.as_deref())? {
        if !pattern.ids(dir)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Endings of FITS files.
const FITS_ENDINGS: [&str; 6] = [".fits", ".fits.fz", ".fits.gz", ".fit", ".fits.gzip", ".FITS"];

/// How many files of a folder have each of the endings.
fn count_endings(dir: &Path) -> Result<[usize; FITS_ENDINGS.len()]> {
    let mut counts = [0; FITS_ENDINGS.len()];
    for entry in std::fs::read_dir(dir).map_err(Error::list_folder(dir))? {
        let name = entry.map_err(Error::list_folder(dir))?.file_name();
        if is_hidden(&name) {
            continue;
        }
        let name = name.to_string_lossy();
        if let Some(ending) = FITS_ENDINGS.iter().position(|ending| name.ends_with(ending)) {
            counts[ending] += 1;
        }
    }
    Ok(counts)
}

/// The pattern of one file per object, with the ending that most files of the folder have.
pub(in crate::survey) fn usual_pattern(dir: &Path) -> Result<Option<String>> {
    let counts = count_endings(dir)?;
    let most = (0..counts.len()).max_by_key(|&ending| (counts[ending], counts.len() - ending));
    let most = most.filter(|&ending| counts[ending] > 0);
    Ok(most.map(|ending| format!("{{id}}{}", FITS_ENDINGS[ending])))
}

/// Usual names of files that hold one band each, without their ending: in one folder, and in a folder per band.
const BAND_NAMES: [[&str; 4]; 2] = [
    ["{id}_{band}", "{id}-{band}", "{band}_{id}", "{band}-{id}"],
    [
        "{band}/{id}",
        "{band}/{id}_{band}",
        "{band}/{band}_{id}",
        "{band}/{band}-{id}",
    ],
];

/// The one pattern among the usual ones by which an object has a file in each of the bands; `None` if there are several.
pub(super) fn usual_band_pattern(dir: &Path, bands: &[BandChoice]) -> Result<Option<String>> {
    let in_files: Vec<String> = bands.iter().map(|band| band.file.clone()).collect();
    let Some(first) = in_files.first() else {
        return Ok(None);
    };
    let mut found = Vec::new();
    let folders = [dir.to_path_buf(), dir.join(first)];
    for (folder, names) in folders.iter().zip(BAND_NAMES).filter(|(folder, _)| folder.is_dir()) {
        // A large folder is listed once for its endings, and then for these only.
        let counts = count_endings(folder)?;
        let endings = FITS_ENDINGS.iter().zip(counts).filter(|(_, count)| *count > 0);
        for (ending, name) in endings.flat_map(|(ending, _)| names.map(|name| (ending, name))) {
            let text = format!("{name}{ending}");
            let patterns = Pattern::parse(&text, Some(&in_files))?;
            let has_all = |id: &String| patterns.iter().all(|pattern| pattern.file(dir, id).is_file());
            if patterns[0].ids(dir)?.iter().any(has_all) {
                found.push(text);
            }
        }
    }
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// Whether files of this pattern are those of a known survey, with all bands of an object in one file.
pub(super) fn holds_all_bands(dir: &Path, pattern: &str, bands: Option<&[BandChoice]>) -> bool {
    let sample = || -> Result<FileSummary> {
        let pattern = Pattern::parse(pattern, None)?.remove(0);
        let ids = pattern.ids(dir)?;
        first_readable(ids.iter(), |id| FileSummary::read(&pattern.file(dir, id)))
    };
    let one_is_needed = bands.is_some_and(|bands| bands.len() == 1);
    sample().is_ok_and(|file| file.preset.is_some() && (file.bands > 1 || one_is_needed))
}

/// The files that a pattern names.
pub(super) fn by_pattern(
    options: &ImageFolderOptions,
    text: &str,
    bands: Option<Vec<BandChoice>>,
) -> Result<FolderLayout> {
    let dir = &options.dir;
    let in_files: Option<Vec<String>> = bands
        .as_ref()
        .map(|all| all.iter().map(|band| band.file.clone()).collect());
    let mut patterns = Pattern::parse(text, in_files.as_deref())?;
    let ids: BTreeSet<String> = patterns[0].ids(dir)?.into_iter().collect();
    let ending = text.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if picture::EXTENSIONS.contains(&ending.as_str()) {
        return pictures::open(options, patterns, bands, &ids);
    }
    if text.contains("{band}") {
        return one_per_band(options, patterns, bands.unwrap_or_default(), &ids);
    }
    let pattern = patterns.remove(0);
    match ids.is_empty() {
        true => Err(FolderError::NoMatch {
            path: dir.clone(),
            pattern: pattern.to_string(),
        }
        .into()),
        false => one_per_object(options, pattern, bands, &ids),
    }
}

/// How many files are read to see whether their bands have the same names.
const SAMPLES: usize = 3;

fn one_per_object(
    options: &ImageFolderOptions,
    pattern: Pattern,
    bands: Option<Vec<BandChoice>>,
    ids: &BTreeSet<String>,
) -> Result<FolderLayout> {
    let dir = &options.dir;
    let (sample, summary) = first_readable(ids.iter(), |id| {
        let file = pattern.file(dir, id);
        Ok((file.clone(), FileSummary::read(&file)?))
    })?;
    let reader = BandReader::new(&options.pixels, options.preset.or(summary.preset));
    let bands = match bands {
        Some(bands) => bands,
        None => {
            // A name that another file does not have is that of the object.
            let others = ids
                .iter()
                .filter_map(|id| FileSummary::read(&pattern.file(dir, id)).ok());
            let same = others.take(SAMPLES).all(|other| other.same_names(&summary));
            let names = if same { summary.band_names() } else { summary.unnamed() };
            BandChoice::all(&names).map_err(FolderError::Bands)?
        }
    };
    let (photometry, remark) = first_readable(ids.iter(), |id| reader.sample(&pattern.file(dir, id), &bands))?;
    let mut warnings: Vec<String> = summary.left_out_warning(&sample).into_iter().collect();
    warnings.extend(remark.map(|remark| remark.warning(&sample, &bands)));
    Ok(FolderLayout {
        preset: reader.preset,
        bands: names(&bands),
        photometry,
        notes: preset_note(options, &reader),
        warnings,
        images: Images::PerObject {
            root: dir.clone(),
            pattern,
            bands,
            reader,
        },
    })
}

fn one_per_band(
    options: &ImageFolderOptions,
    patterns: Vec<Pattern>,
    bands: Vec<BandChoice>,
    ids: &BTreeSet<String>,
) -> Result<FolderLayout> {
    let dir = &options.dir;
    let summaries = ids.iter().find_map(|id| {
        let files = patterns.iter().map(|pattern| pattern.file(dir, id));
        let read = |file: std::path::PathBuf| Some((file.clone(), FileSummary::read(&file).ok()?));
        files.map(read).collect::<Option<Vec<_>>>()
    });
    let summaries = summaries.unwrap_or_default();
    let preset = options
        .preset
        .or(summaries.first().and_then(|(_, summary)| summary.preset));
    let reader = BandReader::new(&options.pixels, preset);
    let left_out = summaries
        .iter()
        .find_map(|(file, summary)| summary.left_out_warning(file));
    let mut warnings: Vec<String> = left_out.into_iter().collect();
    for ((file, summary), band) in summaries.iter().zip(&bands) {
        warnings.extend(summary.other_band_warning(file, band, &bands));
    }
    let files = summaries.iter().zip(&bands);
    let zero_points = files
        .map(|((file, _), band)| reader.only_zero_point(file, band).ok().flatten())
        .collect();
    Ok(FolderLayout {
        preset,
        bands: names(&bands),
        photometry: reader.as_read(zero_points),
        notes: preset_note(options, &reader),
        warnings,
        images: Images::PerBand {
            root: dir.clone(),
            patterns,
            bands,
            reader,
        },
    })
}

/// Says which survey's conventions are followed, if the user did not name it.
fn preset_note(options: &ImageFolderOptions, reader: &BandReader) -> Vec<String> {
    let detected = reader.preset.filter(|_| options.preset.is_none());
    let note =
        |preset: &crate::survey::Preset| format!("the files are read as those of {} ({})", preset.name, preset.summary);
    detected.map(note).into_iter().collect()
}
