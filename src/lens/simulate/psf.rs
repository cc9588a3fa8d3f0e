//! Point spread functions that a population reads from files.

use super::plan::Window;
use super::population::{Band, Population, Psf};
use crate::lens::Error;
use crate::survey::psf::read_psf;

/// Point spread functions (C,K,K) of the bands of a window, each with a sum of 1.
pub(super) struct PsfImages {
    /// K, pixels.
    pub(super) side: usize,
    /// (C,K,K).
    pub(super) values: Vec<f32>,
}

impl PsfImages {
    /// Reads the files of the window's bands; the smaller images are padded with zeros to the size of the largest.
    ///
    /// # Errors
    /// [`Error::Psf`] for an image that cannot be read or used.
    pub(super) fn read(population: &Population, window: &Window) -> Result<PsfImages, Error> {
        let mut images = Vec::new();
        for &band in &window.bands {
            let Band { name, psf, .. } = &population.bands[band];
            if let Psf::Image { file } = psf {
                images.push(read_psf(file).map_err(|source| Error::Psf {
                    band: name.clone(),
                    source: source.into(),
                })?);
            }
        }
        let side = images.iter().map(|(side, _)| *side).max().unwrap_or(1);
        let mut values = vec![0.0; images.len() * side * side];
        for ((own_side, image), to) in images.iter().zip(values.chunks_exact_mut(side * side)) {
            let edge = (side - own_side) / 2;
            for (i, line) in image.chunks_exact(*own_side).enumerate() {
                let to = &mut to[(i + edge) * side + edge..][..*own_side];
                to.iter_mut().zip(line).for_each(|(to, from)| *to = *from as f32);
            }
        }
        Ok(PsfImages { side, values })
    }
}
