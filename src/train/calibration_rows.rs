//! What the members of a run predict for the rows that they are calibrated on: `calibration_rows.bin`. When several runs
//! are merged, their ensemble is calibrated anew from it, without the images.
//!
//! The file is a line that names its format, the CRC-32 of the rest (little-endian), and the rest in the format of
//! [postcard](https://postcard.jamesmunns.com).

use super::error::Error;
use crate::files;
use crate::posterior::MemberPredictions;
use crate::posterior::ood::Distances;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

const FORMAT: &[u8] = b"lensgpu-calibration-rows-1\n";

/// Rows that were not trained on, and the predictions of all members for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRows {
    /// Identifies the objects, labels and images that the members were trained on, see
    /// [`Dataset`](super::Dataset::fingerprint).
    pub data: u64,
    /// The split that they are, as the model records it.
    pub split: String,
    /// True values, (N); NaN for objects that are not lenses.
    pub labels: Vec<f64>,
    /// Distances of the images from the training images, without the network, (N).
    pub distances: Vec<Distances>,
    /// In scaled labels, (N).
    pub predictions: Vec<MemberPredictions>,
}

impl CalibrationRows {
    /// The distances of the images from the training images, with those of the features.
    pub fn all_distances(&self) -> Vec<Distances> {
        let both = self.distances.iter().zip(&self.predictions);
        let of_both = both.map(|(&image, prediction)| Distances {
            features: prediction.feature_distance(),
            ..image
        });
        of_both.collect()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of another version; the path is in each of them.
    pub fn read(path: &Path) -> Result<CalibrationRows, Error> {
        let bytes = files::read(path).map_err(|source| Error::NoCalibrationRows {
            path: path.into(),
            source,
        })?;
        let content = bytes.strip_prefix(FORMAT).and_then(|rest| rest.split_first_chunk());
        let intact = content.filter(|(crc, rest)| crc32fast::hash(rest) == u32::from_le_bytes(**crc));
        let rows = intact.and_then(|(_, rest)| postcard::from_bytes::<CalibrationRows>(rest).ok());
        rows.filter(CalibrationRows::is_complete)
            .ok_or_else(|| Error::CalibrationRowsDamaged { path: path.into() })
    }

    fn is_complete(&self) -> bool {
        let rows = self.labels.len();
        self.distances.len() == rows && self.predictions.len() == rows
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// Those of [`files::write_atomic`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let rows = postcard::to_stdvec(self).map_err(|error| Error::Encode {
            what: "the predictions for the calibration rows",
            source: error.into(),
        })?;
        let crc = crc32fast::hash(&rows).to_le_bytes();
        let content = [FORMAT, &crc, &rows].concat();
        Ok(files::write_atomic(path, |file| file.write_all(&content))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn rows_come_back_bit_for_bit_and_no_damaged_byte_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.bin");
        let predictions = MemberPredictions {
            feature_distances: vec![0.5, 1.5],
            ..MemberPredictions::gaussian(&[0.1 + 0.2, -0.0], &[1e-300, 2.0])
        };
        let rows = CalibrationRows {
            data: u64::MAX,
            split: "calibration".into(),
            labels: vec![1.0],
            distances: vec![Distances {
                statistics: Some(0.7),
                ..Distances::default()
            }],
            predictions: vec![predictions],
        };
        rows.write(&path).unwrap();
        assert_eq!(CalibrationRows::read(&path).unwrap(), rows);
        assert_eq!(rows.all_distances()[0].features, Some(1.0));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            for content in [&whole[..at], &damaged] {
                fs::write(&path, content).unwrap();
                let error = CalibrationRows::read(&path).unwrap_err().to_string();
                assert!(error.contains("rows.bin is damaged"), "byte {at}: {error}");
            }
        }
    }
}
