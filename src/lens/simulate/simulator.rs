//! Objects drawn, made on a device, and handed out with their images.

use super::object::Object;
use super::plan::{LensPlan, Window, brings_kernels};
use super::population::{Band, Population, Psf};
use crate::device::{Device, Engine};
use crate::survey::psf::read_psf;
use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Objects on the device at a time, where they fit.
const BATCH: usize = 64;

/// Draws that may be refused in a row for having too few arc pixels.
const MOST_REFUSED: usize = 2000;

/// Makes the objects of a population.
pub struct Simulator {
    population: Population,
    window: Window,
    seed: u64,
    plan: LensPlan,
    engine: Box<dyn Engine>,
}

/// One object, made.
pub struct Simulated<'a> {
    pub object: &'a Object,
    /// Radius of the critical curve's area, arcsec.
    pub theta_e_crit: f64,
    /// Pixels whose lensed light in the window's first band exceeds the noise of the sky, once blurred and before any
    /// noise, and the sum of that light in units of the noise.
    pub arc_pixels: u32,
    pub arc_flux: f32,
    /// (H,W,C) pixel values, masked ones 100.
    pub image: &'a [f32],
}

/// See [`Simulator::run`].
pub type Sink<'a> = dyn FnMut(Simulated) -> Result<ControlFlow<()>> + 'a;

/// Images and labels for training: see [`Simulator::lenses`].
#[derive(Clone, Debug, Default)]
pub struct Lenses {
    /// (N,H,W,C) pixel values.
    pub images: Vec<f32>,
    /// The population's label, arcsec.
    pub labels: Vec<f64>,
    /// Where the next call goes on.
    pub next: u64,
}

impl Simulator {
    /// `most`: how many objects are wanted at most at a time; fewer than that are on the device where memory is short.
    ///
    /// # Errors
    /// A point spread function that cannot be used, and those of [`Device::engine`].
    pub fn new(device: &Device, population: &Population, window: Window, seed: u64, most: usize) -> Result<Simulator> {
        population.check()?;
        ensure!(most > 0, "a count of 0 objects; allowed is 1 or more");
        let kernels = match brings_kernels(population)? {
            true => Some(read_kernels(population, &window)?),
            false => None,
        };
        let side = kernels.as_ref().map(|k| k.side);
        let one = LensPlan::new(population, &window, 1, side);
        let largest = one
            .plan
            .tensors
            .iter()
            .map(|t| 4 * t.len as u64)
            .max()
            .expect("there are tensors");
        ensure!(
            largest <= device.largest_binding(),
            "an image of {0} x {0} pixels in {1} bands is too large for {2}",
            window.size,
            window.bands.len(),
            device.name()
        );
        let batch = BATCH
            .min(most)
            .min((device.largest_binding() / largest) as usize)
            .max(1);
        let plan = LensPlan::new(population, &window, batch, side);
        let mut engine = device.engine(&plan.plan, 1)?;
        if let (Some(tensor), Some(kernels)) = (plan.kernels, kernels) {
            engine.write(tensor, bytemuck::cast_slice(&kernels.values))?;
        }
        Ok(Simulator {
            population: population.clone(),
            window,
            seed,
            plan,
            engine,
        })
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Height, width and bands of an image.
    pub fn image_shape(&self) -> [usize; 3] {
        let s = self.plan.shape;
        [s.h, s.w, s.bands]
    }

    /// Objects on the device at a time.
    pub fn batch(&self) -> usize {
        self.plan.shape.objects
    }

    /// Hands the population's objects from number `first` on to `sink`, in order, until it breaks. Lenses with too few
    /// arc pixels, where the population asks for a number of them, are left out. An object and its image depend on the
    /// seed and its number alone.
    ///
    /// # Errors
    /// Those of `sink`; a lost device; a population whose lenses hardly ever have enough arc pixels.
    pub fn run(&mut self, first: u64, sink: &mut Sink) -> Result<()> {
        self.make(first, |_| true, sink)
    }

    /// [`Simulator::run`] for the objects that are `wanted`; others are not rendered.
    fn make(&mut self, first: u64, wanted: impl Fn(&Object) -> bool + Sync, sink: &mut Sink) -> Result<()> {
        let (population, window, seed) = (&self.population, &self.window, self.seed);
        let shape = self.plan.shape;
        let drawn: RefCell<VecDeque<Vec<Object>>> = RefCell::default();
        let (done, mut number, mut refused) = (Cell::new(false), first, 0);
        let mut next = || {
            if done.get() {
                return Ok(None);
            }
            let mut objects: Vec<Object> = Vec::with_capacity(shape.objects);
            while objects.len() < shape.objects {
                let numbers = number..number + (shape.objects - objects.len()) as u64;
                number = numbers.end;
                let draw = |number| Some(population.draw(seed, number)).filter(&wanted);
                objects.par_extend(numbers.into_par_iter().filter_map(draw));
            }
            let words: Vec<Vec<u32>> = objects
                .par_iter()
                .map(|object| object.words(&shape, population, &window.bands))
                .collect();
            drawn.borrow_mut().push_back(objects);
            Ok(Some(words.concat()))
        };
        let len = shape.pixels() * shape.bands;
        let mut each = |words: &[u32]| {
            let objects = drawn.borrow_mut().pop_front().expect("what comes out was drawn before");
            let (images, arcs) = bytemuck::cast_slice::<u32, f32>(words).split_at(shape.objects * len);
            let seen = objects.iter().zip(images.chunks_exact(len)).zip(arcs.chunks_exact(2));
            for ((object, image), arcs) in seen {
                if done.get() {
                    return Ok(());
                }
                if object.is_lens && arcs[0] < population.min_arc_pixels as f32 {
                    refused += 1;
                    if refused == MOST_REFUSED {
                        bail!(
                            "{MOST_REFUSED} lenses in a row have fewer than min_arc_pixels = {} arc pixels: make sources \
                             brighter or ask for fewer",
                            population.min_arc_pixels
                        );
                    }
                    continue;
                }
                refused = if object.is_lens { 0 } else { refused };
                let simulated = Simulated {
                    object,
                    theta_e_crit: object.mass.theta_e_crit(),
                    arc_pixels: arcs[0] as u32,
                    arc_flux: arcs[1],
                    image,
                };
                done.set(sink(simulated)?.is_break());
            }
            Ok(())
        };
        self.engine
            .stream(self.plan.objects, &[self.plan.images], &mut next, &mut each)
    }

    /// The next `count` lenses from object number `first` on, with their labels; what is no lens, and lenses with fewer
    /// than `min_arc_pixels` arc pixels, are left out.
    ///
    /// # Errors
    /// Those of [`Simulator::run`]; a population without lenses.
    pub fn lenses(&mut self, first: u64, count: usize, min_arc_pixels: u32) -> Result<Lenses> {
        ensure!(
            self.population.lens_share > 0.0,
            "lens_share = 0: a population without lenses"
        );
        let mut out = Lenses {
            next: first,
            ..Lenses::default()
        };
        let label = self.population.label;
        if count == 0 {
            return Ok(out);
        }
        self.make(first, |object| object.is_lens, &mut |s| {
            out.next = s.object.number + 1;
            if s.arc_pixels >= min_arc_pixels {
                out.images.extend_from_slice(s.image);
                out.labels.push(s.label(label));
            }
            Ok(if out.labels.len() == count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(out)
    }
}

impl Simulated<'_> {
    /// Arcsec.
    pub fn label(&self, label: super::population::Label) -> f64 {
        match label {
            super::population::Label::ThetaE => self.object.mass.theta_e,
            super::population::Label::ThetaECrit => self.theta_e_crit,
        }
    }
}

/// The population's own point spread functions, (C,K,K), each with the sum 1.
struct Kernels {
    side: usize,
    values: Vec<f32>,
}

/// Those of the window's bands, made one size by zeros around the smaller ones.
fn read_kernels(population: &Population, window: &Window) -> Result<Kernels> {
    let mut images = Vec::new();
    for &band in &window.bands {
        let Band { name, psf, .. } = &population.bands[band];
        if let Psf::Image { file } = psf {
            images.push(read_psf(file).with_context(|| format!("bands.{name}.psf.file"))?);
        }
    }
    let side = images.iter().map(|(side, _)| *side).max().unwrap_or(1);
    let mut values = vec![0.0; images.len() * side * side];
    for ((own, image), to) in images.iter().zip(values.chunks_exact_mut(side * side)) {
        let edge = (side - own) / 2;
        for (i, line) in image.chunks_exact(*own).enumerate() {
            let to = &mut to[(i + edge) * side + edge..][..*own];
            to.iter_mut().zip(line).for_each(|(to, from)| *to = *from as f32);
        }
    }
    Ok(Kernels { side, values })
}
