//! Random initial weights. Counter based: a member's weights depend on the seed and its own number, not on how many
//! members there are.

use super::{Layout, Network, Parameter};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// One member's first weights (`layout.param_stride` values) and running statistics (`layout.stat_stride`).
///
/// Kernels and biases are Glorot normal as Keras draws it: sigma = sqrt(2 / (fan_in + fan_out)) / 0.87962566, truncated
/// at two sigma (Glorot & Bengio 2010; the divisor gives the truncated distribution its nominal width). The reference
/// model draws its biases too: a bias of n has fan_in = fan_out = n. Batch norm starts at gamma 1, beta 0, mean 0,
/// variance 1.
pub fn initialise(network: &Network, layout: &Layout, seed: u64, member: u32) -> (Vec<f32>, Vec<f32>) {
    debug_assert!(network.check().is_ok());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(member));
    let mut params = vec![0.0; layout.param_stride];
    for parameter in &layout.params {
        let values = &mut params[parameter.offset..parameter.offset + parameter.len()];
        match parameter.name.rsplit('.').next() {
            Some("gamma") => values.fill(1.0),
            Some("beta") => values.fill(0.0),
            _ => {
                let sigma = (2.0 / (fan(parameter) as f64)).sqrt() / 0.879_625_66;
                values.fill_with(|| (sigma * truncated_normal(&mut rng)) as f32);
            }
        }
    }
    let mut stats = vec![0.0; layout.stat_stride];
    for parameter in layout.stats.iter().filter(|p| p.name.ends_with(".moving_variance")) {
        stats[parameter.offset..parameter.offset + parameter.len()].fill(1.0);
    }
    (params, stats)
}

/// fan_in + fan_out.
fn fan(parameter: &Parameter) -> usize {
    match parameter.shape[..] {
        [kh, kw, inputs, outputs] => kh * kw * (inputs + outputs),
        [inputs, outputs] => inputs + outputs,
        [n] => 2 * n,
        _ => unreachable!("a layout has kernels of rank 4 and 2 and vectors"),
    }
}

fn truncated_normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let z: f64 = StandardNormal.sample(rng);
        if z.abs() <= 2.0 {
            return z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_the_width_of_glorot_and_members_differ() {
        let network = Network::vanilla(&[55, 55, 3]).unwrap();
        let layout = Layout::new(&network).unwrap();
        let (params, stats) = initialise(&network, &layout, 1, 0);
        let kernel = layout.param("dense1", "kernel");
        let values = &params[kernel.offset..kernel.offset + kernel.len()];
        let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
        let expected = 2.0 / (1936.0 + 64.0);
        assert!(
            (variance / expected - 1.0).abs() < 0.02,
            "{variance} against {expected}"
        );
        let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        assert!(f64::from(largest) <= 2.0 * expected.sqrt() / 0.879_625_66 + 1e-9);
        assert_ne!(params, initialise(&network, &layout, 1, 1).0);
        assert_eq!(params, initialise(&network, &layout, 1, 0).0);
        assert_eq!(stats.iter().filter(|v| **v == 1.0).count(), 32 + 16 + 64 + 32);
    }
}
