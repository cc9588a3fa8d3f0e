//! The instruction sets of x86 CPUs.

use super::{LANES, Simd, Vector, chunk, chunk_mut};
use std::arch::x86_64::*;

/// The widest instruction set that the CPU has. The standard library detects it only once.
pub fn level() -> Level {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        Level::Plain
    } else if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        Level::Avx512
    } else {
        Level::Avx2
    }
}

pub enum Level {
    Avx512,
    Avx2,
    Plain,
}

pub struct Avx512;

impl Vector for Avx512 {
    type V = __m512;
    type M = __mmask16;

    #[inline(always)]
    fn splat(x: f32) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn read(from: &[f32], place: usize) -> Self::V {
        let from = chunk(from, place);
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F. The 16
        // floats of `from` may be read, and need no alignment.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn write(x: Self::V, to: &mut [f32], place: usize) {
        let to = chunk_mut(to, place);
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F. The 16
        // floats of `to` may be written, and need no alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) };
    }

    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn above(a: Self::V, b: Self::V) -> Self::M {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a) }
    }

    #[inline(always)]
    fn equal(a: Self::V, b: Self::V) -> Self::M {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }

    #[inline(always)]
    fn positive(x: Self::V) -> Self::M {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn select(is: Self::M, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
        unsafe { _mm512_mask_blend_ps(is, b, a) }
    }
}

impl Simd for Avx512 {
    const SUMS: usize = 16;
}

pub struct Avx2;

impl Vector for Avx2 {
    type V = [__m256; 2];
    type M = [__m256; 2];

    #[inline(always)]
    fn splat(x: f32) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_set1_ps(x); 2] }
    }

    #[inline(always)]
    fn read(from: &[f32], place: usize) -> Self::V {
        let (low, high) = chunk(from, place).split_at(LANES / 2);
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA. Both
        // halves have 8 floats, which may be read and need no alignment.
        unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] }
    }

    #[inline(always)]
    fn write(x: Self::V, to: &mut [f32], place: usize) {
        let (low, high) = chunk_mut(to, place).split_at_mut(LANES / 2);
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA. Both
        // halves have 8 floats, which may be written and need no alignment.
        unsafe {
            _mm256_storeu_ps(low.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(high.as_mut_ptr(), x[1]);
        }
    }

    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    fn above(a: Self::V, b: Self::V) -> Self::M {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe {
            [
                _mm256_or_ps(
                    _mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]),
                    _mm256_cmp_ps::<_CMP_UNORD_Q>(a[0], a[0]),
                ),
                _mm256_or_ps(
                    _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1]),
                    _mm256_cmp_ps::<_CMP_UNORD_Q>(a[1], a[1]),
                ),
            ]
        }
    }

    #[inline(always)]
    fn equal(a: Self::V, b: Self::V) -> Self::M {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe {
            [
                _mm256_cmp_ps::<_CMP_EQ_OQ>(a[0], b[0]),
                _mm256_cmp_ps::<_CMP_EQ_OQ>(a[1], b[1]),
            ]
        }
    }

    #[inline(always)]
    fn positive(x: Self::V) -> Self::M {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe {
            let zero = _mm256_setzero_ps();
            [
                _mm256_cmp_ps::<_CMP_GT_OQ>(x[0], zero),
                _mm256_cmp_ps::<_CMP_GT_OQ>(x[1], zero),
            ]
        }
    }

    #[inline(always)]
    fn select(is: Self::M, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
        unsafe { [_mm256_blendv_ps(b[0], a[0], is[0]), _mm256_blendv_ps(b[1], a[1], is[1])] }
    }
}

impl Simd for Avx2 {
    const SUMS: usize = 6;
}
