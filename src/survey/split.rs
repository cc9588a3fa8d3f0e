//! Which rows train, which choose the best weights, which calibrate, which are held out; by a seed, for ever the same.

use anyhow::{Result, bail};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Indices in ascending order; the four parts share none and hold all.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSplit {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub calibration: Vec<usize>,
    pub hold_out: Vec<usize>,
}

/// Rows below which none are kept for calibration: a factor fitted on 50 is good to 1 / sqrt(100) = 10 %, where that of
/// an ensemble is often 2; with fewer, training needs them more.
pub const LEAST_CALIBRATION: usize = 50;

impl DataSplit {
    /// Splits `0..n`: first `hold_out` rows, then `fraction` of the rest (at least one of three or more) for validation, then
    /// `calibration` of the same rest, or none where that is fewer than [`LEAST_CALIBRATION`]. So the rows held out and those
    /// for validation are the same whatever share goes to calibration.
    pub fn new(n: usize, seed: u64, fraction: f64, calibration: f64, hold_out: usize) -> Result<DataSplit> {
        for (what, share) in [("validation", fraction), ("calibration", calibration)] {
            if !(0.0..1.0).contains(&share) {
                bail!("the share of rows for {what} is {share}; it must be at least 0 and below 1");
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let order = random_order(n, &mut rng);

        let rest = n.saturating_sub(hold_out);
        let least = usize::from(fraction > 0.0 && rest >= 3);
        let validation = ((rest as f64 * fraction).round() as usize).max(least);
        let calibration = match (rest as f64 * calibration).round() as usize {
            0..LEAST_CALIBRATION => 0,
            rows => rows,
        };
        let train = rest.saturating_sub(validation + calibration);
        if train < 2 {
            bail!(
                "{train} rows are left to train on, and at least 2 are needed: there are {n} rows, \
                 {hold_out} are to be held out, {validation} go to validation and {calibration} to calibration"
            );
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

/// `0..n` in random order: by random keys, not by a library's shuffle, whose result may change between versions.
pub fn random_order(n: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..n).map(|row| (rng.next_u64(), row)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_hold_every_row_once_and_follow_the_seed() {
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
            "whatever the validation share"
        );
    }

    #[test]
    fn calibration_takes_rows_from_training_alone() {
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
                .contains("50 to calibration")
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
