//! The files of a run: `run.toml`, `log.csv`, `checkpoint.safetensors`, and at the end `model.safetensors` with its plots
//! and predictions, and `calibration_rows.bin`, what it was calibrated on; of several folds, each in a folder of its own,
//! and their scores in `folds.csv`.

use super::calibration_rows::CalibrationRows;
use super::checkpoint::Checkpoint;
use super::error::Error;
use super::finish::Evaluation;
use super::history::write_log;
use super::options::{RunOptions, TrainOptions};
use super::trainer::Trainer;
use crate::files;
use crate::likelihood::Likelihood;
use crate::model::Model;
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::training_curves::{MemberCurves, training_curves};
use crate::posterior::Quantity;
use crate::posterior::metrics::{METRICS, Metrics};
use crate::progress::{EpochRecord, MemberEpoch};
use crate::survey::infer_table::{InferRow, InferTable};
use crate::survey::table::{Cell, Column, ColumnType, TableWriter};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two checkpoints: what a run that is killed loses at most.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);

const RUN: &str = "run.toml";
const LOG: &str = "log.csv";
const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model.safetensors";
const CALIBRATION_ROWS: &str = "calibration_rows.bin";
const FOLDS: &str = "folds.csv";
const CURVES: &str = "training_curves.svg";
const PREDICTED: &str = "predicted_vs_true.svg";

/// The folder of a run.
pub struct RunFolder {
    path: PathBuf,
    last_checkpoint: Instant,
}

impl RunFolder {
    /// The folder at `path`, which must exist.
    pub fn new(path: &Path) -> RunFolder {
        RunFolder {
            path: path.into(),
            last_checkpoint: Instant::now(),
        }
    }

    /// Where the model is, or will be.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// The new folder of a fold in it.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn fold(&self, fold: usize) -> Result<RunFolder, Error> {
        let path = self.path.join(format!("fold_{fold:02}"));
        std::fs::create_dir_all(&path).map_err(|source| files::Error::CannotCreateFolder {
            path: path.clone(),
            source,
        })?;
        Ok(RunFolder::new(&path))
    }

    /// Whether the plots and predictions that belong to a model are there.
    pub fn has_plots(&self, options: &TrainOptions) -> bool {
        let scored = options.hold_out > 0 || options.validation > 0.0;
        let has = |name: &str| self.path.join(name).exists();
        let predictions = has("held_out.csv") || has("validation.csv");
        !scored || has(CURVES) && has(PREDICTED) && predictions
    }

    /// Where the scores of the folds are, or will be.
    pub fn scores(&self) -> PathBuf {
        self.path.join(FOLDS)
    }

    /// Writes the scores of the folds, one row per fold.
    ///
    /// # Errors
    /// Those of [`files::write_atomic`].
    pub fn write_scores(&self, quantity: &Quantity, metrics: &[Metrics]) -> Result<(), Error> {
        let shown = || METRICS.iter().filter(|metric| metric.is_of(quantity));
        let names: Vec<&str> = shown().map(|metric| metric.name).collect();
        let mut text = format!("fold,objects,{}\n", names.join(","));
        for (fold, m) in metrics.iter().enumerate() {
            let values: Vec<String> = shown().map(|metric| (metric.of)(m).to_string()).collect();
            text += &format!("{fold},{},{}\n", m.n, values.join(","));
        }
        Ok(files::write_atomic(&self.scores(), |file| {
            file.write_all(text.as_bytes())
        })?)
    }

    /// Where the checkpoint is, or will be.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// Those of [`files::write_atomic`].
    pub fn write_options(&self, options: &RunOptions) -> Result<(), Error> {
        let text = toml::to_string(options).map_err(|error| Error::Encode {
            what: "the options of the run",
            source: error.into(),
        })?;
        let path = self.path.join(RUN);
        Ok(files::write_atomic(&path, |file| file.write_all(text.as_bytes()))?)
    }

    /// Whether there is a `run.toml`.
    pub fn has_options(&self) -> bool {
        self.path.join(RUN).exists()
    }

    /// Reads `run.toml`.
    ///
    /// # Errors
    /// There is no such file, or it is damaged.
    pub fn read_options(&self) -> Result<RunOptions, Error> {
        let path = self.path.join(RUN);
        let text = files::read_text(&path).map_err(|source| Error::NoRun {
            path: path.clone(),
            folder: self.path.clone(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| Error::RunFile {
            path,
            source: error.into(),
        })
    }

    /// Reads the checkpoint; `None` if there is none yet.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`].
    pub fn read_checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        let path = self.checkpoint();
        path.exists().then(|| Checkpoint::read(&path)).transpose()
    }

    /// Whether it is time for another checkpoint.
    pub fn checkpoint_due(&self) -> bool {
        self.last_checkpoint.elapsed() > CHECKPOINT_INTERVAL
    }

    /// Writes the checkpoint.
    ///
    /// # Errors
    /// Those of [`Checkpoint::write`]; the device was lost.
    pub fn write_checkpoint(&mut self, trainer: &mut Trainer) -> Result<(), Error> {
        trainer.checkpoint()?.write(&self.checkpoint())?;
        self.last_checkpoint = Instant::now();
        Ok(())
    }

    /// Writes `log.csv`.
    ///
    /// # Errors
    /// Those of [`write_log`].
    pub fn write_log(&self, history: &[EpochRecord]) -> Result<(), Error> {
        write_log(&self.path.join(LOG), history)
    }

    /// Writes what the members predict for the rows of their calibration.
    ///
    /// # Errors
    /// Those of [`CalibrationRows::write`].
    pub fn write_calibration_rows(&self, rows: &CalibrationRows) -> Result<(), Error> {
        rows.write(&self.path.join(CALIBRATION_ROWS))
    }

    /// Reads what [`write_calibration_rows`](Self::write_calibration_rows) wrote.
    ///
    /// # Errors
    /// Those of [`CalibrationRows::read`].
    pub fn read_calibration_rows(&self) -> Result<CalibrationRows, Error> {
        CalibrationRows::read(&self.path.join(CALIBRATION_ROWS))
    }

    /// Writes the model.
    ///
    /// # Errors
    /// Those of [`Model::write`].
    pub fn write_model(&self, model: &Model) -> Result<(), Error> {
        Ok(model.write(self.model())?)
    }

    /// Plots the losses of all epochs.
    ///
    /// # Errors
    /// The plot cannot be drawn or written.
    pub fn plot_history(&self, quantity: &Quantity, history: &[EpochRecord]) -> Result<(), Error> {
        let members = history.first().map_or(0, |epoch| epoch.members.len());
        let curve = |m: usize, value: fn(&MemberEpoch) -> Option<f64>| {
            let values = history.iter().map(|epoch| value(&epoch.members[m]));
            values.map(|value| value.unwrap_or(f64::NAN)).collect()
        };
        let curves: Vec<MemberCurves> = (0..members)
            .map(|m| MemberCurves {
                train_nll: curve(m, |e| e.train_nll),
                val_nll: curve(m, |e| e.val_nll),
                val_rmse: curve(m, |e| e.val_rmse),
            })
            .collect();
        let svg = training_curves(quantity, &curves)?;
        Ok(write_svg(&self.path.join(CURVES), &svg)?)
    }

    /// Writes the plot and the table of predictions for rows that were not trained on.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_evaluation(&self, model: &Model, evaluation: &Evaluation) -> Result<(), Error> {
        let Evaluation {
            split,
            rows,
            scored,
            metrics,
            ..
        } = evaluation;
        let (quantity, column) = (model.quantity(), model.prediction_column());
        let title = format!("{} objects, {split}", scored.len());
        write_svg(
            &self.path.join(PREDICTED),
            &predicted_vs_true(&title, &quantity, scored, metrics)?,
        )?;
        let table = InferTable {
            id: ColumnType::of_ids(rows.iter().map(|row| row.id.as_str())),
            ra_dec: false,
            pass_through: vec![Column::new(
                format!("true_{column}"),
                ColumnType::F64,
                quantity.unit(),
                "label of the object",
            )],
            quantity,
            column,
            members: 0,
            likelihood: Likelihood::default(),
            p_lens: rows.iter().any(|row| row.p_lens.is_some()),
        };
        let path = self.path.join(format!("{}.csv", split.replace(' ', "_")));
        let mut writer = TableWriter::create(&path, table.columns())?;
        for row in rows {
            writer.push(&table.row(&InferRow {
                id: &row.id,
                ra_dec: None,
                prediction: row.prediction,
                p_lens: row.p_lens,
                ood_score: row.ood_score,
                flags: row.flags,
                mu: &[],
                var: &[],
                pass_through: &[row.truth.map_or(Cell::Null, Cell::F64)],
            }))?;
        }
        writer.finish()?;
        Ok(())
    }
}
