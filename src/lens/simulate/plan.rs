//! The operations that make images of objects: no network, one member, the objects as the batch.

use super::population::{Population, Psf};
use crate::plan::*;
use anyhow::{Result, bail, ensure};

/// A plan from the words of `objects` to `images`.
#[derive(Clone, Debug)]
pub struct LensPlan {
    pub plan: Plan,
    pub shape: LensShape,
    /// (N, words): [`super::object::Object::words`].
    pub objects: TensorId,
    /// Images (N,H,W,C), then arcs (N,2): [`LensArcs`].
    pub images: TensorId,
    /// (C,K,K), where the population brings its own point spread functions: to be written once.
    pub kernels: Option<TensorId>,
}

/// What of a population's images is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The central `size` x `size` pixels.
    pub size: usize,
    /// Bands, by their place in the population.
    pub bands: Vec<usize>,
}

impl Window {
    /// All of them.
    pub fn whole(population: &Population) -> Window {
        Window {
            size: population.size,
            bands: (0..population.bands.len()).collect(),
        }
    }

    /// # Errors
    /// More pixels than the population's images have, none, or a band that it does not know.
    pub fn new(population: &Population, size: usize, bands: &[String]) -> Result<Window> {
        ensure!(
            (1..=population.size).contains(&size),
            "a crop of {size} pixels; allowed is 1 to {}",
            population.size
        );
        let known: Vec<&str> = population.bands.iter().map(|b| b.name.as_str()).collect();
        let place = |band: &String| match known.iter().position(|k| k == band) {
            Some(place) => Ok(place),
            None => bail!("the population has no band '{band}'; it has: {}", known.join(", ")),
        };
        Ok(Window {
            size,
            bands: bands.iter().map(place).collect::<Result<_>>()?,
        })
    }
}

impl LensPlan {
    /// `kernel`: pixels of the side of the population's own point spread functions, where it brings them.
    pub fn new(population: &Population, window: &Window, objects: usize, kernel: Option<usize>) -> LensPlan {
        let margin = (population.size - window.size) / 2;
        let shape = LensShape {
            objects,
            h: window.size,
            w: window.size,
            bands: window.bands.len(),
            kernel: kernel.unwrap_or_else(|| population.kernel()),
            pixel_scale: population.pixel_scale as f32,
            samples: population.samples,
            components: population.components(),
            margin: [margin; 2],
        };
        let mut tensors = Vec::new();
        let mut tensor = |name: &str, len: usize| {
            tensors.push(Tensor {
                name: name.into(),
                len,
                shared: true,
            });
            TensorId(tensors.len() - 1)
        };
        let pixels = shape.objects * shape.bands * shape.pixels();
        let kernel_len = shape.bands * shape.kernel * shape.kernel;
        let objects = tensor("objects", shape.objects * shape.words());
        let light = tensor("light", LAYERS * pixels);
        let blurred = tensor("blurred", LAYERS * pixels);
        let kernels = tensor(
            "kernels",
            if kernel.is_some() {
                kernel_len
            } else {
                shape.objects * kernel_len
            },
        );
        let images = tensor("images", pixels + 2 * shape.objects);
        let mut ops = vec![Op::from(LensRender { shape, objects, light })];
        if kernel.is_none() {
            ops.push(Op::from(LensPsf {
                shape,
                objects,
                kernels,
            }));
        }
        ops.push(Op::from(LensConvolve {
            shape,
            light,
            kernels,
            same: kernel.is_some(),
            out: blurred,
        }));
        ops.push(Op::from(LensNoise {
            shape,
            objects,
            light: blurred,
            images,
        }));
        ops.push(Op::from(LensArcs {
            shape,
            objects,
            light: blurred,
            images,
        }));
        let plan = Plan {
            tensors,
            ops,
            log: None,
            batch: shape.objects,
        };
        LensPlan {
            plan,
            shape,
            objects,
            images,
            kernels: kernel.map(|_| kernels),
        }
    }
}

/// The deflection alone, at (P,2) points for each object: a plan, its objects, its points and what comes out.
pub fn deflection(shape: LensShape, points: usize) -> (Plan, [TensorId; 3]) {
    let [objects, at, out] = [0, 1, 2].map(TensorId);
    let lens = [
        ("objects", shape.objects * shape.words()),
        ("at", 2 * points),
        ("out", 6 * shape.objects * points),
    ];
    let tensors = lens.map(|(name, len)| Tensor {
        name: name.into(),
        len,
        shared: true,
    });
    let op = Op::from(LensDeflect {
        shape,
        points,
        objects,
        at,
        out,
    });
    let plan = Plan {
        tensors: tensors.into(),
        ops: vec![op],
        log: None,
        batch: shape.objects,
    };
    (plan, [objects, at, out])
}

/// Whether the population's bands bring their own point spread functions.
///
/// # Errors
/// Only some of them do.
pub fn brings_kernels(population: &Population) -> Result<bool> {
    let own = population
        .bands
        .iter()
        .filter(|b| matches!(b.psf, Psf::Image { .. }))
        .count();
    ensure!(
        own == 0 || own == population.bands.len(),
        "bands.psf: {own} of {} bands have kind = \"image\"; allowed is all or none",
        population.bands.len()
    );
    Ok(own > 0)
}
