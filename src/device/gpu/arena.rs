//! Which transient tensors share a buffer, because no two of them hold values at the same time.
//!
//! wgpu does not let a dispatch read one part of a buffer and write another, so the arena is not one buffer but several, each
//! as large as the largest of its tensors. The largest tensors choose first; each takes the first buffer that is free
//! whenever it holds values (greedy by size: Pisarchyk & Lee 2020, arXiv 2001.03288).

use super::{Access, Pass, storage};
use crate::plan::Tensor;

/// For each tensor the one whose buffer it has: the largest of those that share it, or itself. A tensor that is not
/// transient, or that no pass uses, shares none.
pub fn owners(tensors: &[Tensor], passes: &[Pass]) -> Vec<usize> {
    let spans = spans(tensors.len(), passes);
    let shares = |&i: &usize| tensors[i].transient && !spans[i].is_empty();
    let mut by_size: Vec<usize> = (0..tensors.len()).filter(shares).collect();
    by_size.sort_by_key(|&i| std::cmp::Reverse(storage::row_bytes(&tensors[i])));
    let mut owners: Vec<usize> = (0..tensors.len()).collect();
    // The tensors of each buffer, its owner first.
    let mut together: Vec<Vec<usize>> = Vec::new();
    for i in by_size {
        let free = |others: &&mut Vec<usize>| others.iter().all(|&other| apart(&spans[i], &spans[other]));
        match together.iter_mut().find(free) {
            Some(others) => {
                owners[i] = others[0];
                others.push(i);
            }
            None => together.push(vec![i]),
        }
    }
    owners
}

/// First and last pass of a time in which a tensor holds values.
type Span = (usize, usize);

/// Of each tensor. A transient tensor is written before it is read, and what is written after a read begins anew.
fn spans(tensors: usize, passes: &[Pass]) -> Vec<Vec<Span>> {
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); tensors];
    let mut was_read = vec![false; tensors];
    for (number, pass) in passes.iter().enumerate() {
        for binding in &pass.buffers {
            let i = binding.tensor.0;
            let reads = binding.access == Access::Read;
            match spans[i].last_mut() {
                Some(span) if reads || !was_read[i] => span.1 = number,
                _ => spans[i].push((number, number)),
            }
            was_read[i] = reads;
        }
    }
    spans
}

fn apart(a: &[Span], b: &[Span]) -> bool {
    a.iter().all(|a| b.iter().all(|b| a.1 < b.0 || b.1 < a.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu::Binding;
    use crate::plan::TensorId;

    fn tensor(name: &str, len: usize) -> Tensor {
        Tensor {
            name: name.into(),
            len,
            shared: false,
            transient: true,
            half: false,
        }
    }

    /// A pass that reads some tensors and writes others.
    fn pass(reads: &[usize], writes: &[usize]) -> Pass {
        let read = reads.iter().map(|&i| Binding::read("x", TensorId(i)));
        let write = writes.iter().map(|&i| Binding::write("y", TensorId(i)));
        Pass {
            shader: "a.wgsl",
            entry: "a",
            constants: vec![],
            buffers: read.chain(write).collect(),
            grid: [1, 1],
        }
    }

    #[test]
    fn a_chain_alternates_between_two_buffers() {
        let tensors = ["a", "b", "c", "d"].map(|name| tensor(name, 10));
        let passes = [pass(&[], &[0]), pass(&[0], &[1]), pass(&[1], &[2]), pass(&[2], &[3])];
        assert_eq!(owners(&tensors, &passes), [0, 1, 0, 1]);
    }

    #[test]
    fn tensors_that_hold_values_at_once_are_apart() {
        // a is read again at the end; c may take the place of b.
        let tensors = ["a", "b", "c"].map(|name| tensor(name, 10));
        let passes = [pass(&[], &[0]), pass(&[0], &[1]), pass(&[1], &[]), pass(&[0], &[2])];
        assert_eq!(owners(&tensors, &passes), [0, 1, 1]);
    }

    /// A pass that writes a tensor, and one that reads it.
    fn used(i: usize) -> [Pass; 2] {
        [pass(&[], &[i]), pass(&[i], &[])]
    }

    #[test]
    fn what_is_written_after_a_read_begins_anew() {
        // b holds values while a holds none.
        let tensors = ["a", "b"].map(|name| tensor(name, 10));
        assert_eq!(owners(&tensors, &[used(0), used(1), used(0)].concat()), [0, 0]);
        // Added to what is there: a holds values throughout.
        let added = [&[pass(&[], &[0])][..], &used(1), &used(0)].concat();
        assert_eq!(owners(&tensors, &added), [0, 1]);
    }

    #[test]
    fn what_the_host_may_read_has_a_buffer_of_its_own() {
        let mut tensors = ["a", "b", "c", "never used"].map(|name| tensor(name, 10));
        tensors[2].transient = false;
        let passes = [pass(&[], &[0]), pass(&[0], &[1]), pass(&[1], &[2])];
        assert_eq!(owners(&tensors, &passes), [0, 1, 2, 3]);
    }

    #[test]
    fn the_largest_tensor_is_served_first() {
        // Small and large ones by turns, never at once: one buffer.
        let tensors = [tensor("a", 1), tensor("b", 100), tensor("c", 2)];
        let passes = [used(0), used(1), used(2)].concat();
        assert_eq!(owners(&tensors, &passes), [1, 1, 1]);
    }
}
