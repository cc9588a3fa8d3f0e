//! One file `images.npy` (N,H,W,C) with all images, and `catalogue.csv`.

use super::Output;
use super::truth::TruthFile;
use crate::files;
use crate::lens::Error;
use crate::lens::simulate::population::Population;
use crate::lens::simulate::simulator::SimulatedObject;
use npyz::{NpyWriter, WriterBuilder};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

pub(super) struct Stack {
    images: NpyWriter<f32, BufWriter<File>>,
    path: PathBuf,
    truth: TruthFile,
    population: Population,
}

impl Stack {
    /// A stack of `count` images of the given height, width and number of bands.
    pub(super) fn new(
        folder: &Path,
        population: &Population,
        [h, w, c]: [usize; 3],
        count: usize,
    ) -> Result<Stack, Error> {
        let path = folder.join("images.npy");
        let file = File::create(&path).map_err(files::Error::write(&path))?;
        let images = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[count, h, w, c].map(|n| n as u64))
            .writer(BufWriter::new(file))
            .begin_nd()
            .map_err(files::Error::write(&path))?;
        let truth = TruthFile::new(&folder.join("catalogue.csv"), "id", population)?;
        Ok(Stack {
            images,
            path,
            truth,
            population: population.clone(),
        })
    }
}

impl Output for Stack {
    fn push(&mut self, number: usize, simulated: &SimulatedObject) -> Result<(), Error> {
        // A stack has no header that says what a masked pixel is; everyone knows NaN.
        let mut values = simulated.flux(&self.population);
        let written = values.try_for_each(|value| self.images.push(&value));
        written.map_err(files::Error::write(&self.path))?;
        self.truth.push(number as i32, simulated)
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.images.finish().map_err(files::Error::write(&self.path))?;
        self.truth.finish()
    }
}
