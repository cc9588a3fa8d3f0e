//! Point spread functions.

use super::object::{Band, Object};
use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch};
use crate::plan::{LensPsf, LensShape};

impl Native for LensPsf {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut kernels = memory.take(self.kernels);
        scratch
            .workers
            .run(kernels.pieces(s.kernel * s.kernel), |_, (_, number, kernel)| {
                let object = Object::new(memory, self.objects, &s, number / s.bands);
                psf(&s, &object.band(number % s.bands), kernel);
            });
        memory.put(self.kernels, kernels);
    }
}

fn psf(s: &LensShape, band: &Band, kernel: &mut [f32]) {
    let (fwhm, beta, [e1, e2]) = (band.fwhm / s.pixel_scale, band.beta, band.ellipticity);
    let middle = (s.kernel / 2) as f32;
    for (place, value) in kernel.iter_mut().enumerate() {
        let (x, y) = ((place % s.kernel) as f32 - middle, (place / s.kernel) as f32 - middle);
        let r2 = ((1.0 - e1) * x * x - 2.0 * e2 * x * y + (1.0 + e1) * y * y) * 4.0 / (fwhm * fwhm);
        *value = if beta > 0.0 {
            (1.0 + r2 * ((1.0 / beta).exp2() - 1.0)).powf(-beta)
        } else {
            (-r2).exp2()
        };
    }
    let sum: f64 = kernel.iter().map(|&v| f64::from(v)).sum();
    kernel
        .iter_mut()
        .for_each(|value| *value = (f64::from(*value) / sum) as f32);
}
