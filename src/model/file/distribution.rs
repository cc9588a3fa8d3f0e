//! The distribution of image statistics in the model file: `statistics.knots` (D, K), `statistics.mean` (D) and
//! `statistics.whitening` (D, D), float32.

use super::{Error, Result, bytes, floats};
use crate::nn::Network;
use crate::posterior::ood::{Cloud, ImageDistribution, KNOTS};
use crate::survey::statistics::count;
use safetensors::{Dtype, SafeTensors};

const NAMES: [&str; 3] = ["statistics.knots", "statistics.mean", "statistics.whitening"];

/// `None` for files of earlier versions, and if another version of this program computes other statistics: then the score
/// goes without them.
pub(super) fn read(tensors: &SafeTensors, network: &Network) -> Result<Option<ImageDistribution>> {
    let [height, width, bands] = network.input[..] else {
        return Ok(None);
    };
    let size = count([height, width, bands]);
    let [knots, mean, whitening] = NAMES.map(|name| tensors.tensor(name).ok());
    let (Some(knots), Some(mean), Some(whitening)) = (knots, mean, whitening) else {
        return Ok(None);
    };
    if mean.shape() != [size] || knots.shape() != [size, KNOTS] {
        return Ok(None);
    }
    if whitening.shape() != [size, size] || [&knots, &mean, &whitening].iter().any(|t| t.dtype() != Dtype::F32) {
        return Err(Error::Statistics);
    }
    let values = |bytes: &[u8]| floats(bytes, f32::from_le_bytes);
    Ok(Some(ImageDistribution {
        knots: values(knots.data()),
        cloud: Cloud {
            mean: values(mean.data()),
            whitening: values(whitening.data()),
        },
    }))
}

/// Name, shape and bytes of each tensor.
pub(super) fn tensors(distribution: &ImageDistribution) -> [(&'static str, Vec<usize>, Vec<u8>); 3] {
    let (size, cloud) = (distribution.size(), &distribution.cloud);
    let bytes = |values: &[f32]| bytes(values, f32::to_le_bytes);
    let [knots, mean, whitening] = NAMES;
    [
        (knots, vec![size, KNOTS], bytes(&distribution.knots)),
        (mean, vec![size], bytes(&cloud.mean)),
        (whitening, vec![size, size], bytes(&cloud.whitening)),
    ]
}

/// Everything is finite, and knots ascend.
pub(super) fn is_valid(distribution: &ImageDistribution) -> bool {
    let (size, cloud) = (distribution.size(), &distribution.cloud);
    let lengths = (distribution.knots.len(), cloud.whitening.len());
    let mut all = distribution.knots.iter().chain(&cloud.mean).chain(&cloud.whitening);
    lengths == (size * KNOTS, size * size)
        && all.all(|v| v.is_finite())
        && distribution.knots.chunks_exact(KNOTS).all(|knots| knots.is_sorted())
}
