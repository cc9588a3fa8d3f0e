//! The size and brightness of the arcs.

use super::object::{Band, Object};
use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch};
use crate::plan::LensArcs;

impl Native for LensArcs {
    fn run(&self, memory: &mut Memory, _: &mut Scratch) {
        let s = self.shape;
        let len = s.pixels() * s.bands;
        let mut images = memory.take(self.images);
        let out = &mut images.row_mut(0)[s.objects * len..];
        for (number, out) in out.chunks_exact_mut(2).enumerate() {
            let object = Object::new(memory, self.objects, &s, number);
            let light = &memory.row(self.light, 0)[(number * s.planes() + s.bands) * s.pixels()..][..s.pixels()];
            let Band { sky, read_noise, .. } = object.band(0);
            let noise = (sky + read_noise * read_noise).sqrt();
            let above = light.iter().map(|light| light / noise).filter(|ratio| *ratio > 1.0);
            let (pixels, sum) = above.fold((0.0, 0.0), |(n, sum), ratio| (n + 1.0, sum + f64::from(ratio)));
            out.copy_from_slice(&[pixels, sum as f32]);
        }
        memory.put(self.images, images);
    }
}
