//! Sixteen lanes at a time: the same arithmetic with AVX-512, with AVX2 and FMA, or as plain code.
//!
//! [`simd!`] compiles a function for each instruction set and selects one when the function is called. Functions that it
//! calls must be `#[inline(always)]`, or they would be compiled without the instruction set. Loops over slices and arrays
//! are left to the compiler, which may use the same instructions; the products of `product.rs` and the windows of `pool.rs` name
//! their lanes.

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

/// Arithmetic on several values at a time: [`LANES`], or one.
pub trait Vector {
    type V: Copy;
    /// One truth value per value.
    type M: Copy;

    fn splat(x: f32) -> Self::V;
    /// The values from `place` on.
    fn read(from: &[f32], place: usize) -> Self::V;
    fn write(x: Self::V, to: &mut [f32], place: usize);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a b + c
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a > b, or a is NaN.
    fn above(a: Self::V, b: Self::V) -> Self::M;
    fn equal(a: Self::V, b: Self::V) -> Self::M;
    /// x > 0
    fn positive(x: Self::V) -> Self::M;
    /// a where it is true, else b.
    fn select(is: Self::M, a: Self::V, b: Self::V) -> Self::V;
}

/// Arithmetic on [`LANES`] values.
pub trait Simd: Vector {
    /// Number of sums that fit the registers together with their operands.
    const SUMS: usize;

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self::V {
        Self::read(x, 0)
    }

    #[inline(always)]
    fn store(x: Self::V) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        Self::write(x, &mut out, 0);
        out
    }

    /// a b + c of single values, for loops that the compiler vectorises: fused where the CPU can.
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
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

impl Vector for Plain {
    type V = [f32; LANES];
    type M = [bool; LANES];

    #[inline(always)]
    fn splat(x: f32) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    fn read(from: &[f32], place: usize) -> Self::V {
        *chunk(from, place)
    }

    #[inline(always)]
    fn write(x: Self::V, to: &mut [f32], place: usize) {
        *chunk_mut(to, place) = x;
    }

    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| a[l] + b[l])
    }

    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| a[l] - b[l])
    }

    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| a[l] * b[l])
    }

    #[inline(always)]
    fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|l| Self::fma(a[l], b[l], c[l]))
    }

    #[inline(always)]
    fn above(a: Self::V, b: Self::V) -> Self::M {
        std::array::from_fn(|l| One::above(a[l], b[l]))
    }

    #[inline(always)]
    fn equal(a: Self::V, b: Self::V) -> Self::M {
        std::array::from_fn(|l| a[l] == b[l])
    }

    #[inline(always)]
    fn positive(x: Self::V) -> Self::M {
        std::array::from_fn(|l| x[l] > 0.0)
    }

    #[inline(always)]
    fn select(is: Self::M, a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| if is[l] { a[l] } else { b[l] })
    }
}

impl Simd for Plain {
    const SUMS: usize = 4;

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

/// One value at a time, for those that do not fill all lanes.
pub struct One;

impl Vector for One {
    type V = f32;
    type M = bool;

    #[inline(always)]
    fn splat(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn read(from: &[f32], place: usize) -> f32 {
        from[place]
    }

    #[inline(always)]
    fn write(x: f32, to: &mut [f32], place: usize) {
        to[place] = x;
    }

    #[inline(always)]
    fn add(a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    fn sub(a: f32, b: f32) -> f32 {
        a - b
    }

    #[inline(always)]
    fn mul(a: f32, b: f32) -> f32 {
        a * b
    }

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    #[inline(always)]
    fn above(a: f32, b: f32) -> bool {
        (a > b) | a.is_nan()
    }

    #[inline(always)]
    fn equal(a: f32, b: f32) -> bool {
        a == b
    }

    #[inline(always)]
    fn positive(x: f32) -> bool {
        x > 0.0
    }

    #[inline(always)]
    fn select(is: bool, a: f32, b: f32) -> f32 {
        if is { a } else { b }
    }
}

#[inline(always)]
fn chunk(from: &[f32], place: usize) -> &[f32; LANES] {
    from[place..].first_chunk().expect("as many values as lanes")
}

#[inline(always)]
fn chunk_mut(to: &mut [f32], place: usize) -> &mut [f32; LANES] {
    to[place..].first_chunk_mut().expect("as many values as lanes")
}

/// The methods are sound only inside a function that is compiled for their instruction set; [`simd!`] ensures this.
#[cfg(target_arch = "x86_64")]
pub mod x86;

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
