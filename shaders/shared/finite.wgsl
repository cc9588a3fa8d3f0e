// By its bits: WGSL may assume that NaN and infinities do not occur, so x != x proves nothing.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}
