//! Several devices as one: each computes for a range of the members, all at the same time.
//!
//! A member's results depend on no other member, so devices need not exchange anything. Tensors that members share are on
//! every device; of the others, each device has the rows of its own members.

use super::{Engine, Next, Result, Sink, Watch};
use crate::plan::{Plan, Tensor, TensorId};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// Batches that every device is given before their results are waited for.
const IN_FLIGHT: usize = 2;

/// Of `members`, how many each of `devices` devices has: as even as possible, and at least one.
pub fn share(members: usize, devices: usize) -> Vec<usize> {
    let devices = devices.min(members);
    (0..devices)
        .map(|at| members * (at + 1) / devices - members * at / devices)
        .collect()
}

/// Steps done and log of every part.
type WatchParts<'a> = dyn FnMut(&[usize], &[Vec<f32>]) -> ControlFlow<()> + 'a;

/// A plan on several devices; see [`Engine`].
pub struct GroupEngine {
    /// In the order of their members.
    parts: Vec<Box<dyn Engine>>,
    /// By part and tensor.
    rows: Vec<Vec<Rows>>,
    log: Option<TensorId>,
}

/// What a device has of a tensor.
#[derive(Clone, Copy)]
struct Rows {
    /// All rows of the device's members, or the one that they share.
    words: usize,
    shared: bool,
}

impl GroupEngine {
    /// `engines` in the order of their members, made of `plan`.
    pub fn new(plan: &Plan, engines: Vec<Box<dyn Engine>>) -> GroupEngine {
        let of_part = |members: usize| {
            let of_tensor = |tensor: &Tensor| Rows {
                words: tensor.len * if tensor.shared { 1 } else { members },
                shared: tensor.shared,
            };
            plan.tensors.iter().map(of_tensor).collect()
        };
        GroupEngine {
            rows: engines.iter().map(|engine| of_part(engine.members())).collect(),
            parts: engines,
            log: plan.log,
        }
    }

    /// Lets every part run until it has done `target` steps. `steps` counts those of each part, and `logs` has their logs.
    fn advance(
        &mut self,
        target: usize,
        steps: &mut [usize],
        logs: &mut [Vec<f32>],
        watch: &mut WatchParts,
    ) -> Result<()> {
        let stop = &AtomicBool::new(false);
        let (to_host, arrivals) = channel();
        let ended = thread::scope(|scope| {
            let mut threads = Vec::new();
            for (at, (engine, &before)) in self.parts.iter_mut().zip(&*steps).enumerate() {
                if before == target {
                    continue;
                }
                let to_host = to_host.clone();
                threads.push(scope.spawn(move || {
                    let ended = engine.replay(target - before, &mut |done, log| {
                        // The host takes them until every part has ended.
                        let _ = to_host.send((at, before + done, log.to_vec()));
                        match stop.load(Ordering::Relaxed) {
                            true => ControlFlow::Break(()),
                            false => ControlFlow::Continue(()),
                        }
                    });
                    if ended.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    ended
                }));
            }
            drop(to_host);
            for (at, done, log) in arrivals {
                (steps[at], logs[at]) = (done, log);
                if watch(steps, logs).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().expect("no engine panics"));
            ended.collect::<Vec<Result<usize>>>()
        });
        ended.into_iter().try_for_each(|ended| ended.map(drop))
    }
}

impl Engine for GroupEngine {
    fn members(&self) -> usize {
        self.parts.iter().map(|part| part.members()).sum()
    }

    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()> {
        let own = split(&self.rows, tensor, words);
        let mut parts = self.parts.iter_mut().zip(own);
        parts.try_for_each(|(part, words)| part.write(tensor, words))
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>> {
        let read: Vec<Vec<u32>> = self
            .parts
            .iter_mut()
            .map(|part| part.read(tensor))
            .collect::<Result<_>>()?;
        Ok(join(&self.rows, &[tensor], &read))
    }

    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize> {
        let mut done = vec![0; self.parts.len()];
        let mut logs = vec![Vec::new(); self.parts.len()];
        let mut reported = 0;
        let has_log = self.log.is_some();
        let mut watch = |done: &[usize], logs: &[Vec<f32>]| {
            let all = done.iter().copied().min().expect("at least one part");
            if all == reported {
                return ControlFlow::Continue(());
            }
            reported = all;
            let joined = if has_log { logs.concat() } else { Vec::new() };
            watch(all, &joined)
        };
        self.advance(steps, &mut done, &mut logs, &mut watch)?;
        // If `watch` stopped them, some devices may be ahead of others. All end after the same step.
        let most = done.iter().copied().max().expect("at least one part");
        self.advance(most, &mut done, &mut logs, &mut |done, logs| {
            let _ = watch(done, logs);
            ControlFlow::Continue(())
        })?;
        Ok(most)
    }

    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
        let ended = thread::scope(|scope| {
            let (mut batches, mut results, mut threads) = (Vec::new(), Vec::new(), Vec::new());
            for engine in &mut self.parts {
                let (to_part, own_batches) = sync_channel(IN_FLIGHT);
                let (own_results, from_part) = sync_channel(IN_FLIGHT);
                threads.push(scope.spawn(move || follow(&mut **engine, input, outputs, &own_batches, &own_results)));
                batches.push(to_part);
                results.push(from_part);
            }
            lead(batches, results, &self.rows, input, outputs, next, sink);
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().expect("no engine panics"));
            ended.collect::<Vec<Result<()>>>()
        });
        ended.into_iter().collect()
    }

    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>> {
        let profiles = thread::scope(|scope| {
            let parts = self.parts.iter_mut();
            let threads: Vec<_> = parts.map(|part| scope.spawn(|| part.profile(repeats))).collect();
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().expect("no engine panics"));
            ended.collect::<Result<Vec<Vec<f64>>>>()
        })?;
        let slowest = |op: usize| profiles.iter().map(|seconds| seconds[op]).fold(0.0, f64::max);
        Ok((0..profiles[0].len()).map(slowest).collect())
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes()).sum()
    }

    fn dispatches(&self) -> usize {
        self.parts.iter().map(|part| part.dispatches()).max().unwrap_or(0)
    }
}

/// Gives all devices the batches of `next`, and their results to `sink`, until there are no more, `sink` breaks or a device
/// fails. The channels close with it, which ends the devices' work.
fn lead(
    mut batches: Vec<SyncSender<Vec<u32>>>,
    results: Vec<Receiver<Vec<u32>>>,
    rows: &[Vec<Rows>],
    input: TensorId,
    outputs: &[TensorId],
    next: &mut Next,
    sink: &mut Sink,
) {
    let mut in_flight = 0;
    loop {
        while !batches.is_empty() && in_flight < IN_FLIGHT {
            let Some(batch) = next() else {
                // Devices that wait for another batch return what they have.
                batches.clear();
                break;
            };
            for (channel, own) in batches.iter().zip(split(rows, input, &batch)) {
                if channel.send(own.to_vec()).is_err() {
                    return;
                }
            }
            in_flight += 1;
        }
        if in_flight == 0 {
            return;
        }
        let of_parts: Option<Vec<Vec<u32>>> = results.iter().map(|channel| channel.recv().ok()).collect();
        in_flight -= 1;
        match of_parts {
            Some(of_parts) if sink(&join(rows, outputs, &of_parts)).is_continue() => {}
            _ => return,
        }
    }
}

/// Lets a device work on the batches that arrive, until no more can.
fn follow(
    engine: &mut dyn Engine,
    input: TensorId,
    outputs: &[TensorId],
    batches: &Receiver<Vec<u32>>,
    results: &SyncSender<Vec<u32>>,
) -> Result<()> {
    let mut next = || batches.recv().ok();
    let mut sink = |words: &[u32]| match results.send(words.to_vec()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    engine.run_batches(input, outputs, &mut next, &mut sink)
}

/// What each part has of a tensor's `words`.
fn split<'a>(rows: &[Vec<Rows>], tensor: TensorId, words: &'a [u32]) -> Vec<&'a [u32]> {
    let mut rest = words;
    let own = |of_part: &Vec<Rows>| match of_part[tensor.0] {
        Rows { shared: true, .. } => words,
        Rows { words: count, .. } => {
            let (own, after) = rest.split_at(count);
            rest = after;
            own
        }
    };
    rows.iter().map(own).collect()
}

/// All rows of `tensors`, one tensor after another, from what every part has of them.
fn join(rows: &[Vec<Rows>], tensors: &[TensorId], of_parts: &[Vec<u32>]) -> Vec<u32> {
    let mut rest: Vec<&[u32]> = of_parts.iter().map(Vec::as_slice).collect();
    let mut joined = Vec::with_capacity(of_parts.iter().map(Vec::len).sum());
    for tensor in tensors {
        for (at, (of_part, rest)) in rows.iter().zip(&mut rest).enumerate() {
            let Rows { words, shared } = of_part[tensor.0];
            let (own, after) = rest.split_at(words);
            *rest = after;
            if at == 0 || !shared {
                joined.extend_from_slice(own);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests;
