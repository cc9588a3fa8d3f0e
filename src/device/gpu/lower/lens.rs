//! The simulator. Its plan has one member, so the grid covers the objects.

use super::fold;
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::*;

/// The passes of one of the simulator's operations.
pub fn lower(op: &LensOp) -> Vec<Pass> {
    match op {
        LensOp::LensPsf(op) => psf(op),
        LensOp::LensRender(op) => render(op),
        LensOp::LensConvolve(op) => convolve(op),
        LensOp::LensNoise(op) => noise(op),
        LensOp::LensArcs(op) => arcs(op),
    }
}

const SHADER: &str = "lens.wgsl";

/// The values of the constants `names` that a kernel uses.
fn constants(shape: &LensShape, grid: [u32; 2], names: &[&'static str]) -> Vec<(&'static str, Constant)> {
    let value = |name: &str| -> Constant {
        match name {
            "GRID_X" => grid[0].into(),
            "OBJECTS" => shape.objects.into(),
            "H" => shape.h.into(),
            "W" => shape.w.into(),
            "BANDS" => shape.bands.into(),
            "KERNEL" => shape.kernel.into(),
            "PIXEL_SCALE" => shape.pixel_scale.into(),
            "SAMPLES" => shape.samples.into(),
            "WORDS" => shape.words().into(),
            "MASS" => object::MASS.into(),
            "LENSED" => object::LENSED.into(),
            "COMPONENTS" => object::COMPONENTS.into(),
            "COMPONENTS_AT" => shape.components_at().into(),
            "COMPONENT_WORDS" => shape.component_words().into(),
            "OWN_WORDS" => object::COMPONENT_WORDS.into(),
            "BANDS_AT" => object::BANDS.into(),
            "BAND_WORDS" => object::BAND_WORDS.into(),
            "RECTANGLES_AT" => object::RECTANGLES.into(),
            "RECTANGLES" => object::MAX_RECTANGLES.into(),
            "RECTANGLE_WORDS" => object::RECTANGLE_WORDS.into(),
            "ROW" => shape.margin[0].into(),
            "COLUMN" => shape.margin[1].into(),
            "MASKED" => MASKED.into(),
            "EXACT_BELOW" => EXACT_BELOW.into(),
            _ => unreachable!("{name}"),
        }
    };
    names.iter().map(|&name| (name, value(name))).collect()
}

fn psf(op: &LensPsf) -> Vec<Pass> {
    let grid = fold(op.shape.objects * op.shape.bands);
    let names = [
        "GRID_X",
        "OBJECTS",
        "BANDS",
        "KERNEL",
        "PIXEL_SCALE",
        "WORDS",
        "BANDS_AT",
        "BAND_WORDS",
    ];
    vec![Pass {
        shader: SHADER,
        entry: "lens_psf",
        constants: constants(&op.shape, grid, &names),
        buffers: vec![
            Binding::read("objects", op.objects),
            Binding::write("kernels", op.kernels),
        ],
        grid,
    }]
}

fn render(op: &LensRender) -> Vec<Pass> {
    let grid = fold((op.shape.objects * op.shape.pixels()).div_ceil(64));
    let names = [
        "GRID_X",
        "OBJECTS",
        "H",
        "W",
        "BANDS",
        "PIXEL_SCALE",
        "SAMPLES",
        "WORDS",
        "MASS",
        "LENSED",
        "COMPONENTS",
        "COMPONENTS_AT",
        "COMPONENT_WORDS",
        "OWN_WORDS",
    ];
    let mut constants = constants(&op.shape, grid, &names);
    let sides = [("FAR_0", "SIDE_0"), ("FAR_1", "SIDE_1"), ("FAR_2", "SIDE_2")];
    for ((far, side), value) in sides.into_iter().zip(SIDES) {
        constants.extend([(far, value.0.into()), (side, value.1.into())]);
    }
    vec![Pass {
        shader: SHADER,
        entry: "lens_render",
        constants,
        buffers: vec![Binding::read("objects", op.objects), Binding::write("light", op.light)],
        grid,
    }]
}

/// Its tile of (16 + K - 1)^2 values fits in 16 KiB of workgroup memory up to K = 49.
fn convolve(op: &LensConvolve) -> Vec<Pass> {
    let s = &op.shape;
    let grid = fold(s.objects * s.planes() * s.h.div_ceil(16) * s.w.div_ceil(16));
    let mut constants = constants(s, grid, &["GRID_X", "OBJECTS", "H", "W", "BANDS", "KERNEL"]);
    constants.push(("SAME", op.same.into()));
    vec![Pass {
        shader: SHADER,
        entry: "lens_convolve",
        constants,
        buffers: vec![
            Binding::read("light", op.light),
            Binding::read("kernels", op.kernels),
            Binding::write("out", op.out),
        ],
        grid,
    }]
}

fn noise(op: &LensNoise) -> Vec<Pass> {
    let s = &op.shape;
    let grid = fold((s.objects * s.pixels() * s.bands).div_ceil(256));
    let names = [
        "GRID_X",
        "OBJECTS",
        "H",
        "W",
        "BANDS",
        "WORDS",
        "BANDS_AT",
        "BAND_WORDS",
        "RECTANGLES_AT",
        "RECTANGLES",
        "RECTANGLE_WORDS",
        "ROW",
        "COLUMN",
        "MASKED",
        "EXACT_BELOW",
    ];
    vec![Pass {
        shader: SHADER,
        entry: "lens_noise",
        constants: constants(s, grid, &names),
        buffers: vec![
            Binding::read("objects", op.objects),
            Binding::read("light", op.light),
            Binding::write("images", op.images),
        ],
        grid,
    }]
}

fn arcs(op: &LensArcs) -> Vec<Pass> {
    let grid = fold(op.shape.objects);
    let names = ["GRID_X", "OBJECTS", "H", "W", "BANDS", "WORDS", "BANDS_AT"];
    vec![Pass {
        shader: SHADER,
        entry: "lens_arcs",
        constants: constants(&op.shape, grid, &names),
        buffers: vec![
            Binding::read("objects", op.objects),
            Binding::read("light", op.light),
            Binding::write("images", op.images),
        ],
        grid,
    }]
}
