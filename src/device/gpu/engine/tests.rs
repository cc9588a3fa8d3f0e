//! A device that fails: what the driver reports becomes an error that names the device and what it was doing.

use super::*;
use crate::device::Device;
use crate::device::gpu::Patience;
use crate::plan::{DenseForward, DenseShape, Slice};
use std::ops::ControlFlow;

/// Dense layers `first` and `last` of so many units each, for as many rows.
fn plan(units: usize) -> Plan {
    let square = units * units;
    let tensors = [
        ("x", square),
        ("params", square + units),
        ("hidden", square),
        ("out", square),
    ];
    let tensors = tensors.map(|(name, len)| Tensor {
        name: name.into(),
        len,
        shared: false,
        transient: false,
        half: false,
    });
    let layer = |layer: &str, x, out| DenseForward {
        layer: layer.into(),
        shape: DenseShape {
            batch: units,
            inputs: units,
            outputs: units,
        },
        x: TensorId(x),
        kernel: parameters(0),
        bias: parameters(square),
        relu: false,
        out: TensorId(out),
    };
    Plan {
        tensors: tensors.to_vec(),
        ops: vec![layer("first", 0, 2).into(), layer("last", 2, OUT.0).into()],
        log: None,
        batch: units,
    }
}

/// The result of [`plan`].
const OUT: TensorId = TensorId(3);

fn parameters(offset: usize) -> Slice {
    Slice {
        tensor: TensorId(1),
        offset,
    }
}

/// A software adapter of its own, which may be broken, and an engine on it.
fn engine(units: usize, change: impl FnOnce(&mut Gpu)) -> GpuEngine {
    let Ok(Device::Gpu(mut gpu)) = Device::choose("software") else {
        panic!("there is no software adapter: run scripts/install-software-adapter");
    };
    change(Arc::get_mut(&mut gpu).expect("nothing else has it"));
    GpuEngine::new(gpu, &plan(units), 2).unwrap()
}

fn replay(engine: &mut GpuEngine) -> Result<usize> {
    engine.replay(8, &mut |_, _| ControlFlow::Continue(()))
}

#[track_caller]
fn assert_lost<T: std::fmt::Debug>(result: Result<T>, name: &str, doing: &[&str]) {
    let Err(error @ Error::Lost { .. }) = result else {
        panic!("{result:?}");
    };
    assert!(error.is_failure());
    let message = error.to_string();
    for part in doing.iter().chain([&name]) {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[test]
fn a_device_that_is_lost_is_named_with_what_it_was_doing() {
    let mut engine = engine(4, |_| {});
    assert_eq!(replay(&mut engine).unwrap(), 8);
    engine.gpu.device.destroy();
    let name = engine.gpu.name.clone();
    let steps = [
        "steps 1 to",
        "of 8, each from dense_forward (first) to dense_forward (last)",
    ];
    assert_lost(replay(&mut engine), &name, &steps);
    assert_lost(engine.read(OUT), &name, &["the transfer of the tensor out"]);
}

#[test]
fn what_the_driver_rejects_ends_the_work_with_its_message() {
    let mut engine = engine(4, |_| {});
    let name = engine.gpu.name.clone();
    // A copy beyond the end of a buffer, outside of any error scope.
    let buffer = &engine.waves[0].buffers[0];
    engine.gpu.queue.write_buffer(buffer, buffer.size(), &[0; 4]);
    assert_lost(replay(&mut engine), &name, &["steps 1 to", "Validation Error"]);
}

#[test]
fn a_submission_that_does_not_end_in_time_is_a_hang() {
    let none = Patience {
        seconds: 0.0,
        per_flop: 0.0,
    };
    // A GFLOP per step.
    let mut engine = engine(512, |gpu| gpu.patience = none);
    let result = replay(&mut engine);
    let Err(error @ Error::Hangs { .. }) = result else {
        panic!("{result:?}");
    };
    assert!(error.is_failure());
    let message = error.to_string();
    assert!(
        message.contains("of 8, each from dense_forward (first)") && message.contains(&engine.gpu.name),
        "{message}"
    );
}

#[test]
fn a_slow_device_is_given_more_time_for_more_work() {
    let mut engine = engine(4, |_| {});
    let patience = |engine: &GpuEngine, steps| engine.job(steps, String::new()).patience;
    assert!(patience(&engine, 1) >= 600.0, "a software adapter is slow");
    assert!(patience(&engine, 64) > patience(&engine, 1));
    engine.members *= 1000;
    assert!(patience(&engine, 1) > 600.0);
}

/// With a reader that takes longer than the device, and one that takes no time.
#[test]
fn a_batch_is_prepared_while_the_device_has_the_one_before() {
    for delay in [0, 5] {
        let mut engine = engine(2, |_| {});
        // The identity, for both members.
        let identity = [1.0f32, 0.0, 0.0, 1.0, 0.0, 0.0].map(f32::to_bits).repeat(2);
        engine.write(TensorId(1), &identity).unwrap();
        let (calls, mut batch, mut results) = (std::cell::RefCell::new(String::new()), 0, Vec::new());
        let mut next = || {
            calls.borrow_mut().push('n');
            std::thread::sleep(std::time::Duration::from_millis(delay));
            batch += 1;
            (batch <= 4).then(|| vec![(batch as f32).to_bits(); 8])
        };
        let mut sink = |words: &[u32]| {
            calls.borrow_mut().push('s');
            results.push(f32::from_bits(words[7]));
            ControlFlow::Continue(())
        };
        engine.run_batches(TensorId(0), &[OUT], &mut next, &mut sink).unwrap();
        assert_eq!(results, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(calls.into_inner(), "nnsnsnsns", "{delay} ms");
    }
}
