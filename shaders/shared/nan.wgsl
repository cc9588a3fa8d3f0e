// By their bits, see finite.wgsl; for V of lanes.wgsl.
#if LANE == 4
fn is_nan(x: V) -> vec4<bool> {
#else
fn is_nan(x: V) -> bool {
#endif
    return (bitcast<Index>(x) & Index(0x7fffffffu)) > Index(0x7f800000u);
}
