// Where branches of a network meet.
//
// add_forward   a, b (M,LEN)  ->  out = a + b; TWICE: a and b are one tensor
// channel_copy  from (M,ROWS,FROM_C), channels from FROM_FIRST on  ->  to (M,ROWS,TO_C), channels from TO_FIRST on;
//               GATE: only where gate (as `to`) > 0, else 0; ACCUMULATE: added to what is there
//
// Each thread computes LANE values.

#import shared/lanes

#entry add_forward
@group(0) @binding(0) var<storage, read> a: array<stored_a_$LANE>;
#if TWICE
@group(0) @binding(1) var<storage, read_write> out: array<stored_out_$LANE>;
#else
@group(0) @binding(1) var<storage, read> b: array<stored_b_$LANE>;
@group(0) @binding(2) var<storage, read_write> out: array<stored_out_$LANE>;
#endif

@compute @workgroup_size(256)
fn add_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${LEN / LANE}u) {
        let value = V(a[group.z * ${A_STRIDE / LANE}u + at]);
#if TWICE
        out[group.z * ${OUT_STRIDE / LANE}u + at] = stored_out_$LANE(value + value);
#else
        out[group.z * ${OUT_STRIDE / LANE}u + at] = stored_out_$LANE(value + V(b[group.z * ${B_STRIDE / LANE}u + at]));
#endif
    }
}

#entry channel_copy
#let BLOCKS = CHANNELS / LANE

@group(0) @binding(0) var<storage, read> from_values: array<stored_from_values_$LANE>;
@group(0) @binding(1) var<storage, read_write> to_values: array<stored_to_values_$LANE>;
#if GATE
@group(0) @binding(2) var<storage, read> gate: array<stored_gate_$LANE>;
#endif

@compute @workgroup_size(256)
fn channel_copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${ROWS * BLOCKS}u) {
        let row = at / ${BLOCKS}u;
        let block = at % ${BLOCKS}u;
        let place = row * ${TO_C / LANE}u + ${TO_FIRST / LANE}u + block;
        let to = group.z * ${TO_STRIDE / LANE}u + place;
        var value = V(from_values[group.z * ${FROM_STRIDE / LANE}u + row * ${FROM_C / LANE}u + ${FROM_FIRST / LANE}u + block]);
#if GATE
        value = select(V(0.0), value, V(gate[group.z * ${GATE_STRIDE / LANE}u + place]) > V(0.0));
#endif
#if ACCUMULATE
        value += V(to_values[to]);
#endif
        to_values[to] = stored_to_values_$LANE(value);
    }
}
