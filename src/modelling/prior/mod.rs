//! Priors on the Einstein radius for programs that model lenses, in the convention and the file format of each.
//!
//! | file | contents |
//! |---|---|
//! | this one | from a catalogue of predictions to files |
//! | `radius` | from the quantiles of a prediction to a prior |
//! | `pyautolens`, `lenstronomy`, `coolest` | the content of a file |
//! | `file_name` | names of files from ids |

mod coolest;
mod file_name;
mod lenstronomy;
mod pyautolens;
mod radius;

pub use radius::{PriorShape, RadiusPrior};

use super::masses::Masses;
use super::objects::{Object, Objects};
use super::{Error, LeftOut, MassOptions, PredictionOptions};
use crate::files::{self, NewFolder};
use crate::lens::physics::convention::{Convention, Uncertain};
use crate::progress::{Callback, Event, Phase, note, warn};
use crate::survey::Catalogue;
use crate::survey::table::provenance::Provenance;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A program and its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder with one JSON file per object, which `autofit.Model.from_json` loads.
    PyAutoLens,
    /// One JSON file with the arguments of lenstronomy's fitting sequence for each object.
    Lenstronomy,
    /// A folder with one COOLEST template per object.
    Coolest,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::PyAutoLens, Format::Lenstronomy, Format::Coolest];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Format::PyAutoLens => "pyautolens",
            Format::Lenstronomy => "lenstronomy",
            Format::Coolest => "coolest",
        }
    }

    /// One line for readers.
    pub fn summary(self) -> &'static str {
        match self {
            Format::PyAutoLens => "a folder with a JSON file per object, for af.Model.from_json",
            Format::Lenstronomy => "a JSON file with kwargs_params and kwargs_likelihood of each object",
            Format::Coolest => "a folder with a COOLEST template per object",
        }
    }

    /// What the program means by the Einstein radius.
    pub fn convention(self) -> Convention {
        match self {
            Format::PyAutoLens => Convention::PyAutoLens,
            Format::Lenstronomy | Format::Coolest => Convention::Intermediate,
        }
    }
}

/// The mass profile that the prior is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassProfile {
    /// PyAutoLens' PowerLaw, lenstronomy's EPL, COOLEST's PEMD.
    PowerLaw,
    /// PyAutoLens' Isothermal, lenstronomy's SIE, COOLEST's SIE.
    Isothermal,
}

impl MassProfile {
    /// All of them.
    pub const ALL: [MassProfile; 2] = [MassProfile::PowerLaw, MassProfile::Isothermal];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            MassProfile::PowerLaw => "power-law",
            MassProfile::Isothermal => "isothermal",
        }
    }

    /// One line for readers.
    pub fn summary(self) -> &'static str {
        match self {
            MassProfile::PowerLaw => "PyAutoLens' PowerLaw, lenstronomy's EPL, COOLEST's PEMD",
            MassProfile::Isothermal => "PyAutoLens' Isothermal, SIE of lenstronomy and COOLEST: the slope is 2",
        }
    }
}

/// What to write.
#[derive(Clone, Debug)]
pub struct PriorOptions {
    /// The catalogue and its rows.
    pub predictions: PredictionOptions,
    /// The program.
    pub format: Format,
    /// The mass profile.
    pub mass: MassProfile,
    /// The shape of the prior.
    pub shape: PriorShape,
    /// Axis ratios and slopes, columns of the catalogue.
    pub masses: MassOptions,
    /// The sigma of rows with accepted flags is multiplied by this; at least 1.
    pub widen: f64,
    /// Size of a pixel, arcsec; COOLEST only.
    pub pixel_scale: Option<f64>,
    /// A new or empty folder, or for [`Format::Lenstronomy`] a file.
    pub output: PathBuf,
    /// What made the files.
    pub provenance: Provenance,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct PriorReport {
    /// Rows of the catalogue.
    pub rows: usize,
    /// Objects with a prior.
    pub written: usize,
    /// How many of them have flags, and so a wider prior.
    pub widened: usize,
    /// Rows that have no prior.
    pub left_out: LeftOut,
    /// What theta_e means in the catalogue.
    pub convention: Convention,
    /// Where that is known from.
    pub convention_source: &'static str,
    /// Mean factor by which the radii were converted to the convention of the program.
    pub factor: f64,
    /// Mean relative standard deviation that the conversion adds.
    pub factor_error: f64,
    /// Objects whose prediction is closer to a log-normal than to a normal distribution.
    pub log_normal: usize,
}

/// One object as a file has it.
struct Entry<'a> {
    id: &'a str,
    prior: RadiusPrior,
    mass: MassProfile,
    /// Slope of the mass; 2 if it is isothermal.
    slope: Uncertain,
    flags: i32,
    /// Right ascension and declination, degrees, if they are known.
    position: Option<[f64; 2]>,
}

/// Writes a prior for every row with a prediction.
///
/// # Errors
/// A catalogue that cannot be read or used; numbers that are impossible; ids that are empty or repeated; an output that
/// exists or cannot be written; [`Error::Stopped`]. Nothing is written then.
pub fn write_priors(options: &PriorOptions, progress: &Callback) -> Result<PriorReport, Error> {
    check(options)?;
    let catalogue = Catalogue::read(&options.predictions.catalogue)?;
    catalogue.notes.iter().for_each(|message| note(progress, message));
    catalogue.warnings.iter().for_each(|message| warn(progress, message));
    files::check_inputs(&options.output, [catalogue.path.as_path()])?;
    let objects = Objects::new(&catalogue, &options.predictions)?;
    objects.check_ids()?;
    let conventions = [objects.convention, options.format.convention()];
    let isothermal = options.mass == MassProfile::Isothermal;
    let masses = Masses::new(&catalogue, &options.masses, isothermal, conventions)?;

    let ratio = |object: &Object| masses.log_ratio(object.row);
    let ratios: Vec<[f64; 2]> = objects.objects.par_iter().map(ratio).collect::<Result<_, _>>()?;
    let mut report = PriorReport {
        rows: catalogue.len(),
        written: 0,
        widened: 0,
        left_out: objects.left_out.clone(),
        convention: objects.convention,
        convention_source: objects.convention_source,
        factor: mean(ratios.iter().map(|ratio| ratio[0])).exp(),
        factor_error: mean(ratios.iter().map(|ratio| ratio[1])),
        log_normal: 0,
    };
    let positions = ["ra", "dec"].map(|name| catalogue.find(name));
    let mut output = Output::create(options)?;
    for (object, ratio) in objects.objects.iter().zip(ratios) {
        let row = object.row;
        let Some(prior) = RadiusPrior::of_quantiles(options.shape, object.quantiles) else {
            report.left_out.without_prediction += 1;
            continue;
        };
        report.log_normal += usize::from(RadiusPrior::is_log_normal(object.quantiles));
        report.widened += usize::from(object.flags != 0);
        let widen = if object.flags == 0 { 1.0 } else { options.widen };
        let position = positions.map(|column| column.map_or(f64::NAN, |column| catalogue.number(row, column)));
        let entry = Entry {
            id: &objects.id(row),
            prior: prior.converted(ratio).widened(widen),
            mass: options.mass,
            slope: masses.slope(row)?,
            flags: object.flags,
            position: position.iter().all(|angle| angle.is_finite()).then_some(position),
        };
        output.push(&entry)?;
        report.written += 1;
        let advanced = Event::Advanced {
            phase: Phase::Modelling,
            done: report.written,
            total: objects.objects.len(),
        };
        if progress(advanced).is_break() && report.written < objects.objects.len() {
            return Err(Error::Stopped {
                output: options.output.clone(),
            });
        }
    }
    output.finish(&report)?;
    Ok(report)
}

fn check(options: &PriorOptions) -> Result<(), Error> {
    let widen = options.widen;
    if !(1.0..=100.0).contains(&widen) {
        return Err(Error::Number {
            what: "factor for flagged rows",
            value: widen,
            allowed: "from 1 to 100",
        });
    }
    match options.pixel_scale {
        None if options.format == Format::Coolest => Err(Error::NoPixelScale),
        Some(value) if !(value > 0.0 && value.is_finite()) => Err(Error::Number {
            what: "pixel scale",
            value,
            allowed: "a positive number of arcsec",
        }),
        _ => Ok(()),
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len();
    numbers.sum::<f64>() / count as f64
}

/// The files being written.
struct Output<'a> {
    options: &'a PriorOptions,
    kind: Kind,
}

enum Kind {
    /// One file per object.
    Folder(NewFolder),
    /// All objects, by their ids.
    File(Map<String, Value>),
}

impl<'a> Output<'a> {
    fn create(options: &'a PriorOptions) -> Result<Output<'a>, Error> {
        let kind = match options.format {
            Format::Lenstronomy => {
                files::check(&options.output)?;
                Kind::File(Map::new())
            }
            Format::PyAutoLens | Format::Coolest => Kind::Folder(NewFolder::staged(&options.output)?),
        };
        Ok(Output { options, kind })
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Error> {
        let made = self.made();
        let content = match self.options.format {
            Format::PyAutoLens => pyautolens::model(entry, made),
            Format::Lenstronomy => lenstronomy::arguments(entry),
            Format::Coolest => coolest::template(entry, self.options.pixel_scale, made),
        };
        match &mut self.kind {
            Kind::File(objects) => {
                objects.insert(entry.id.into(), content);
                Ok(())
            }
            Kind::Folder(folder) => {
                let path = folder.path().join(file_name::of(entry.id));
                write_new(&path, &content).map_err(|source| {
                    // The hidden folder is none of the user's.
                    let shown = self.options.output.join(file_name::of(entry.id));
                    files::Error::write(&shown)(source).into()
                })
            }
        }
    }

    /// What made the files.
    fn made(&self) -> Value {
        let provenance = &self.options.provenance;
        json!({
            "program": provenance.program,
            "date": provenance.date,
            "command": provenance.command,
            "catalogue": self.options.predictions.catalogue,
        })
    }

    fn finish(self, report: &PriorReport) -> Result<(), Error> {
        let mut made = self.made();
        match self.kind {
            Kind::Folder(folder) => Ok(folder.keep()?),
            Kind::File(objects) => {
                made["format"] = "lensgpu-lenstronomy".into();
                made["convention"] = report.convention.name().into();
                made["objects"] = objects.into();
                let text = serde_json::to_vec_pretty(&made).map_err(io::Error::from);
                let write = |file: &mut fitsio_pure::io::AtomicFile| file.write_all(&text?);
                Ok(files::write_atomic(&self.options.output, write)?)
            }
        }
    }
}

/// Names that differ only in the case of letters are one on some systems, so an existing file is an error.
fn write_new(path: &Path, content: &Value) -> io::Result<()> {
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(&serde_json::to_vec_pretty(content)?)?;
    file.write_all(b"\n")
}
