//! The end of a step: norm of the gradient, verdict, update.

use super::{Lowering, fold};
use crate::device::gpu::{Binding, Pass};
use crate::plan::{Adam, log, schedule, state};

/// Values per workgroup of `adam_norm`.
const CHUNK: usize = 4096;

/// Norm, verdict, clip and update.
pub fn adam(op: &Adam, cx: &mut Lowering) -> Vec<Pass> {
    let values = op.param_stride + op.stat_stride;
    let chunks = values.div_ceil(CHUNK);
    let partials = cx.scratch("partials", 3 * chunks);
    let rows = [
        ("PARAM_STRIDE", op.param_stride.into()),
        ("STAT_STRIDE", op.stat_stride.into()),
    ];
    let state_words = ("STATE_WORDS", cx.stride(op.state).into());

    let grid = fold(chunks);
    let norm = Pass {
        shader: "adam.wgsl",
        entry: "adam_norm",
        constants: [&rows[..], &[("CHUNKS", chunks.into()), ("GRID_X", grid[0].into())]].concat(),
        buffers: vec![
            Binding::read("grads", op.grads),
            Binding::read("stats_next", op.stats_next),
            Binding::write("partials", partials),
        ],
        grid,
    };

    let mut constants = vec![
        state_words,
        ("CURSOR", state::CURSOR.into()),
        ("TAKEN", state::TAKEN.into()),
        ("SKIPPED_IN_A_ROW", state::SKIPPED_IN_A_ROW.into()),
        ("SKIPPED", state::SKIPPED.into()),
        ("RESTORED", state::RESTORED.into()),
        ("SINCE_GOOD", state::SINCE_GOOD.into()),
        ("VERDICT", state::VERDICT.into()),
        ("FROZEN", state::FROZEN.into()),
        ("RATE_FACTOR", state::RATE_FACTOR.into()),
        ("BIAS1", state::BIAS1.into()),
        ("BIAS2", state::BIAS2.into()),
        ("CLIP", state::CLIP.into()),
        ("STEP_SIZE", state::STEP_SIZE.into()),
        ("TAKE", state::TAKE.into()),
        ("SKIP", state::SKIP.into()),
        ("RESTORE", state::RESTORE.into()),
        ("FREEZE", state::FREEZE.into()),
        ("KEEP", state::KEEP.into()),
        ("CHUNKS", chunks.into()),
        ("PATIENCE", op.patience.into()),
        ("KEEP_EVERY", op.keep_every.into()),
        ("BETA1", op.beta1.into()),
        ("BETA2", op.beta2.into()),
        ("LOG_STRIDE", cx.stride(op.log).into()),
        ("LOG_WIDTH", log::WIDTH.into()),
        ("TWO_LOSSES", op.second_loss.is_some().into()),
        ("CROSS_ENTROPY", op.cross_entropy.is_some().into()),
        ("CLIPPED", op.clip.is_finite().into()),
        ("SCHEDULE_WIDTH", schedule::WIDTH.into()),
        ("RATE", schedule::RATE.into()),
        ("DECAYED", (op.decay > 0.0).into()),
    ];
    if op.decay > 0.0 {
        constants.extend([("DECAY", op.decay.into()), ("SHRINK", state::SHRINK.into())]);
    }
    if op.clip.is_finite() {
        constants.push(("MAX_NORM", op.clip.into()));
    }
    let mut buffers = vec![
        Binding::read("partials", partials),
        Binding::read("loss", op.loss),
        Binding::read("schedule", op.schedule),
        Binding::write("state", op.state),
        Binding::write("log_rows", op.log),
    ];
    buffers.extend(op.cross_entropy.map(|entropy| Binding::read("cross_entropy", entropy)));
    buffers.extend(op.second_loss.map(|loss| Binding::read("second_loss", loss)));
    let verdict = Pass {
        shader: "adam.wgsl",
        entry: "adam_verdict",
        constants,
        buffers,
        grid: [1, 1],
    };

    let decay = op.kernels.iter().map(|&(offset, len)| {
        let grid = fold(len.div_ceil(256));
        Pass {
            shader: "adam.wgsl",
            entry: "adam_decay",
            constants: vec![
                rows[0],
                state_words,
                ("VERDICT", state::VERDICT.into()),
                ("SHRINK", state::SHRINK.into()),
                ("TAKE", state::TAKE.into()),
                ("KEEP", state::KEEP.into()),
                ("OFFSET", offset.into()),
                ("LEN", len.into()),
                ("GRID_X", grid[0].into()),
            ],
            buffers: vec![Binding::read("state", op.state), Binding::write("params", op.params)],
            grid,
        }
    });

    let grid = fold(values.div_ceil(256));
    let constants = [
        state_words,
        ("VERDICT", state::VERDICT.into()),
        ("CLIP", state::CLIP.into()),
        ("STEP_SIZE", state::STEP_SIZE.into()),
        ("TAKE", state::TAKE.into()),
        ("RESTORE", state::RESTORE.into()),
        ("KEEP", state::KEEP.into()),
        ("BETA1", op.beta1.into()),
        ("BETA2", op.beta2.into()),
        ("EPSILON", op.epsilon.into()),
        ("GRID_X", grid[0].into()),
    ];
    let update = Pass {
        shader: "adam.wgsl",
        entry: "adam_update",
        constants: [&rows[..], &constants].concat(),
        buffers: vec![
            Binding::read("state", op.state),
            Binding::read("grads", op.grads),
            Binding::read("stats_next", op.stats_next),
            Binding::write("params", op.params),
            Binding::write("stats", op.stats),
            Binding::write("m", op.adam_m),
            Binding::write("v", op.adam_v),
            Binding::write("good", op.good),
        ],
        grid,
    };
    [norm, verdict].into_iter().chain(decay).chain([update]).collect()
}
