//! The operations that turn objects into images. The plan has no network and one member; its batch are the objects.

use super::population::{Population, PopulationError, Psf};
use crate::lens::Error;
use crate::plan::*;

/// A plan from the words of [`objects`](Self::objects) to [`images`](Self::images).
#[derive(Clone, Debug)]
pub struct LensPlan {
    /// The operations.
    pub plan: Plan,
    /// The sizes of a batch.
    pub shape: LensShape,
    /// Objects (N, words): see [`Object::words`](super::object::Object::words).
    pub objects: TensorId,
    /// Images (N,H,W,C), followed by the arcs (N,2) of [`LensArcs`].
    pub images: TensorId,
    /// Point spread functions (C,K,K), to be written once, if the population reads them from files.
    pub kernels: Option<TensorId>,
}

/// The part of a population's images that is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Side of the central crop, pixels.
    pub size: usize,
    /// Bands, by their position in the population.
    pub bands: Vec<usize>,
}

impl Window {
    /// The whole image in all bands.
    pub fn whole(population: &Population) -> Window {
        Window {
            size: population.size,
            bands: (0..population.bands.len()).collect(),
        }
    }

    /// The central `size` x `size` pixels in the bands with these names.
    ///
    /// # Errors
    /// [`Error::CropSize`] if `size` is 0 or larger than the population's images, [`Error::UnknownBand`].
    pub fn new(population: &Population, size: usize, bands: &[String]) -> Result<Window, Error> {
        if !(1..=population.size).contains(&size) {
            return Err(Error::CropSize {
                size,
                largest: population.size,
            });
        }
        let position = |name: &String| {
            let position = population.bands.iter().position(|band| band.name == *name);
            position.ok_or_else(|| Error::UnknownBand {
                name: name.clone(),
                bands: population.bands.iter().map(|band| band.name.clone()).collect(),
            })
        };
        Ok(Window {
            size,
            bands: bands.iter().map(position).collect::<Result<_, _>>()?,
        })
    }
}

impl LensPlan {
    /// A plan for batches of `objects` objects. `kernel` is the side, in pixels, of point spread functions that the
    /// population reads from files; without it they are computed per object.
    pub fn new(population: &Population, window: &Window, objects: usize, kernel: Option<usize>) -> LensPlan {
        let margin = (population.size - window.size) / 2;
        let shape = LensShape {
            objects,
            h: window.size,
            w: window.size,
            bands: window.bands.len(),
            kernel: kernel.unwrap_or_else(|| population.psf_side()),
            pixel_scale: population.pixel_scale as f32,
            samples: population.samples,
            components: population.max_components(),
            margin: [margin; 2],
        };
        let mut tensors = Vec::new();
        let mut tensor = |name: &str, len: usize| {
            tensors.push(Tensor {
                name: name.into(),
                len,
                shared: true,
                transient: false,
                half: false,
            });
            TensorId(tensors.len() - 1)
        };
        let pixels = shape.objects * shape.bands * shape.pixels();
        let light_len = shape.objects * shape.planes() * shape.pixels();
        let kernel_len = shape.bands * shape.kernel * shape.kernel;
        let objects = tensor("objects", shape.objects * shape.words());
        let light = tensor("light", light_len);
        let blurred = tensor("blurred", light_len);
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

/// Whether the population reads its point spread functions from files.
///
/// # Errors
/// [`PopulationError::MixedPsfs`] if only some bands do.
pub(super) fn has_psf_images(population: &Population) -> Result<bool, PopulationError> {
    let is_image = |psf: &Psf| match psf {
        Psf::Image { .. } => true,
        Psf::Gaussian { .. } | Psf::Moffat { .. } => false,
    };
    let images = population.bands.iter().filter(|band| is_image(&band.psf)).count();
    let bands = population.bands.len();
    match images {
        0 => Ok(false),
        _ if images == bands => Ok(true),
        _ => Err(PopulationError::MixedPsfs { images, bands }),
    }
}
