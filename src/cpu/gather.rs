//! The mini-batch: images of the pool, flipped as drawn.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::{Gather, state};

impl Native for Gather {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let (mut x, mut y) = (memory.take(self.x), memory.take(self.y));
        let pool = memory.row(self.pool, 0);
        let image = self.h * self.w * self.c;
        let draw = |m, b| {
            let step = memory.words(self.state, m)[state::CURSOR] as usize;
            let draw = memory.words(self.draws, m)[step * self.batch + b];
            ((draw & 0x0fff_ffff) as usize, draw >> 28)
        };
        scratch.workers.share(x.pieces(image), |_, (m, b, x)| {
            let (drawn, code) = draw(m, b);
            self.flip(&pool[drawn * image..][..image], code, x);
        });
        for (m, labels) in y.rows_mut().enumerate() {
            for (b, label) in labels.iter_mut().enumerate() {
                *label = memory.row(self.pool_labels, 0)[draw(m, b).0];
            }
        }
        memory.put(self.x, x);
        memory.put(self.y, y);
    }
}

impl Gather {
    /// One image (H,W,C).
    fn flip(&self, image: &[f32], code: u32, x: &mut [f32]) {
        let (h, w, c) = (self.h, self.w, self.c);
        let from = |mut i, mut j| {
            if code & 4 != 0 {
                (i, j) = (j, i);
            }
            if code & 2 != 0 {
                i = h - 1 - i;
            }
            if code & 1 != 0 {
                j = w - 1 - j;
            }
            ((i * w + j) * c) as isize
        };
        for (i, line) in x.chunks_exact_mut(w * c).enumerate() {
            // Along a line of the output the place in the image moves by equal steps.
            let first = from(i, 0);
            let step = if w > 1 { from(i, 1) - first } else { 0 };
            for (j, pixel) in line.chunks_exact_mut(c).enumerate() {
                let values = &image[(first + step * j as isize) as usize..][..c];
                pixel.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }
}
