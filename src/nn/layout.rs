//! Where each parameter lies in a member's row: all trainable values in one row, all running statistics in another.

use super::graph::Graph;
use super::shape::MAX_VALUES;
use super::{Error, Network, Result};

/// One named tensor of a member, as in the recordings: `conv1.kernel` (kh, kw, in, out), `norm1.gamma` (C), ...
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
    /// First value in the member's row of [`Layout::params`] or [`Layout::stats`].
    pub offset: usize,
}

impl Parameter {
    /// Whether it is the kernel of a convolution.
    pub fn is_convolution(&self) -> bool {
        self.shape.len() == 4
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The rows of a member. Strides are multiples of 4, so that every row starts on a vec4.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What the optimiser moves: kernels, biases, gamma, beta.
    pub params: Vec<Parameter>,
    /// Batch norm's running statistics.
    pub stats: Vec<Parameter>,
    /// Length of a member's row of trainable values, padding included.
    pub param_stride: usize,
    /// Length of a member's row of running statistics, padding included.
    pub stat_stride: usize,
}

impl Layout {
    /// # Errors
    /// Those of [`Network::check`], and a tensor of more than 2^31 values.
    pub fn new(network: &Network) -> Result<Layout> {
        let mut tensors = Tensors::default();
        for node in Graph::new(network)?.nodes {
            node.layer
                .kind()
                .tensors(node.inputs[0].shape, &node.name, &mut tensors)?;
        }
        let Tensors { params, stats } = tensors;
        // A network without batch norm still gets a row of statistics, so that no buffer is empty.
        let (param_stride, stat_stride) = (params.end.next_multiple_of(4), stats.end.next_multiple_of(4).max(4));
        Ok(Layout {
            params: params.tensors,
            stats: stats.tensors,
            param_stride,
            stat_stride,
        })
    }

    /// Kernels of convolutions and of dense layers.
    pub fn kernels(&self) -> impl Iterator<Item = &Parameter> {
        self.params.iter().filter(|p| p.name.ends_with(".kernel"))
    }

    /// The trainable tensor `layer.part`.
    pub fn param(&self, layer: &str, part: &str) -> &Parameter {
        find(&self.params, layer, part)
    }

    /// The running statistic `layer.part`.
    pub fn stat(&self, layer: &str, part: &str) -> &Parameter {
        find(&self.stats, layer, part)
    }

    /// Whether a layer has trainable tensors.
    pub(super) fn has_params(&self, layer: &str) -> bool {
        let of_layer = |p: &Parameter| p.name.strip_prefix(layer).is_some_and(|part| part.starts_with('.'));
        self.params.iter().any(of_layer)
    }

    /// Values of a member, including running statistics, without padding.
    pub fn values(&self) -> usize {
        self.params.iter().chain(&self.stats).map(Parameter::len).sum()
    }
}

fn find<'a>(tensors: &'a [Parameter], layer: &str, part: &str) -> &'a Parameter {
    let name = format!("{layer}.{part}");
    tensors
        .iter()
        .find(|p| p.name == name)
        .expect("every layer of a network has its tensors in the layout")
}

/// The rows of a member as the layers add their tensors to them.
#[derive(Default)]
pub(super) struct Tensors {
    params: Row,
    stats: Row,
}

impl Tensors {
    /// Adds the trainable tensor `layer.part`.
    pub fn param(&mut self, layer: &str, part: &str, shape: Vec<usize>) -> Result<()> {
        self.params.push(layer, part, shape)
    }

    /// Adds the running statistic `layer.part`.
    pub fn stat(&mut self, layer: &str, part: &str, shape: Vec<usize>) -> Result<()> {
        self.stats.push(layer, part, shape)
    }
}

#[derive(Default)]
struct Row {
    tensors: Vec<Parameter>,
    end: usize,
}

impl Row {
    fn push(&mut self, layer: &str, part: &str, shape: Vec<usize>) -> Result<()> {
        let (name, offset) = (format!("{layer}.{part}"), self.end.next_multiple_of(4));
        let len = shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n));
        match len.filter(|&n| n <= MAX_VALUES) {
            Some(len) => {
                self.end = offset + len;
                self.tensors.push(Parameter { name, shape, offset });
                Ok(())
            }
            None => Err(Error::TensorTooLarge { name, shape }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vanilla_has_140402_values_a_member() {
        let layout = Layout::new(&Network::vanilla(&[55, 55, 3]).unwrap()).unwrap();
        assert_eq!(layout.values(), 140_402);
        assert_eq!(layout.param("dense1", "kernel").shape, [1936, 64]);
        assert!(layout.params.iter().all(|p| p.offset % 4 == 0));
    }
}
