//! A network is a list of layers that forms a graph. The keys and names are those of the recorded Keras steps, so a
//! recording, a network file (`assets/networks/vanilla.toml`) and a model file describe a network in one way.

use super::graph::Graph;
use super::layer::{Heads, Layer, MeanActivation};
use super::{Error, Result, Shape};
use crate::likelihood::Likelihood;
use serde::{Deserialize, Serialize};

/// Layers from the input to the two heads, checked by [`Network::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// `[height, width, channels]` of a cutout or `[features]` of a table row; a network file leaves it out, because it
    /// comes from the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<usize>,
    /// In an order in which each layer comes after those whose output it takes; the last one is the heads.
    pub layers: Vec<Layer>,
}

impl Network {
    /// The vanilla lens model of `assets/networks/vanilla.toml`, for cutouts of `input`.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn vanilla(input: &[usize]) -> Result<Network> {
        Network::from_toml(include_str!("../../assets/networks/vanilla.toml"), input)
    }

    /// Reads a network file and gives it the input shape of the data.
    ///
    /// # Errors
    /// Not TOML, an unknown key or layer, or layers that do not fit each other or the input.
    pub fn from_toml(text: &str, input: &[usize]) -> Result<Network> {
        let mut network: Network = toml::from_str(text).map_err(Error::Toml)?;
        network.input = input.to_vec();
        network.check()?;
        Ok(network)
    }

    /// Reads the `network` metadata of a recording or a model file.
    ///
    /// # Errors
    /// Not JSON, an unknown key or layer, or layers that do not fit each other or the input.
    pub fn from_json(text: &str) -> Result<Network> {
        let network: Network = serde_json::from_str(text).map_err(Error::Json)?;
        network.check()?;
        Ok(network)
    }

    /// The metadata that [`Network::from_json`] reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a network is plain data")
    }

    /// # Errors
    /// Layers that do not fit each other or the input, with the first of them; names used twice; a list that does not end
    /// with its only heads.
    pub fn check(&self) -> Result<()> {
        Graph::new(self).map(drop)
    }

    /// The shape of [`Network::input`], which must have been checked.
    pub fn input_shape(&self) -> Shape {
        match self.input[..] {
            [h, w, c] => Shape::image(h, w, c),
            _ => Shape::features(self.input[0]),
        }
    }

    pub(super) fn checked_input(&self) -> Result<Shape> {
        if !matches!(self.input.len(), 1 | 3) || self.input.contains(&0) {
            return Err(Error::Input(self.input.clone()));
        }
        let shape = self.input_shape();
        match shape.fits() {
            true => Ok(shape),
            false => Err(Error::InputTooLarge(self.input.clone())),
        }
    }

    /// The shape of each layer's (first) input, in the order of the layers.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        Ok(Graph::new(self)?.input_shapes)
    }

    /// The heads of a checked network.
    pub fn heads(&self) -> &Heads {
        match self.layers.last() {
            Some(Layer::Heads(heads)) => heads,
            _ => unreachable!("check() makes heads the last layer"),
        }
    }

    /// The same network for another likelihood; log-normal takes a mean of either sign.
    pub fn with_likelihood(mut self, likelihood: Likelihood) -> Network {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut() {
            heads.likelihood = likelihood;
            if likelihood == Likelihood::LogNormal {
                heads.mean_activation = MeanActivation::Identity;
            }
        }
        self
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
