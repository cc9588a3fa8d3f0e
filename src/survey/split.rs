//! Splits the rows into training, validation, calibration and held-out ones. The same seed always gives the same split.

use super::error::Result;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Row indices, counted from 0. Each part is in ascending order, and each row is in exactly one part.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSplit {
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The rows that choose each member's best weights.
    pub validation: Vec<usize>,
    /// The rows that the calibration is fitted to; they may be none.
    pub calibration: Vec<usize>,
    /// The rows that are only used to score the trained model.
    pub hold_out: Vec<usize>,
}

/// If calibration would get fewer rows than this, it gets none. A factor fitted on 50 rows has an error of about
/// 1 / sqrt(100) = 10 %, while the factor itself is often 2 for an ensemble; fewer rows are of more use for training.
pub const LEAST_CALIBRATION: usize = 50;

/// Rows that cannot be split as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A fraction outside [0, 1).
    #[error("the fraction of rows for {part} is {fraction}; it must be at least 0 and below 1")]
    Fraction {
        /// `validation` or `calibration`.
        part: &'static str,
        /// The fraction given.
        fraction: f64,
    },
    /// Too few rows are left for training.
    #[error(
        "{train} rows are left for training, and at least 2 are needed: of {rows} rows, {hold_out} are to be held out, \
         {validation} are for validation and {calibration} for calibration"
    )]
    TooFewRows {
        /// Rows for training.
        train: usize,
        /// All rows.
        rows: usize,
        /// Rows to hold out.
        hold_out: usize,
        /// Rows for validation.
        validation: usize,
        /// Rows for calibration.
        calibration: usize,
    },
}

impl DataSplit {
    /// Splits `rows` rows. First `hold_out` rows are held out. Of the rest, a fraction `validation` (at least one row of
    /// three or more) is for validation, and a fraction `calibration` for calibration, or none if that is fewer than
    /// [`LEAST_CALIBRATION`]. Held-out and validation rows do not depend on `calibration`.
    ///
    /// # Errors
    /// A fraction outside [0, 1); fewer than 2 rows for training.
    pub fn new(rows: usize, seed: u64, validation: f64, calibration: f64, hold_out: usize) -> Result<DataSplit> {
        for (part, fraction) in [("validation", validation), ("calibration", calibration)] {
            if !(0.0..1.0).contains(&fraction) {
                return Err(SplitError::Fraction { part, fraction }.into());
            }
        }
        let order = random_order(rows, &mut ChaCha8Rng::seed_from_u64(seed));
        DataSplit::of_order(&order, validation, calibration, hold_out)
    }

    /// The split of a fold, which holds out the rows `held_out` of `rows`; the rest as in [`new`](DataSplit::new).
    ///
    /// # Errors
    /// Those of [`new`](DataSplit::new).
    pub fn of_fold(rows: usize, held_out: &[usize], seed: u64, validation: f64, calibration: f64) -> Result<DataSplit> {
        let mut is_held_out = vec![false; rows];
        held_out.iter().for_each(|&row| is_held_out[row] = true);
        let order = random_order(rows, &mut ChaCha8Rng::seed_from_u64(seed));
        let rest = order.into_iter().filter(|&row| !is_held_out[row]);
        let order: Vec<usize> = held_out.iter().copied().chain(rest).collect();
        DataSplit::of_order(&order, validation, calibration, held_out.len())
    }

    /// Parts of the rows in this order: those held out, for validation, for calibration, and the rest.
    fn of_order(order: &[usize], validation: f64, calibration: f64, hold_out: usize) -> Result<DataSplit> {
        let rows = order.len();
        let rest = rows.saturating_sub(hold_out);
        let least = usize::from(validation > 0.0 && rest >= 3);
        let validation = ((rest as f64 * validation).round() as usize).max(least);
        let calibration = match (rest as f64 * calibration).round() as usize {
            0..LEAST_CALIBRATION => 0,
            rows => rows,
        };
        let train = rest.saturating_sub(validation + calibration);
        if train < 2 {
            return Err(SplitError::TooFewRows {
                train,
                rows,
                hold_out,
                validation,
                calibration,
            }
            .into());
        }
        let part = |from: usize, count: usize| {
            let mut rows = order[from..from + count].to_vec();
            rows.sort_unstable();
            rows
        };
        Ok(DataSplit {
            hold_out: part(0, hold_out),
            validation: part(hold_out, validation),
            calibration: part(hold_out + validation, calibration),
            train: part(hold_out + validation + calibration, train),
        })
    }
}

/// `rows` rows in `count` random parts whose sizes differ by at most one, each in ascending order.
pub fn parts(rows: usize, seed: u64, count: usize) -> Vec<Vec<usize>> {
    let order = random_order(rows, &mut ChaCha8Rng::seed_from_u64(seed));
    let part = |k: usize| {
        let mut part = order[rows * k / count..rows * (k + 1) / count].to_vec();
        part.sort_unstable();
        part
    };
    (0..count).map(part).collect()
}

/// `0..n` in random order, sorted by random keys: the result of a library's shuffle may change between versions.
pub fn random_order(n: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..n).map(|row| (rng.next_u64(), row)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_in_one_part_and_the_split_depends_on_the_seed() {
        let parts = DataSplit::new(800, 7, 0.1, 0.0, 100).unwrap();
        assert_eq!(
            (parts.train.len(), parts.validation.len(), parts.hold_out.len()),
            (630, 70, 100)
        );
        let mut all = [parts.train.clone(), parts.validation.clone(), parts.hold_out.clone()].concat();
        all.sort();
        assert_eq!(all, (0..800).collect::<Vec<_>>());
        assert_eq!(DataSplit::new(800, 7, 0.1, 0.0, 100).unwrap(), parts);
        assert_ne!(DataSplit::new(800, 8, 0.1, 0.0, 100).unwrap().hold_out, parts.hold_out);
        assert_eq!(
            DataSplit::new(800, 7, 0.5, 0.0, 100).unwrap().hold_out,
            parts.hold_out,
            "whatever the validation fraction"
        );
    }

    #[test]
    fn calibration_takes_rows_from_training_only() {
        let without = DataSplit::new(800, 7, 0.1, 0.0, 100).unwrap();
        let with = DataSplit::new(800, 7, 0.1, 0.1, 100).unwrap();
        assert_eq!(
            (&with.hold_out, &with.validation),
            (&without.hold_out, &without.validation)
        );
        assert_eq!((with.calibration.len(), with.train.len()), (70, 560));
        let mut both = [with.train, with.calibration].concat();
        both.sort();
        assert_eq!(both, without.train);
        assert_eq!(DataSplit::new(500, 7, 0.1, 0.1, 0).unwrap().calibration.len(), 50);
        assert!(
            DataSplit::new(480, 7, 0.1, 0.1, 0).unwrap().calibration.is_empty(),
            "48 are too few"
        );
        assert!(
            DataSplit::new(100, 7, 0.5, 0.5, 0)
                .unwrap_err()
                .to_string()
                .contains("50 for calibration")
        );
        assert!(DataSplit::new(100, 7, 0.1, 1.0, 0).is_err());
    }

    #[test]
    fn the_split_of_a_seed_never_changes() {
        assert_eq!(DataSplit::new(10, 1, 0.2, 0.0, 2).unwrap().hold_out, [1, 7]);
    }

    #[test]
    fn fewer_than_two_training_rows_are_refused_with_the_numbers() {
        assert_eq!(DataSplit::new(2, 0, 0.1, 0.1, 0).unwrap().train.len(), 2);
        assert_eq!(DataSplit::new(3, 0, 0.1, 0.1, 0).unwrap().validation.len(), 1);
        let error = DataSplit::new(100, 0, 0.1, 0.1, 99).unwrap_err().to_string();
        assert!(error.contains("100 rows") && error.contains("99"), "{error}");
        assert!(
            DataSplit::new(1, 0, 0.0, 0.0, 0).is_err()
                && DataSplit::new(5, 0, 0.1, 0.0, 50).is_err()
                && DataSplit::new(5, 0, 1.0, 0.0, 0).is_err()
        );
    }
}
