//! The file with the parameters of every object.

use crate::lens::Error;
use crate::lens::simulate::population::Population;
use crate::lens::simulate::simulator::SimulatedObject;
use crate::lens::simulate::truth::Truth;
use crate::survey::table::TableWriter;
use std::path::Path;

pub(super) struct TruthFile {
    truth: Truth,
    table: TableWriter,
}

impl TruthFile {
    /// Opens the table; `id` is the name of the column of identifiers.
    pub(super) fn new(path: &Path, id: &str, population: &Population) -> Result<TruthFile, Error> {
        let truth = Truth::new(population);
        let table = TableWriter::create(path, truth.columns(id))?;
        Ok(TruthFile { truth, table })
    }

    pub(super) fn push(&mut self, id: i32, simulated: &SimulatedObject) -> Result<(), Error> {
        Ok(self.table.push(&self.truth.row(id, simulated))?)
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.table.finish()?;
        Ok(())
    }
}
