//! Compiled kernels, kept on disk: with Vulkan, a driver need not compile them again in the next run.
//!
//! One file per model of adapter, in the user's cache folder. wgpu and the driver refuse what another version of them has
//! written; the file begins with a checksum, so a damaged one is never given to a driver. It can be deleted at any time.

use crate::files::{self, cache_folder, open, write_cached};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A larger file, in which many networks have left their kernels, is begun again.
const LARGEST: u64 = 64 << 20;

/// The cache of an open adapter.
pub struct PipelineCache {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    /// Checksum of what the file holds.
    saved: Mutex<u32>,
}

impl PipelineCache {
    /// That of an adapter, with what its file holds; `None` if the backend has none, or the user has no cache folder.
    pub fn of(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<PipelineCache> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let file = cache_folder()?.join(wgpu::util::pipeline_cache_key(info)?);
        let data = read(&file);
        // SAFETY: the data are what `save` has written, unless somebody has made up a file with the right checksum.
        let cache = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("kernels"),
                data: data.as_deref(),
                fallback: true,
            })
        };
        let saved = Mutex::new(data.as_deref().map_or(0, crc32fast::hash));
        Some(PipelineCache { cache, file, saved })
    }

    /// For the descriptor of a pipeline.
    pub fn get(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the file if there are new kernels. A cache that cannot be written is no error: they are compiled again.
    pub fn save(&self) {
        let Some(data) = self.cache.get_data() else {
            return;
        };
        let checksum = crc32fast::hash(&data);
        let mut saved = self.saved.lock().expect("no thread panics while it holds this lock");
        if *saved != checksum && write(&self.file, checksum, &data).is_ok() {
            *saved = checksum;
        }
    }
}

/// The file's data; `None` if there is no such file, or it is damaged or too large.
fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open(file).ok()?.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    let (checksum, data) = bytes.split_first_chunk()?;
    (bytes.len() as u64 <= LARGEST && crc32fast::hash(data) == u32::from_le_bytes(*checksum)).then(|| data.to_vec())
}

fn write(file: &Path, checksum: u32, data: &[u8]) -> Result<(), files::Error> {
    write_cached(file, |out| {
        out.write_all(&checksum.to_le_bytes())?;
        out.write_all(data)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_damaged_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join("kernels");
        assert_eq!(read(&file), None);
        write(&file, crc32fast::hash(b"kernels"), b"kernels").unwrap();
        assert_eq!(read(&file).unwrap(), b"kernels");
        let whole = fs::read(&file).unwrap();
        for end in [0, 3, 4, whole.len() - 1] {
            fs::write(&file, &whole[..end]).unwrap();
            assert_eq!(read(&file), None, "{end}");
        }
        let mut changed = whole;
        changed[6] ^= 1;
        fs::write(&file, &changed).unwrap();
        assert_eq!(read(&file), None);
    }
}
