// The moving average of weights and running statistics: average += (1 - decay) (value - average), if the step was taken.
// A member that returns to its last good weights gets the average that was kept with them.
//
// state, params (M,P), stats (M,S)  ->  average (M, P + S), good_average (M, P + S)

#entry average_weights
// Each thread updates one trainable value or one running statistic.
@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> average: array<f32>;
@group(0) @binding(4) var<storage, read_write> good_average: array<f32>;

@compute @workgroup_size(256)
fn average_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at >= ${PARAM_STRIDE + STAT_STRIDE}u) {
        return;
    }
    let verdict = state[member * STATE_WORDS + VERDICT];
    let k = member * ${PARAM_STRIDE + STAT_STRIDE}u + at;
    if (verdict % KEEP == TAKE) {
        var value = 0.0;
        if (at < PARAM_STRIDE) {
            value = params[member * PARAM_STRIDE + at];
        } else {
            value = stats[member * STAT_STRIDE + at - PARAM_STRIDE];
        }
        average[k] += (1.0 - DECAY) * (value - average[k]);
        if (verdict >= KEEP) {
            good_average[k] = average[k];
        }
    } else if (verdict == RESTORE) {
        average[k] = good_average[k];
    }
}
