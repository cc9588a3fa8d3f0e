//! Random damages of valid files: every kind of file, read in bounded time and memory, without a panic.
//!
//! `PROPTEST_CASES` sets how many damages of each kind are tried, and then others are tried in every run.

use super::inputs::{ALL, Input};
use super::peak::peak;
use super::seeds::seeds;
use super::{MOST_MEMORY, MOST_TIME};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::time::Instant;

/// Damages of each kind of file in a usual run.
const CASES: u32 = 150;

/// Numbers that headers do not have: too small, too large, of another type.
const EXTREMES: [&str; 20] = [
    "-1",
    "0",
    "1",
    "7",
    "999",
    "30000",
    "99999999",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967296",
    "2305843009213693952",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e300",
    "-1e-300",
    "nan",
    "inf",
];

#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Truncate(Index),
    Remove(Index, u16),
    /// A part of the file once more, at another place.
    Repeat(Index, Index, u16),
    /// Instead of the digits at or behind a place.
    Number(Index, &'static str),
    /// A binary number, of the first bytes of these, in either order.
    Word(Index, u64, usize, bool),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::{Flip, Number, Remove, Repeat, Set, Truncate, Word};
    let words = select(vec![
        0,
        1,
        0x7f,
        0xff,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 40,
        u64::MAX >> 1,
        u64::MAX,
    ]);
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Flip(at, bit)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Set(at, byte)),
        1 => at().prop_map(Truncate),
        1 => (at(), 1u16..200).prop_map(|(at, length)| Remove(at, length)),
        1 => (at(), at(), 1u16..3000).prop_map(|(from, to, length)| Repeat(from, to, length)),
        6 => (at(), select(&EXTREMES[..])).prop_map(|(at, number)| Number(at, number)),
        2 => (at(), words, select(vec![1, 2, 4, 8]), any::<bool>()).prop_map(|(at, w, length, big)| Word(at, w, length, big)),
    ]
}

fn apply(mut bytes: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let length = bytes.len();
    match mutation {
        Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Mutation::Set(at, byte) => bytes[at.index(length)] = *byte,
        Mutation::Truncate(at) => bytes.truncate(at.index(length)),
        Mutation::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + usize::from(*count)));
        }
        Mutation::Repeat(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let part = bytes[from..length.min(from + usize::from(*count))].to_vec();
            bytes.splice(to..to, part);
        }
        Mutation::Number(at, number) => replace_number(&mut bytes, at.index(length), number),
        Mutation::Word(at, word, count, big) => {
            let at = at.index(length);
            let word = if *big {
                word.swap_bytes() >> (8 * (8 - count))
            } else {
                *word
            };
            let room = (*count).min(length - at);
            bytes[at..at + room].copy_from_slice(&word.to_le_bytes()[..room]);
        }
    }
    bytes
}

/// Puts a number in the place of the first digits from `at` on. As far as there are spaces before it, what follows stays
/// in its place, as in the header of a FITS file; otherwise the length of a safetensors header is corrected.
fn replace_number(bytes: &mut Vec<u8>, at: usize, number: &str) {
    let digit = |from: usize, yes: bool| (from..bytes.len()).find(|&i| bytes[i].is_ascii_digit() == yes);
    let Some(start) = digit(at, true).or_else(|| digit(0, true)) else {
        return;
    };
    let end = digit(start, false).unwrap_or(bytes.len());
    let longer = number.len().saturating_sub(end - start);
    let spaces = bytes[..start]
        .iter()
        .rev()
        .take(longer)
        .take_while(|&&byte| byte == b' ')
        .count();
    let text = format!("{number:>width$}", width = end - start + spaces);
    let inserted = text.len() - (end - start + spaces);
    bytes.splice(start - spaces..end, text.bytes());
    let json = bytes.get(8) == Some(&b'{');
    if let (true, Some(header)) = (json, bytes.first_chunk().map(|length| u64::from_le_bytes(*length))) {
        bytes[..8].copy_from_slice(&header.wrapping_add(inserted as u64).to_le_bytes());
    }
}

/// Damages valid files of a kind, and reads them.
fn damage((kind, accepts): Input) {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let algorithm = RngAlgorithm::ChaCha;
    let mut runner = match cases {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(algorithm)),
    };
    let valid = seeds(kind);
    let mutations = proptest::collection::vec(mutation(), 1..5);
    let start = Instant::now();
    let (executed, accepted) = (std::cell::Cell::new(0u64), std::cell::Cell::new(0u64));
    let result = runner.run(&(0..valid.len(), mutations), |(seed, mutations)| {
        let bytes = mutations.iter().fold(valid[seed].clone(), apply);
        let begun = Instant::now();
        let (is_accepted, memory) = peak(|| accepts(&bytes));
        executed.set(executed.get() + 1);
        accepted.set(accepted.get() + u64::from(is_accepted));
        let seconds = begun.elapsed();
        prop_assert!(
            memory < MOST_MEMORY,
            "{memory} bytes of memory for a file of {}",
            bytes.len()
        );
        prop_assert!(seconds < MOST_TIME, "{seconds:?} for a file of {} bytes", bytes.len());
        Ok(())
    });
    let [executed, accepted] = [executed.get(), accepted.get()];
    println!(
        "{kind}: {executed} files in {:.1} s, {accepted} accepted",
        start.elapsed().as_secs_f64()
    );
    if let Err(TestError::Fail(reason, (seed, mutations))) = result {
        let path = std::env::temp_dir().join(format!("hostile.{kind}"));
        let bytes = mutations.iter().fold(valid[seed].clone(), apply);
        std::fs::write(&path, bytes).unwrap();
        panic!(
            "{kind}: {reason}; file {seed}, {mutations:?}; it is in {}",
            path.display()
        );
    }
}

macro_rules! damages {
    ($($test:ident: $kind:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            damage(ALL.into_iter().find(|(kind, _)| *kind == $kind).unwrap());
        })*
    };
}

damages! {
    damaged_fits_images: "fits_image",
    damaged_fits_tables: "fits_table",
    damaged_csv: "csv",
    damaged_votables: "votable",
    damaged_parquet: "parquet",
    damaged_npy: "npy",
    damaged_models: "model",
    damaged_checkpoints: "checkpoint",
    damaged_networks: "network",
    damaged_populations: "population",
    damaged_run_files: "run",
}
