//! TODO native twins.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::{AddForward, ChannelCopy};

impl Native for AddForward {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}

impl Native for ChannelCopy {
    fn run(&self, _memory: &mut Memory, _scratch: &mut Scratch) {
        todo!()
    }
}
