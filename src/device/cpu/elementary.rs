//! Elementary functions that the compiler can vectorise, accurate to a few units in the last place where they are used.

/// 2^x; 0 below the normal numbers, 2^127 above them. Never infinite; a NaN stays a NaN.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = x.clamp(-127.0, 127.0);
    let whole = (x + 0.5).floor();
    let r = (x - whole) * std::f32::consts::LN_2;
    // Taylor, |r| <= ln(2)/2.
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
    let power = f32::from_bits(((whole as i32).wrapping_add(127) as u32).wrapping_shl(23));
    p * power
}

/// log2(x) of a positive normal number.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    // The mantissa between sqrt(1/2) and sqrt(2).
    let exponent = (bits.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent as u32).wrapping_shl(23)));
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    // 2 artanh(s), |s| < 0.172.
    let ln = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 / 9.0))));
    exponent as f32 + ln * std::f32::consts::LOG2_E
}

/// x^y for a positive normal x.
#[inline(always)]
pub fn pow(x: f32, y: f32) -> f32 {
    exp2(y * log2(x))
}

/// e^x, with the limits of [`exp2`].
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    exp2(x * std::f32::consts::LOG2_E)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library() {
        for i in 0..4000 {
            let x = (i as f32 - 2000.0) * 0.043;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 4e-7, "exp2({x})");
            let y = x.exp2() * 1.37;
            assert!((log2(y) - y.log2()).abs() < 3e-7 * y.log2().abs().max(1.0), "log2({y})");
        }
        assert_eq!((exp2(0.0), log2(1.0), exp2(-500.0)), (1.0, 0.0, 0.0));
    }
}
