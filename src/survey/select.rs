//! Which objects are used: rows of the catalogue that have images and, for training, a label.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::ImageFolderOptions;
use super::catalogue::Catalogue;
use super::layout::{FolderLayout, Images, one_file};
use super::preset::Preset;

/// An object that has all its images.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub id: String,
    /// The label, arcsec.
    pub theta_e: Option<f64>,
    /// Its row in the catalogue, where it has one.
    pub row: Option<usize>,
    /// Which image of a stack it is.
    pub(super) image: usize,
}

/// How many rows of a catalogue are not used, for which reason.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DropReport {
    pub rows: usize,
    pub kept: usize,
    pub reasons: BTreeMap<String, usize>,
}

impl DropReport {
    fn drop(&mut self, reason: &str) {
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

impl fmt::Display for DropReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} of {} rows used", self.kept, self.rows)?;
        for (i, (reason, count)) in self.reasons.iter().enumerate() {
            write!(f, "{} {count} {reason}", if i == 0 { "; dropped:" } else { "," })?;
        }
        Ok(())
    }
}

/// The objects to use, in the catalogue's order, or in that of their ids where there is none.
pub(super) struct Selection {
    pub objects: Vec<Object>,
    pub catalogue: Option<Catalogue>,
    pub label: Option<String>,
    pub dropped: DropReport,
    pub warnings: Vec<String>,
}

pub(super) const DEFAULT_LABEL: &str = "theta_e";
const NOT_A_LENS: &str = "not a lens";
const NO_IMAGE: &str = "without an image";

impl Selection {
    /// Rows of the catalogue with a label; an object without an image is dropped with a survey's preset (a download in
    /// progress) and an error otherwise (a wrong name pattern).
    pub fn labelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let catalogue = match find_catalogue(options)? {
            Some(path) => Catalogue::read(&path)?,
            None => bail!(
                "{} has no .csv with the labels; name one with --catalogue",
                options.dir.display()
            ),
        };
        let ids = catalogue.column(options.id_name(), "--id-column")?;
        catalogue.rows_by_id(ids)?;
        let labels = Labels::new(options, layout.preset, &catalogue)?;
        let present = Present::new(&layout.images, catalogue.len(), &catalogue.path)?;
        let mut dropped = DropReport {
            rows: catalogue.len(),
            ..Default::default()
        };
        let (mut objects, mut absent) = (Vec::new(), Vec::new());
        for row in 0..catalogue.len() {
            if let Some(reason) = labels.unusable(&catalogue, row) {
                dropped.drop(&reason);
                continue;
            }
            let id = catalogue.text(row, ids);
            if !present.has(id)? {
                dropped.drop(NO_IMAGE);
                absent.push(row);
                continue;
            }
            let theta_e = labels.theta_e(&catalogue, row).with_context(|| {
                format!(
                    "{}: object {id} cannot be trained on; correct the row or remove it",
                    catalogue.place(row)
                )
            })?;
            objects.push(Object {
                id: id.to_owned(),
                theta_e: Some(theta_e),
                row: Some(row),
                image: row,
            });
        }
        if layout.preset.is_none()
            && let Some(&first) = absent.first()
        {
            let id = catalogue.text(first, ids);
            let more = if absent.len() > 1 {
                format!(" (nor have {} more)", absent.len() - 1)
            } else {
                String::new()
            };
            bail!(
                "{}: object {id} has no image{more}: there is no {}; add the file or remove the row",
                catalogue.place(first),
                present.file(id)
            );
        }
        dropped.kept = objects.len();
        if objects.is_empty() {
            bail!("no row of {} can be used: {dropped}", catalogue.path.display());
        }
        let without_row = present.not_in(catalogue.rows_by_id(ids)?.keys().copied());
        let warnings = warn_without_row(without_row, &catalogue);
        Ok(Selection {
            objects,
            catalogue: Some(catalogue),
            label: Some(labels.name),
            dropped,
            warnings,
        })
    }

    /// All images there are; a catalogue given by the user adds its columns. Only a stack takes its ids from it.
    pub fn unlabelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let path = match &layout.images {
            Images::Stack(_) => find_catalogue(options)?,
            _ => options.catalogue.clone(),
        };
        let catalogue = path.map(|path| Catalogue::read(&path)).transpose()?;
        let mut selection = Selection {
            objects: Vec::new(),
            catalogue: None,
            label: None,
            dropped: DropReport::default(),
            warnings: Vec::new(),
        };
        if let Images::Stack(stack) = &layout.images
            && catalogue.is_none()
        {
            let object = |image: usize| Object {
                id: image.to_string(),
                theta_e: None,
                row: None,
                image,
            };
            selection.objects = (0..stack.shape[0]).map(object).collect();
            return Ok(selection);
        }
        let source = catalogue.as_ref().map_or(options.dir.as_path(), |c| &c.path);
        let present = Present::new(&layout.images, catalogue.as_ref().map_or(0, Catalogue::len), source)?;
        let rows = match &catalogue {
            Some(catalogue) => catalogue.rows_by_id(catalogue.column(options.id_name(), "--id-column")?)?,
            None => Default::default(),
        };
        if let Present::Stack = present {
            let mut rows: Vec<_> = rows.into_iter().collect();
            rows.sort_by_key(|&(_, row)| row);
            let object = |(id, row): (&str, usize)| Object {
                id: id.into(),
                theta_e: None,
                row: Some(row),
                image: row,
            };
            selection.objects = rows.into_iter().map(object).collect();
        } else {
            for id in present.ids() {
                present.has(&id)?;
                let row = rows.get(id.as_str()).copied();
                selection.objects.push(Object {
                    id,
                    theta_e: None,
                    row,
                    image: 0,
                });
            }
            if selection.objects.is_empty() {
                bail!(
                    "{} has no images: there is nothing like {}",
                    options.dir.display(),
                    present.file("ID")
                );
            }
        }
        if let Some(catalogue) = catalogue {
            let kept = selection.objects.iter().filter(|o| o.row.is_some()).count();
            selection.dropped = DropReport {
                rows: catalogue.len(),
                kept,
                ..Default::default()
            };
            for _ in kept..catalogue.len() {
                selection.dropped.drop(NO_IMAGE);
            }
            selection.warnings = warn_without_row(selection.objects.len() - kept, &catalogue);
            selection.catalogue = Some(catalogue);
        }
        Ok(selection)
    }
}

fn warn_without_row(count: usize, catalogue: &Catalogue) -> Vec<String> {
    let name = catalogue.path.display();
    if count > 0 {
        vec![format!("{count} objects have images but no row in {name}")]
    } else {
        Vec::new()
    }
}

fn find_catalogue(options: &ImageFolderOptions) -> Result<Option<PathBuf>> {
    if options.catalogue.is_some() {
        return Ok(options.catalogue.clone());
    }
    let remedy = "name one with --catalogue";
    let dir = &options.dir;
    let usual = if dir.join("classifications.csv").is_file() {
        "classifications.csv"
    } else {
        "catalogue.csv"
    };
    let here = one_file(dir, "csv", usual, remedy)?;
    // The challenge's images are in DIR/Public, its catalogue is in DIR: either may be given.
    let above = dir
        .parent()
        .filter(|_| dir.file_name().is_some_and(|name| name == "Public"));
    match (here, above) {
        (None, Some(above)) => one_file(above, "csv", "classifications.csv", remedy),
        (here, _) => Ok(here),
    }
}

/// How a row's label is found, and which rows have none that can be used.
struct Labels {
    name: String,
    column: usize,
    /// The column is the area inside the critical curve, steradians.
    area: bool,
    is_lens: Option<usize>,
    lensed_pixels: Option<(usize, f64)>,
}

impl Labels {
    fn new(options: &ImageFolderOptions, preset: Option<&Preset>, catalogue: &Catalogue) -> Result<Labels> {
        let Some(preset) = preset else {
            let name = options.label.clone().unwrap_or_else(|| DEFAULT_LABEL.to_owned());
            let column = catalogue.column(&name, "--label")?;
            return Ok(Labels {
                name,
                column,
                area: false,
                is_lens: None,
                lensed_pixels: None,
            });
        };
        let (name, column) = match &options.label {
            Some(label) => (label.clone(), catalogue.column(label, "--label")?),
            None => (preset.label.to_owned(), catalogue.column("Einstein_area", "--label")?),
        };
        let lensed_pixels = match &options.label {
            Some(_) => catalogue.find("numb_pix_lensed_image"),
            None => Some(catalogue.column("numb_pix_lensed_image", "--catalogue (a file that has it)")?),
        };
        let is_lens = match &options.label {
            Some(_) => catalogue.find("is_lens"),
            None => Some(catalogue.column("is_lens", "--catalogue (a file that has it)")?),
        };
        let lensed_pixels = lensed_pixels.map(|column| (column, preset.min_lensed_pixels));
        Ok(Labels {
            name,
            column,
            area: options.label.is_none(),
            is_lens,
            lensed_pixels,
        })
    }

    fn unusable(&self, catalogue: &Catalogue, row: usize) -> Option<String> {
        if self.is_lens.is_some_and(|column| catalogue.number(row, column) != 1.0) {
            return Some(NOT_A_LENS.to_owned());
        }
        let (column, least) = self.lensed_pixels?;
        // A number that is missing (NaN) counts as too few.
        let enough = catalogue.number(row, column) >= least;
        (!enough).then(|| format!("with fewer than {least} lensed pixels"))
    }

    fn theta_e(&self, catalogue: &Catalogue, row: usize) -> Result<f64> {
        let value = catalogue.number(row, self.column);
        let theta_e = if self.area { theta_e_from_area(value) } else { value };
        if !(theta_e.is_finite() && theta_e > 0.0) {
            let (column, text) = (&catalogue.columns[self.column], catalogue.text(row, self.column));
            bail!("its label, column '{column}', is '{text}'; a positive number is needed");
        }
        Ok(theta_e)
    }
}

/// Radius, arcsec, of the circle with this area in steradians.
pub fn theta_e_from_area(steradians: f64) -> f64 {
    (steradians / std::f64::consts::PI).sqrt().to_degrees() * 3600.0
}

/// Which files are there.
enum Present<'a> {
    Stack,
    Files {
        root: &'a Path,
        files: Vec<(&'a super::pattern::Pattern, HashSet<String>)>,
    },
}

impl<'a> Present<'a> {
    /// For a stack, checks that there is a row for each image; `catalogue` is named where there is not.
    fn new(images: &'a Images, rows: usize, catalogue: &Path) -> Result<Self> {
        let (root, patterns) = match images {
            Images::Stack(stack) if stack.shape[0] != rows => bail!(
                "{} has {} images, but {} has {rows} rows; it must have one for each image, in the same order",
                stack.path.display(),
                stack.shape[0],
                catalogue.display()
            ),
            Images::Stack(_) => return Ok(Present::Stack),
            Images::Bands { root, patterns } => (root, patterns.as_slice()),
            Images::Whole { root, pattern, .. } => (root, std::slice::from_ref(pattern)),
        };
        let files = patterns.iter().map(|p| Ok((p, p.ids(root)?))).collect::<Result<_>>()?;
        Ok(Present::Files { root, files })
    }

    /// False where the object has no image at all; one that lacks a band is an error.
    fn has(&self, id: &str) -> Result<bool> {
        let Present::Files { root, files } = self else {
            return Ok(true);
        };
        let missing = files.iter().find(|(_, ids)| !ids.contains(id));
        match missing {
            Some((pattern, _)) if files.iter().any(|(_, ids)| ids.contains(id)) => bail!(
                "object {id} has images, but {} is missing; add it, or remove the object's other files",
                pattern.file(root, id).display()
            ),
            Some(_) => Ok(false),
            None => Ok(true),
        }
    }

    /// The ids that have a file, shorter ones first, so that numbers are in order.
    fn ids(&self) -> Vec<String> {
        let Present::Files { files, .. } = self else {
            return Vec::new();
        };
        let all: HashSet<&String> = files.iter().flat_map(|(_, ids)| ids).collect();
        let mut all: Vec<String> = all.into_iter().cloned().collect();
        all.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        all
    }

    fn not_in<'b>(&self, ids: impl Iterator<Item = &'b str>) -> usize {
        let known: HashSet<&str> = ids.collect();
        self.ids().iter().filter(|id| !known.contains(id.as_str())).count()
    }

    fn file(&self, id: &str) -> String {
        match self {
            Present::Stack => "image in the stack".into(),
            Present::Files { root, files } => files[0].0.file(root, id).display().to_string(),
        }
    }
}
