//! Draws objects, runs them on a device and returns their images.

use super::object::Object;
use super::plan::{LensPlan, Window, has_psf_images};
use super::population::{LabelDefinition, Population};
use super::psf::PsfImages;
use crate::device::{Device, Engine};
use crate::lens::Error;
use crate::plan::MASKED;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Objects on the device at a time, if its memory allows.
const BATCH: usize = 64;

/// Lenses that may be left out in a row because they have too few arc pixels.
const MAX_FAINT: usize = 2000;

/// Simulates the objects of a population.
pub struct Simulator {
    population: Population,
    window: Window,
    seed: u64,
    plan: LensPlan,
    engine: Box<dyn Engine>,
}

/// An object with its image.
pub struct SimulatedObject<'a> {
    /// Its parameters.
    pub object: &'a Object,
    /// Radius of the circle with the area inside the tangential critical curve, arcsec.
    pub theta_e_crit: f64,
    /// Pixels in which the lensed light in the window's first band, blurred and before noise is added, exceeds the
    /// noise of the sky.
    pub arc_pixels: u32,
    /// Lensed light in these pixels, in units of the noise of the sky.
    pub arc_flux: f32,
    /// Pixel values (H,W,C); masked pixels are 100.
    pub image: &'a [f32],
}

impl SimulatedObject<'_> {
    /// The pixel values with NaN for masked pixels.
    pub(super) fn flux(&self, population: &Population) -> impl Iterator<Item = f32> {
        let masks = population.masks.is_some();
        self.image.iter().map(move |&value| match value == MASKED && masks {
            true => f32::NAN,
            false => value,
        })
    }
}

/// Images and labels to train on: see [`Simulator::lenses`] and [`Simulator::lenses_and_others`].
#[derive(Clone, Debug, Default)]
pub struct Lenses {
    /// Pixel values (N,H,W,C).
    pub images: Vec<f32>,
    /// Labels (N), arcsec: the Einstein radii that the population defines as labels; NaN for an object that is not a
    /// lens.
    pub labels: Vec<f64>,
    /// Number of the object at which the next call should start.
    pub next: u64,
}

impl Simulator {
    /// A simulator of the objects that `seed` gives. At most `max_batch` objects are on the device at a time; fewer if
    /// its memory is small.
    ///
    /// # Errors
    /// [`Error::InvalidPopulation`], [`Error::NoObjects`] if `max_batch` is 0, [`Error::Psf`] for the file of a point
    /// spread function that cannot be used, [`Error::ImageTooLarge`], and errors of the device.
    pub fn new(
        device: &Device,
        population: &Population,
        window: Window,
        seed: u64,
        max_batch: usize,
    ) -> Result<Simulator, Error> {
        population.check()?;
        if max_batch == 0 {
            return Err(Error::NoObjects);
        }
        let psfs = match has_psf_images(population)? {
            true => Some(PsfImages::read(population, &window)?),
            false => None,
        };
        let psf_side = psfs.as_ref().map(|psfs| psfs.side);
        let one = LensPlan::new(population, &window, 1, psf_side);
        let sizes = one.plan.tensors.iter().map(|tensor| 4 * tensor.len as u64);
        let largest = sizes.max().expect("the plan has tensors");
        if largest > device.largest_binding() {
            return Err(Error::ImageTooLarge {
                size: window.size,
                bands: window.bands.len(),
                device: device.name(),
            });
        }
        let that_fit = (device.largest_binding() / largest) as usize;
        let batch = BATCH.min(max_batch).min(that_fit).max(1);
        let plan = LensPlan::new(population, &window, batch, psf_side);
        let mut engine = device.engine(&plan.plan, 1)?;
        if let (Some(tensor), Some(psfs)) = (plan.kernels, psfs) {
            engine.write(tensor, bytemuck::cast_slice(&psfs.values))?;
        }
        Ok(Simulator {
            population: population.clone(),
            window,
            seed,
            plan,
            engine,
        })
    }

    /// The population.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Height, width and bands of an image.
    pub fn image_shape(&self) -> [usize; 3] {
        let shape = self.plan.shape;
        [shape.h, shape.w, shape.bands]
    }

    /// Objects on the device at a time.
    pub fn batch(&self) -> usize {
        self.plan.shape.objects
    }

    /// Passes the objects from number `first` on to `sink`, in order, until it breaks, and returns the value of the
    /// break. Lenses with fewer than the population's `min_arc_pixels` are left out. An object and its image depend
    /// only on the seed and the number of the object.
    ///
    /// # Errors
    /// [`Error::FaintArcs`] if 2000 lenses in a row are left out, and errors of the device.
    pub fn run<B>(&mut self, first: u64, sink: &mut dyn FnMut(SimulatedObject) -> ControlFlow<B>) -> Result<B, Error> {
        self.run_selected(first, |_| true, sink)
    }

    /// [`Simulator::run`] for the objects that are `selected`; the others are not rendered.
    fn run_selected<B>(
        &mut self,
        first: u64,
        selected: impl Fn(&Object) -> bool + Sync,
        sink: &mut dyn FnMut(SimulatedObject) -> ControlFlow<B>,
    ) -> Result<B, Error> {
        let (population, window, seed) = (&self.population, &self.window, self.seed);
        let shape = self.plan.shape;
        // Batches that the device works on, and the value of the sink's break; both are shared by the two closures.
        let in_flight: RefCell<VecDeque<Vec<(Object, f64)>>> = RefCell::default();
        let end: RefCell<Option<B>> = RefCell::new(None);
        let mut number = first;
        let mut next_batch = || {
            if end.borrow().is_some() {
                return Ok(None);
            }
            let mut objects: Vec<Object> = Vec::with_capacity(shape.objects);
            while objects.len() < shape.objects {
                let numbers = number..number + (shape.objects - objects.len()) as u64;
                number = numbers.end;
                let draw = |number| Some(population.object(seed, number)).filter(&selected);
                objects.par_extend(numbers.into_par_iter().filter_map(draw));
            }
            // By all threads, while the device renders the batch before: a radius takes a thread longer than an image a GPU.
            let (words, objects): (Vec<Vec<u32>>, Vec<(Object, f64)>) = objects
                .into_par_iter()
                .map(|object| {
                    let theta_e_crit = object.mass.theta_e_crit();
                    (object.words(&shape, population, &window.bands), (object, theta_e_crit))
                })
                .unzip();
            in_flight.borrow_mut().push_back(objects);
            Ok(Some(words.concat()))
        };
        let len = shape.pixels() * shape.bands;
        let mut faint = 0;
        let mut take_batch = |words: &[u32]| {
            let objects = in_flight
                .borrow_mut()
                .pop_front()
                .expect("every batch was drawn before");
            let (images, arcs) = bytemuck::cast_slice::<u32, f32>(words).split_at(shape.objects * len);
            let images = images.chunks_exact(len).zip(arcs.chunks_exact(2));
            for ((object, theta_e_crit), (image, arcs)) in objects.iter().zip(images) {
                if end.borrow().is_some() {
                    break;
                }
                let min_arc_pixels = population.min_arc_pixels;
                if object.is_lens && arcs[0] < min_arc_pixels as f32 {
                    faint += 1;
                    if faint == MAX_FAINT {
                        return Err(Error::FaintArcs {
                            lenses: faint,
                            min_arc_pixels,
                        });
                    }
                    continue;
                }
                faint = if object.is_lens { 0 } else { faint };
                let simulated = SimulatedObject {
                    object,
                    theta_e_crit: *theta_e_crit,
                    arc_pixels: arcs[0] as u32,
                    arc_flux: arcs[1],
                    image,
                };
                if let ControlFlow::Break(value) = sink(simulated) {
                    *end.borrow_mut() = Some(value);
                }
            }
            Ok(())
        };
        let (objects, images) = (self.plan.objects, [self.plan.images]);
        self.engine.stream(objects, &images, &mut next_batch, &mut take_batch)?;
        Ok(end.into_inner().expect("the stream ends only by a break or an error"))
    }

    /// Simulates `count` lenses, from object number `first` on, with their labels. Objects that are not lenses, and
    /// lenses with fewer than `min_arc_pixels` arc pixels, are left out.
    ///
    /// # Errors
    /// [`Error::NoLenses`] for a population without lenses, and those of [`Simulator::run`].
    pub fn lenses(&mut self, first: u64, count: usize, min_arc_pixels: u32) -> Result<Lenses, Error> {
        if self.population.lens_share <= 0.0 {
            return Err(Error::NoLenses);
        }
        self.objects(first, count, min_arc_pixels, |object| object.is_lens)
    }

    /// Simulates `count` objects, from number `first` on: lenses with their labels, and other objects without. Lenses
    /// with fewer than `min_arc_pixels` arc pixels are left out.
    ///
    /// # Errors
    /// [`Error::NoLenses`] and [`Error::OnlyLenses`] for a population without lenses or without other objects, and
    /// those of [`Simulator::run`].
    pub fn lenses_and_others(&mut self, first: u64, count: usize, min_arc_pixels: u32) -> Result<Lenses, Error> {
        match self.population.lens_share {
            share if share <= 0.0 => Err(Error::NoLenses),
            share if share >= 1.0 => Err(Error::OnlyLenses),
            _ => self.objects(first, count, min_arc_pixels, |_| true),
        }
    }

    fn objects(
        &mut self,
        first: u64,
        count: usize,
        min_arc_pixels: u32,
        selected: impl Fn(&Object) -> bool + Sync,
    ) -> Result<Lenses, Error> {
        let mut lenses = Lenses {
            next: first,
            ..Lenses::default()
        };
        if count == 0 {
            return Ok(lenses);
        }
        let label = self.population.label;
        self.run_selected(first, selected, &mut |simulated| {
            let is_lens = simulated.object.is_lens;
            lenses.next = simulated.object.number + 1;
            if !is_lens || simulated.arc_pixels >= min_arc_pixels {
                lenses.images.extend_from_slice(simulated.image);
                lenses
                    .labels
                    .push(if is_lens { simulated.label(label) } else { f64::NAN });
            }
            if lenses.labels.len() == count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(lenses)
    }
}

impl SimulatedObject<'_> {
    /// Einstein radius by the given definition, arcsec.
    pub fn label(&self, definition: LabelDefinition) -> f64 {
        match definition {
            LabelDefinition::ThetaE => self.object.mass.theta_e,
            LabelDefinition::ThetaECrit => self.theta_e_crit,
        }
    }
}
