//! Recorded Keras steps, and the same step by the reference.
//!
//! A recording is one safetensors file. Its tensors' first axis is the member: `x` and `y` are each member's
//! mini-batch, `NAME.kernel`, `.bias`, `.gamma`, `.beta`, `.moving_mean`, `.moving_variance` its weights, and the rest
//! is what came out: `infer.*`, `train.*`, `grad.*`, `adversarial.*`, `adam1.*` to `adam3.*`.

use super::{Memory, run};
use lensgpu::net::{Layout, Network, Parameter};
use lensgpu::plan::{Capacity, NetworkPlan, Op, Plan, Training};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor of a recording. The file holds f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

pub type Arrays = BTreeMap<String, Array>;

pub struct Recording {
    pub metadata: HashMap<String, String>,
    pub arrays: Arrays,
}

impl Recording {
    pub fn read(path: &Path) -> Recording {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let array = |(name, view): (&str, TensorView)| {
            assert_eq!(view.dtype(), Dtype::F32, "{name}");
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
            (
                name.to_string(),
                Array {
                    shape: view.shape().to_vec(),
                    values: values.collect(),
                },
            )
        };
        let arrays = SafeTensors::deserialize(&bytes).unwrap().iter().map(array).collect();
        Recording { metadata, arrays }
    }

    pub fn write(&self, path: &Path) {
        let bytes =
            |array: &Array| -> Vec<u8> { array.values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect() };
        let data: Vec<(&String, &Array, Vec<u8>)> = self.arrays.iter().map(|(n, a)| (n, a, bytes(a))).collect();
        let views = data
            .iter()
            .map(|(n, a, b)| (n, TensorView::new(Dtype::F32, a.shape.clone(), b).unwrap()));
        safetensors::serialize_to_file(views, Some(self.metadata.clone()), path).unwrap();
    }

    pub fn network(&self) -> Network {
        Network::from_json(&self.metadata["network"]).unwrap()
    }

    pub fn members(&self) -> usize {
        self.metadata["members"].parse().unwrap()
    }

    pub fn batch(&self) -> usize {
        self.metadata["batch"].parse().unwrap()
    }

    pub fn learning_rate(&self) -> f32 {
        self.metadata["learning_rate"].parse().unwrap()
    }

    /// Everything that a recording holds, computed by the reference from its inputs and weights. The gradients of the
    /// adversarial pass are taken at the recorded `adversarial.x` where there is one.
    pub fn replay(&self) -> Arrays {
        let norm: HashMap<String, f64> = serde_json::from_str(&self.metadata["norm"]).unwrap();
        assert_eq!(
            (norm["epsilon"], norm["momentum"]),
            (1e-3, 0.99),
            "the plan's batch norm has these as constants"
        );
        let network = self.network();
        let layout = Layout::new(&network).unwrap();
        let mut arrays: Arrays = Arrays::new();
        let inputs = ["x", "y"].map(str::to_string);
        for name in inputs
            .iter()
            .chain(layout.params.iter().chain(&layout.stats).map(|p| &p.name))
        {
            arrays.insert(name.clone(), self.arrays[name].clone());
        }
        self.replay_inference(&network, &layout, &mut arrays);
        self.replay_adam(&network, &layout, &mut arrays);
        self.replay_adversary(&network, &layout, &mut arrays);
        arrays
    }

    fn replay_inference(&self, network: &Network, layout: &Layout, arrays: &mut Arrays) {
        let plan = Plan::inference(network, layout, self.batch()).unwrap();
        let mut prediction = Vec::new();
        // All members of an inference plan share their images; here each has its own.
        for member in 0..self.members() {
            let mut memory = Memory::new(&plan, 1);
            memory.set(plan.io.params, &self.row(&layout.params, layout.param_stride, member));
            memory.set(plan.io.stats, &self.row(&layout.stats, layout.stat_stride, member));
            let x = &self.arrays["x"].values;
            let image = x.len() / self.members();
            memory.set(plan.io.x, &x[member * image..][..image]);
            plan.ops.iter().for_each(|op| run(op, &mut memory));
            prediction.extend_from_slice(memory.all(plan.io.prediction));
        }
        self.put_prediction("infer", &prediction, arrays);
    }

    fn replay_adam(&self, network: &Network, layout: &Layout, arrays: &mut Arrays) {
        let (plan, mut memory) = self.start(network, layout, None);
        let train = plan.io.train.unwrap();
        let (params, stats) = (
            (&layout.params, layout.param_stride),
            (&layout.stats, layout.stat_stride),
        );
        for step in 1..=3 {
            plan.ops.iter().for_each(|op| run(op, &mut memory));
            let loss: Vec<f64> = memory.all(train.loss[0]).iter().step_by(2).copied().collect();
            let loss = &loss;
            self.put(&format!("adam{step}.loss"), &[], loss, arrays);
            if step == 1 {
                self.put_prediction("train", memory.all(plan.io.prediction), arrays);
                self.put("train.loss", &[], loss, arrays);
                self.put_rows("train", stats, memory.all(train.stats_next), arrays);
                self.put_rows("grad", params, memory.all(train.grads), arrays);
            }
            if step != 2 {
                self.put_rows(&format!("adam{step}"), params, memory.all(plan.io.params), arrays);
            }
        }
    }

    fn replay_adversary(&self, network: &Network, layout: &Layout, arrays: &mut Arrays) {
        let epsilon = self.metadata["fgsm_epsilon"].parse().unwrap();
        let (plan, mut memory) = self.start(network, layout, Some(epsilon));
        let train = plan.io.train.unwrap();
        let adversary = train.adversary.unwrap();
        for op in &plan.ops {
            run(op, &mut memory);
            if matches!(op, Op::Fgsm(_)) {
                self.put(
                    "grad.x",
                    &self.arrays["x"].shape[1..],
                    memory.all(adversary.grad_x),
                    arrays,
                );
                let x = memory
                    .all(adversary.x)
                    .iter()
                    .map(|v| f64::from(*v as f32))
                    .collect::<Vec<_>>();
                memory.set(
                    adversary.x,
                    self.arrays.get("adversarial.x").map_or(&x, |recorded| &recorded.values),
                );
                self.put("adversarial.x", &self.arrays["x"].shape[1..], &x, arrays);
            }
        }
        let loss: Vec<f64> = memory
            .all(train.loss[0])
            .iter()
            .zip(memory.all(train.loss[1]))
            .step_by(2)
            .map(|(a, b)| a + b)
            .collect();
        self.put("adversarial.loss", &[], &loss, arrays);
        self.put_rows(
            "adversarial.grad",
            (&layout.params, layout.param_stride),
            memory.all(train.grads),
            arrays,
        );
        self.put_rows(
            "adversarial",
            (&layout.stats, layout.stat_stride),
            memory.all(train.stats_next),
            arrays,
        );
    }

    /// A training plan whose members have the recorded weights and draw their own recorded mini-batch in each step.
    fn start(&self, network: &Network, layout: &Layout, adversarial: Option<f32>) -> (NetworkPlan, Memory) {
        let (members, batch) = (self.members(), self.batch());
        let adam: HashMap<String, f32> = serde_json::from_str(&self.metadata["adam"]).unwrap();
        let capacity = Capacity {
            pool: members * batch,
            steps: 3,
        };
        let training = Training {
            beta1: adam["beta1"],
            beta2: adam["beta2"],
            epsilon: adam["epsilon"],
            clip: f32::INFINITY,
            adversarial,
            ..Training::new(batch, capacity)
        };
        let plan = Plan::training(network, layout, &training).unwrap();
        let mut memory = Memory::new(&plan, members);
        let train = plan.io.train.unwrap();
        memory.set(train.pool, &self.arrays["x"].values);
        memory.set(train.pool_labels, &self.arrays["y"].values);
        memory.set(train.schedule, &[f64::from(self.learning_rate()); 3]);
        for member in 0..members {
            let draws: Vec<f64> = (0..batch).map(|b| (member * batch + b) as f64).collect();
            memory.row_mut(train.draws, member).copy_from_slice(&draws.repeat(3));
            let params = self.row(&layout.params, layout.param_stride, member);
            memory.row_mut(plan.io.params, member).copy_from_slice(&params);
            let stats = self.row(&layout.stats, layout.stat_stride, member);
            memory.row_mut(plan.io.stats, member).copy_from_slice(&stats);
        }
        (plan, memory)
    }

    /// A member's row of parameters or statistics.
    fn row(&self, parameters: &[Parameter], stride: usize, member: usize) -> Vec<f64> {
        let mut row = vec![0.0; stride];
        for p in parameters {
            let values = &self.arrays[&p.name].values[member * p.len()..][..p.len()];
            row[p.offset..p.offset + p.len()].copy_from_slice(values);
        }
        row
    }

    fn put_rows(&self, prefix: &str, layout: (&Vec<Parameter>, usize), rows: &[f64], arrays: &mut Arrays) {
        let (parameters, stride) = layout;
        for p in parameters {
            let values: Vec<f64> = rows
                .chunks(stride)
                .flat_map(|row| &row[p.offset..p.offset + p.len()])
                .copied()
                .collect();
            self.put(&format!("{prefix}.{}", p.name), &p.shape, &values, arrays);
        }
    }

    fn put_prediction(&self, prefix: &str, prediction: &[f64], arrays: &mut Arrays) {
        for (head, name) in ["mean", "var"].iter().enumerate() {
            let values: Vec<f64> = prediction.iter().skip(head).step_by(2).copied().collect();
            self.put(&format!("{prefix}.{name}"), &[self.batch()], &values, arrays);
        }
    }

    fn put(&self, name: &str, shape: &[usize], values: &[f64], arrays: &mut Arrays) {
        let shape = [&[self.members()], shape].concat();
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
        arrays.insert(
            name.into(),
            Array {
                shape,
                values: values.to_vec(),
            },
        );
    }
}
