//! asinh in operations that a compiler can vectorise.

/// asinh(x), |x| < 1e150, with an error of at most 1e-15 (1 + |asinh(x)|): the same bits on every machine.
#[inline(always)]
pub fn asinh(x: f64) -> f64 {
    let a = x.abs();
    ln(a + (a * a + 1.0).sqrt()).copysign(x)
}

/// ln(x), x >= 1: 2 atanh((m - 1) / (m + 1)) of the mantissa m, between sqrt(1/2) and sqrt(2), as a series.
#[inline(always)]
fn ln(x: f64) -> f64 {
    /// The bits of sqrt(1/2).
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    /// The bits of 2^52. Those of a smaller whole number, added to them, are that of 2^52 plus the number; few processors
    /// convert four integers at once.
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(SQRT_HALF) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(exponent << 52));
    let exponent = f64::from_bits(exponent | TWO_52) - f64::from_bits(TWO_52);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut sum = 1.0 / 17.0;
    for k in (0..8).rev() {
        sum = sum * z + 1.0 / (2 * k + 1) as f64;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_standard_library() {
        for k in -4000..4000 {
            let x = (f64::from(k) * 0.05).exp() * 1.37;
            for x in [x, -x] {
                let (got, want) = (asinh(x), x.asinh());
                assert!(
                    (got - want).abs() <= 1e-15 * (1.0 + want.abs()),
                    "asinh({x}): {got} {want}"
                );
            }
        }
        assert_eq!(asinh(0.0).to_bits(), 0);
        assert!(
            asinh(f64::INFINITY).is_finite(),
            "the network's input is finite for every flux"
        );
    }
}
