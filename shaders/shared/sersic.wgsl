// Sersic profile of the component whose words begin at `at`, 1 at its centre. Requires word().
fn sersic(at: u32, p: vec2<f32>) -> f32 {
    let d = p - vec2<f32>(word(at), word(at + 1u));
    let c = word(at + 2u);
    let s = word(at + 3u);
    let q = word(at + 4u);
    let u = c * d.x + s * d.y;
    let v = c * d.y - s * d.x;
    let scaled = (q * u * u + v * v / q) * word(at + 5u) * word(at + 5u);
    // pow(0, y) is not 0 on every device.
    return exp(-word(at + 7u) * pow(max(scaled, 1e-20), 0.5 * word(at + 6u)));
}
