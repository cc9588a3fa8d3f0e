//! Failures on demand: tests let the engines of their process fail, to see what becomes of the work. Nothing else uses it.

use super::{Engine, Error, Next, Result, Sink, Watch};
use crate::plan::TensorId;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};

/// How a device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`Error::Lost`].
    Lost,
    /// [`Error::OutOfMemory`].
    OutOfMemory,
    /// [`Error::Hangs`].
    Hangs,
}

/// What was asked for.
struct Injected {
    /// Steps and batches of all engines since then.
    steps: usize,
    /// After how many of them a device fails, once each.
    faults: VecDeque<(usize, Fault)>,
    /// Whether tensors are read wrongly.
    wrong: bool,
}

static INJECTED: Mutex<Option<Injected>> = Mutex::new(None);

/// Lets the engines that this process makes from now on fail: after so many steps and batches of all of them together, in
/// increasing order; each fault once. With `wrong`, whatever is read from them is wrong.
pub fn inject(faults: impl IntoIterator<Item = (usize, Fault)>, wrong: bool) {
    *lock() = Some(Injected {
        steps: 0,
        faults: faults.into_iter().collect(),
        wrong,
    });
}

/// The engine with the faults that were injected; usually the engine as it is.
pub(super) fn with_faults(engine: Box<dyn Engine>, device: &str) -> Box<dyn Engine> {
    match *lock() {
        None => engine,
        Some(_) => Box::new(Faulty {
            engine,
            device: device.into(),
        }),
    }
}

fn lock() -> MutexGuard<'static, Option<Injected>> {
    INJECTED.lock().expect("no thread panics while it holds this lock")
}

/// An engine that fails when it was told to.
struct Faulty {
    engine: Box<dyn Engine>,
    device: String,
}

impl Faulty {
    /// Steps until the next fault.
    fn left(&self) -> usize {
        let injected = lock();
        let next = injected
            .as_ref()
            .and_then(|i| Some(i.faults.front()?.0.saturating_sub(i.steps)));
        next.unwrap_or(usize::MAX)
    }

    /// Counts steps that were done.
    fn advance(&self, steps: usize) {
        if let Some(injected) = &mut *lock() {
            injected.steps += steps;
        }
    }

    fn fail(&self) -> Error {
        let fault = lock().as_mut().and_then(|injected| injected.faults.pop_front());
        let (device, during) = (self.device.clone(), "a step of a test".to_string());
        match fault.expect("it is time to fail").1 {
            Fault::Lost => Error::Lost {
                device,
                during,
                message: "the test wants it".into(),
            },
            Fault::OutOfMemory => Error::OutOfMemory { device, what: during },
            Fault::Hangs => Error::Hangs {
                device,
                during,
                seconds: 60.0,
            },
        }
    }
}

impl Engine for Faulty {
    fn members(&self) -> usize {
        self.engine.members()
    }

    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()> {
        self.engine.write(tensor, words)
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>> {
        let mut words = self.engine.read(tensor)?;
        if lock().as_ref().is_some_and(|injected| injected.wrong) {
            words.iter_mut().for_each(|word| *word ^= 1 << 20);
        }
        Ok(words)
    }

    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize> {
        let possible = steps.min(self.left());
        let done = self.engine.replay(possible, watch)?;
        self.advance(done);
        match done == possible && possible < steps {
            true => Err(self.fail()),
            false => Ok(done),
        }
    }

    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
        let (mut left, mut done, mut fails, mut ended) = (self.left(), 0, false, false);
        let mut next = || {
            let batch = next();
            fails = batch.is_some() && left == 0;
            left = left.saturating_sub(1);
            batch.filter(|_| !fails)
        };
        let mut sink = |words: &[u32]| -> ControlFlow<()> {
            done += 1;
            let flow = sink(words);
            ended = flow.is_break();
            flow
        };
        self.engine.run_batches(input, outputs, &mut next, &mut sink)?;
        self.advance(done);
        match fails && !ended {
            true => Err(self.fail()),
            false => Ok(()),
        }
    }

    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>> {
        self.engine.profile(repeats)
    }

    fn bytes(&self) -> u64 {
        self.engine.bytes()
    }

    fn dispatches(&self) -> usize {
        self.engine.dispatches()
    }
}
