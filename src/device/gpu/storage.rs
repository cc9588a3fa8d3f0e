//! The values of a tensor in the device's memory: 32 bits each, or f16.

use crate::plan::Tensor;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::borrow::Cow;

/// Bytes of a row.
pub fn row_bytes(tensor: &Tensor) -> u64 {
    let each = if tensor.half { 2 } else { 4 };
    each * tensor.len as u64
}

/// Bytes of the buffer or the copy of `rows` rows: a multiple of four, and not zero.
pub fn bytes(tensor: &Tensor, rows: usize) -> u64 {
    (rows as u64 * row_bytes(tensor)).max(1).next_multiple_of(4)
}

/// The host's words as they are stored. Behind an odd number of f16 values there is a zero.
pub fn stored<'a>(tensor: &Tensor, words: &'a [u32]) -> Cow<'a, [u8]> {
    if !tensor.half {
        return bytemuck::cast_slice(words).into();
    }
    let mut values = vec![f16::ZERO; words.len().next_multiple_of(2)];
    values[..words.len()].convert_from_f32_slice(bytemuck::cast_slice(words));
    bytemuck::pod_collect_to_vec(values.reinterpret_cast()).into()
}

/// The host's words of `rows` rows from what the device has stored, in whole words.
pub fn loaded(tensor: &Tensor, rows: usize, stored: &[u32]) -> Vec<u32> {
    if !tensor.half {
        return stored.to_vec();
    }
    let halves: &[u16] = bytemuck::cast_slice(stored);
    let values = &halves[..rows * tensor.len];
    values
        .iter()
        .map(|&bits| f16::from_bits(bits).to_f32().to_bits())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(half: bool) -> Tensor {
        Tensor {
            name: "images".into(),
            len: 3,
            shared: false,
            transient: false,
            half,
        }
    }

    #[test]
    fn values_come_back_as_they_are_or_rounded_to_f16() {
        let words = [1.0_f32, -0.1, 1e-9, 65_504.0, f32::NAN, 1e6].map(f32::to_bits);
        let rounded = [1.0, -0.099_975_586, 0.0, 65_504.0, f32::NAN, f32::INFINITY];
        for (half, size) in [(false, 24), (true, 12)] {
            let tensor = tensor(half);
            let bytes = stored(&tensor, &words);
            assert_eq!((bytes.len() as u64, super::bytes(&tensor, 2)), (size, size));
            let back = loaded(&tensor, 2, &bytemuck::pod_collect_to_vec(&bytes));
            if half {
                let close = |(word, want): (&u32, f32)| {
                    f32::from_bits(*word) == want || want.is_nan() && f32::from_bits(*word).is_nan()
                };
                assert!(back.iter().zip(rounded).all(close), "{back:?}");
            } else {
                assert_eq!(back, words);
            }
        }
    }

    #[test]
    fn an_odd_number_of_values_fills_whole_words() {
        let words = [1.0_f32, 2.0, 3.0].map(f32::to_bits);
        let bytes = stored(&tensor(true), &words);
        assert_eq!((bytes.len(), super::bytes(&tensor(true), 1)), (8, 8));
        assert_eq!(loaded(&tensor(true), 1, &bytemuck::pod_collect_to_vec(&bytes)), words);
    }
}
