//! A model and a folder of images to a catalogue. Images are read ahead by threads and forgotten once answered: memory
//! stays flat however many there are.

pub mod stream;

use self::stream::{Passes, Seen, open, stream};
use crate::device::Device;
use crate::model::Model;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, PredictiveDistribution};
use crate::posterior::metrics::{Metrics, ScoredPrediction};
use crate::posterior::mixture::Prediction;
use crate::progress::{Callback, Event, Phase};
use crate::survey::infer_table::{InferRow, InferTable};
use crate::survey::table::{ColumnType, TableWriter};
use crate::survey::{Catalogue, ImageFolder, ImageFolderOptions, flags};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::Arc;

/// What the user says; the rest is in the model.
pub struct InferOptions {
    /// Bands and crop left out are the model's.
    pub images: ImageFolderOptions,
    /// Where the catalogue goes: `.csv` or `.fits`.
    pub output: PathBuf,
    /// Write each member's mu and var as well.
    pub member_columns: bool,
    /// The catalogue's column with true Einstein radii (arcsec), to score the answers.
    pub truth: Option<String>,
    pub passes: Passes,
}

/// What came out.
pub struct InferReport {
    pub rows: usize,
    /// Objects that there were; more than `rows` where the user stopped.
    pub objects: usize,
    /// How many rows have each flag, in the order of [`flags::FLAGS`].
    pub flagged: Vec<usize>,
    /// Why images could not be read, the first few.
    pub unread: Vec<String>,
    /// Warnings about the folder, see [`Source::warnings`].
    pub warnings: Vec<String>,
    /// Answers beside the truth, where a column has it.
    pub scored: Vec<ScoredPrediction>,
    pub metrics: Option<Metrics>,
}

/// Objects whose images could not be read that are named.
const NAMED: usize = 5;

/// Answers for every image of a folder. When `progress` asks to stop, the rows so far are written.
///
/// # Errors
/// A folder whose images do not fit the model; an output that cannot be written; a device that fails. An image that
/// cannot be read is a row with a flag, unless none can.
pub fn infer(model: &Model, device: &Device, options: &InferOptions, progress: &Callback) -> Result<InferReport> {
    let source = ImageFolderOptions {
        require_labels: false,
        ..options.images.clone()
    };
    let source = Arc::new(open(model, &source)?);
    let columns = Columns::new(&source, options)?;
    let objects = source.len();
    let mut table = TableWriter::create(&options.output, columns.table(model).columns())?;
    let mut report = InferReport {
        rows: 0,
        objects,
        flagged: vec![0; flags::FLAGS.len()],
        unread: Vec::new(),
        warnings: source.warnings.clone(),
        scored: Vec::new(),
        metrics: None,
    };
    let calibration = model.about.calibration.as_ref();
    stream(model, device, &source, options.passes, &mut |seen| {
        columns.write(&mut table, &source, model, calibration, &seen, &mut report)?;
        Ok(progress(Event::Advanced {
            phase: Phase::Predicting,
            done: report.rows,
            total: objects,
        }))
    })?;
    if report.unread.len() == report.rows && report.rows > 0 {
        bail!(
            "none of {} images could be read; the first: {}",
            report.rows,
            report.unread[0]
        );
    }
    table.finish()?;
    if !report.scored.is_empty() {
        report.metrics = Some(Metrics::new(&report.scored)?);
    }
    Ok(report)
}

/// What each row has beside the answer.
struct Columns {
    id: ColumnType,
    ra_dec: bool,
    members: bool,
    /// Columns of the user's catalogue that pass through: place, name and kind.
    through: Vec<(usize, String, ColumnType)>,
    truth: Option<usize>,
}

impl Columns {
    fn new(source: &ImageFolder, options: &InferOptions) -> Result<Columns> {
        let first_seen = (0..source.len().min(NAMED)).find_map(|i| source.read(i).ok());
        let ra_dec = first_seen.is_some_and(|cutout| cutout.ra.is_some());
        let catalogue = source.catalogue.as_ref();
        let truth = match (&options.truth, catalogue) {
            (Some(column), Some(catalogue)) => Some(catalogue.column(column).context("--truth")?),
            (Some(column), None) => bail!("--truth {column}: name the table that has this column with --catalogue"),
            (None, _) => None,
        };
        let through = catalogue.map_or(vec![], |c| pass_through(c, options.images.id_column.as_deref(), ra_dec));
        let ids = source.objects.iter().map(|o| o.id.as_str());
        Ok(Columns {
            id: ColumnType::of_texts(ids),
            ra_dec,
            members: options.member_columns,
            through,
            truth,
        })
    }

    fn table(&self, model: &Model) -> InferTable {
        InferTable {
            id: self.id,
            ra_dec: self.ra_dec,
            members: if self.members { model.members.len() } else { 0 },
            likelihood: model.network.heads().likelihood,
            pass_through: self
                .through
                .iter()
                .map(|(_, name, kind)| (name.clone(), *kind))
                .collect(),
        }
    }

    fn write(
        &self,
        table: &mut TableWriter,
        source: &ImageFolder,
        model: &Model,
        calibration: Option<&Calibration>,
        seen: &Seen,
        report: &mut InferReport,
    ) -> Result<()> {
        let known = &source.objects[seen.index];
        let forecast = seen.forecast(calibration);
        let prediction = forecast
            .as_ref()
            .map_or(Prediction::UNKNOWN, PredictiveDistribution::prediction);
        let flags = seen.flags(model);
        let (cutout, answer) = match &seen.found {
            Ok(found) => (Some(&found.cutout), found.answer.clone()),
            Err(_) => (None, MemberPredictions::default()),
        };
        report
            .unread
            .extend(forecast.as_ref().err().map(|error| format!("{error:#}")));
        let texts: Vec<&str> = match (&source.catalogue, known.row) {
            (Some(catalogue), Some(row)) => self.through.iter().map(|(c, ..)| catalogue.text(row, *c)).collect(),
            _ => vec![],
        };
        table
            .push(&self.table(model).row(&InferRow {
                id: &known.id,
                ra_dec: cutout.and_then(|c| c.ra.zip(c.dec)),
                prediction,
                ood_score: answer.ood_score,
                flags,
                mu: &answer.mu,
                var: &answer.var,
                pass_through: &texts,
            }))
            .with_context(|| format!("object {}", known.id))?;
        report.rows += 1;
        for (count, flag) in report.flagged.iter_mut().zip(&flags::FLAGS) {
            *count += usize::from(flags & flag.bit != 0);
        }
        if let (Some(column), Some(row), Ok(forecast), Some(catalogue)) =
            (self.truth, known.row, forecast, &source.catalogue)
        {
            let truth = catalogue.number(row, column);
            if truth.is_finite() {
                report.scored.push(ScoredPrediction::new(truth, &forecast));
            }
        }
        Ok(())
    }
}

/// Every column but the id, and the position where the table has its own.
fn pass_through(catalogue: &Catalogue, id_column: Option<&str>, ra_dec: bool) -> Vec<(usize, String, ColumnType)> {
    let mut own = vec![catalogue.find(id_column.unwrap_or("id"))];
    if ra_dec {
        own.extend([catalogue.find("ra"), catalogue.find("dec")]);
    }
    let columns = catalogue
        .columns
        .iter()
        .enumerate()
        .filter(|(i, _)| !own.contains(&Some(*i)));
    columns
        .map(|(i, name)| {
            let texts = (0..catalogue.len()).map(|row| catalogue.text(row, i));
            (i, name.clone(), ColumnType::of_texts(texts))
        })
        .collect()
}
