//! What the CPU can do at most, see [`Peak`].

use super::simd::{LANES, Simd, simd};
use crate::device::peak::Peak;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Values that are copied at a time: 64 MiB, more than most caches hold.
const COPIED: usize = 16 << 20;
/// Values that a thread copies at a time.
const CHUNK: usize = 1 << 16;
const ROUNDS: usize = 1 << 20;
/// Each measurement is repeated, and the fastest counts: others have the machine as well.
const REPEATS: usize = 5;

/// Measures it, on all threads.
pub fn peak() -> Peak {
    let source = vec![1.0_f32; COPIED];
    let mut target = vec![0.0_f32; COPIED];
    let copy = fastest(|| {
        let chunks = target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK));
        chunks.for_each(|(target, source)| target.copy_from_slice(source));
    });
    let bytes = 2 * size_of_val(&source[..]);
    let mut chains = 0;
    let seconds = fastest(|| {
        chains = rayon::broadcast(|_| black_box(multiply_add(black_box(ROUNDS))))
            .iter()
            .sum()
    });
    Peak {
        flops_per_second: (chains * ROUNDS * LANES * 2) as f64 / seconds,
        bytes_per_second: bytes as f64 / copy,
        dependent_dispatch_seconds: 0.0,
        independent_dispatch_seconds: 0.0,
    }
}

fn fastest(mut work: impl FnMut()) -> f64 {
    let seconds = (0..REPEATS).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

simd! {
    /// Multiply-adds in as many chains as hide their latency; returns the number of chains.
    fn multiply_add(rounds: usize) -> usize {
        if S::SUMS >= 8 { chains::<S, 8>(rounds) } else { chains::<S, 4>(rounds) }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(rounds: usize) -> usize {
    let (factor, added) = (S::splat(black_box(0.999)), S::splat(black_box(0.5)));
    let mut sums = [S::splat(0.0); N];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = S::mul_add(*sum, factor, added);
        }
    }
    black_box(sums.map(S::store));
    N
}
