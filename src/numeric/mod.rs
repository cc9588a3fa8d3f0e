//! Medians, asinh, hashes and lists of numbers, which many modules need. Depends on no other module.

mod asinh;
mod listed;

pub use asinh::asinh;
pub use listed::{counted, listed};

/// The median; for an even number of values, the mean of the two in the middle. `None` if there are no values. Reorders
/// `values`.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let (half, even) = (values.len() / 2, values.len().is_multiple_of(2));
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let lower = if even {
        below.iter().copied().max_by(f64::total_cmp)
    } else {
        None
    };
    Some(lower.map_or(upper, |lower| lower + (upper - lower) / 2.0))
}

/// The 64-bit FNV-1a hash of no bytes, to start [`fnv1a`] from.
pub const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues the 64-bit FNV-1a hash `hash` with `bytes`. The result is the same on every machine and in every version:
/// files and random number streams depend on it.
pub fn fnv1a(hash: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The smallest of the values that at most this fraction of them exceed; `None` without values. Reorders `values`.
pub fn upper_limit(values: &mut [f64], fraction: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let rank = ((1.0 - fraction) * values.len() as f64).ceil() as usize;
    let (_, limit, _) = values.select_nth_unstable_by(rank.max(1) - 1, f64::total_cmp);
    Some(*limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_an_odd_an_even_and_no_number_of_values() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn one_in_a_hundred_exceeds_an_upper_limit() {
        let mut values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(upper_limit(&mut values, 0.01), Some(990.0));
        assert_eq!(upper_limit(&mut [3.0, 1.0, 2.0], 0.01), Some(3.0));
        assert_eq!(upper_limit(&mut [], 0.01), None);
    }

    #[test]
    fn fnv_1a_has_the_published_test_vectors() {
        assert_eq!(fnv1a(FNV_OFFSET, *b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(FNV_OFFSET, *b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(fnv1a(FNV_OFFSET, *b"foo"), *b"bar"), 0x8594_4171_f739_67e8);
    }
}
