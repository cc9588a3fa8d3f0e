//! The predictions of a run so far, in a file beside its catalogue: a run that was stopped or killed continues from it.
//!
//! The file is a sequence of records in the format of [postcard](https://postcard.jamesmunns.com), each after its length
//! and its CRC-32 (32 bits each, little-endian). The first is the run's [`Origin`], every other one an object. The first
//! record that is cut off or damaged ends it.

use super::Error;
use super::origin::Origin;
use super::stream::StreamedObject;
use crate::files;
use crate::progress::{Callback, warn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After a kill, at most the objects of this time are predicted again.
const FLUSHED_EVERY: Duration = Duration::from_secs(2);
/// Bytes of the longest record.
const LONGEST: usize = 1 << 20;

/// The journal of a run.
pub(super) struct Journal {
    path: PathBuf,
    /// `None` after a write that failed.
    file: Option<BufWriter<File>>,
    /// Objects in it.
    objects: usize,
    flushed: Instant,
}

impl Journal {
    /// The file that belongs to the catalogue `output`.
    pub fn path(output: &Path) -> PathBuf {
        let mut name = output.file_name().unwrap_or_default().to_os_string();
        name.push(".unfinished");
        output.with_file_name(name)
    }

    /// The journal of a run that writes `output`: a new one, or with `resume` that of an earlier run, if there is one.
    ///
    /// # Errors
    /// A file that cannot be written; with `resume`, the journal of a run with another origin.
    pub fn open(output: &Path, origin: &Origin, resume: bool) -> Result<Journal, Error> {
        let path = Journal::path(output);
        files::check(&path).map_err(crate::survey::Error::from)?;
        let failed = |source| Error::Journal {
            path: path.clone(),
            source,
        };
        let (mut objects, mut end) = (0, 0);
        if resume && path.exists() {
            let mut records = Records::open(&path).map_err(failed)?;
            if let Some(found) = records.next::<Origin>() {
                if let Some(name) = origin.difference(&found) {
                    return Err(Error::OtherRun {
                        path: path.clone(),
                        name: name.into(),
                    });
                }
                end = records.end;
                while records
                    .next::<StreamedObject>()
                    .is_some_and(|object| object.index == objects)
                {
                    (objects, end) = (objects + 1, records.end);
                }
            }
        }
        let open = File::options().write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(failed)?;
        let placed = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        placed.map_err(failed)?;
        let mut file = BufWriter::new(file);
        if end == 0 {
            push(&mut file, origin).map_err(failed)?;
        }
        Ok(Journal {
            path: path.clone(),
            file: Some(file),
            objects,
            flushed: Instant::now(),
        })
    }

    /// Number of objects in it.
    pub fn len(&self) -> usize {
        self.objects
    }

    /// The objects that it had when it was opened, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn objects(&self) -> Result<impl Iterator<Item = StreamedObject> + use<>, Error> {
        let mut records = Records::open(&self.path).map_err(|source| Error::Journal {
            path: self.path.clone(),
            source,
        })?;
        if self.objects > 0 {
            records.next::<Origin>();
        }
        Ok((0..self.objects).map_while(move |_| records.next()))
    }

    /// Adds an object, unless it has it. A write that fails ends the journal, not the run.
    pub fn add(&mut self, object: &StreamedObject, progress: &Callback) {
        let Some(file) = self.file.as_mut().filter(|_| object.index == self.objects) else {
            return;
        };
        let mut written = push(file, object);
        self.objects += 1;
        if self.flushed.elapsed() > FLUSHED_EVERY {
            written = written.and_then(|()| file.flush());
            self.flushed = Instant::now();
        }
        if let Err(error) = written {
            self.file = None;
            let path = self.path.display();
            warn(
                progress,
                &format!("{path} cannot be written, so this run cannot be resumed: {error}"),
            );
        }
    }

    /// Removes it: the catalogue is complete, or never will be.
    pub fn remove(self) {
        drop(self.file);
        // A journal that stays is overwritten by the next run.
        let _ = fs::remove_file(&self.path);
    }
}

fn push(file: &mut impl Write, record: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(record).map_err(io::Error::other)?;
    file.write_all(&(bytes.len() as u32).to_le_bytes())?;
    file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
    file.write_all(&bytes)
}

/// The intact records of a journal, from its begin.
struct Records {
    file: BufReader<File>,
    /// Where the last one ends.
    end: u64,
}

impl Records {
    fn open(path: &Path) -> io::Result<Records> {
        Ok(Records {
            file: BufReader::new(files::open(path)?),
            end: 0,
        })
    }

    fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut word = || {
            let mut bytes = [0; 4];
            self.file.read_exact(&mut bytes).ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (length, crc) = (word()? as usize, word()?);
        if length > LONGEST {
            return None;
        }
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).ok()?;
        if crc32fast::hash(&bytes) != crc {
            return None;
        }
        let record = postcard::from_bytes(&bytes).ok()?;
        self.end += 8 + length as u64;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::stream::NotPredicted;
    use crate::progress::ignore_events;

    fn object(index: usize) -> StreamedObject {
        let reason = format!("unreadable {}", "x".repeat(index));
        StreamedObject {
            index,
            image: Err(NotPredicted::Unreadable(reason)),
        }
    }

    fn origin(model: &str) -> Origin {
        Origin::new([("version", "1".into()), ("model", model.into())])
    }

    fn indices(journal: &Journal) -> Vec<usize> {
        journal.objects().unwrap().map(|object| object.index).collect()
    }

    /// A journal of 5 objects, whose run was killed.
    fn journal(folder: &Path) -> PathBuf {
        let output = folder.join("out.csv");
        let mut journal = Journal::open(&output, &origin("a"), false).unwrap();
        assert_eq!((journal.len(), indices(&journal)), (0, vec![]));
        // The object it does not expect is left out.
        for index in [0, 1, 2, 4, 3, 4] {
            journal.add(&object(index), &ignore_events);
        }
        output
    }

    #[test]
    fn every_cut_and_every_damaged_byte_leaves_the_objects_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let output = journal(folder.path());
        let path = Journal::path(&output);
        assert_eq!(path.file_name().unwrap(), "out.csv.unfinished");
        let whole = fs::read(&path).unwrap();
        let resume = || Journal::open(&output, &origin("a"), true).unwrap();
        assert_eq!(indices(&resume()), [0, 1, 2, 3, 4]);
        assert_eq!(fs::read(&path).unwrap(), whole);
        // Where each record ends.
        let mut ends = vec![0];
        while let Some(length) = whole.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk()) {
            ends.push(ends[ends.len() - 1] + 8 + u32::from_le_bytes(*length) as usize);
        }
        for at in 0..whole.len() {
            let intact = ends.iter().filter(|end| **end <= at).count().saturating_sub(2);
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            for content in [&whole[..at], &damaged] {
                fs::write(&path, content).unwrap();
                let mut journal = resume();
                assert_eq!(indices(&journal), (0..intact).collect::<Vec<_>>(), "byte {at}");
                // What is added follows what is intact.
                (intact..5).for_each(|index| journal.add(&object(index), &ignore_events));
                drop(journal);
                assert!(fs::read(&path).unwrap() == whole, "byte {at}");
            }
        }
        resume().remove();
        assert!(!path.exists() && indices(&resume()).is_empty());
    }

    #[test]
    fn another_run_is_refused_by_name_or_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let output = journal(folder.path());
        let error = Journal::open(&output, &origin("b"), true).map(drop).unwrap_err();
        assert!(
            matches!(&error, Error::OtherRun { name, .. } if name == "model"),
            "{error}"
        );
        assert!(error.to_string().contains("another model"), "{error}");
        let journal = Journal::open(&output, &origin("b"), false).unwrap();
        assert!(indices(&journal).is_empty());
    }
}
