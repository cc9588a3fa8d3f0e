//! Devices of different speed that work as one.

use super::*;
use crate::device::Error;
use std::time::Duration;

const SHARED: TensorId = TensorId(0);
const OWN: TensorId = TensorId(1);
const COUNT: TensorId = TensorId(2);

/// A plan that adds the shared word to every member's own, and counts its steps.
fn plan() -> Plan {
    let tensor = |name: &str, len, shared| Tensor {
        name: name.into(),
        len,
        shared,
        transient: false,
        half: false,
    };
    Plan {
        tensors: vec![
            tensor("shared", 1, true),
            tensor("own", 2, false),
            tensor("count", 1, false),
        ],
        ops: vec![],
        log: Some(COUNT),
        batch: 1,
    }
}

struct Slow {
    members: usize,
    tensors: [Vec<u32>; 3],
    pause: Duration,
    /// It is lost before this step.
    fails_at: Option<u32>,
}

impl Slow {
    fn step(&mut self) -> Result<()> {
        thread::sleep(self.pause);
        if self.fails_at == Some(self.tensors[2][0]) {
            return Err(Error::Lost {
                device: "slow".into(),
                during: String::new(),
                message: String::new(),
            });
        }
        let add = self.tensors[0][0];
        self.tensors[1].iter_mut().for_each(|word| *word += add);
        self.tensors[2].iter_mut().for_each(|word| *word += 1);
        Ok(())
    }
}

impl Engine for Slow {
    fn members(&self) -> usize {
        self.members
    }

    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()> {
        self.tensors[tensor.0].copy_from_slice(words);
        Ok(())
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>> {
        Ok(self.tensors[tensor.0].clone())
    }

    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize> {
        for done in 1..=steps {
            self.step()?;
            let log: Vec<f32> = self.tensors[2].iter().map(|&word| word as f32).collect();
            if watch(done, &log).is_break() {
                return Ok(done);
            }
        }
        Ok(steps)
    }

    /// Takes two batches before it returns the first, as a GPU does.
    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
        let mut waiting = next();
        while let Some(words) = waiting {
            waiting = next();
            self.write(input, &words)?;
            self.step()?;
            let results: Vec<u32> = outputs.iter().flat_map(|&o| self.tensors[o.0].clone()).collect();
            if sink(&results).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn profile(&mut self, _: usize) -> Result<Vec<f64>> {
        Ok(vec![self.pause.as_secs_f64(), 1.0])
    }

    fn bytes(&self) -> u64 {
        100
    }

    fn dispatches(&self) -> usize {
        3
    }
}

/// Three and two members; the second device takes longer.
fn group(fails_at: Option<u32>) -> GroupEngine {
    let engine = |members, milliseconds, fails_at| -> Box<dyn Engine> {
        Box::new(Slow {
            members,
            tensors: [vec![0], vec![0; 2 * members], vec![0; members]],
            pause: Duration::from_millis(milliseconds),
            fails_at,
        })
    };
    GroupEngine::new(&plan(), vec![engine(3, 1, None), engine(2, 7, fails_at)])
}

#[test]
fn members_are_shared_out_evenly() {
    assert_eq!(share(5, 2), [2, 3]);
    assert_eq!(share(8, 4), [2, 2, 2, 2]);
    assert_eq!(share(2, 4), [1, 1]);
}

#[test]
fn every_device_has_the_rows_of_its_members() {
    let mut group = group(None);
    let rows: Vec<u32> = (0..10).collect();
    group.write(OWN, &rows).unwrap();
    group.write(SHARED, &[100]).unwrap();
    assert_eq!(group.read(OWN).unwrap(), rows);
    assert_eq!(group.read(SHARED).unwrap(), [100]);
    let mut seen = Vec::new();
    let done = group.replay(3, &mut |done, log| {
        assert_eq!(log.len(), 5);
        assert!(log.iter().all(|&count| count >= done as f32), "{done}: {log:?}");
        seen.push(done);
        ControlFlow::Continue(())
    });
    assert_eq!((done.unwrap(), seen), (3, vec![1, 2, 3]));
    assert_eq!(group.read(OWN).unwrap(), (300..310).collect::<Vec<_>>());
    assert_eq!((group.members(), group.bytes(), group.dispatches()), (5, 200, 3));
    assert_eq!(group.profile(1).unwrap(), [0.007, 1.0]);
}

#[test]
fn all_devices_end_after_the_same_step() {
    let mut group = group(None);
    let mut last = (0, vec![]);
    let done = group.replay(1000, &mut |done, log| {
        last = (done, log.to_vec());
        ControlFlow::Break(())
    });
    let done = done.unwrap();
    assert!((1..1000).contains(&done), "{done}");
    assert_eq!(
        last,
        (done, vec![done as f32; 5]),
        "the log that was seen last is that of the end"
    );
    assert_eq!(group.read(COUNT).unwrap(), [done as u32; 5]);
}

#[test]
fn batches_reach_all_devices_and_return_in_their_order() {
    let mut group = group(None);
    let mut batches = (1..=5).map(|batch| vec![batch]);
    let mut seen = Vec::new();
    let outputs = [COUNT, SHARED];
    let run = group.run_batches(SHARED, &outputs, &mut || batches.next(), &mut |words| {
        seen.push(words.to_vec());
        ControlFlow::Continue(())
    });
    run.unwrap();
    let expected: Vec<Vec<u32>> = (1..=5).map(|n| vec![n, n, n, n, n, n]).collect();
    assert_eq!(seen, expected);
    let mut count = 0;
    let run = group.run_batches(SHARED, &outputs, &mut || Some(vec![1]), &mut |_| {
        count += 1;
        if count == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    run.unwrap();
    assert_eq!(count, 2);
}

#[test]
fn a_device_that_fails_ends_the_work_of_all() {
    let lost = |result: Result<()>| assert!(matches!(result, Err(Error::Lost { .. })), "{result:?}");
    let mut failing = group(Some(2));
    lost(
        failing
            .replay(1_000_000, &mut |_, _| ControlFlow::Continue(()))
            .map(drop),
    );
    let mut failing = group(Some(2));
    lost(failing.run_batches(
        SHARED,
        &[OWN],
        &mut || Some(vec![1]),
        &mut |_| ControlFlow::Continue(()),
    ));
}
