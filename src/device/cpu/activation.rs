//! TODO native twins.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::{ActivationForward, ActivationGradInput};

impl Native for ActivationForward {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}

impl Native for ActivationGradInput {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}
