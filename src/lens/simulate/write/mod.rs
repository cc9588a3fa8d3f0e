//! Writes simulated objects to a folder, which appears when it is complete.
//!
//! | file | contents |
//! |---|---|
//! | `challenge` | the layout of Lens Finding Challenge 1 |
//! | `stack` | one `.npy` file and a catalogue |
//! | `truth` | the file with the parameters of all objects |

mod challenge;
mod stack;
mod truth;

use super::preview::Sheet;
use super::simulator::{SimulatedObject, Simulator};
use crate::files::NewFolder;
use crate::lens::Error;
use crate::progress::{Callback, Event, Phase};
use challenge::{Challenge, FIRST_ID};
use stack::Stack;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Largest number of objects: identifiers are 32-bit integers.
const MAX_OBJECTS: usize = i32::MAX as usize - FIRST_ID;

/// What to write.
pub struct WriteOptions {
    /// Number of objects.
    pub count: usize,
    /// Write one `images.npy` with a `catalogue.csv`, instead of a FITS file per object and band.
    pub stack: bool,
    /// A file for a contact sheet of the first objects.
    pub preview: Option<PathBuf>,
}

/// Simulates objects and writes them to the folder `out`, which must be new or empty.
///
/// # Errors
/// [`Error::NoObjects`], [`Error::TooManyObjects`], [`Error::Files`] for a folder that is not empty or cannot be
/// written or a full disk, [`Error::Stopped`] if `progress` breaks, and those of [`Simulator::run`]. Nothing is left
/// behind.
pub fn write(simulator: &mut Simulator, out: &Path, options: &WriteOptions, progress: &Callback) -> Result<(), Error> {
    let count = options.count;
    if count == 0 {
        return Err(Error::NoObjects);
    }
    if count > MAX_OBJECTS {
        return Err(Error::TooManyObjects {
            count,
            most: MAX_OBJECTS,
        });
    }
    let folder = NewFolder::staged(out)?;
    let population = simulator.population().clone();
    let shape = simulator.image_shape();
    let preview = options.preview.as_ref();
    let mut sheet = preview.map(|path| (Sheet::new(&population, shape, count), path));
    let mut output: Box<dyn Output> = if options.stack {
        Box::new(Stack::new(folder.path(), &population, shape, count)?)
    } else {
        Box::new(Challenge::new(folder.path(), &population)?)
    };
    let mut done = 0;
    let mut push = |simulated: SimulatedObject| {
        output.push(done, &simulated)?;
        if let Some((sheet, _)) = &mut sheet {
            sheet.push(simulated.image);
        }
        done += 1;
        let advanced = Event::Advanced {
            phase: Phase::Simulating,
            done,
            total: count,
        };
        if progress(advanced).is_break() {
            return Err(Error::Stopped { objects: done });
        }
        Ok(done == count)
    };
    simulator.run(0, &mut |simulated| match push(simulated) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(Ok(())),
        Err(error) => ControlFlow::Break(Err(error)),
    })??;
    output.finish()?;
    if let Some((sheet, path)) = sheet {
        sheet.save(path)?;
    }
    Ok(folder.keep()?)
}

/// A set of files that objects are written to.
trait Output {
    /// Writes the object that is the `number`-th of this output, counted from 0.
    fn push(&mut self, number: usize, simulated: &SimulatedObject) -> Result<(), Error>;

    /// Completes the files.
    fn finish(self: Box<Self>) -> Result<(), Error>;
}
