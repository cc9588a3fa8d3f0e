//! A shard: a contiguous part of the objects, predicted in a run of its own.

use super::origin::Origin;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// One of several shards, such as `3/64`. Of N objects, in the order of an output without shards, shard k of n has those
/// from N (k - 1) / n to N k / n, rounded down; the first one is counted as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number, k, counted from 1.
    pub number: usize,
    /// Number of shards, n.
    pub of: usize,
}

/// More shards than this are a mistake.
const MOST: usize = 1_000_000;

impl Shard {
    /// The only one.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// The places of its objects.
    pub fn range(self, objects: usize) -> Range<usize> {
        // The product of two counts may be large.
        let place = |shard: usize| (objects as u128 * shard as u128 / self.of as u128) as usize;
        place(self.number - 1)..place(self.number)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) && of <= MOST => Ok(Shard { number, of }),
            _ => Err(format!(
                "give the shard and the number of shards, such as 3/64; from 1/n to n/n, n at most {MOST}"
            )),
        }
    }
}

/// What the file beside the catalogue of a shard says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The shard.
    pub shard: Shard,
    /// Objects of all shards.
    pub objects: usize,
    /// What the predictions of all shards follow from.
    pub origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_objects_in_order_and_differ_by_one_at_most() {
        for objects in [0, 1, 7, 40, 64, 1000, usize::MAX] {
            for of in [1, 3, 7, 64] {
                let mut next = 0;
                for number in 1..=of {
                    let range = Shard { number, of }.range(objects);
                    assert_eq!(range.start, next);
                    assert!((objects / of..=objects.div_ceil(of)).contains(&range.len()));
                    next = range.end;
                }
                assert_eq!(next, objects);
            }
        }
    }

    #[test]
    fn a_shard_is_named_by_its_number_and_their_count() {
        let shard: Shard = "3/64".parse().unwrap();
        assert_eq!((shard.number, shard.of, shard.to_string()), (3, 64, "3/64".into()));
        for bad in [
            "0/4",
            "5/4",
            "3",
            "3/",
            "/4",
            "a/b",
            "-1/4",
            "1/0",
            "1/1000001",
            "1.5/4",
            "",
        ] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
