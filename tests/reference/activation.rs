use super::{Memory, relu};
use lensgpu::plan::{Activation, ActivationForward, ActivationGradInput, LEAKY_SLOPE};

/// out = f(x).
pub fn forward(op: &ActivationForward, memory: &mut Memory, m: usize) {
    let out: Vec<f64> = memory.row(op.x, m).iter().map(|&x| value(op.activation, x)).collect();
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dx = dout f'(x).
pub fn grad_input(op: &ActivationGradInput, memory: &mut Memory, m: usize) {
    let x = memory.row(op.x, m).iter();
    let products = x
        .zip(memory.row(op.dout, m))
        .map(|(&x, dout)| dout * slope(op.activation, x));
    let dx: Vec<f64> = products.collect();
    memory.put_input_grad([op.dx, op.x], &dx, op.gate, op.accumulate, m);
}

fn value(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => x,
        Activation::Relu => relu(x),
        Activation::LeakyRelu if x > 0.0 => x,
        Activation::LeakyRelu => f64::from(LEAKY_SLOPE) * x,
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

fn slope(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => 1.0,
        Activation::Relu | Activation::LeakyRelu if x > 0.0 => 1.0,
        Activation::Relu => 0.0,
        Activation::LeakyRelu => f64::from(LEAKY_SLOPE),
        Activation::Silu => {
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            sigmoid * (1.0 + x * (1.0 - sigmoid))
        }
    }
}
