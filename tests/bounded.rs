//! Predictions stay in reason: on images that are far brighter, larger or on another background than those of the
//! training set, no member with a bounded mean leaves the range of the training labels by more than the stated margin.

mod common;

use common::{IMAGE, options, rings, tiny};
use lensgpu::likelihood::Likelihood;
use lensgpu::nn::{Layer, MeanActivation};
use lensgpu::survey::flags::LABEL_RANGE;
use lensgpu::{Device, LabelledImages, Model, Network, Predictor, Start, ignore_events, train_arrays};

fn network(likelihood: Likelihood, mean: MeanActivation) -> Network {
    let mut network = tiny();
    if let Some(Layer::Heads(heads)) = network.layers.last_mut() {
        heads.likelihood = likelihood;
        heads.mean_activation = mean;
        heads.var_ceiling = Some(1.0);
    }
    network
}

fn trained(network: &Network) -> Model {
    let lenses = rings(200, 1, IMAGE);
    let data = LabelledImages::new(&lenses.images, IMAGE, &lenses.labels);
    let start = Start::Network(network);
    train_arrays(&data, start, &options(0..3, 6), &Device::Cpu, &ignore_events)
        .unwrap()
        .model
}

/// Rings with their brightness and background scaled by 0.1 to 1000, and turned inside out.
fn strange_images() -> Vec<f32> {
    let lenses = rings(50, 2, IMAGE).images;
    let mut images = Vec::new();
    for scale in [0.1, 10.0, 1000.0, -10.0] {
        images.extend(lenses.iter().map(|flux| scale * flux));
    }
    for background in [-100.0, 10.0, 1000.0] {
        images.extend(lenses.iter().map(|flux| flux + background));
    }
    images
}

/// The largest and smallest mean that a member with a bounded mean can predict, in arcsec.
fn limits(model: &Model) -> (f64, f64) {
    let (low, high) = model.about.label.range;
    match model.network.heads().likelihood {
        Likelihood::Gaussian | Likelihood::StudentT => {
            let margin = 0.1 * (high - low);
            (low - margin, high + margin)
        }
        Likelihood::LogNormal => {
            // The bounds are those of the median; the mean exceeds it by the variance of the logarithm, at most 1.001.
            let margin = (high / low).powf(0.1);
            let largest_variance = 1.001 * model.about.label.scale.powi(2);
            (low / margin, high * margin * (largest_variance / 2.0).exp())
        }
    }
}

#[test]
fn no_member_leaves_the_range_of_the_labels() {
    for likelihood in Likelihood::ALL {
        let model = trained(&network(likelihood, MeanActivation::Bounded));
        let (low, high) = limits(&model);
        let range = model.about.label.range;
        let mut predictor = Predictor::new(model, &Device::Cpu).unwrap();
        let predictions = predictor.predict(&strange_images()).unwrap();
        let (mut outside, mut members) = (0, 0);
        for image in &predictions {
            for mu in &image.members.mu {
                assert!(
                    (low - 1e-5..=high + 1e-5).contains(mu),
                    "{likelihood:?}: {mu} of {low} to {high}"
                );
                members += usize::from(*mu < range.0 || *mu > range.1);
            }
            let theta_e = image.prediction.theta_e;
            if theta_e < range.0 || theta_e > range.1 {
                outside += 1;
                assert_ne!(image.flags & LABEL_RANGE, 0, "{likelihood:?}: {theta_e} is not flagged");
            }
        }
        assert!(
            members > 0,
            "{likelihood:?}: none of the images is strange enough for a margin"
        );
        assert!(outside < predictions.len());
    }
}

#[test]
fn a_mean_without_bounds_does() {
    let model = trained(&network(Likelihood::Gaussian, MeanActivation::Identity));
    let (low, high) = limits(&model);
    let predictions = Predictor::new(model, &Device::Cpu)
        .unwrap()
        .predict(&strange_images())
        .unwrap();
    let members = predictions.iter().flat_map(|image| &image.members.mu);
    assert!(members.clone().any(|mu| *mu < low || *mu > high));
}
