//! Recorded Keras steps, and the same step by the reference.

use super::{Memory, run};
use lensgpu::diagnose::recording::{Recording, STEPS, Values};
use lensgpu::nn::NetworkPlan;
use lensgpu::plan::{NetworkOp, Op};
use safetensors::{Dtype, tensor::TensorView};

/// The file of a recording: those of its entries that have values.
pub fn bytes(recording: &Recording) -> Vec<u8> {
    let views = recording.entries.iter().filter_map(|entry| {
        let bytes: &[u8] = bytemuck::cast_slice(recording.values.get(&entry.name)?);
        Some((
            &entry.name,
            TensorView::new(Dtype::F32, entry.shape.clone(), bytes).unwrap(),
        ))
    });
    safetensors::serialize(views, Some(recording.metadata.clone())).unwrap()
}

/// Everything that a recording holds, computed by the reference from its inputs and weights. The gradients of the
/// adversarial pass are taken at the recorded `adversarial.x` where there is one.
pub fn replay(recording: &Recording) -> Values<f64> {
    let mut values = Values::new();
    replay_inference(recording, &mut values);
    replay_adam(recording, &mut values);
    replay_adversary(recording, &mut values);
    values
}

fn replay_inference(recording: &Recording, values: &mut Values<f64>) {
    let plan = NetworkPlan::inference(&recording.network, &recording.layout, recording.batch).unwrap();
    let (params, stats, x) = (
        wide(&recording.params()),
        wide(&recording.stats()),
        wide(&recording.values["x"]),
    );
    let row = |rows: &[f64], member: usize| {
        let len = rows.len() / recording.members;
        rows[member * len..][..len].to_vec()
    };
    let mut prediction = Vec::new();
    // All members of an inference plan share their images; here each has its own.
    for member in 0..recording.members {
        let mut memory = Memory::new(&plan, 1);
        memory.set(plan.io.params, &row(&params, member));
        memory.set(plan.io.stats, &row(&stats, member));
        memory.set(plan.io.x, &row(&x, member));
        plan.ops.iter().for_each(|op| run(op, &mut memory));
        prediction.extend_from_slice(memory.all(plan.io.prediction));
    }
    recording.name_prediction("infer", &prediction, values);
}

fn replay_adam(recording: &Recording, values: &mut Values<f64>) {
    let (plan, mut memory) = start(recording, false);
    let (train, layout) = (plan.io.train.unwrap(), &recording.layout);
    for step in 1..=STEPS {
        plan.ops.iter().for_each(|op| run(op, &mut memory));
        let loss: Vec<f64> = memory.all(train.loss[0]).iter().step_by(2).copied().collect();
        if step == 1 {
            recording.name_prediction("train", memory.all(plan.io.prediction), values);
            recording.name_rows("train", &layout.stats, memory.all(train.stats_next), values);
            recording.name_rows("grad", &layout.params, memory.all(train.grads), values);
            values.insert("train.loss".into(), loss.clone());
        }
        values.insert(format!("adam{step}.loss"), loss);
        if step != 2 {
            recording.name_rows(
                &format!("adam{step}"),
                &layout.params,
                memory.all(plan.io.params),
                values,
            );
        }
    }
}

fn replay_adversary(recording: &Recording, values: &mut Values<f64>) {
    let (plan, mut memory) = start(recording, true);
    let (train, layout) = (plan.io.train.unwrap(), &recording.layout);
    let adversary = train.adversary.unwrap();
    for op in &plan.ops {
        run(op, &mut memory);
        if matches!(op, Op::Network(NetworkOp::Fgsm(_))) {
            values.insert("grad.x".into(), memory.all(adversary.grad_x).to_vec());
            let x: Vec<f64> = memory.all(adversary.x).iter().map(|v| f64::from(*v as f32)).collect();
            memory.set(
                adversary.x,
                &recording.values.get("adversarial.x").map_or(x.clone(), |x| wide(x)),
            );
            values.insert("adversarial.x".into(), x);
        }
    }
    let losses = memory.all(train.loss[0]).iter().zip(memory.all(train.loss[1]));
    values.insert(
        "adversarial.loss".into(),
        losses.step_by(2).map(|(a, b)| a + b).collect(),
    );
    recording.name_rows("adversarial.grad", &layout.params, memory.all(train.grads), values);
    recording.name_rows("adversarial", &layout.stats, memory.all(train.stats_next), values);
}

/// A training plan whose members have the recorded weights and draw their own recorded mini-batch in each step.
fn start(recording: &Recording, adversarial: bool) -> (NetworkPlan, Memory) {
    let plan = recording.training_plan(adversarial).unwrap();
    let mut memory = Memory::new(&plan, recording.members);
    let train = plan.io.train.unwrap();
    memory.set(plan.io.params, &wide(&recording.params()));
    memory.set(plan.io.stats, &wide(&recording.stats()));
    memory.set(train.pool, &wide(&recording.values["x"]));
    memory.set(train.pool_labels, &wide(&recording.values["y"]));
    memory.set(
        train.schedule,
        &[f64::from(recording.learning_rate), 0.0, 0.0].repeat(STEPS),
    );
    memory.set_words(train.draws, &recording.draws());
    if let Some(bands) = train.bands {
        memory.set_words(bands, &recording.bands());
    }
    (plan, memory)
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
