//! The networks that the operations are tested on, in a small language for their layers.

use lensgpu::nn::{Capacity, Layout, Network, NetworkPlan, Training};

/// One network and how it is trained.
#[derive(Clone, Copy)]
pub struct Case {
    pub members: usize,
    pub batch: usize,
    pub adversarial: bool,
    pub input: &'static [usize],
    /// `conv FILTERS KERNEL [same] [stride N]`, `norm`, `pool SIZE`, `avgpool SIZE`, `global`, `flatten`, `dense UNITS`,
    /// `activation NAME`, `add NAME`, `concat NAME`, and the activation of the head of the mean, `bounded` with the ends of
    /// its range and the ceiling of the variance; `lens` behind it for a lens head. `conv` and `dense` may
    /// end with an activation. `from NAME` before a layer is its input, `as NAME` behind it its name.
    pub layers: &'static str,
}

pub const fn case(
    members: usize,
    batch: usize,
    adversarial: bool,
    input: &'static [usize],
    layers: &'static str,
) -> Case {
    Case {
        members,
        batch,
        adversarial,
        input,
        layers,
    }
}

pub const PLAIN: bool = false;
pub const ADVERSARY: bool = true;

/// Chosen so that every two of these meet: image sides of 1, 41, 47, 65; channels 1, 3, 5, 33; kernels of 1, 2, 3, 5;
/// batches of 1, 2, 5; 1, 2 and 20 members; pools of 2 and 3 with a remainder, behind a norm or alone; with and
/// without ReLU; both heads; with and without the adversary. Then padding and strides, the other activations and average
/// pooling, and values with several consumers. And tables, a large batch, and a kernel of 17, the largest that every device
/// takes.
pub const CASES: &[Case] = &[
    // One pixel.
    case(1, 1, PLAIN, &[1, 1, 1], "conv 1 1 relu | flatten | abs"),
    case(
        2,
        5,
        ADVERSARY,
        &[1, 1, 5],
        "conv 33 1 relu | norm | flatten | identity",
    ),
    case(20, 2, PLAIN, &[1, 1, 33], "conv 5 1 | conv 3 1 relu | flatten | abs"),
    case(
        20,
        5,
        ADVERSARY,
        &[1, 1, 3],
        "norm | conv 3 1 | flatten | dense 5 relu | identity",
    ),
    // A line.
    case(1, 5, ADVERSARY, &[1, 65, 3], "conv 5 1 relu | norm | flatten | abs"),
    case(2, 2, PLAIN, &[65, 1, 5], "norm | conv 3 1 | flatten | identity"),
    // Ranges that outputs lie within, above and below.
    case(
        3,
        70,
        ADVERSARY,
        &[5, 4, 3],
        "conv 5 3 relu | norm | flatten | bounded -0.3 0.2 0.7",
    ),
    case(2, 5, PLAIN, &[3, 3, 1], "flatten | dense 3 silu | bounded 0.1 0.15 1.0"),
    case(1, 9, PLAIN, &[1, 1, 33], "flatten | bounded -2.5 -0.5 0.2"),
    // One channel.
    case(
        1,
        2,
        ADVERSARY,
        &[41, 41, 1],
        "conv 3 3 relu | norm | pool 2 | flatten | abs",
    ),
    case(
        2,
        1,
        PLAIN,
        &[47, 47, 1],
        "conv 5 5 | norm | pool 3 | conv 1 3 relu | flatten | identity",
    ),
    case(
        20,
        1,
        PLAIN,
        &[41, 47, 1],
        "pool 3 | conv 3 2 relu | pool 3 | flatten | dense 3 | abs",
    ),
    case(
        1,
        5,
        PLAIN,
        &[65, 65, 1],
        "conv 33 5 relu | pool 3 | norm | flatten | abs",
    ),
    case(2, 5, ADVERSARY, &[47, 41, 1], "conv 1 17 relu | flatten | abs"),
    case(
        2,
        5,
        PLAIN,
        &[65, 65, 1],
        "pool 2 | conv 3 1 relu | norm | pool 3 | flatten | abs",
    ),
    // Three.
    case(
        2,
        2,
        PLAIN,
        &[41, 41, 3],
        "conv 33 3 relu | norm | pool 2 | conv 5 5 relu | norm | pool 2 | flatten | abs",
    ),
    case(
        1,
        1,
        ADVERSARY,
        &[47, 47, 3],
        "conv 5 2 relu | pool 2 | norm | conv 3 5 | flatten | identity",
    ),
    case(
        2,
        1,
        PLAIN,
        &[65, 65, 3],
        "conv 3 3 | norm | pool 3 | conv 33 1 relu | flatten | abs",
    ),
    case(
        20,
        1,
        ADVERSARY,
        &[41, 41, 3],
        "conv 1 5 relu | norm | pool 3 | flatten | identity",
    ),
    case(
        1,
        5,
        PLAIN,
        &[41, 65, 3],
        "norm | conv 3 3 relu | norm | pool 2 | flatten | dense 33 relu | norm | identity",
    ),
    case(
        2,
        5,
        ADVERSARY,
        &[47, 47, 3],
        "conv 5 5 relu | norm | pool 2 | conv 16 3 relu | norm | flatten | abs",
    ),
    case(
        20,
        1,
        ADVERSARY,
        &[65, 41, 3],
        "conv 3 3 relu | norm | pool 2 | conv 3 1 | pool 3 | flatten | identity",
    ),
    // Five.
    case(
        1,
        2,
        PLAIN,
        &[41, 41, 5],
        "conv 33 2 | pool 2 | conv 3 3 relu | flatten | identity",
    ),
    case(
        2,
        1,
        ADVERSARY,
        &[47, 47, 5],
        "norm | pool 2 | conv 5 3 relu | norm | pool 3 | flatten | abs",
    ),
    case(
        1,
        2,
        ADVERSARY,
        &[65, 65, 5],
        "conv 1 2 | norm | pool 2 | flatten | dense 5 relu | identity",
    ),
    case(
        20,
        2,
        PLAIN,
        &[41, 41, 5],
        "pool 2 | conv 3 5 | norm | pool 3 | flatten | dense 3 relu | identity",
    ),
    case(
        1,
        5,
        PLAIN,
        &[47, 65, 5],
        "conv 5 3 relu | conv 5 3 | pool 3 | flatten | abs",
    ),
    // More than two blocks of lanes, and a rest.
    case(
        1,
        1,
        PLAIN,
        &[41, 41, 33],
        "conv 3 5 relu | norm | pool 2 | flatten | abs",
    ),
    case(
        2,
        2,
        ADVERSARY,
        &[47, 47, 33],
        "pool 3 | conv 33 2 relu | norm | pool 3 | flatten | identity",
    ),
    case(
        1,
        2,
        PLAIN,
        &[65, 65, 33],
        "norm | pool 3 | conv 5 1 | norm | flatten | dense 5 | abs",
    ),
    case(20, 1, PLAIN, &[47, 1, 33], "conv 1 1 relu | norm | flatten | identity"),
    case(
        2,
        5,
        ADVERSARY,
        &[1, 41, 33],
        "conv 33 1 relu | norm | flatten | dense 33 relu | abs",
    ),
    case(
        1,
        5,
        PLAIN,
        &[41, 41, 33],
        "pool 2 | conv 5 3 relu | conv 3 2 | flatten | abs",
    ),
    // Whole blocks of lanes, as the vanilla network has them.
    case(
        2,
        2,
        ADVERSARY,
        &[27, 25, 3],
        "conv 32 3 relu | norm | pool 2 | conv 16 5 relu | norm | pool 2 | flatten | abs",
    ),
    // Padding and strides: even and odd kernels, strides below, at and above the kernel, images smaller than the kernel.
    case(1, 2, PLAIN, &[1, 1, 3], "conv 5 3 same relu | flatten | abs"),
    case(
        2,
        5,
        ADVERSARY,
        &[2, 2, 1],
        "conv 4 4 same stride 3 | conv 3 2 same relu | flatten | identity",
    ),
    case(
        20,
        2,
        PLAIN,
        &[2, 1, 5],
        "conv 3 1 same stride 2 relu | conv 5 5 same | norm | flatten | abs",
    ),
    case(1, 2, ADVERSARY, &[7, 9, 3], "conv 3 17 same | flatten | abs"),
    case(
        2,
        2,
        ADVERSARY,
        &[7, 7, 3],
        "conv 5 3 same stride 2 relu | conv 4 2 same | conv 33 3 same stride 3 relu | flatten | abs",
    ),
    case(
        1,
        5,
        ADVERSARY,
        &[7, 2, 4],
        "conv 33 2 same | conv 5 4 same stride 2 silu | global | identity",
    ),
    case(
        2,
        1,
        PLAIN,
        &[41, 41, 1],
        "conv 5 5 same stride 3 relu | norm | pool 2 | conv 4 1 stride 2 leaky_relu | conv 3 3 same | flatten | abs",
    ),
    case(
        1,
        1,
        ADVERSARY,
        &[41, 7, 33],
        "conv 3 2 stride 3 relu | conv 5 3 same stride 2 | flatten | abs",
    ),
    case(
        20,
        1,
        ADVERSARY,
        &[7, 41, 3],
        "conv 4 2 same stride 5 relu | conv 3 1 stride 3 | flatten | identity",
    ),
    case(
        2,
        2,
        PLAIN,
        &[8, 41, 5],
        "conv 5 3 stride 2 | conv 33 3 stride 3 relu | flatten | identity",
    ),
    case(
        1,
        2,
        PLAIN,
        &[27, 26, 3],
        "conv 32 3 same relu | conv 16 3 same stride 2 | norm | conv 33 4 same relu | global | abs",
    ),
    // Activations.
    case(
        2,
        5,
        ADVERSARY,
        &[7, 7, 4],
        "activation silu | conv 5 2 leaky_relu | norm | activation leaky_relu | flatten | dense 3 silu | activation relu \
         | identity",
    ),
    case(
        20,
        2,
        PLAIN,
        &[33],
        "dense 5 leaky_relu | norm | activation silu | dense 41 | activation linear | abs",
    ),
    // Activations and pools that take what came out of a fused ReLU.
    case(
        1,
        2,
        ADVERSARY,
        &[7, 7, 3],
        "conv 5 2 relu | activation silu | conv 4 2 relu | avgpool 2 | conv 3 1 relu | pool 2 | flatten | abs",
    ),
    // Average pools.
    case(
        2,
        2,
        ADVERSARY,
        &[7, 7, 5],
        "avgpool 2 | conv 33 1 relu | avgpool 2 | flatten | abs",
    ),
    case(
        20,
        1,
        PLAIN,
        &[41, 41, 1],
        "avgpool 3 | conv 5 3 relu | global | identity",
    ),
    case(1, 1, ADVERSARY, &[41, 41, 33], "avgpool 2 | global | abs"),
    // Two and three consumers, of values that came out of a fused ReLU and of others.
    case(
        2,
        2,
        ADVERSARY,
        &[7, 7, 3],
        "conv 4 3 same relu as a | conv 4 3 same | add a | flatten | abs",
    ),
    case(
        1,
        5,
        ADVERSARY,
        &[7, 6, 4],
        "activation linear as x | conv 4 2 same relu as a | from x conv 4 3 same as b | from a conv 4 1 | add b | add a \
         | concat x | concat a | flatten | identity",
    ),
    case(
        20,
        2,
        PLAIN,
        &[2, 2, 5],
        "conv 5 1 relu as a | pool 2 as p | from a avgpool 2 as q | from a conv 5 2 stride 2 | add p | add q | flatten | abs",
    ),
    case(
        2,
        1,
        PLAIN,
        &[7, 7, 3],
        "conv 5 2 as a | pool 2 as p | from a activation leaky_relu as l | from a avgpool 2 | add p | flatten | dense 3 as d \
         | from l global | concat d | abs",
    ),
    case(
        2,
        5,
        ADVERSARY,
        &[7, 7, 1],
        "conv 4 3 as n0 | norm as n | pool 2 as p | from n conv 4 2 stride 2 relu | add p | flatten | identity",
    ),
    // A value with itself.
    case(
        2,
        2,
        ADVERSARY,
        &[7, 7, 3],
        "conv 3 2 relu as a | add a | conv 5 2 as b | add b | conv 3 2 relu as c | concat c | flatten | abs",
    ),
    // Channels of which the second part does not begin on a multiple of four.
    case(
        1,
        2,
        ADVERSARY,
        &[7, 7, 5],
        "conv 5 1 relu as a | conv 3 3 same | concat a as b | conv 33 1 | concat b | conv 1 1 | concat a | global | abs",
    ),
    case(
        20,
        1,
        PLAIN,
        &[41, 2, 1],
        "activation silu as a | conv 4 2 same | concat a as b | conv 3 2 same leaky_relu | concat b | global | abs",
    ),
    // Blocks of residual networks.
    case(
        2,
        5,
        ADVERSARY,
        &[9, 8, 3],
        "conv 8 3 same | norm | pool 2 | activation relu as a | conv 8 3 same | norm | activation relu | conv 8 3 same \
         | norm | add a | activation relu | global | abs",
    ),
    case(
        1,
        5,
        ADVERSARY,
        &[9, 9, 1],
        "conv 5 3 same as a | norm | activation relu | conv 5 3 same | norm | activation relu | conv 5 3 same | add a \
         | norm | activation relu as b | conv 12 3 same stride 2 | norm | activation silu | conv 12 3 same as c \
         | from b conv 12 1 same stride 2 | add c | norm | activation relu | global | identity",
    ),
    case(
        2,
        5,
        PLAIN,
        &[5],
        "dense 7 relu as a | norm | dense 7 as b | add a | dense 3 | concat a | concat b | abs",
    ),
    // Lens heads: behind a gated value, behind a shared one, and on the input itself.
    case(
        2,
        5,
        ADVERSARY,
        &[9, 8, 3],
        "conv 5 3 relu | norm | flatten | dense 17 relu | identity lens",
    ),
    case(
        20,
        2,
        PLAIN,
        &[5],
        "dense 6 relu as d | dense 6 | add d | norm | abs lens",
    ),
    case(1, 130, ADVERSARY, &[3], "abs lens"),
    // Tables.
    case(1, 5, ADVERSARY, &[1], "dense 33 relu | dense 3 | abs"),
    case(2, 1, PLAIN, &[33], "dense 5 relu | identity"),
    case(20, 5, PLAIN, &[3], "norm | dense 5 relu | norm | dense 33 relu | abs"),
    case(20, 2, ADVERSARY, &[5], "dense 65 | dense 1 relu | identity"),
    case(
        2,
        300,
        PLAIN,
        &[47],
        "dense 41 relu | norm | dense 17 relu | norm | identity",
    ),
    case(1, 2, PLAIN, &[700], "abs"),
];

impl Case {
    pub fn network(&self) -> Network {
        let layer = |(number, text): (usize, &str)| {
            let mut words: Vec<&str> = text.split_whitespace().collect();
            let mut keys = String::new();
            if let ["from", input, ..] = words[..] {
                keys += &format!(", input = '{input}'");
                words.drain(..2);
            }
            let mut name = None;
            if let [.., "as", given] = words[..] {
                name = Some(given);
                words.truncate(words.len() - 2);
            }
            match name {
                Some(name) => keys += &format!(", name = '{name}'"),
                None if ["conv", "norm", "dense"].contains(&words[0]) => {
                    keys += &format!(", name = '{}{number}'", words[0]);
                }
                None => {}
            }
            if let ["conv" | "dense", .., activation @ ("relu" | "leaky_relu" | "silu")] = words[..] {
                keys += &format!(", activation = '{activation}'");
                words.pop();
            }
            if let ["conv", .., "stride", stride] = words[..] {
                keys += &format!(", stride = {stride}");
                words.truncate(words.len() - 2);
            }
            if let ["conv", .., "same"] = words[..] {
                keys += ", padding = 'same'";
                words.pop();
            }
            let layer = match words[..] {
                ["conv", filters, kernel] => format!("layer = 'conv', filters = {filters}, kernel = {kernel}"),
                ["norm"] => "layer = 'norm'".into(),
                ["pool", size] => format!("layer = 'maxpool', size = {size}"),
                ["avgpool", size] => format!("layer = 'avgpool', size = {size}"),
                ["global"] => "layer = 'global_average_pool'".into(),
                ["flatten"] => "layer = 'flatten'".into(),
                ["dense", units] => format!("layer = 'dense', units = {units}"),
                ["activation", activation] => format!("layer = 'activation', activation = '{activation}'"),
                ["add", with] => format!("layer = 'add', with = '{with}'"),
                ["concat", with] => format!("layer = 'concat', with = '{with}'"),
                [mean, "lens"] => {
                    format!("layer = 'heads', mean = 'mean', var = 'var', mean_activation = '{mean}', lens = 'lens'")
                }
                [mean] => format!("layer = 'heads', mean = 'mean', var = 'var', mean_activation = '{mean}'"),
                ["bounded", low, high, ceiling] => format!(
                    "layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'bounded', \
                    mean_range = [{low}, {high}], var_ceiling = {ceiling}"
                ),
                _ => panic!("{text}"),
            };
            layer + &keys
        };
        let layers: Vec<String> = self
            .layers
            .split(" | ")
            .enumerate()
            .map(layer)
            .map(|l| format!("{{ {l} }}"))
            .collect();
        Network::from_toml(&format!("layers = [{}]", layers.join(", ")), self.input).unwrap()
    }

    pub fn training(&self, network: &Network, layout: &Layout) -> NetworkPlan {
        NetworkPlan::training(network, layout, &self.options()).unwrap()
    }

    pub fn options(&self) -> Training {
        let capacity = Capacity {
            pool: self.batch + 1,
            steps: 3,
        };
        Training {
            adversarial: self.adversarial,
            // Large enough for some, not for all.
            clip: 1.0,
            ..Training::new(self.batch, capacity)
        }
    }
}
