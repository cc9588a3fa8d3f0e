//! The graph of a network: which value each layer takes, what shape it has, and how many layers take it.

use super::error::{Error, Problem};
use super::layer::Layer;
use super::{Network, Result, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// A value that flows between layers, by its number: 0 is the network's input, then one per node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueId(pub usize);

/// A value as a layer takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    pub value: ValueId,
    pub shape: Shape,
}

/// A layer in its place. A pooling right behind a norm is part of the norm's node, and `flatten` is no node: its output
/// is its input, seen in another shape.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub layer: &'a Layer,
    /// Its own name, or one made of its kind and number.
    pub name: String,
    pub inputs: Vec<Input>,
    pub output: ValueId,
    /// Of its output.
    pub shape: Shape,
    /// Window of the max pooling that a norm does as well; 1 for none.
    pub pool: usize,
    /// Whether its tensors stay as they are: it comes before the first layer on features, and those are frozen.
    pub frozen: bool,
}

/// The nodes in an order in which each comes after its inputs; the last one is the heads.
#[derive(Clone, Debug)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    /// By value: how many inputs take it.
    pub consumers: Vec<usize>,
    /// By layer of the network: the shapes of its (first) input and of its output.
    pub shapes: Vec<[Shape; 2]>,
}

impl<'a> Graph<'a> {
    /// # Errors
    /// The first layer that does not fit, by number and label, with what it was given; names that are used twice or are
    /// no names; a network that does not end with its only heads.
    pub fn new(network: &'a Network) -> Result<Graph<'a>> {
        let image = network.checked_input()?;
        check_heads(network)?;
        check_names(network)?;
        let image = Input {
            value: ValueId(0),
            shape: image,
        };
        let mut building = Building {
            graph: Graph {
                nodes: Vec::new(),
                consumers: vec![0],
                shapes: Vec::new(),
            },
            places: Vec::new(),
            by_name: BTreeMap::new(),
            last: image,
        };
        for (i, layer) in network.layers.iter().enumerate() {
            let at = |problem| Error::Layer {
                number: i + 1,
                label: layer.label(),
                problem,
            };
            building.add(network, i, layer).map_err(at)?;
        }
        building.finish(network)
    }

    /// Leaves the tensors of all layers before the first dense layer as they are.
    pub fn freeze_convolutions(&mut self) {
        let on_features = |node: &&mut Node| !matches!(node.layer, Layer::Dense(_) | Layer::Heads(_));
        for node in self.nodes.iter_mut().take_while(on_features) {
            node.frozen = true;
        }
    }
}

struct Building<'a> {
    graph: Graph<'a>,
    /// By node: the layer's place in the network.
    places: Vec<usize>,
    by_name: BTreeMap<&'a str, Input>,
    /// What the next layer takes if it does not say otherwise.
    last: Input,
}

impl<'a> Building<'a> {
    fn add(&mut self, network: &Network, place: usize, layer: &'a Layer) -> std::result::Result<(), Problem> {
        let keys = layer.keys();
        let first = keys.input.map_or(Ok(self.last), |name| self.named(name))?;
        let second = keys.with.map(|name| self.named(name)).transpose()?;
        let inputs: Vec<Input> = [Some(first), second].into_iter().flatten().collect();
        let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape).collect();
        let shape = layer.kind().output(&shapes)?;
        if !shape.fits() {
            return Err(Problem::OutputTooLarge(shape));
        }
        self.graph.shapes.push([first.shape, shape]);
        match layer {
            Layer::Maxpool(pool) if self.fuses(network, place) => {
                let node = self.graph.nodes.last_mut().expect("a norm stands before it");
                (node.pool, node.shape) = (pool.size, shape);
                self.last.shape = shape;
            }
            Layer::Flatten(_) => self.last = Input { shape, ..first },
            _ => {
                for input in &inputs {
                    self.graph.consumers[input.value.0] += 1;
                }
                let output = ValueId(self.graph.consumers.len());
                self.graph.consumers.push(0);
                self.graph.nodes.push(Node {
                    layer,
                    name: name_of(layer, place),
                    inputs,
                    output,
                    shape,
                    pool: 1,
                    frozen: false,
                });
                self.places.push(place);
                self.last = Input { value: output, shape };
            }
        }
        if let Some(name) = keys.name {
            self.by_name.insert(name, self.last);
        }
        Ok(())
    }

    fn named(&self, name: &str) -> std::result::Result<Input, Problem> {
        let found = self.by_name.get(name).copied();
        found.ok_or_else(|| Problem::UnknownLayer(name.into()))
    }

    /// Whether the pooling at `place` stands right behind a norm whose own output nobody else takes: then that output is
    /// never stored.
    fn fuses(&self, network: &Network, place: usize) -> bool {
        let takes_another = network.layers[place].keys().input.is_some();
        let Some(Layer::Norm(norm)) = place.checked_sub(1).map(|before| &network.layers[before]) else {
            return false;
        };
        let takes_norm = |layer: &Layer| [layer.keys().input, layer.keys().with].contains(&Some(&norm.name));
        !takes_another && !network.layers.iter().any(takes_norm)
    }

    fn finish(self, network: &Network) -> Result<Graph<'a>> {
        let last = self.graph.nodes.len() - 1;
        for (node, &place) in self.graph.nodes[..last].iter().zip(&self.places) {
            if self.graph.consumers[node.output.0] == 0 {
                return Err(Error::Layer {
                    number: place + 1,
                    label: network.layers[place].label(),
                    problem: Problem::Unused,
                });
            }
        }
        Ok(self.graph)
    }
}

/// `pool3` for the third layer of a network, if that is a pooling without a name.
fn name_of(layer: &Layer, place: usize) -> String {
    let keys = layer.keys();
    keys.name
        .map_or_else(|| format!("{}{}", keys.kind, place + 1), str::to_string)
}

fn check_heads(network: &Network) -> Result<()> {
    let heads = network.layers.iter().filter(|l| matches!(l, Layer::Heads(_))).count();
    if heads != 1 || !matches!(network.layers.last(), Some(Layer::Heads(_))) {
        return Err(Error::Heads);
    }
    Ok(())
}

/// Names become those of tensors.
fn check_names(network: &Network) -> Result<()> {
    let mut names = BTreeSet::new();
    for (place, layer) in network.layers.iter().enumerate() {
        let of_layer = match layer {
            Layer::Heads(_) => layer.names().into_iter().map(String::from).collect(),
            _ => vec![name_of(layer, place)],
        };
        for name in of_layer {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return Err(Error::Name(name));
            }
            if let Some(name) = names.replace(name) {
                return Err(Error::DuplicateName(name));
            }
        }
    }
    Ok(())
}
