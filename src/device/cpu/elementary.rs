//! Elementary functions that the compiler can vectorise, accurate to a few units in the last place where they are used.

use super::simd::Simd;
use std::f32::consts::{LN_2, LOG2_E};

/// c\[0\] + c\[1\] x + c\[2\] x^2 ...
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = S::fma(sum, x, c[k]);
    }
    sum
}

/// 2^x; 0 below the normal numbers, 2^127 above them. Never infinite; a NaN stays a NaN.
#[inline(always)]
pub fn exp2<S: Simd>(x: f32) -> f32 {
    // Among numbers of this size the next one is larger by 1, so the sum is rounded to a whole number, which its last bits
    // hold: a conversion to an integer would check for NaN, lane by lane.
    const ROUNDS: f32 = 1.5 * 8_388_608.0;
    let x = x.clamp(-127.0, 127.0);
    let rounded = x + ROUNDS;
    let r = (x - (rounded - ROUNDS)) * LN_2;
    // Taylor, |r| <= ln(2)/2.
    let p = polynomial::<S, 7>(r, [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0]);
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    p * power
}

/// P of ln(1 + x) = x - x^2/2 + x^3 P(x) for 1 + x between sqrt(1/2) and sqrt(2), with a relative error of ln below
/// 1e-9: a fit that makes the largest error small.
const LN: [f32; 9] = [
    0.333_333_13,
    -0.250_000_1,
    0.200_021_2,
    -0.166_679_96,
    0.142_195_52,
    -0.124_055_89,
    0.118_881_63,
    -0.116_756_51,
    0.067_466_386,
];

/// ln(x) of a positive normal number.
#[inline(always)]
pub fn ln<S: Simd>(x: f32) -> f32 {
    let bits = x.to_bits();
    // The mantissa between sqrt(1/2) and sqrt(2).
    let exponent = (bits.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent as u32).wrapping_shl(23))) - 1.0;
    let tail = m * m * S::fma(m, polynomial::<S, 9>(m, LN), -0.5);
    S::fma(exponent as f32, LN_2, m + tail)
}

/// x^y for a positive normal x.
#[inline(always)]
pub fn pow<S: Simd>(x: f32, y: f32) -> f32 {
    exp::<S>(y * ln::<S>(x))
}

/// e^x, with the limits of [`exp2`].
#[inline(always)]
pub fn exp<S: Simd>(x: f32) -> f32 {
    exp2::<S>(x * LOG2_E)
}

/// cos(2 pi x), 0 <= x <= 1.
#[inline(always)]
pub fn cos_of_turns<S: Simd>(x: f32) -> f32 {
    // -sin(2 pi t) with |t| <= 1/4; an odd polynomial, fitted like LN to a relative error of 5e-9.
    let t = 0.25 - (x - 0.5).abs();
    let sine = polynomial::<S, 5>(t * t, [6.283_185_5, -41.341_68, 81.602_234, -76.574_98, 39.710_854]);
    -t * sine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::simd::Plain;

    #[test]
    fn they_agree_with_the_standard_library() {
        for i in 0..4000 {
            let x = (i as f32 - 2000.0) * 0.043;
            assert!((exp2::<Plain>(x) / x.exp2() - 1.0).abs() < 4e-7, "exp2({x})");
            let y = x.exp2() * 1.37;
            assert!((ln::<Plain>(y) - y.ln()).abs() < 2e-7 * y.ln().abs(), "ln({y})");
            let turns = i as f32 / 4000.0;
            let exact = (std::f64::consts::TAU * f64::from(turns)).cos();
            assert!(
                (f64::from(cos_of_turns::<Plain>(turns)) - exact).abs() < 2e-7,
                "cos({turns} turns)"
            );
        }
        assert_eq!(
            (exp2::<Plain>(0.0), ln::<Plain>(1.0), exp2::<Plain>(-500.0)),
            (1.0, 0.0, 0.0)
        );
    }
}
