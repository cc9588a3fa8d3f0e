//! A deep ensemble on the rows of a fit.

use super::error::Error;
use super::model::features;
use super::report::RowPrediction;
use super::table::Table;
use crate::device::Device;
use crate::infer::Predictor;
use crate::nn::Network;
use crate::posterior::calibration::PredictiveDistribution;
use crate::progress::{Callback, Event};
use crate::train::{self, LabelledImages, Start, TrainOptions, train_arrays};
use std::ops::ControlFlow;

/// An ensemble that was trained on the rows that the linear model was fitted to.
pub struct Ensemble {
    predictor: Predictor,
}

impl Ensemble {
    /// Trains with the defaults of `lensgpu train` for a table. Some of `rows` choose the best weights and fit the calibration.
    ///
    /// # Errors
    /// Those of [`train_arrays`].
    pub fn train(
        table: &Table,
        rows: &[usize],
        members: &[u32],
        seed: u64,
        device: &Device,
        progress: &Callback,
    ) -> Result<Ensemble, Error> {
        let shape = [1, 1, table.features.len()];
        let inputs: Vec<f32> = rows
            .iter()
            .flat_map(|&row| features(table, row))
            .map(|x| x as f32)
            .collect();
        let labels: Vec<f64> = rows.iter().map(|&row| table.labels[row]).collect();
        let data = LabelledImages {
            bands: table.features.iter().map(|feature| feature.name.clone()).collect(),
            ..LabelledImages::new(&inputs, shape, &labels)
        };
        let network = Network::standard(&shape).map_err(train::Error::from)?;
        let options = TrainOptions {
            members: members.to_vec(),
            seed,
            ..TrainOptions::for_tables()
        };
        // Hundreds of short epochs are of no interest here.
        let without_epochs = |event: Event| match event {
            Event::Epoch { .. } => ControlFlow::Continue(()),
            event => progress(event),
        };
        let trained = train_arrays(&data, Start::Network(&network), &options, device, &without_epochs);
        let model = match trained {
            Err(train::Error::Stopped { .. }) => return Err(Error::Stopped),
            trained => trained?.model,
        };
        Ok(Ensemble {
            predictor: Predictor::new(model, device)?,
        })
    }

    /// Predictions for features, each with the label, or NaN.
    ///
    /// # Errors
    /// A device that fails; predictions that are not finite.
    pub fn predict(&mut self, rows: &[(Vec<f64>, f64)]) -> Result<Vec<RowPrediction>, Error> {
        let inputs: Vec<f32> = rows
            .iter()
            .flat_map(|(features, _)| features)
            .map(|&x| x as f32)
            .collect();
        let images = self.predictor.predict(&inputs)?;
        let calibration = self.predictor.model().about.calibration.as_ref();
        let of = |(image, (_, label)): (crate::infer::ImagePrediction, &(Vec<f64>, f64))| {
            let distribution = PredictiveDistribution::new(&image.members, calibration).map_err(train::Error::from)?;
            let prediction = distribution.prediction();
            Ok(RowPrediction {
                mean: prediction.theta_e,
                sigma: prediction.sigma,
                quantiles: prediction.quantiles,
                nll: -distribution.log_pdf(*label),
            })
        };
        images.into_iter().zip(rows).map(of).collect()
    }
}
