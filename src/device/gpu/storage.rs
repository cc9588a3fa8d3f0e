//! The values of a tensor in the device's memory: 32 bits each, or f16.

use crate::plan::Tensor;
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use std::borrow::Cow;

/// Bytes of a row of a tensor that has been lowered: of `half` ones in f16.
pub fn row_bytes(tensor: &Tensor) -> u64 {
    let each = if tensor.half { 2 } else { 4 };
    each * tensor.len as u64
}

/// Bytes of the buffer or the copy of `rows` rows: a multiple of four, and not zero.
pub fn bytes(tensor: &Tensor, rows: usize) -> u64 {
    (rows as u64 * row_bytes(tensor)).max(1).next_multiple_of(4)
}

/// The host's words as they are stored, in whole words: behind an odd number of f16 values there is a zero.
pub fn stored<'a>(tensor: &Tensor, words: &'a [u32]) -> Cow<'a, [u32]> {
    if !tensor.half {
        return words.into();
    }
    let mut stored = vec![0; words.len().div_ceil(2)];
    let halves: &mut [u16] = bytemuck::cast_slice_mut(&mut stored);
    let values: &mut [f16] = halves.reinterpret_cast_mut();
    values[..words.len()].convert_from_f32_slice(bytemuck::cast_slice(words));
    stored.into()
}

/// The host's words of `rows` rows from what the device has stored, in whole words.
pub fn loaded(tensor: &Tensor, rows: usize, stored: &[u32]) -> Vec<u32> {
    if !tensor.half {
        return stored.to_vec();
    }
    let halves: &[u16] = bytemuck::cast_slice(stored);
    let values: &[f16] = halves[..rows * tensor.len].reinterpret_cast();
    bytemuck::cast_vec(values.to_f32_vec())
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
            let stored = stored(&tensor, &words);
            assert_eq!((4 * stored.len() as u64, bytes(&tensor, 2)), (size, size));
            let back = loaded(&tensor, 2, &stored);
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
        let stored = stored(&tensor(true), &words);
        assert_eq!((4 * stored.len(), bytes(&tensor(true), 1)), (8, 8));
        assert_eq!(loaded(&tensor(true), 1, &stored), words);
    }
}
