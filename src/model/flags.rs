//! Why a model's prediction for an image may be wrong, see [`flags`].

use super::Model;
use crate::posterior::MemberPredictions;
use crate::posterior::ood::{Distances, ImageDistribution};
use crate::survey::sky::SkyStatistics;
use crate::survey::{Cutout, Stretch, flags, statistics};
use serde::{Deserialize, Serialize};

/// What is known of an image without the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The cutout, without its pixels.
    pub cutout: Cutout,
    /// Sky level and noise of each band.
    pub sky: Vec<Option<SkyStatistics>>,
    /// How far the image is from the training images.
    pub distances: Distances,
}

impl ImageFacts {
    /// Of a cutout with its pixels. `training` is the distribution of the training images' statistics.
    pub fn new(cutout: Cutout, stretch: &Stretch, training: Option<&ImageDistribution>) -> ImageFacts {
        ImageFacts {
            sky: SkyStatistics::of(&cutout, stretch),
            distances: statistics::distances(&cutout, stretch, training),
            cutout: cutout.without_pixels(),
        }
    }
}

impl Model {
    /// How unlike the training images it is, see [`ood`](crate::posterior::ood); `None` if the model does not know, and for
    /// an image that is masked throughout.
    pub fn ood_score(&self, image: &ImageFacts) -> Option<f64> {
        if image.cutout.masked_fraction >= 1.0 {
            return None;
        }
        match &self.about.ood {
            Some(threshold) => threshold.score_of(&image.distances),
            None => image.distances.features,
        }
    }

    /// Why the prediction may be wrong. `members` are in the label's unit. `interval` is the 95 % interval that is
    /// reported, NaN if the prediction is unknown.
    pub fn flags(&self, image: &ImageFacts, members: &MemberPredictions, interval: [f64; 2]) -> i32 {
        let (about, cutout) = (&self.about, &image.cutout);
        let of_image = flags::masked(cutout.masked_fraction)
            | cutout
                .pixel_scale
                .zip(about.pixel_scale)
                .map_or(0, |(header, model)| flags::pixel_scale(header, model))
            | flags::sky(&image.sky, &about.sky);
        let p_lens = members.p_lens().unwrap_or_default();
        let known = interval.iter().all(|end| end.is_finite()) && p_lens.is_finite();
        let Some(mixture) = members.mixture().ok().filter(|_| known) else {
            return of_image | flags::NO_PREDICTION;
        };
        let mean = mixture.mean();
        let scale = cutout.pixel_scale.or(about.pixel_scale);
        let size = cutout.height.min(cutout.width);
        of_image
            | scale.map_or(0, |scale| flags::near_edge(mean, size, scale))
            | flags::label_range(mean, interval, about.label.range)
            | flags::epistemic(mixture.sigma_epistemic(), mixture.sigma(), about.epistemic_limit)
            | flags::disagree(&members.mu, &members.var)
            | flags::out_of_distribution(
                self.ood_score(image),
                about.ood.as_ref().map(|threshold| threshold.score),
            )
    }
}
