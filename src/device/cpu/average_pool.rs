//! TODO native twins.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::{AveragePoolForward, AveragePoolGradInput};

impl Native for AveragePoolForward {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}

impl Native for AveragePoolGradInput {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}
