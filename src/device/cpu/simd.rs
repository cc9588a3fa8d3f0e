//! Sixteen lanes at a time: the same arithmetic with AVX-512, with AVX2 and FMA, or as plain code.
//!
//! [`simd!`] compiles a function for each instruction set and selects one when the function is called. Functions that it
//! calls must be `#[inline(always)]`, or they would be compiled without the instruction set. Loops over slices and arrays
//! are left to the compiler, which may use the same instructions; only the products of `product.rs` name their lanes.

use bytemuck::{Pod, Zeroable};

pub const LANES: usize = 16;

/// The values of one cache line, aligned to it.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Lanes(pub [f32; LANES]);

/// `[f(0), f(1), ..]`. Unlike `std::array::from_fn` and `map`, it is always compiled for the caller's instruction set.
#[inline(always)]
pub fn lanes<const N: usize>(f: impl Fn(usize) -> f32) -> [f32; N] {
    let mut values = [0.0; N];
    for (l, value) in values.iter_mut().enumerate() {
        *value = f(l);
    }
    values
}

/// Arithmetic on [`LANES`] values.
pub trait Simd {
    type V: Copy;
    /// Number of sums that fit the registers together with their operands.
    const SUMS: usize;

    fn splat(x: f32) -> Self::V;
    fn load(x: &[f32; LANES]) -> Self::V;
    fn store(x: Self::V) -> [f32; LANES];
    fn add(a: Self::V, b: Self::V) -> Self::V;
    /// a b + c
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a b + c of single values, for loops that the compiler vectorises: fused where the CPU can.
    fn fma(a: f32, b: f32, c: f32) -> f32;
}

/// The name of the instruction set in use, for display.
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    match x86::level() {
        x86::Level::Avx512 => return "AVX-512",
        x86::Level::Avx2 => return "AVX2 and FMA",
        x86::Level::Plain => {}
    }
    if cfg!(target_arch = "aarch64") {
        "NEON"
    } else {
        "plain code"
    }
}

/// Plain code, for every CPU.
pub struct Plain;

impl Simd for Plain {
    type V = [f32; LANES];
    const SUMS: usize = 4;

    #[inline(always)]
    fn splat(x: f32) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self::V {
        *x
    }

    #[inline(always)]
    fn store(x: Self::V) -> [f32; LANES] {
        x
    }

    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| a[l] + b[l])
    }

    #[inline(always)]
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|l| Self::fma(a[l], b[l], c[l]))
    }

    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        // Every 64-bit Arm CPU has the fused instruction; elsewhere it could become a call of the maths library.
        if cfg!(target_arch = "aarch64") {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

/// The methods are sound only inside a function that is compiled for their instruction set; [`simd!`] ensures this.
#[cfg(target_arch = "x86_64")]
pub mod x86 {
    use super::{LANES, Simd};
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

    impl Simd for Avx512 {
        type V = __m512;
        const SUMS: usize = 16;

        #[inline(always)]
        fn splat(x: f32) -> Self::V {
            // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        fn load(x: &[f32; LANES]) -> Self::V {
            // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F. The 16 floats of `x`
            // may be read, and need no alignment.
            unsafe { _mm512_loadu_ps(x.as_ptr()) }
        }

        #[inline(always)]
        fn store(x: Self::V) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F. The 16 floats of `out`
            // may be written, and need no alignment.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), x) };
            out
        }

        #[inline(always)]
        fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: only `avx512` of the macro `simd` uses this type, which runs where the CPU has AVX-512F.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn fma(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
    }

    pub struct Avx2;

    impl Simd for Avx2 {
        type V = [__m256; 2];
        const SUMS: usize = 6;

        #[inline(always)]
        fn splat(x: f32) -> Self::V {
            // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
            unsafe { [_mm256_set1_ps(x); 2] }
        }

        #[inline(always)]
        fn load(x: &[f32; LANES]) -> Self::V {
            let [low, high] = [&x[..LANES / 2], &x[LANES / 2..]];
            // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA. Both halves have 8
            // floats, which may be read and need no alignment.
            unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] }
        }

        #[inline(always)]
        fn store(x: Self::V) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            let (low, high) = out.split_at_mut(LANES / 2);
            // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA. Both halves have 8
            // floats, which may be written and need no alignment.
            unsafe {
                _mm256_storeu_ps(low.as_mut_ptr(), x[0]);
                _mm256_storeu_ps(high.as_mut_ptr(), x[1]);
            }
            out
        }

        #[inline(always)]
        fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
            unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: only `avx2` of the macro `simd` uses this type, which runs where the CPU has AVX2 and FMA.
            unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
        }

        #[inline(always)]
        fn fma(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
    }
}

/// Compiles `fn name(..) { .. }` for each instruction set; `S` in its body is the [`Simd`] of that set.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters)]
            fn body<S: $crate::device::cpu::simd::Simd>($($arg: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::device::cpu::simd::x86::{Avx2, Avx512, Level};

                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($arg: $type),*) $(-> $out)? {
                    body::<Avx512>($($arg),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $out)? {
                    body::<Avx2>($($arg),*)
                }

                match $crate::device::cpu::simd::x86::level() {
                    // SAFETY: the CPU has the features that are enabled for the function: `level` has asked it.
                    Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: the CPU has AVX2 and FMA: `level` has asked it.
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    Level::Plain => {}
                }
            }
            body::<$crate::device::cpu::simd::Plain>($($arg),*)
        }
    };
}
pub(crate) use simd;
