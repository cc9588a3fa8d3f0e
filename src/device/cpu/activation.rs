//! Activations as layers of their own.

use super::elementary::exp;
use super::memory::{Memory, Scratch};
use super::simd::{Simd, simd};
use super::{Native, put_input_grad, relu};
use crate::plan::{Activation, ActivationForward, ActivationGradInput, LEAKY_SLOPE};

/// Values per task.
const PIECE: usize = 16_384;

impl Native for ActivationForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut out = memory.take(self.out);
        scratch.workers.run(out.pieces(PIECE), |_, (m, number, out)| {
            forward(self.activation, &memory.row(self.x, m)[number * PIECE..], out);
        });
        memory.put(self.out, out);
    }
}

impl Native for ActivationGradInput {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut dx = memory.take(self.dx);
        scratch.workers.run(dx.pieces(PIECE), |_, (m, number, dx)| {
            let [x, dout] = [self.x, self.dout].map(|tensor| &memory.row(tensor, m)[number * PIECE..][..dx.len()]);
            grad_input(self, x, dout, dx);
        });
        memory.put(self.dx, dx);
    }
}

simd! {
    fn forward(activation: Activation, x: &[f32], out: &mut [f32]) {
        // The function is chosen outside the loop, which the compiler can then vectorise.
        match activation {
            Activation::Linear => map(x, out, |x| x),
            Activation::Relu => map(x, out, relu),
            Activation::LeakyRelu => map(x, out, |x| if x > 0.0 { x } else { LEAKY_SLOPE * x }),
            Activation::Silu => map(x, out, |x| x * sigmoids::<S>(x)[0]),
        }
    }
}

simd! {
    fn grad_input(op: &ActivationGradInput, x: &[f32], dout: &[f32], dx: &mut [f32]) {
        match op.activation {
            Activation::Linear => put_products(op, x, dout, dx, |_| 1.0),
            Activation::Relu => put_products(op, x, dout, dx, |x| if x > 0.0 { 1.0 } else { 0.0 }),
            Activation::LeakyRelu => put_products(op, x, dout, dx, |x| if x > 0.0 { 1.0 } else { LEAKY_SLOPE }),
            Activation::Silu => put_products(op, x, dout, dx, |x| {
                let [plus, minus] = sigmoids::<S>(x);
                plus * (1.0 + x * minus)
            }),
        }
    }
}

#[inline(always)]
fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
}

/// dx = dout slope(x), as `op` says.
#[inline(always)]
fn put_products(op: &ActivationGradInput, x: &[f32], dout: &[f32], dx: &mut [f32], slope: impl Fn(f32) -> f32) {
    let grad = dout.iter().zip(x).map(|(dout, x)| dout * slope(*x));
    put_input_grad(dx, grad, op.gate.then_some(x), op.accumulate);
}

/// 1 / (1 + exp(-x)) and 1 / (1 + exp(x)). Neither overflows, and neither is the difference of two similar numbers.
#[inline(always)]
fn sigmoids<S: Simd>(x: f32) -> [f32; 2] {
    let e = exp::<S>(-x.abs());
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    if x < 0.0 { [small, large] } else { [large, small] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silu_and_its_slope_are_finite_for_every_finite_value_and_keep_a_nan() {
        let op = ActivationGradInput {
            layer: String::new(),
            len: 0,
            activation: Activation::Silu,
            x: crate::plan::TensorId(0),
            dout: crate::plan::TensorId(0),
            gate: false,
            dx: crate::plan::TensorId(0),
            accumulate: false,
        };
        for (x, value, slope) in [
            (f32::MAX, f32::MAX, 1.0),
            (100.0, 100.0, 1.0),
            (0.0, 0.0, 0.5),
            (-100.0, 0.0, 0.0),
            (f32::MIN, 0.0, 0.0),
        ] {
            let (mut out, mut dx) = ([f32::NAN], [f32::NAN]);
            forward(Activation::Silu, &[x], &mut out);
            grad_input(&op, &[x], &[1.0], &mut dx);
            assert_eq!((out, dx), ([value], [slope]), "{x}");
        }
        for activation in [
            Activation::Linear,
            Activation::Relu,
            Activation::LeakyRelu,
            Activation::Silu,
        ] {
            let mut out = [0.0];
            forward(activation, &[f32::NAN], &mut out);
            assert!(out[0].is_nan(), "{activation:?}");
        }
    }
}
