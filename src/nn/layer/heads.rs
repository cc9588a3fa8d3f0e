//! The end of every network: one dense unit for the mean and one for the variance.

use super::{Keys, LayerKind, features, is_default};
use crate::likelihood::Likelihood;
use crate::nn::builder::{Builder, Pass, TrainPass};
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::nn::layout::Tensors;
use crate::nn::{Result, Shape};
use crate::plan::{
    DenseForward, DenseGrad, DenseShape, HeadsForward, HeadsGrad, HeadsLoss, LensLoss, MeanOutput, TensorId, VarOutput,
};
use serde::{Deserialize, Serialize};

/// The two outputs, mu and var, in scaled labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Name of the mean's tensors, `mean.kernel` (in, 1) and `mean.bias` (1).
    pub mean: String,
    /// Name of the variance's tensors.
    pub var: String,
    /// From a to mu.
    #[serde(default)]
    pub mean_activation: MeanActivation,
    /// From b to var.
    #[serde(default)]
    pub var_activation: VarActivation,
    /// The range of a bounded mean, in scaled labels; `train` sets it to that of the training labels.
    #[serde(default = "default_mean_range", skip_serializing_if = "is_default_mean_range")]
    pub mean_range: [f32; 2],
    /// Added to the variance; keeps the loss bounded from below.
    #[serde(default = "default_var_floor")]
    pub var_floor: f32,
    /// The variance is less than this above its floor; not limited if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub var_ceiling: Option<f32>,
    /// The distribution whose mean and variance they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub likelihood: Likelihood,
    /// Name of the tensors of the lens head, `lens.kernel` (in, 1) and `lens.bias` (1), if there is one: a third unit,
    /// whose output is the logit of the probability that the image shows a lens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// The layer whose output they take, if not that of the layer before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// From the first unit's output a to the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeanActivation {
    /// mu = |a|, never negative.
    #[default]
    Abs,
    /// mu = a.
    Identity,
    /// mu = a within `mean_range`, and at most a tenth of the range beyond it; see [`MeanOutput::Bounded`].
    Bounded,
}

/// From the second unit's output b to the variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VarActivation {
    /// var = s + floor with s = log(1 + exp(b)), or with a ceiling c, c s / (c + s) + floor.
    #[default]
    Softplus,
}

/// How far a bounded mean can lie beyond its range, as a fraction of the range.
pub const MEAN_MARGIN: f32 = 0.1;

/// The ceiling of the variance that [`Network::with_likelihood`](crate::nn::Network::with_likelihood) sets: that of labels
/// scaled to a standard deviation of 1, about which nothing is known.
pub const VAR_CEILING: f32 = 1.0;

fn default_var_floor() -> f32 {
    1e-3
}

/// Three standard deviations of labels that are shifted and scaled.
fn default_mean_range() -> [f32; 2] {
    [-3.0, 3.0]
}

fn is_default_mean_range(range: &[f32; 2]) -> bool {
    *range == default_mean_range()
}

impl Heads {
    fn mean_output(&self) -> MeanOutput {
        let [low, high] = self.mean_range;
        match self.mean_activation {
            MeanActivation::Abs => MeanOutput::Abs,
            MeanActivation::Identity => MeanOutput::Identity,
            MeanActivation::Bounded => MeanOutput::Bounded {
                low,
                high,
                margin: MEAN_MARGIN * (high - low),
            },
        }
    }

    fn var_output(&self) -> VarOutput {
        VarOutput {
            floor: self.var_floor,
            ceiling: self.var_ceiling,
        }
    }

    fn raw_gradient(&self, b: &mut Builder) -> TensorId {
        b.tensor("heads.raw.grad", b.batch * 2)
    }
}

impl LayerKind for Heads {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "heads",
            name: None,
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        let likelihood = match self.likelihood {
            Likelihood::Gaussian => String::new(),
            Likelihood::StudentT | Likelihood::LogNormal => format!(", {}", self.likelihood.name()),
        };
        let (mean, var) = (self.mean_activation, self.var_activation);
        let text = format!(
            "heads: {} ({mean:?}), {} ({var:?} + {})",
            self.mean, self.var, self.var_floor
        );
        let lens = self.lens.iter().map(|name| format!(", {name} (sigmoid)"));
        text.to_lowercase() + &likelihood + &lens.collect::<String>()
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        features(inputs[0])?;
        if !(self.var_floor.is_finite() && self.var_floor > 0.0) {
            return Err(Problem::VarFloor(self.var_floor));
        }
        if let Some(ceiling) = self.var_ceiling
            && !(ceiling.is_finite() && ceiling > 0.0)
        {
            return Err(Problem::VarCeiling(ceiling));
        }
        let [low, high] = self.mean_range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(Problem::MeanRange(low, high));
        }
        if self.likelihood == Likelihood::LogNormal && self.mean_activation == MeanActivation::Abs {
            return Err(Problem::LogarithmNeedsIdentity);
        }
        Ok(Shape::features(2))
    }

    fn tensors(&self, input: Shape, _name: &str, tensors: &mut Tensors) -> Result<()> {
        for head in [&self.mean, &self.var].into_iter().chain(&self.lens) {
            tensors.param(head, "kernel", vec![input.c, 1])?;
            tensors.param(head, "bias", vec![1])?;
        }
        Ok(())
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let forward = HeadsForward {
            batch: b.batch,
            inputs: node.inputs[0].shape.c,
            mean: self.mean_output(),
            var: self.var_output(),
            x: b.tensor_of(node.inputs[0]),
            mean_kernel: b.named_param(&self.mean, "kernel"),
            mean_bias: b.named_param(&self.mean, "bias"),
            var_kernel: b.named_param(&self.var, "kernel"),
            var_bias: b.named_param(&self.var, "bias"),
            prediction: b.tensor("prediction", b.batch * 2),
        };
        match b.pass {
            Pass::Infer => b.push(forward),
            Pass::Train(train) => {
                let raw_grad = self.raw_gradient(b);
                b.push(HeadsLoss {
                    forward,
                    likelihood: self.likelihood,
                    beta: train.beta_nll,
                    unlabelled: self.lens.is_some(),
                    schedule: train.schedule,
                    state: train.state,
                    y: train.y,
                    raw_grad,
                    loss: train.loss,
                });
            }
        }
        let Some(lens) = &self.lens else { return };
        let logit = b.lens_logit(lens);
        b.push(DenseForward {
            layer: lens.clone(),
            shape: lens_shape(b, node),
            x: b.tensor_of(node.inputs[0]),
            kernel: b.named_param(lens, "kernel"),
            bias: b.named_param(lens, "bias"),
            relu: false,
            out: logit,
        });
        if let Pass::Train(TrainPass {
            y,
            cross_entropy: Some(cross_entropy),
            ..
        }) = b.pass
        {
            let logit_grad = lens_gradient(b, lens);
            b.push(LensLoss {
                layer: lens.clone(),
                batch: b.batch,
                logit,
                y,
                logit_grad,
                cross_entropy,
            });
        }
    }

    /// From the gradients that the loss has left; nothing stands behind the heads.
    fn backward(&self, b: &mut Builder, node: &Node, _dout: TensorId) {
        let (x, inputs) = (b.tensor_of(node.inputs[0]), node.inputs[0].shape.c);
        let raw_grad = self.raw_gradient(b);
        let input = b.input_grad(node.inputs[0]);
        b.push(HeadsGrad {
            batch: b.batch,
            inputs,
            x,
            raw_grad,
            mean_kernel: b.named_param(&self.mean, "kernel"),
            var_kernel: b.named_param(&self.var, "kernel"),
            mean_kernel_grad: b.named_grad(&self.mean, "kernel"),
            mean_bias_grad: b.named_grad(&self.mean, "bias"),
            var_kernel_grad: b.named_grad(&self.var, "kernel"),
            var_bias_grad: b.named_grad(&self.var, "bias"),
            accumulate: b.accumulate,
            input,
        });
        let Some(lens) = &self.lens else { return };
        let (shape, dout) = (lens_shape(b, node), lens_gradient(b, lens));
        let input = b.input_grad(node.inputs[0]);
        b.push(DenseGrad {
            layer: lens.clone(),
            shape,
            x,
            dout,
            kernel: b.named_param(lens, "kernel"),
            kernel_grad: b.named_grad(lens, "kernel"),
            bias_grad: b.named_grad(lens, "bias"),
            accumulate: b.accumulate,
            input,
        });
    }
}

/// The lens head is a dense layer of one unit.
fn lens_shape(b: &Builder, node: &Node) -> DenseShape {
    DenseShape {
        batch: b.batch,
        inputs: node.inputs[0].shape.c,
        outputs: 1,
    }
}

fn lens_gradient(b: &mut Builder, lens: &str) -> TensorId {
    b.tensor(&format!("{lens}.out.grad"), b.batch)
}
