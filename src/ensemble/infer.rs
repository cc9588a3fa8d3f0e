//! A model and a folder of images to a catalogue. Images are read ahead by threads and forgotten once answered: memory
//! stays flat however many there are.

use super::metrics::{Metrics, Scored};
use super::mixture::{Mixture, Prediction};
use super::predict::{Answer, Predictor};
use crate::data::infer_table::{InferRow, InferTable};
use crate::data::sky::Sky;
use crate::data::table::{Kind, TableWriter};
use crate::data::{Catalogue, Cutout, Source, SourceOptions, flags, reader};
use crate::device::Device;
use crate::net::Model;
use anyhow::{Context, Result, bail, ensure};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// What the user says; the rest is in the model.
pub struct InferOptions {
    /// Bands and crop left out are the model's.
    pub source: SourceOptions,
    /// Where the catalogue goes: `.csv` or `.fits`.
    pub output: PathBuf,
    /// Write each member's mu and var as well.
    pub member_columns: bool,
    /// The catalogue's column with true Einstein radii (arcsec), to score the answers.
    pub truth: Option<String>,
    /// Images on the device at a time.
    pub batch: usize,
    /// Each image is seen in all its flips and quarter turns.
    pub all_views: bool,
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
    /// Answers beside the truth, where a column has it.
    pub scored: Vec<Scored>,
    pub metrics: Option<Metrics>,
}

/// Objects whose images could not be read that are named.
const NAMED: usize = 5;

/// Answers for every image of a folder. `watch` is told how many objects of how many are done; where it says false, the
/// rows so far are written.
///
/// # Errors
/// A folder whose images do not fit the model; an output that cannot be written; a device that fails. An image that
/// cannot be read is a row with a flag, unless none can.
pub fn infer(
    model: &Model,
    device: &Device,
    options: &InferOptions,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<InferReport> {
    let source = Arc::new(open(model, &options.source)?);
    let columns = Columns::new(&source, options)?;
    let objects = source.len();
    let mut table = TableWriter::create(&options.output, columns.table(model).columns())?;
    let mut predictor = Predictor::of_members(device, &model.network, &model.members, options.batch.min(objects))?;
    if options.all_views {
        predictor = predictor.in_all_views();
    }
    let batch = predictor.batch();

    let report = RefCell::new(InferReport {
        rows: 0,
        objects,
        flagged: vec![0; flags::FLAGS.len()],
        unread: Vec::new(),
        scored: Vec::new(),
        metrics: None,
    });
    let mut stream = reader::stream(source.clone(), (0..objects).collect(), 4 * batch);
    // Objects whose answers are on their way; those that cannot be read among them, to keep the order.
    let waiting: RefCell<VecDeque<Vec<Waiting>>> = RefCell::default();
    let going = RefCell::new(true);
    let mut next = || {
        if !*going.borrow() {
            return Ok(None);
        }
        let (mut images, mut objects) = (Vec::new(), Vec::new());
        let image = model.network.input_shape().len();
        while images.len() < batch * image {
            let Some((index, cutout)) = stream.next() else { break };
            objects.push(match cutout {
                Ok(cutout) => {
                    let start = images.len();
                    images.resize(start + image, 0.0);
                    model.about.stretch.apply(&cutout, &mut images[start..]);
                    let sky = Sky::of(&cutout, &model.about.stretch);
                    Waiting {
                        index,
                        seen: Ok((cutout.without_pixels(), sky)),
                    }
                }
                Err(error) => Waiting {
                    index,
                    seen: Err(format!("{error:#}")),
                },
            });
        }
        if objects.is_empty() {
            return Ok(None);
        }
        // A batch of which nothing could be read still passes through, to keep the order.
        images.resize(images.len().max(image), 0.0);
        waiting.borrow_mut().push_back(objects);
        Ok(Some(images))
    };
    predictor.stream(&mut next, &mut |answers| {
        let objects = waiting.borrow_mut().pop_front().expect("objects for every batch");
        let mut answers = answers.into_iter();
        let mut report = report.borrow_mut();
        for object in objects {
            let answer = if object.seen.is_ok() { answers.next() } else { None };
            columns.write(&mut table, &source, model, &object, answer, &mut report)?;
        }
        let (rows, all) = (report.rows, report.objects);
        *going.borrow_mut() &= watch(rows, all);
        Ok(())
    })?;
    let mut report = report.into_inner();
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

/// An object that was read and waits for its answer.
struct Waiting {
    index: usize,
    /// The cutout without its pixels, and its sky; or why it cannot be read.
    seen: Result<(Cutout, Vec<Option<Sky>>), String>,
}

/// The folder, opened for this model's bands and size.
fn open(model: &Model, options: &SourceOptions) -> Result<Source> {
    let input = model.network.input_shape();
    ensure!(
        model.network.input.len() == 3,
        "this model takes tables, not images: [{}] features",
        input.c
    );
    let options = SourceOptions {
        bands: options.bands.clone().or_else(|| Some(model.about.bands.clone())),
        crop: (input.h == input.w).then_some(input.h),
        label_needed: false,
        ..options.clone()
    };
    let source = Source::open(&options)?;
    ensure!(
        source.bands.len() == input.c,
        "the model takes {} bands ({}), and these images have {} ({}): name them with --bands",
        input.c,
        model.about.bands.join(", "),
        source.bands.len(),
        source.bands.join(", ")
    );
    ensure!(
        (source.height, source.width) == (input.h, input.w),
        "the model takes images of {} x {} pixels, and these are {} x {}",
        input.w,
        input.h,
        source.width,
        source.height
    );
    Ok(source)
}

/// What each row has beside the answer.
struct Columns {
    id: Kind,
    ra_dec: bool,
    members: bool,
    /// Columns of the user's catalogue that pass through: place, name and kind.
    through: Vec<(usize, String, Kind)>,
    truth: Option<usize>,
}

impl Columns {
    fn new(source: &Source, options: &InferOptions) -> Result<Columns> {
        let first_seen = (0..source.len().min(NAMED)).find_map(|i| source.read(i).ok());
        let ra_dec = first_seen.is_some_and(|cutout| cutout.ra.is_some());
        let catalogue = source.catalogue.as_ref();
        let truth = match (&options.truth, catalogue) {
            (Some(column), Some(catalogue)) => Some(catalogue.column(column, "--truth")?),
            (Some(column), None) => bail!("--truth {column}: name the table that has this column with --catalogue"),
            (None, _) => None,
        };
        let through = catalogue.map_or(vec![], |c| pass_through(c, options.source.id_column.as_deref(), ra_dec));
        let ids = source.objects.iter().map(|o| o.id.as_str());
        Ok(Columns {
            id: Kind::of_texts(ids),
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
        source: &Source,
        model: &Model,
        object: &Waiting,
        answer: Option<Answer>,
        report: &mut InferReport,
    ) -> Result<()> {
        let label = &model.about.label;
        let likelihood = model.network.heads().likelihood;
        let answer = answer
            .map(|a| a.in_units(likelihood, label.scale, label.shift))
            .unwrap_or_default();
        let known = &source.objects[object.index];
        let (mixture, reason) = match &object.seen {
            Err(error) => (None, Some(error.clone())),
            Ok(_) => match Mixture::of(likelihood, &answer.mu, &answer.var) {
                Ok(mixture) => (Some(mixture), None),
                Err(error) => (None, Some(format!("object {}: no answer: {error:#}", known.id))),
            },
        };
        report.unread.extend(reason);
        let prediction = mixture.as_ref().map_or(Prediction::UNKNOWN, Mixture::prediction);
        let cutout = object.seen.as_ref().ok().map(|(cutout, _)| cutout);
        let flags = match (&object.seen, &mixture) {
            (Ok((cutout, sky)), Some(_)) => flags_of(model, cutout, sky, &prediction, &answer),
            _ => flags::READ_ERROR,
        };
        let texts: Vec<&str> = match (&source.catalogue, known.row) {
            (Some(catalogue), Some(row)) => self.through.iter().map(|(c, ..)| catalogue.text(row, *c)).collect(),
            _ => vec![],
        };
        table
            .push(&self.table(model).row(&InferRow {
                id: &known.id,
                ra_dec: cutout.and_then(|c| c.ra.zip(c.dec)),
                prediction,
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
        if let (Some(column), Some(row), Some(mixture), Some(catalogue)) =
            (self.truth, known.row, mixture, &source.catalogue)
        {
            let truth = catalogue.number(row, column);
            if truth.is_finite() {
                report.scored.push(Scored::new(truth, &mixture));
            }
        }
        Ok(())
    }
}

/// Every column but the id, and the position where the table has its own.
fn pass_through(catalogue: &Catalogue, id_column: Option<&str>, ra_dec: bool) -> Vec<(usize, String, Kind)> {
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
            (i, name.clone(), Kind::of_texts(texts))
        })
        .collect()
}

/// Why this answer should be looked at before it is trusted.
fn flags_of(model: &Model, cutout: &Cutout, sky: &[Option<Sky>], prediction: &Prediction, answer: &Answer) -> i32 {
    let about = &model.about;
    let theta_e = prediction.theta_e;
    let scale = cutout.pixel_scale.or(about.pixel_scale);
    let size = cutout.height.min(cutout.width);
    flags::masked(cutout.masked_fraction)
        | cutout
            .pixel_scale
            .zip(about.pixel_scale)
            .map_or(0, |(header, model)| flags::pixel_scale(header, model))
        | flags::sky(sky, &about.sky)
        | scale.map_or(0, |scale| flags::near_edge(theta_e, size, scale))
        | flags::label_range(theta_e, about.label.range)
        | flags::epistemic(prediction.sigma_epistemic, prediction.sigma)
        | flags::disagree(&answer.mu, &answer.var)
}
