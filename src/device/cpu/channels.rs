//! Where branches of a network meet: addition, concatenation, and their gradients.

use super::memory::{Memory, Scratch};
use super::{Native, put_input_grad};
use crate::plan::{AddForward, ChannelCopy};

/// Values per task, roughly.
const PIECE: usize = 16_384;

impl Native for AddForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut out = memory.take(self.out);
        scratch.workers.run(out.pieces(PIECE), |_, (m, number, out)| {
            let [a, b] = [self.a, self.b].map(|tensor| &memory.row(tensor, m)[number * PIECE..]);
            for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
                *out = a + b;
            }
        });
        memory.put(self.out, out);
    }
}

impl Native for ChannelCopy {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let rows = (PIECE / self.to_channels).max(1);
        let piece = rows * self.to_channels;
        let mut to = memory.take(self.to);
        scratch.workers.run(to.pieces(piece), |_, (m, number, to)| {
            let from = &memory.row(self.from, m)[number * rows * self.from_channels..];
            let gate = self.gate.map(|x| &memory.row(x, m)[number * piece..]);
            let pairs = to
                .chunks_exact_mut(self.to_channels)
                .zip(from.chunks_exact(self.from_channels));
            for (row, (to, from)) in pairs.enumerate() {
                let to = &mut to[self.to_first..][..self.channels];
                let from = from[self.from_first..][..self.channels].iter().copied();
                let gate = gate.map(|x| &x[row * self.to_channels + self.to_first..]);
                put_input_grad(to, from, gate, self.accumulate);
            }
        });
        memory.put(self.to, to);
    }
}
