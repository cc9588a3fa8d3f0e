//! Reads many cutouts in parallel: all at once for training, as a stream with constant memory for inference.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::prelude::*;

use super::error::{Error, Result};
use super::{Cutout, ImageFolder};

/// Reads these objects on all cores. The result has the order of `indices`; `progress` is told how many have been read.
///
/// # Errors
/// Those of [`ImageFolder::read`], and those of `progress`; either stops the reading.
pub fn read_all<E: From<Error> + Send>(
    folder: &ImageFolder,
    indices: &[usize],
    progress: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<Vec<Cutout>, E> {
    let count = AtomicUsize::new(0);
    let read = |&index: &usize| {
        let cutout = folder.read(index)?;
        progress(count.fetch_add(1, Ordering::Relaxed) + 1)?;
        Ok(cutout)
    };
    indices.par_iter().map(read).collect()
}

/// Cutouts in the order of the indices, read ahead by threads. Dropping it stops the threads.
pub struct Stream {
    indices: Arc<Vec<usize>>,
    next: usize,
    workers: Vec<Receiver<Result<Cutout>>>,
}

/// Starts to read; about `ahead` cutouts are in memory at a time.
pub fn stream(folder: Arc<ImageFolder>, indices: Vec<usize>, ahead: usize) -> Stream {
    // Worker w of n reads the objects w, w + n, ..., and waits while its part of `ahead` is full: taking from the
    // workers in turn restores the order without sorting.
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let threads = cores.min(ahead).min(indices.len()).max(1);
    let indices = Arc::new(indices);
    let workers = (0..threads)
        .map(|worker| {
            let (sender, receiver) = sync_channel(ahead.div_ceil(threads));
            let (folder, indices) = (folder.clone(), indices.clone());
            thread::spawn(move || {
                for &index in indices.iter().skip(worker).step_by(threads) {
                    if sender.send(folder.read(index)).is_err() {
                        // The stream was dropped.
                        break;
                    }
                }
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
    /// The object's index in the folder, and its cutout or the reason why it cannot be read.
    type Item = (usize, Result<Cutout>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = *self.indices.get(self.next)?;
        let cutout = self.workers[self.next % self.workers.len()].recv();
        self.next += 1;
        Some((index, cutout.unwrap_or(Err(Error::ReaderThread))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.indices.len() - self.next;
        (left, Some(left))
    }
}
