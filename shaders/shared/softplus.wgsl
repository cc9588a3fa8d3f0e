// log(1 + exp(b)), which itself is infinite from b = 88.73. With e = exp(-|b|), log(1 + e) = 2 atanh(z), z = e / (2 + e) <= 1/3,
// by its series: 1 + e would round a small e away, and with it a variance that is little more than its floor. Not max(),
// which may turn NaN into a number.
fn softplus(b: f32) -> f32 {
    let e = exp(-abs(b));
    let z = e / (2.0 + e);
    let w = z * z;
    let series = 1.0 + w * (1.0 / 3.0 + w * (0.2 + w * (1.0 / 7.0 + w * (1.0 / 9.0 + w * (1.0 / 11.0 + w * (1.0 / 13.0 + w / 15.0))))));
    return select(b, 0.0, b <= 0.0) + 2.0 * z * series;
}
