//! A network is a list of layers. The keys and names are those of the recorded Keras steps, so a recording, a network
//! file (`assets/networks/vanilla.toml`) and a model file describe a network in one way.

use crate::likelihood::Likelihood;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// The largest kernel whose tiles fit the workgroup memory that every GPU has (16 KiB), at any image width.
pub const MAX_KERNEL: usize = 17;

/// Layers from the input to the two heads, checked by [`Network::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `[height, width, channels]` of a cutout or `[features]` of a table row; a network file leaves it out, because it
    /// comes from the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<usize>,
    pub layers: Vec<Layer>,
}

/// One layer, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "lowercase", deny_unknown_fields)]
pub enum Layer {
    /// Square kernel, stride 1, no padding ("valid").
    Conv {
        name: String,
        filters: usize,
        kernel: usize,
        #[serde(default)]
        activation: Activation,
    },
    /// Batch norm over the channels.
    Norm { name: String },
    /// Window and stride `size`; a ragged rest at the right and lower edge is dropped.
    Maxpool { size: usize },
    /// (H, W, C) to H W C features, channel fastest.
    Flatten,
    Dense {
        name: String,
        units: usize,
        #[serde(default)]
        activation: Activation,
    },
    /// The end of every network: one dense unit for the mean and one for the variance.
    Heads(Heads),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    Relu,
    #[default]
    Linear,
}

/// The two outputs: `mu = |a|` or `a`, `var = softplus(b) + var_floor`, in scaled labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Names of the tensors, `mean.kernel` and so on.
    pub mean: String,
    pub var: String,
    #[serde(default)]
    pub mean_activation: MeanActivation,
    #[serde(default)]
    pub var_activation: VarActivation,
    #[serde(default = "default_var_floor")]
    pub var_floor: f32,
    #[serde(default, skip_serializing_if = "Likelihood::is_default")]
    pub likelihood: Likelihood,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MeanActivation {
    #[default]
    Abs,
    Identity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VarActivation {
    #[default]
    Softplus,
}

fn default_var_floor() -> f32 {
    1e-3
}

/// Most values of one image between two layers, and of one tensor of weights: what a device can count in 32 bits.
pub(super) const MAX_VALUES: usize = 1 << 31;

/// What flows between two layers, for one image: (height, width, channels). Features are `1 x 1 x n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub h: usize,
    pub w: usize,
    pub c: usize,
}

impl Shape {
    pub fn len(self) -> usize {
        self.h * self.w * self.c
    }

    /// Whether the values can be counted, and are at most [`MAX_VALUES`].
    fn fits(self) -> bool {
        let len = self.h.checked_mul(self.w).and_then(|n| n.checked_mul(self.c));
        len.is_some_and(|n| n <= MAX_VALUES)
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.h, self.w, self.c)
    }
}

impl Network {
    /// The vanilla lens model of `assets/networks/vanilla.toml`, for cutouts of `input`.
    pub fn vanilla(input: &[usize]) -> Result<Network> {
        Network::from_toml(include_str!("../../assets/networks/vanilla.toml"), input)
    }

    /// Reads a network file and gives it the input shape of the data.
    ///
    /// # Errors
    /// Not TOML, an unknown key or layer, or layers that do not fit each other or the input.
    pub fn from_toml(text: &str, input: &[usize]) -> Result<Network> {
        let mut network: Network = toml::from_str(text).context("this is not a network file")?;
        network.input = input.to_vec();
        network.check()?;
        Ok(network)
    }

    /// Reads the `network` metadata of a recording or a model file.
    pub fn from_json(text: &str) -> Result<Network> {
        let network: Network = serde_json::from_str(text).context("the network in the metadata cannot be read")?;
        network.check()?;
        Ok(network)
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a network is plain data")
    }

    pub fn input_shape(&self) -> Shape {
        match self.input[..] {
            [h, w, c] => Shape { h, w, c },
            _ => Shape {
                h: 1,
                w: 1,
                c: self.input[0],
            },
        }
    }

    pub fn heads(&self) -> &Heads {
        match self.layers.last() {
            Some(Layer::Heads(heads)) => heads,
            _ => unreachable!("check() makes heads the last layer"),
        }
    }

    /// The same network for another likelihood; log-normal takes a mean that is free of sign.
    pub fn with_likelihood(mut self, likelihood: Likelihood) -> Network {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut() {
            heads.likelihood = likelihood;
            if likelihood == Likelihood::LogNormal {
                heads.mean_activation = MeanActivation::Identity;
            }
        }
        self
    }

    /// The shape that goes into each layer, in order.
    ///
    /// # Errors
    /// The first layer that does not fit, by number and name, with what it was given.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        ensure!(
            matches!(self.input.len(), 1 | 3) && self.input.iter().all(|&n| n > 0),
            "the network's input must be [height, width, channels] or [features], all at least 1; it is {:?}",
            self.input
        );
        let mut shape = self.input_shape();
        ensure!(
            shape.fits(),
            "the network's input of {:?} is too large: more than 2^31 values",
            self.input
        );
        let mut flat = self.input.len() == 1;
        let mut shapes = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            shapes.push(shape);
            let what = format!("layer {} ({})", i + 1, layer.label());
            match *layer {
                Layer::Conv { filters, kernel, .. } => {
                    ensure!(
                        !flat,
                        "{what}: a convolution needs an image; it comes after flatten or a dense layer"
                    );
                    ensure!(
                        filters > 0 && kernel > 0,
                        "{what}: filters and kernel must be at least 1"
                    );
                    ensure!(
                        kernel <= MAX_KERNEL,
                        "{what}: kernels of up to {MAX_KERNEL}x{MAX_KERNEL} are possible: their tiles must fit every \
                         GPU's workgroup memory; use several smaller ones"
                    );
                    ensure!(
                        kernel <= shape.h && kernel <= shape.w,
                        "{what}: a kernel of {kernel}x{kernel} does not fit its input of {shape}; use a smaller kernel or less pooling before it"
                    );
                    shape = Shape {
                        h: shape.h - kernel + 1,
                        w: shape.w - kernel + 1,
                        c: filters,
                    };
                }
                Layer::Maxpool { size } => {
                    ensure!(
                        !flat,
                        "{what}: pooling needs an image; it comes after flatten or a dense layer"
                    );
                    ensure!(
                        size > 0 && size <= shape.h && size <= shape.w,
                        "{what}: a window of {size}x{size} does not fit its input of {shape}"
                    );
                    shape = Shape {
                        h: shape.h / size,
                        w: shape.w / size,
                        c: shape.c,
                    };
                }
                Layer::Flatten => {
                    shape = Shape {
                        h: 1,
                        w: 1,
                        c: shape.len(),
                    };
                    flat = true;
                }
                Layer::Dense { units, .. } => {
                    ensure!(
                        flat,
                        "{what}: a dense layer needs features; put {{ layer = \"flatten\" }} before it"
                    );
                    ensure!(units > 0, "{what}: units must be at least 1");
                    shape = Shape { h: 1, w: 1, c: units };
                }
                Layer::Norm { .. } => {}
                Layer::Heads(ref heads) => {
                    ensure!(
                        flat,
                        "{what}: the heads need features; put {{ layer = \"flatten\" }} before them"
                    );
                    ensure!(
                        heads.var_floor.is_finite() && heads.var_floor > 0.0,
                        "{what}: var_floor must be positive; it is {}",
                        heads.var_floor
                    );
                    ensure!(
                        heads.likelihood != Likelihood::LogNormal || heads.mean_activation == MeanActivation::Identity,
                        "{what}: the logarithm of a label has either sign: use mean_activation = \"identity\" with \
                         likelihood = \"log-normal\""
                    );
                }
            }
            ensure!(
                shape.fits(),
                "{what}: its output of {shape} is too large: more than 2^31 values for one image"
            );
        }
        Ok(shapes)
    }

    /// # Errors
    /// Layers that do not fit each other, names used twice, or a list that does not end with its only heads.
    pub fn check(&self) -> Result<()> {
        self.shapes()?;
        let heads = self.layers.iter().filter(|l| matches!(l, Layer::Heads(_))).count();
        if heads != 1 || !matches!(self.layers.last(), Some(Layer::Heads(_))) {
            bail!(
                "a network must end with its heads, and have one of them: {{ layer = \"heads\", mean = \"mean\", var = \"var\" }}"
            );
        }
        let mut names: Vec<&str> = self.layers.iter().flat_map(Layer::names).collect();
        names.sort_unstable();
        for name in &names {
            ensure!(
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
                "layer name {name:?}: use letters, digits, '_' and '-' (it becomes the name of tensors)"
            );
        }
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two layers have the name {:?}; names must differ", pair[0]);
        }
        Ok(())
    }
}

impl Layer {
    /// The layers' names in front of their tensors; none for a layer without any.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Layer::Conv { name, .. } | Layer::Norm { name } | Layer::Dense { name, .. } => vec![name],
            Layer::Heads(heads) => vec![&heads.mean, &heads.var],
            Layer::Maxpool { .. } | Layer::Flatten => vec![],
        }
    }

    /// One line for people: `conv1: 32 filters of 3x3, relu`.
    pub fn label(&self) -> String {
        match self {
            Layer::Conv {
                name,
                filters,
                kernel,
                activation,
            } => format!("{name}: {filters} filters of {kernel}x{kernel}, {activation:?}").to_lowercase(),
            Layer::Norm { name } => format!("{name}: batch norm"),
            Layer::Maxpool { size } => format!("max pooling {size}x{size}"),
            Layer::Flatten => "flatten".into(),
            Layer::Dense {
                name,
                units,
                activation,
            } => format!("{name}: {units} units, {activation:?}").to_lowercase(),
            Layer::Heads(h) => {
                let likelihood = match h.likelihood {
                    Likelihood::Gaussian => String::new(),
                    other => format!(", {}", other.name()),
                };
                format!(
                    "heads: {} ({:?}), {} ({:?} + {}){likelihood}",
                    h.mean, h.mean_activation, h.var, h.var_activation, h.var_floor
                )
                .to_lowercase()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(layers: &str) -> Result<Network> {
        let network = Network::from_toml(layers, &[9, 8, 2])?;
        crate::nn::Layout::new(&network)?;
        Ok(network)
    }

    #[test]
    fn vanilla_is_the_recorded_network() {
        let recorded = r#"{"input": [55, 55, 3], "layers": [{"layer": "conv", "name": "conv1", "filters": 32, "kernel": 3, "activation": "relu"}, {"layer": "norm", "name": "norm1"}, {"layer": "maxpool", "size": 2}, {"layer": "conv", "name": "conv2", "filters": 16, "kernel": 5, "activation": "relu"}, {"layer": "norm", "name": "norm2"}, {"layer": "maxpool", "size": 2}, {"layer": "flatten"}, {"layer": "dense", "name": "dense1", "units": 64, "activation": "relu"}, {"layer": "norm", "name": "norm3"}, {"layer": "dense", "name": "dense2", "units": 32, "activation": "relu"}, {"layer": "norm", "name": "norm4"}, {"layer": "heads", "mean": "mean", "var": "var"}]}"#;
        assert_eq!(
            Network::vanilla(&[55, 55, 3]).unwrap(),
            Network::from_json(recorded).unwrap()
        );
    }

    #[test]
    fn a_network_survives_its_own_text() {
        let net = Network::vanilla(&[55, 55, 3]).unwrap();
        assert_eq!(Network::from_json(&net.to_json()).unwrap(), net);
        // An older program reads a network of the likelihood that it knows.
        assert!(!net.to_json().contains("likelihood"));
        for (likelihood, name) in [
            (Likelihood::StudentT, "student-t"),
            (Likelihood::LogNormal, "log-normal"),
        ] {
            let net = net.clone().with_likelihood(likelihood);
            assert!(net.to_json().contains(name) && net.layers.last().unwrap().label().contains(name));
            assert_eq!(Network::from_json(&net.to_json()).unwrap(), net);
        }
    }

    #[test]
    fn layers_that_do_not_fit_are_named() {
        let heads = "[[layers]]\nlayer='heads'\nmean='mean'\nvar='var'\n";
        for (layers, expected) in [
            (
                "[[layers]]\nlayer='conv'\nname='c'\nfilters=3\nkernel=18\n",
                "up to 17x17 are possible",
            ),
            (
                "[[layers]]\nlayer='conv'\nname='c'\nfilters=3\nkernel=9\n",
                "layer 1 (c: 3 filters of 9x9, linear): a kernel of 9x9 does not fit its input of 9x8x2",
            ),
            (
                "[[layers]]\nlayer='dense'\nname='d'\nunits=3\n",
                "put { layer = \"flatten\" } before it",
            ),
            (
                "[[layers]]\nlayer='flatten'\n[[layers]]\nlayer='maxpool'\nsize=2\n",
                "layer 2 (max pooling 2x2): pooling needs an image",
            ),
            (
                "[[layers]]\nlayer='maxpool'\nsize=9\n",
                "does not fit its input of 9x8x2",
            ),
            (
                "[[layers]]\nlayer='norm'\nname='n'\n[[layers]]\nlayer='norm'\nname='n'\n[[layers]]\nlayer='flatten'\n",
                "two layers have the name",
            ),
            (
                "[[layers]]\nlayer='norm'\nname='a/b'\n[[layers]]\nlayer='flatten'\n",
                "layer name \"a/b\"",
            ),
            (
                "[[layers]]\nlayer='conv'\nname='c'\nfilters=9000000000000000000\nkernel=3\n",
                "too large",
            ),
            (
                "[[layers]]\nlayer='flatten'\n[[layers]]\nlayer='dense'\nname='d'\nunits=2000000000\n",
                "d.kernel",
            ),
            (
                "[[layers]]\nlayer='flatten'\n[[layers]]\nlayer='heads'\nmean='m'\nvar='v'\nlikelihood='log-normal'\n",
                "mean_activation = \"identity\"",
            ),
            ("[[layers]]\nlayer='dropout'\n", "dropout"),
            ("[[layers]]\nlayer='norm'\nname='n'\nsize=3\n", "size"),
        ] {
            let error = format!("{:#}", network(&format!("{layers}{heads}")).unwrap_err());
            assert!(error.contains(expected), "{layers} gave: {error}");
        }
        let error = network("[[layers]]\nlayer='flatten'\n").unwrap_err().to_string();
        assert!(error.contains("must end with its heads"), "{error}");
    }
}
