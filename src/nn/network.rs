//! A network is a list of layers that forms a graph. The keys and names are those of the recorded Keras steps, so a
//! recording, a network file (`assets/networks/vanilla.toml`) and a model file describe a network in one way.

use super::graph::Graph;
use super::layer::{Heads, Layer, MeanActivation, VAR_CEILING};
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

    /// The network that predicts best among those compared in docs/accuracy.md, for cutouts of `input`: that of
    /// `assets/networks/residual55.toml`, or of `residual101.toml` for cutouts of 80 pixels or more. For the rows of a table
    /// (1, 1, features), two [dense](Network::dense) layers of 50 units.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn standard(input: &[usize]) -> Result<Network> {
        if matches!(input, [1, 1, _]) {
            return Network::dense(input, &[50, 50]);
        }
        let large = input.iter().take(2).all(|&side| side >= 80);
        let text = match large {
            true => include_str!("../../assets/networks/residual101.toml"),
            false => include_str!("../../assets/networks/residual55.toml"),
        };
        Network::from_toml(text, input)
    }

    /// Dense layers of so many units with ReLU, and heads with a bounded mean and a Gaussian likelihood: for the rows of a
    /// table, `input` (1, 1, features).
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn dense(input: &[usize], units: &[usize]) -> Result<Network> {
        let mut text = String::from("layers = [{ layer = 'flatten' }");
        for (i, units) in units.iter().enumerate() {
            text += &format!(
                ", {{ layer = 'dense', name = 'dense{}', units = {units}, activation = 'relu' }}",
                i + 1
            );
        }
        text += ", { layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'bounded' }]";
        Network::from_toml(&text, input)
    }

    /// Whether the input is images rather than rows of a table, which have one pixel or no height and width.
    pub fn takes_images(&self) -> bool {
        self.input.len() == 3 && self.input[..2] != [1, 1]
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

    /// The shapes of each layer's (first) input and of its output, in the order of the layers.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn shapes(&self) -> Result<Vec<[Shape; 2]>> {
        Ok(Graph::new(self)?.shapes)
    }

    /// Names of the layers that fine-tuning can keep fixed: those before the first layer on features.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn convolutional_layers(&self) -> Result<Vec<String>> {
        let mut graph = Graph::new(self)?;
        graph.freeze_convolutions();
        let frozen = graph.nodes.into_iter().filter(|node| node.frozen);
        Ok(frozen.map(|node| node.name).collect())
    }

    /// The heads of a checked network.
    pub fn heads(&self) -> &Heads {
        match self.layers.last() {
            Some(Layer::Heads(heads)) => heads,
            _ => unreachable!("check() makes heads the last layer"),
        }
    }

    /// The same network for another likelihood. For a log-normal, whose mean has either sign and whose moments grow
    /// exponentially, an absolute mean becomes a bounded one with a bounded variance.
    pub fn with_likelihood(mut self, likelihood: Likelihood) -> Network {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut() {
            heads.likelihood = likelihood;
            if likelihood == Likelihood::LogNormal && heads.mean_activation == MeanActivation::Abs {
                heads.mean_activation = MeanActivation::Bounded;
                heads.var_ceiling = Some(VAR_CEILING);
            }
        }
        self
    }

    /// The same network with a lens head ([`Heads::lens`]); unchanged if it has one.
    ///
    /// # Errors
    /// Another layer has its name, `lens`.
    pub fn with_lens_head(mut self) -> Result<Network> {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut() {
            heads.lens.get_or_insert_with(|| "lens".into());
        }
        self.check()?;
        Ok(self)
    }

    /// The same network without a lens head.
    pub fn without_lens_head(mut self) -> Network {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut() {
            heads.lens = None;
        }
        self
    }

    /// The same network with another range of a bounded mean, in scaled labels. It has no effect on other means.
    pub fn with_mean_range(mut self, range: [f32; 2]) -> Network {
        if let Some(Layer::Heads(heads)) = self.layers.last_mut()
            && heads.mean_activation == MeanActivation::Bounded
        {
            heads.mean_range = range;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers as inline tables, for images of 9 x 8 x 2.
    fn network(layers: &str) -> anyhow::Result<Network> {
        let network = Network::from_toml(&format!("layers = [{layers}]"), &[9, 8, 2])?;
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
    fn a_lens_head_changes_nothing_else() {
        let net = Network::vanilla(&[55, 55, 3]).unwrap();
        let with = net.clone().with_lens_head().unwrap();
        assert!(!net.to_json().contains("lens") && with.to_json().contains(r#""lens":"lens""#));
        assert!(with.layers.last().unwrap().label().ends_with(", lens (sigmoid)"));
        assert_eq!(Network::from_json(&with.to_json()).unwrap(), with);
        assert_eq!(with.clone().with_lens_head().unwrap(), with);
        assert_eq!(with.clone().without_lens_head(), net);
        let [before, after] = [&net, &with].map(|net| crate::nn::Layout::new(net).unwrap());
        assert_eq!(after.params[..before.params.len()], before.params);
        assert_eq!(after.param("lens", "kernel").shape, [32, 1]);
        assert_eq!(after.values(), before.values() + 33);
        let [(plain, _), (more, _)] =
            [(&net, &before), (&with, &after)].map(|(net, layout)| crate::nn::initialise(net, layout, 1, 0));
        assert_eq!(more[..before.param_stride], plain);
        let taken = "{layer='flatten'}, {layer='dense', name='lens', units=3}";
        let net = Network::from_toml(&format!("layers = [{taken}, {HEADS}]"), &[9, 8, 2]).unwrap();
        assert!(
            net.with_lens_head()
                .unwrap_err()
                .to_string()
                .contains("two layers have the name \"lens\"")
        );
    }

    const HEADS: &str = "{layer='heads', mean='mean', var='var'}";

    #[test]
    fn layers_that_do_not_fit_are_named() {
        for (layers, expected) in [
            (
                "{layer='conv', name='c', filters=3, kernel=18}",
                "up to 17x17 are possible",
            ),
            (
                "{layer='conv', name='c', filters=3, kernel=9}",
                "layer 1 (c: 3 filters of 9x9, linear): a kernel of 9x9 does not fit its input of 9x8x2",
            ),
            (
                "{layer='conv', name='c', filters=3, kernel=3, stride=0}",
                "stride must be at least 1",
            ),
            (
                "{layer='conv', name='c', filters=3, kernel=3, stride=17}",
                "strides of up to 16 are possible",
            ),
            ("{layer='conv', name='c', filters=3, kernel=3, padding='full'}", "full"),
            (
                "{layer='dense', name='d', units=3}",
                "put { layer = \"flatten\" } before it",
            ),
            (
                "{layer='flatten'}, {layer='maxpool', size=2}",
                "layer 2 (max pooling 2x2): it needs an image",
            ),
            (
                "{layer='global_average_pool'}, {layer='avgpool', size=2}",
                "layer 2 (average pooling 2x2): it needs an image",
            ),
            ("{layer='maxpool', size=9}", "does not fit its input of 9x8x2"),
            ("{layer='avgpool', size=9}", "does not fit its input of 9x8x2"),
            (
                "{layer='norm', name='n'}, {layer='norm', name='n'}, {layer='flatten'}",
                "two layers have the name \"n\"",
            ),
            (
                "{layer='norm', name='pool2'}, {layer='maxpool', size=2}, {layer='flatten'}",
                "two layers have the name \"pool2\"",
            ),
            ("{layer='norm', name='a/b'}, {layer='flatten'}", "layer name \"a/b\""),
            ("{layer='add', name='', with='x'}, {layer='flatten'}", "layer name \"\""),
            (
                "{layer='conv', name='c', filters=9000000000000000000, kernel=3}",
                "too large",
            ),
            (
                "{layer='flatten'}, {layer='dense', name='d', units=2000000000}",
                "d.kernel",
            ),
            (
                "{layer='norm', name='a'}, {layer='add', with='later'}",
                "layer 2 (add later): no earlier layer has the name \"later\"",
            ),
            (
                "{layer='norm', name='a', input='image'}",
                "no earlier layer has the name \"image\"",
            ),
            (
                "{layer='norm', name='a'}, {layer='maxpool', size=2}, {layer='add', with='a'}",
                "layer 3 (add a): its two inputs have the shapes 4x4x2 and 9x8x2",
            ),
            (
                "{layer='norm', name='a'}, {layer='maxpool', size=2}, {layer='concat', with='a'}",
                "only values of one height and width can be concatenated",
            ),
            (
                "{layer='norm', name='a'}, {layer='norm', name='b'}, {layer='flatten', input='a'}",
                "layer 2 (b: batch norm): no layer takes its output",
            ),
            (
                "{layer='flatten'}, {layer='heads', mean='m', var='v', likelihood='log-normal'}",
                "must end with its heads, and have one of them",
            ),
            ("{layer='dropout'}", "dropout"),
            ("{layer='norm', name='n', size=3}", "size"),
            ("{layer='activation', activation='gelu'}", "gelu"),
        ] {
            let error = format!("{:#}", network(&format!("{layers}, {HEADS}")).unwrap_err());
            assert!(error.contains(expected), "{layers} gave: {error}");
        }
        let error = network("{layer='flatten'}").unwrap_err().to_string();
        assert!(error.contains("must end with its heads"), "{error}");
        let logarithm = "{layer='flatten'}, {layer='heads', mean='m', var='v', likelihood='log-normal'}";
        let error = network(logarithm).unwrap_err().to_string();
        assert!(error.contains("mean_activation = \"bounded\""), "{error}");
    }

    /// TensorFlow's rule, by the sizes that Keras reports.
    #[test]
    fn padding_and_stride_decide_the_size() {
        for (size, kernel, stride, padding, expected) in [
            (9, 3, 1, "valid", 7),
            (9, 3, 2, "valid", 4),
            (8, 3, 2, "valid", 3),
            (9, 2, 3, "valid", 3),
            (9, 4, 1, "same", 9),
            (9, 3, 2, "same", 5),
            (8, 3, 2, "same", 4),
            (7, 2, 3, "same", 3),
            (2, 5, 4, "same", 1),
        ] {
            let layers = format!(
                "layers = [{{layer='conv', name='c', filters=1, kernel={kernel}, stride={stride}, padding='{padding}'}}, \
                 {{layer='flatten'}}, {HEADS}]"
            );
            let network = Network::from_toml(&layers, &[size, size, 1]).unwrap();
            let [_, shape] = network.shapes().unwrap()[0];
            assert_eq!((shape.h, shape.w), (expected, expected), "{layers}");
        }
    }

    #[test]
    fn shapes_follow_the_graph_not_the_list() {
        let text = "{layer='conv', name='a', filters=3, kernel=3, padding='same', stride=2}, \
                    {layer='conv', name='b', filters=4, kernel=2, input='a'}, \
                    {layer='conv', name='c', filters=4, kernel=2, input='a'}, {layer='concat', with='b'}, \
                    {layer='global_average_pool'}, {layer='heads', mean='m', var='v'}";
        let shapes = network(text).unwrap().shapes().unwrap();
        let text = shapes.iter().map(|[input, output]| format!("{input} {output}"));
        let expected = [
            "9x8x2 5x4x3",
            "5x4x3 4x3x4",
            "5x4x3 4x3x4",
            "4x3x4 4x3x8",
            "4x3x8 1x1x8",
            "1x1x8 1x1x2",
        ];
        assert_eq!(text.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_graph_survives_its_own_text_and_writes_no_defaults() {
        let text = "{layer='conv', name='stem', filters=2, kernel=3, padding='same', stride=2}, \
                    {layer='norm', name='n'}, {layer='activation', name='a', activation='leaky_relu'}, \
                    {layer='conv', name='c', filters=2, kernel=3, padding='same'}, {layer='add', with='stem'}, \
                    {layer='concat', with='a'}, {layer='global_average_pool'}, {layer='heads', mean='m', var='v'}";
        let net = network(text).unwrap();
        assert_eq!(Network::from_json(&net.to_json()).unwrap(), net);
        assert!(!net.to_json().contains("null") && !net.to_json().contains("\"stride\":1"));
    }
}
