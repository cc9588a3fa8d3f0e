// Whether a pixel of an image is masked: whether it has the value, given by its bits, that stands for that. In f16 it has been
// rounded, up or down.
fn is_masked(value: f32, masked: u32) -> bool {
#if HALF
    let exact = bitcast<f32>(masked);
    return abs(value - exact) <= abs(exact) / 1024.0;
#else
    return bitcast<u32>(value) == masked;
#endif
}
