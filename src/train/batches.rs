//! Which images form each member's mini-batches, and in which orientation. The random numbers are counter based: they
//! depend on the seed, the member's number and the segment of the run, and on nothing that ran before.

use crate::survey::split::random_order;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers are used for; no two uses share a generator.
#[derive(Clone, Copy)]
enum Purpose {
    Batches = 1,
    Shards = 2,
    Key = 3,
}

fn generator(seed: u64, segment: u64, purpose: Purpose, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&segment.to_le_bytes());
    key[16] = purpose as u8;
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// One member's mini-batches of a segment: a permutation of `rows` images without replacement, cut into steps of `batch`;
/// the remainder is left out. An entry is `image | code << 28` ([`crate::plan::Gather`]). `orientations` is the number of
/// flips and turns to choose from: 8, 4 (flips only, for images that are not square), or 1.
pub fn member_batches(seed: u64, segment: u64, member: u32, rows: usize, batch: usize, orientations: u32) -> Vec<u32> {
    let mut rng = generator(seed, segment, Purpose::Batches, u64::from(member));
    let mut order = random_order(rows, &mut rng);
    order.truncate(rows / batch * batch);
    order
        .into_iter()
        .map(|image| image as u32 | (rng.next_u32() & (orientations - 1)) << 28)
        .collect()
}

/// The key of a member's random shifts and noise in a segment ([`crate::plan::state::KEY`]).
pub fn member_key(seed: u64, segment: u64, member: u32) -> u32 {
    generator(seed, segment, Purpose::Key, u64::from(member)).next_u32()
}

/// The rows of each shard of an epoch, in random order if there are several: `used` of all rows are in one of them each,
/// and their sizes differ by at most one. All members share the shards because they share the pool of images.
pub fn shards(seed: u64, epoch: u64, rows: usize, used: usize, count: usize) -> Vec<Vec<usize>> {
    let order = match count {
        1 => (0..rows).collect(),
        _ => random_order(rows, &mut generator(seed, epoch, Purpose::Shards, 0)),
    };
    (0..count)
        .map(|s| order[used * s / count..used * (s + 1) / count].to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_segment_takes_every_image_at_most_once_and_members_differ() {
        let batches = member_batches(1, 3, 2, 103, 10, 8);
        assert_eq!(batches.len(), 100);
        let images: BTreeSet<u32> = batches.iter().map(|b| b & 0x0fff_ffff).collect();
        assert_eq!((images.len(), images.last().copied() < Some(103)), (100, true));
        let codes: BTreeSet<u32> = batches.iter().map(|b| b >> 28).collect();
        assert_eq!(codes, (0..8).collect());
        assert_eq!(batches, member_batches(1, 3, 2, 103, 10, 8));
        for other in [(2, 3, 2), (1, 4, 2), (1, 3, 1)] {
            assert_ne!(batches, member_batches(other.0, other.1, other.2, 103, 10, 8));
        }
        assert!(member_batches(1, 3, 2, 103, 10, 1).iter().all(|b| b >> 28 == 0));
        assert!(member_batches(1, 3, 2, 103, 10, 4).iter().all(|b| b >> 28 < 4));
    }

    #[test]
    fn shards_hold_every_row_once() {
        assert_eq!(shards(1, 0, 5, 5, 1), [[0, 1, 2, 3, 4]]);
        let parts = shards(1, 0, 11, 11, 3);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [3, 4, 4]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..11).collect::<Vec<_>>());
        assert_ne!(parts, shards(1, 1, 11, 11, 3));
        assert_eq!(shards(1, 0, 11, 9, 3).concat(), parts.concat()[..9]);
    }
}
