// Whether a pixel of an image is masked: whether it has the value that stands for that. In f16 it has been rounded, up or
// down.
fn is_masked(value: f32, masked: f32) -> bool {
#if HALF
    return abs(value - masked) <= abs(masked) / 1024.0;
#else
    return bitcast<u32>(value) == bitcast<u32>(masked);
#endif
}
