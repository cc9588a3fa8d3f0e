//! Rows that wait for their partition to be written, in a file.

use super::super::Cell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file in the folder of the catalogue, until that is complete.
const NAME: &str = ".rows";

/// Where a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The pixel of order 29 that it lies in.
    pub healpix: u64,
    /// Its first byte in the file: rows of one pixel keep their order.
    at: u64,
}

pub(super) struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    length: u64,
    entries: Vec<Entry>,
}

impl Spool {
    pub fn new(folder: &Path) -> io::Result<Spool> {
        let path = folder.join(NAME);
        let open = File::options().read(true).write(true).create_new(true).open(&path);
        Ok(Spool {
            path,
            file: BufWriter::with_capacity(1 << 18, open?),
            length: 0,
            entries: Vec::new(),
        })
    }

    /// Appends a row: its length and its cells in the format of postcard.
    pub fn push(&mut self, healpix: u64, row: &[&Cell]) -> io::Result<()> {
        let bytes = postcard::to_stdvec(row).map_err(io::Error::other)?;
        self.entries.push(Entry {
            healpix,
            at: self.length,
        });
        self.file.write_all(&(bytes.len() as u32).to_le_bytes())?;
        self.file.write_all(&bytes)?;
        self.length += 4 + bytes.len() as u64;
        Ok(())
    }

    /// The rows in the order of the sky; they can be read until [`clear`](Self::clear).
    pub fn take_sorted(&mut self) -> io::Result<Vec<Entry>> {
        self.file.flush()?;
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable();
        Ok(entries)
    }

    /// The cells of a row.
    pub fn row(&mut self, entry: Entry) -> io::Result<Vec<Cell>> {
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(entry.at))?;
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }

    /// Forgets all rows.
    pub fn clear(&mut self) -> io::Result<()> {
        self.length = 0;
        let file = self.file.get_mut();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Removes the file.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
