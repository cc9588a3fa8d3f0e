//! The operations, one struct each: what it reads, what it writes, and the sizes that its kernels are compiled for.
//!
//! Shapes are those of one member; every tensor has the member as its first axis. Images lie as (B,H,W,C), channel
//! fastest; features are `1 x 1 x F`. Activations and their gradients are overwritten; gradients of parameters are
//! overwritten too, or added to where `accumulate` is set (the adversarial pass).
//!
//! `gate`: the tensor `x` came out of a ReLU, so the gradient with respect to it is passed on only where x > 0, which
//! makes it the gradient with respect to the value before the ReLU.

use super::{LAYERS, LensArcs, LensConvolve, LensNoise, LensPsf, LensRender, TensorId};

/// One layer's forward or one of its gradients, for all members.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    Gather(Gather),
    ConvForward(ConvForward),
    ConvGradInput(ConvGradInput),
    ConvGradWeight(ConvGradWeight),
    NormStats(NormStats),
    NormForward(NormForward),
    NormGradParam(NormGradParam),
    NormGradInput(NormGradInput),
    PoolForward(PoolForward),
    PoolGradInput(PoolGradInput),
    DenseForward(DenseForward),
    DenseGradInput(DenseGradInput),
    DenseGradWeight(DenseGradWeight),
    HeadsForward(HeadsForward),
    HeadsLoss(HeadsLoss),
    HeadsGradInput(HeadsGradInput),
    HeadsGradWeight(HeadsGradWeight),
    Fgsm(Fgsm),
    Adam(Adam),
    Average(Average),
    LensPsf(LensPsf),
    LensRender(LensRender),
    LensConvolve(LensConvolve),
    LensNoise(LensNoise),
    LensArcs(LensArcs),
}

/// A stretch of a member's row of parameters or gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub tensor: TensorId,
    pub offset: usize,
}

/// Sizes of a convolution, stride 1, valid: out = in - kernel + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub in_c: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    pub out_c: usize,
}

impl ConvShape {
    pub fn out_h(&self) -> usize {
        self.in_h - self.kernel_h + 1
    }

    pub fn out_w(&self) -> usize {
        self.in_w - self.kernel_w + 1
    }

    /// Values of the kernel (kh, kw, in, out).
    pub fn kernel_len(&self) -> usize {
        self.kernel_h * self.kernel_w * self.in_c * self.out_c
    }

    /// Multiply-adds counted as two, for one member.
    pub fn flops(&self) -> f64 {
        2.0 * (self.batch * self.out_h() * self.out_w()) as f64 * self.kernel_len() as f64
    }
}

/// Sizes of a pooling or of a norm with the pooling behind it; `pool` = 1 is none. The ragged rest is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    pub batch: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub pool: usize,
}

impl PoolShape {
    pub fn out_h(&self) -> usize {
        self.h / self.pool
    }

    pub fn out_w(&self) -> usize {
        self.w / self.pool
    }

    /// Values that a channel's batch statistics run over.
    pub fn rows(&self) -> usize {
        self.batch * self.h * self.w
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseShape {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl DenseShape {
    pub fn flops(&self) -> f64 {
        2.0 * (self.batch * self.inputs * self.outputs) as f64
    }
}

/// `x[b] = noisy(shift(flip(pool[draw], code)))`, `y[b] = labels[draw]`, for row `state[CURSOR]` of `draws` (steps, B).
///
/// A draw is `image | code << 28`. Code bit 0 mirrors left and right, bit 1 up and down, bit 2 transposes rows and
/// columns (only where h = w); they apply in that order to the output's coordinates: for output (i, j), first swap
/// (i, j) if bit 2, then i = h-1-i if bit 1, then j = w-1-j if bit 0, and read the image at (i, j).
///
/// Before that a shift takes (di, dj) from (i, j), two integers of -shift to shift; what comes from outside the image is
/// a masked pixel. Noise adds `bands[NOISE]` (s - 2040) to every value that is not masked, s the sum of sixteen random
/// bytes: nearly Gaussian (kurtosis 2.92, at most 6.9 sigma), and integers, the same on every device.
///
/// Random words are counter based: [`pcg4d`] of (`state[KEY]`, step, b, place of the value in the image), for the shift
/// with a place of 2^32 - 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    pub batch: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    /// Largest shift, pixels.
    pub shift: usize,
    pub noise: bool,
    /// ([`super::bands::ROWS`], C), for shift and noise.
    pub bands: Option<TensorId>,
    pub pool: TensorId,
    pub pool_labels: TensorId,
    pub draws: TensorId,
    pub state: TensorId,
    pub x: TensorId,
    pub y: TensorId,
}

/// Four random words of four words (Jarzynski & Olano 2020, JCGT 9, 3).
pub fn pcg4d(key: [u32; 4]) -> [u32; 4] {
    let mut v = key.map(|word| word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |v: &mut [u32; 4]| {
        for (to, a, b) in [(0, 1, 3), (1, 2, 0), (2, 0, 1), (3, 1, 2)] {
            v[to] = v[to].wrapping_add(v[a].wrapping_mul(v[b]));
        }
    };
    mix(&mut v);
    v = v.map(|word| word ^ (word >> 16));
    mix(&mut v);
    v
}

impl Gather {
    /// The place of the random words that say the shift.
    pub const SHIFT_PLACE: u32 = u32::MAX;
    /// Mean and standard deviation of the sum of sixteen bytes.
    pub const BYTES_MEAN: u32 = 2040;
    pub const BYTES_SIGMA: f64 = 295.601_082_5;

    /// Where the pixel (i, j) of an image of `h` x `w` comes from under a code of flips and turns.
    pub fn source(code: u32, (mut i, mut j): (usize, usize), (h, w): (usize, usize)) -> (usize, usize) {
        if code & 4 != 0 {
            (i, j) = (j, i);
        }
        if code & 2 != 0 {
            i = h - 1 - i;
        }
        if code & 1 != 0 {
            j = w - 1 - j;
        }
        (i, j)
    }
}

/// out = act(x * kernel + bias): `out[b,i,j,o] = act(bias[o] + sum over u,v,c of x[b,i+u,j+v,c] kernel[u,v,c,o])`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvForward {
    pub layer: String,
    pub shape: ConvShape,
    /// (B,H,W,Cin); shared by all members in inference's first layer.
    pub x: TensorId,
    pub kernel: Slice,
    pub bias: Slice,
    pub relu: bool,
    /// (B,Ho,Wo,Cout).
    pub out: TensorId,
}

/// `dx[b,i,j,c] = sum over u,v,o of dout[b,i-u,j-v,o] kernel[u,v,c,o]`, gated by x > 0 where asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradInput {
    pub layer: String,
    pub shape: ConvShape,
    pub dout: TensorId,
    pub kernel: Slice,
    pub x: TensorId,
    pub gate: bool,
    pub dx: TensorId,
}

/// `dkernel[u,v,c,o] = sum over b,i,j of x[b,i+u,j+v,c] dout[b,i,j,o]`; `dbias[o] = sum of dout[..,o]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradWeight {
    pub layer: String,
    pub shape: ConvShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub kernel_grad: Slice,
    pub bias_grad: Slice,
    pub accumulate: bool,
}

/// Batch statistics over the rows of x: batch = [mean; C], [biased variance; C], merged from blocks (n, mean, M2) in a
/// fixed order (Chan et al. 1979). next = momentum before + (1 - momentum) batch for the running ones.
#[derive(Clone, Debug, PartialEq)]
pub struct NormStats {
    pub layer: String,
    pub rows: usize,
    pub channels: usize,
    pub momentum: f32,
    pub x: TensorId,
    /// (2,C).
    pub batch_stats: TensorId,
    /// Running statistics before: those of the last step taken, or for the second pass of a step those of its first.
    pub before: TensorId,
    pub next: TensorId,
    /// Offsets of the layer's mean and variance in a member's row of both.
    pub mean_offset: usize,
    pub variance_offset: usize,
}

/// Where a norm takes its mean and variance from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsSource {
    /// (2,C) of this batch: training.
    Batch(TensorId),
    /// Running statistics: inference.
    Running {
        stats: TensorId,
        mean_offset: usize,
        variance_offset: usize,
    },
}

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta), windows of `pool` x `pool`, ragged rest dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct NormForward {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub source: StatsSource,
    pub gamma: Slice,
    pub beta: Slice,
    pub out: TensorId,
}

/// With xhat = (x - mean) / sqrt(variance + epsilon) and dz the gradient at the norm's own output (dout put back at
/// each window's maximum; of equal values the first in row-major order):
/// sums = [dbeta; C], [dgamma; C] = [sum of dz], [sum of dz xhat], also written to the gradients of gamma and beta.
#[derive(Clone, Debug, PartialEq)]
pub struct NormGradParam {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub batch_stats: TensorId,
    pub gamma: Slice,
    pub dout: TensorId,
    /// (2,C).
    pub sums: TensorId,
    pub gamma_grad: Slice,
    pub beta_grad: Slice,
    pub accumulate: bool,
}

/// dx = gamma / sqrt(variance + epsilon) (dz - (dbeta + xhat dgamma) / rows), gated by x > 0 where asked
/// (Ioffe & Szegedy 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct NormGradInput {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub batch_stats: TensorId,
    pub gamma: Slice,
    pub dout: TensorId,
    pub sums: TensorId,
    pub gate: bool,
    pub dx: TensorId,
}

/// out = the largest value of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolForward {
    pub layer: String,
    pub shape: PoolShape,
    pub x: TensorId,
    pub out: TensorId,
}

/// dx = dout at the first largest value of each window in row-major order, else 0; gated by x > 0 where asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolGradInput {
    pub layer: String,
    pub shape: PoolShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub gate: bool,
    pub dx: TensorId,
}

/// out = act(x kernel + bias): (B,in) x (in,out).
#[derive(Clone, Debug, PartialEq)]
pub struct DenseForward {
    pub layer: String,
    pub shape: DenseShape,
    pub x: TensorId,
    pub kernel: Slice,
    pub bias: Slice,
    pub relu: bool,
    pub out: TensorId,
}

/// dx = dout kernel^T, gated by x > 0 where asked.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradInput {
    pub layer: String,
    pub shape: DenseShape,
    pub dout: TensorId,
    pub kernel: Slice,
    pub x: TensorId,
    pub gate: bool,
    pub dx: TensorId,
}

/// dkernel = x^T dout; dbias = sum over the batch of dout.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradWeight {
    pub layer: String,
    pub shape: DenseShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub kernel_grad: Slice,
    pub bias_grad: Slice,
    pub accumulate: bool,
}

/// The two heads: a = x mean.kernel + mean.bias, b = x var.kernel + var.bias;
/// mu = |a| or a; var = max(b,0) + log(1 + exp(-|b|)) + floor.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsForward {
    pub batch: usize,
    pub inputs: usize,
    pub abs_mean: bool,
    pub var_floor: f32,
    pub x: TensorId,
    pub mean_kernel: Slice,
    pub mean_bias: Slice,
    pub var_kernel: Slice,
    pub var_bias: Slice,
    /// (B,2): a, b.
    pub raw: TensorId,
    /// (B,2): mu, var.
    pub prediction: TensorId,
}

/// loss = mean over the batch of l, and draw = [dL/da, dL/db] of each image. Without its constant,
/// l = log(var)/2 + (y - mu)^2 / (2 var) (arXiv 1612.01474 eq. 1), or where `student_t`, of nu = 5 degrees of freedom and
/// with var its variance, l = log(var)/2 + (nu + 1)/2 log(1 + (y - mu)^2 / ((nu - 2) var)).
///
/// L = mean of var^beta l, var^beta taken as a constant (Seitzer et al. 2022, arXiv 2203.09168, eq. 5), which at beta = 0
/// is the loss; in a step whose `schedule` says FIT_MEAN, L = mean of (y - mu)^2 / 2. The derivative of |a| at 0 is 0, as
/// in Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsLoss {
    pub batch: usize,
    pub abs_mean: bool,
    pub student_t: bool,
    pub beta: f32,
    /// (steps, [`super::schedule::WIDTH`]); its row is `state[CURSOR]`.
    pub schedule: TensorId,
    pub state: TensorId,
    pub raw: TensorId,
    pub prediction: TensorId,
    pub y: TensorId,
    /// (B,2).
    pub draw: TensorId,
    /// (2): loss, mean of (mu - y)^2.
    pub loss: TensorId,
}

/// `dx[b,i] = draw[b,0] mean.kernel[i] + draw[b,1] var.kernel[i]`, gated by x > 0 where asked.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsGradInput {
    pub batch: usize,
    pub inputs: usize,
    pub draw: TensorId,
    pub mean_kernel: Slice,
    pub var_kernel: Slice,
    pub x: TensorId,
    pub gate: bool,
    pub dx: TensorId,
}

/// Gradients of both kernels and biases: sum over the batch of draw x.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsGradWeight {
    pub batch: usize,
    pub inputs: usize,
    pub x: TensorId,
    pub draw: TensorId,
    pub mean_kernel_grad: Slice,
    pub mean_bias_grad: Slice,
    pub var_kernel_grad: Slice,
    pub var_bias_grad: Slice,
    pub accumulate: bool,
}

/// out = x + `epsilon[c] sign(dx)`, sign(0) = 0 (Goodfellow et al. 2015), with c the value's channel; out = x where the
/// bits of x are those of a masked pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Fgsm {
    pub len: usize,
    pub channels: usize,
    /// ([`super::bands::ROWS`], C).
    pub bands: TensorId,
    pub x: TensorId,
    pub dx: TensorId,
    pub out: TensorId,
}

/// Gradient norm, verdict, clip and update of a member (Kingma & Ba 2015, in Keras' form):
/// w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).
///
/// A member with a gradient, a loss or a new running statistic that is not finite keeps everything as it was. After
/// `patience` such steps in a row it returns to its last good weights, with moments of zero and a tenth of the learning
/// rate. Good weights are kept every `keep_every` steps taken. One row of the log is written, and the cursor moves on.
///
/// Decoupled weight decay (Loshchilov & Hutter 2019): kernels are multiplied by 1 - lr `decay` before the update.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    pub param_stride: usize,
    pub stat_stride: usize,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// Largest norm of a member's gradient; infinite for none.
    pub clip: f32,
    /// 0 for none.
    pub decay: f32,
    /// Offset and length of the kernels in a member's row.
    pub kernels: Vec<(usize, usize)>,
    pub patience: u32,
    pub keep_every: u32,
    pub params: TensorId,
    pub stats: TensorId,
    pub stats_next: TensorId,
    pub grads: TensorId,
    pub adam_m: TensorId,
    pub adam_v: TensorId,
    pub good: TensorId,
    pub loss: TensorId,
    pub second_loss: Option<TensorId>,
    pub schedule: TensorId,
    pub state: TensorId,
    pub log: TensorId,
}

/// average += (1 - decay) ([params, stats] - average), after a step that was taken (Polyak & Juditsky 1992). It begins at
/// 0, so after t steps it is 1 - decay^t of a mean, which whoever reads it divides by.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    pub param_stride: usize,
    pub stat_stride: usize,
    pub decay: f32,
    pub params: TensorId,
    pub stats: TensorId,
    pub state: TensorId,
    pub average: TensorId,
}

impl Op {
    /// The operation's name, by which its kernels, its reference and its line in the bench go.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Gather(_) => "gather",
            Op::ConvForward(_) => "conv_forward",
            Op::ConvGradInput(_) => "conv_grad_input",
            Op::ConvGradWeight(_) => "conv_grad_weight",
            Op::NormStats(_) => "norm_stats",
            Op::NormForward(_) => "norm_forward",
            Op::NormGradParam(_) => "norm_grad_param",
            Op::NormGradInput(_) => "norm_grad_input",
            Op::PoolForward(_) => "pool_forward",
            Op::PoolGradInput(_) => "pool_grad_input",
            Op::DenseForward(_) => "dense_forward",
            Op::DenseGradInput(_) => "dense_grad_input",
            Op::DenseGradWeight(_) => "dense_grad_weight",
            Op::HeadsForward(_) => "heads_forward",
            Op::HeadsLoss(_) => "heads_loss",
            Op::HeadsGradInput(_) => "heads_grad_input",
            Op::HeadsGradWeight(_) => "heads_grad_weight",
            Op::Fgsm(_) => "fgsm",
            Op::Adam(_) => "adam",
            Op::Average(_) => "average",
            Op::LensPsf(_) => "lens_psf",
            Op::LensRender(_) => "lens_render",
            Op::LensConvolve(_) => "lens_convolve",
            Op::LensNoise(_) => "lens_noise",
            Op::LensArcs(_) => "lens_arcs",
        }
    }

    /// The layer it belongs to, for people.
    pub fn layer(&self) -> &str {
        match self {
            Op::ConvForward(ConvForward { layer, .. })
            | Op::ConvGradInput(ConvGradInput { layer, .. })
            | Op::ConvGradWeight(ConvGradWeight { layer, .. })
            | Op::NormStats(NormStats { layer, .. })
            | Op::NormForward(NormForward { layer, .. })
            | Op::NormGradParam(NormGradParam { layer, .. })
            | Op::NormGradInput(NormGradInput { layer, .. })
            | Op::PoolForward(PoolForward { layer, .. })
            | Op::PoolGradInput(PoolGradInput { layer, .. })
            | Op::DenseForward(DenseForward { layer, .. })
            | Op::DenseGradInput(DenseGradInput { layer, .. })
            | Op::DenseGradWeight(DenseGradWeight { layer, .. }) => layer,
            Op::HeadsForward(_) | Op::HeadsLoss(_) | Op::HeadsGradInput(_) | Op::HeadsGradWeight(_) => "heads",
            Op::Gather(_) | Op::Fgsm(_) => "input",
            Op::Adam(_) | Op::Average(_) => "optimiser",
            Op::LensPsf(_) | Op::LensRender(_) | Op::LensConvolve(_) | Op::LensNoise(_) | Op::LensArcs(_) => {
                "simulator"
            }
        }
    }

    /// Floating point operations for one member, multiply-adds counted as two; 0 for what is bound by memory.
    pub fn flops(&self) -> f64 {
        match self {
            Op::ConvForward(ConvForward { shape, .. })
            | Op::ConvGradInput(ConvGradInput { shape, .. })
            | Op::ConvGradWeight(ConvGradWeight { shape, .. }) => shape.flops(),
            Op::DenseForward(DenseForward { shape, .. })
            | Op::DenseGradInput(DenseGradInput { shape, .. })
            | Op::DenseGradWeight(DenseGradWeight { shape, .. }) => shape.flops(),
            Op::LensConvolve(LensConvolve { shape, .. }) => {
                2.0 * (LAYERS * shape.objects * shape.pixels() * shape.bands * shape.kernel * shape.kernel) as f64
            }
            _ => 0.0,
        }
    }
}
