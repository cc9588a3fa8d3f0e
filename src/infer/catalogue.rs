//! The images of a folder to a catalogue of Einstein radii.

use super::details::details;
use super::journal::Journal;
use super::origin::Inputs;
use super::shard::{Part, Shard};
use super::stream::{NotPredicted, PredictedObject, open_parts, stream};
use super::{Error, Passes};
use crate::device::Device;
use crate::files;
use crate::model::Model;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::PredictiveDistribution;
use crate::posterior::metrics::{Metrics, ScoredPrediction};
use crate::posterior::mixture::Prediction;
use crate::progress::{Callback, chain, note, warn};
use crate::survey::infer_table::{InferRow, InferTable};
use crate::survey::label::{is_radius, is_value};
use crate::survey::table::provenance::Provenance;
use crate::survey::table::sidecar::Sidecar;
use crate::survey::table::{Cell, Column, ColumnType, TableWriter, partial, remove};
use crate::survey::{self, Catalogue, ImageFolderOptions, ImageParts, LensColumn, few, flags};
use std::path::{Path, PathBuf};

/// What to predict, and where to write it.
pub struct InferOptions {
    /// The images. Bands and crop that are not given are the model's.
    pub images: ImageFolderOptions,
    /// The catalogue to write; its extension is its format, see [`table`](crate::survey::table).
    pub output: PathBuf,
    /// What the headers of the catalogue, and the file beside it, say about its making; `None`: nothing.
    pub provenance: Option<Provenance>,
    /// Write each member's mean and variance as well.
    pub member_columns: bool,
    /// The catalogue's column with true Einstein radii (arcsec), to score the predictions.
    pub truth: Option<String>,
    /// How images pass through the network.
    pub passes: Passes,
    /// Take over what a run with the same inputs had predicted when it was stopped or killed, if there was one.
    pub resume: bool,
    /// Predict only these of the objects; [`merge`](mod@super::merge) joins the catalogues of all shards.
    pub shard: Option<Shard>,
}

/// What was predicted.
pub struct InferReport {
    /// The catalogue that was written; another one than asked for if the user stopped.
    pub output: PathBuf,
    /// Rows that were written.
    pub rows: usize,
    /// Objects in the folder, without `tables`; more than `rows` if the user stopped.
    pub objects: usize,
    /// Number of rows with each flag, in the order of [`flags::FLAGS`].
    pub flagged: Vec<usize>,
    /// Why images have no prediction, one message per image.
    pub unread: Vec<String>,
    /// Files among the images that are tables, and have no row.
    pub tables: Vec<String>,
    /// Rows whose true value is not used: it is not a positive number, or the object is not a lens.
    pub without_truth: usize,
    /// Predictions and true values, if there are any.
    pub scored: Vec<ScoredPrediction>,
    /// Their scores.
    pub metrics: Option<Metrics>,
}

impl InferReport {
    /// Whether the sky level or noise of most images lies outside the training range, as in another flux unit.
    pub fn other_flux_unit(&self) -> bool {
        2 * self.with_flag(flags::SKY) > self.rows
    }

    /// Rows of the catalogue that have no image.
    pub fn without_image(&self) -> usize {
        self.with_flag(flags::NO_IMAGE)
    }

    fn with_flag(&self, bit: i32) -> usize {
        let counts = flags::FLAGS.iter().zip(&self.flagged);
        counts.filter(|(flag, _)| flag.bit == bit).map(|(_, count)| count).sum()
    }
}

/// Unreadable objects that are named in a warning.
const FEW: usize = 5;

/// Predicts the Einstein radius of every image in a folder, and writes a catalogue. When `progress` asks to stop, or the
/// device fails, the rows so far are written to `OUTPUT.partial.EXTENSION`, and a catalogue from before stays as it was.
/// Until the catalogue is complete, `OUTPUT.EXTENSION.unfinished` has the predictions so far, which
/// [`resume`](InferOptions::resume) takes over.
///
/// # Errors
/// A folder whose images do not fit the model; an output that cannot be written, or is an input; a device that fails; a
/// run to resume that had other inputs. An image that cannot be read becomes a row with a flag, unless none can.
pub fn infer(
    model: &Model,
    device: &Device,
    options: &InferOptions,
    progress: &Callback,
) -> Result<InferReport, Error> {
    let source = ImageFolderOptions {
        require_labels: false,
        ..options.images.clone()
    };
    let source = open_parts(model, &source, progress)?;
    let folder = source.folder.clone();
    let model_file = provenance_model(options);
    let inputs = folder
        .catalogue
        .iter()
        .map(|catalogue| catalogue.path.as_path())
        .chain(model_file);
    let shared = folder.shared_files();
    let images = shared
        .iter()
        .map(|file| file.as_path())
        .chain([options.images.dir.as_path()]);
    files::check_inputs(&options.output, inputs.chain(images)).map_err(survey::Error::from)?;
    // The columns of a shard are those of all objects.
    let columns = Columns::new(model, &source, options)?;
    let table = columns.table(model);
    let inputs = Inputs::new(model, &options.images, options.passes, &source)?;
    let origin = inputs.of_run(&source, options.shard.unwrap_or(Shard::WHOLE));
    let part = match options.shard {
        Some(shard) if shard.of > source.len() => {
            return Err(Error::TooManyShards {
                shards: shard.of,
                objects: source.len(),
            });
        }
        Some(shard) => Some(Part {
            shard,
            objects: source.len(),
            origin: inputs.of_shards(&source),
        }),
        None => None,
    };
    let source = source.only(options.shard.unwrap_or(Shard::WHOLE).range(source.len()));
    let provenance = options.provenance.as_ref();
    let sidecar = Sidecar::create(&options.output, provenance)?;
    let partitions = source.partitions();
    let mut writer = TableWriter::partitioned(&options.output, table.columns(), provenance, partitions)?;
    writer.warnings().iter().for_each(|message| warn(progress, message));
    let mut report = InferReport {
        output: options.output.clone(),
        rows: 0,
        objects: source.len(),
        flagged: vec![0; flags::FLAGS.len()],
        unread: Vec::new(),
        tables: Vec::new(),
        without_truth: 0,
        scored: Vec::new(),
        metrics: None,
    };
    let mut journal = Journal::open(&options.output, &origin, options.resume)?;
    if options.resume {
        let message = format!("{} of {} objects were predicted before", journal.len(), source.len());
        note(progress, &message);
    }
    let known = journal.objects()?;
    let mut sink = |predicted: PredictedObject| {
        journal.add(&predicted.streamed, progress);
        columns.write(&mut writer, &table, model, &predicted, &mut report)
    };
    let streamed = stream(model, device, &source, options.passes, known, progress, &mut sink);
    match streamed {
        Err(Error::Model(source)) if source.is_device_failure() && report.rows > 0 => {
            return Err(Error::Partial {
                partial: writer.finish_partial()?.path,
                output: report.output,
                rows: report.rows,
                objects: report.objects,
                source: source.into(),
            });
        }
        streamed => streamed?,
    }
    let images = report.rows - report.without_image();
    if report.with_flag(flags::READ_ERROR) == images && images > 0 {
        journal.remove();
        return Err(Error::NothingReadable {
            images,
            first: report.unread.swap_remove(0),
        });
    }
    let stopped = report.rows < report.objects;
    let written = match stopped {
        true => writer.finish_partial()?,
        false => writer.finish()?,
    };
    report.output.clone_from(&written.path);
    written.warnings.iter().for_each(|message| warn(progress, message));
    if let Some(sidecar) = sidecar.filter(|_| !stopped) {
        sidecar.write(&written, details(model, &folder, options, part.as_ref(), &report))?;
    }
    if !stopped {
        journal.remove();
        if options.resume {
            // That of the run that was continued, if it was stopped; it says no more than this one.
            remove(&partial(&options.output));
        }
    }
    if !report.scored.is_empty() {
        report.metrics = Some(Metrics::new(&report.scored)?);
    }
    warn_about(model, &report, progress);
    Ok(report)
}

/// The file of the model, as far as it is known.
fn provenance_model(options: &InferOptions) -> Option<&Path> {
    let model = options.provenance.as_ref()?.model.as_ref()?;
    Some(Path::new(&model.path))
}

fn warn_about(model: &Model, report: &InferReport, progress: &Callback) {
    if !report.tables.is_empty() {
        let message = format!("tables among the images are left out: {}", few(&report.tables));
        note(progress, &message);
    }
    if report.without_truth > 0 {
        let reason = match model.network.takes_images() {
            true => "it is not a positive number, or the object is not a lens",
            false => "it is not a number",
        };
        let message = format!(
            "{} of {} rows have no true value: {reason}",
            report.without_truth, report.rows
        );
        note(progress, &message);
    }
    report.unread.iter().take(FEW).for_each(|reason| warn(progress, reason));
    if report.unread.len() > FEW {
        let more = report.unread.len() - FEW;
        warn(progress, &format!("and {more} more without a prediction"));
    }
    if report.other_flux_unit() {
        let message = format!(
            "the sky level or noise of {} of {} images lies outside the training range: \
             are the fluxes in another unit or zero point?",
            report.with_flag(flags::SKY),
            report.rows
        );
        warn(progress, &message);
    } else if 2 * report.with_flag(flags::OUT_OF_DISTRIBUTION) > report.rows {
        let message = format!(
            "{} of {} images are unlike the training images: the flag says little about single ones, but ood_score still \
             ranks them; `lensgpu calibrate` with labelled images of this kind sets the flag and the error bars for them",
            report.with_flag(flags::OUT_OF_DISTRIBUTION),
            report.rows
        );
        warn(progress, &message);
    }
}

/// The columns besides the prediction.
struct Columns {
    id: ColumnType,
    ra_dec: bool,
    members: bool,
    /// Columns of the user's catalogue that are passed through, and their places in it.
    passed: Vec<(usize, Column)>,
    truth: Option<Truth>,
}

/// Where the catalogue has true values.
struct Truth {
    column: usize,
    /// Of a catalogue of images.
    is_lens: Option<LensColumn>,
}

impl Truth {
    /// The true value of a row. Numbers that are not positive stand for an unknown Einstein radius, and objects that are
    /// no lenses have none.
    fn of_row(&self, catalogue: &Catalogue, row: usize) -> Option<f64> {
        let truth = catalogue.number(row, self.column);
        let known = match self.is_lens {
            Some(is_lens) => is_radius(truth) && is_lens.reason(catalogue, row).is_none(),
            None => is_value(truth),
        };
        known.then_some(truth)
    }
}

impl Columns {
    fn new(model: &Model, parts: &ImageParts, options: &InferOptions) -> Result<Columns, Error> {
        let source = &parts.folder;
        let ra_dec = source.may_have_positions();
        let catalogue = source.catalogue.as_ref();
        let truth = match (&options.truth, catalogue) {
            (Some(column), Some(catalogue)) => Some(Truth {
                column: catalogue
                    .column(column)
                    .map_err(|error| Error::TruthColumn(error.into()))?,
                is_lens: model.network.takes_images().then(|| LensColumn::find(catalogue)),
            }),
            (Some(column), None) => return Err(Error::NoCatalogue { column: column.clone() }),
            (None, _) => None,
        };
        let passed = catalogue.map_or(vec![], |c| {
            passed_columns(c, source.id_column, ra_dec && is_kept(c, parts))
        });
        Ok(Columns {
            id: parts.ids(),
            ra_dec,
            members: options.member_columns,
            passed,
            truth,
        })
    }

    fn table(&self, model: &Model) -> InferTable {
        InferTable {
            id: self.id.clone(),
            ra_dec: self.ra_dec,
            members: if self.members { model.members.len() } else { 0 },
            quantity: model.quantity(),
            column: model.prediction_column(),
            likelihood: model.network.heads().likelihood,
            p_lens: model.network.heads().lens.is_some(),
            pass_through: self.passed.iter().map(|(_, column)| column.clone()).collect(),
        }
    }

    fn write(
        &self,
        writer: &mut TableWriter,
        table: &InferTable,
        model: &Model,
        predicted: &PredictedObject,
        report: &mut InferReport,
    ) -> Result<(), Error> {
        let PredictedObject {
            folder: source,
            object,
            streamed,
        } = predicted;
        if let Err(NotPredicted::Unreadable(_)) = streamed.image
            && source.is_table(object)
        {
            report.tables.push(object.id.clone());
            report.objects -= 1;
            return Ok(());
        }
        let forecast = streamed.forecast(model.about.calibration.as_ref());
        let prediction = forecast
            .as_ref()
            .map_or(Prediction::UNKNOWN, PredictiveDistribution::prediction);
        let flags = streamed.flags(model, prediction.interval());
        let none = MemberPredictions::default();
        let (cutout, members, ood_score) = match &streamed.image {
            Ok(image) => (Some(&image.facts.cutout), &image.members, image.ood_score(model)),
            Err(_) => (None, &none, None),
        };
        if object.has_image() {
            report.unread.extend(forecast.as_ref().err().map(|error| chain(error)));
        }
        let passed: Vec<Cell> = match (&source.catalogue, object.row) {
            (Some(catalogue), Some(row)) => self.passed.iter().map(|(c, _)| catalogue.cell(row, *c)).collect(),
            _ => vec![],
        };
        let row = table.row(&InferRow {
            id: &object.id,
            ra_dec: match cutout {
                Some(cutout) => cutout.ra.zip(cutout.dec),
                None => source.catalogue_position(object),
            },
            prediction,
            p_lens: members.p_lens(),
            ood_score,
            flags,
            mu: &members.mu,
            var: &members.var,
            pass_through: &passed,
        });
        writer.push(&row).map_err(|source| Error::Row {
            object: object.id.clone(),
            source: source.into(),
        })?;
        report.rows += 1;
        for (count, flag) in report.flagged.iter_mut().zip(&flags::FLAGS) {
            *count += usize::from(flags & flag.bit != 0);
        }
        if let (Some(truth), Some(row), Ok(forecast), Some(catalogue)) =
            (&self.truth, object.row, forecast, &source.catalogue)
        {
            match truth.of_row(catalogue, row) {
                Some(truth) => report.scored.push(ScoredPrediction::new(truth, &forecast)),
                None => report.without_truth += 1,
            }
        }
        Ok(())
    }
}

/// Every column except the id, and the position if that of the output is the same.
fn passed_columns(catalogue: &Catalogue, ids: Option<usize>, same_position: bool) -> Vec<(usize, Column)> {
    let positions = catalogue.positions().filter(|_| same_position);
    let own: Vec<usize> = ids
        .into_iter()
        .chain(positions.into_iter().flat_map(|(ra, dec)| [ra, dec]))
        .collect();
    let columns = (0..catalogue.columns.len()).filter(|i| !own.contains(i));
    columns.map(|i| (i, catalogue.described(i))).collect()
}

/// Whether the columns `ra` and `dec` of the output have all that the catalogue's columns of positions have: they have the
/// same names, and degrees in every row that is not empty.
fn is_kept(catalogue: &Catalogue, parts: &ImageParts) -> bool {
    let named = |column: usize, name: &str| catalogue.columns[column].eq_ignore_ascii_case(name);
    let same = |(ra, dec)| named(ra, "ra") && named(dec, "dec");
    catalogue.positions().is_some_and(same) && parts.in_degrees()
}
