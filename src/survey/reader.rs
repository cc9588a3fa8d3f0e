//! Many cutouts in parallel: all at once for training, as a stream of flat memory for inference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Result, anyhow};
use rayon::prelude::*;

use super::{Cutout, ImageFolder};

/// Reads these objects on all cores, in this order; `progress` is told how many are done.
///
/// # Errors
/// Those of [`ImageFolder::read`], and those of `progress`; no more is read then.
pub fn read_all(
    source: &ImageFolder,
    indices: &[usize],
    progress: impl Fn(usize) -> Result<()> + Sync,
) -> Result<Vec<Cutout>> {
    let done = AtomicUsize::new(0);
    let read = |&index: &usize| {
        let cutout = source.read(index)?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1)?;
        Ok(cutout)
    };
    indices.par_iter().map(read).collect()
}

/// Cutouts in the order asked for, read ahead by threads; about `ahead` of them are in memory at a time.
pub struct Stream {
    indices: Arc<Vec<usize>>,
    next: usize,
    workers: Vec<Receiver<Result<Cutout>>>,
}

/// Starts to read. Worker `w` of `n` reads the objects at `w`, `w + n`, ... and waits while its share of `ahead` is full,
/// so that taking from the workers in turn gives the order without any sorting.
pub fn stream(source: Arc<ImageFolder>, indices: Vec<usize>, ahead: usize) -> Stream {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let threads = cores.min(ahead).min(indices.len()).max(1);
    let indices = Arc::new(indices);
    let workers = (0..threads)
        .map(|worker| {
            let (sender, receiver) = sync_channel(ahead.div_ceil(threads));
            let (source, indices) = (source.clone(), indices.clone());
            thread::spawn(move || {
                let mut mine = indices.iter().skip(worker).step_by(threads);
                // Sending fails once the stream is dropped: nobody wants the rest.
                while mine
                    .next()
                    .is_some_and(|&index| sender.send(source.read(index)).is_ok())
                {}
            });
            receiver
        })
        .collect();
    Stream {
        indices,
        next: 0,
        workers,
    }
}

impl Iterator for Stream {
    /// The object's index in the source, and its cutout or why it cannot be read.
    type Item = (usize, Result<Cutout>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = *self.indices.get(self.next)?;
        let cutout = self.workers[self.next % self.workers.len()].recv();
        self.next += 1;
        Some((
            index,
            cutout.unwrap_or_else(|_| Err(anyhow!("the thread that reads images has died"))),
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.indices.len() - self.next;
        (left, Some(left))
    }
}
