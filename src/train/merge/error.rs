//! Why runs cannot be merged.

use crate::numeric::listed;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why runs cannot be merged. Members are named by their numbers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Nothing to merge.
    #[error("there are no runs to merge")]
    NoRuns,
    /// A run without a model.
    #[error("the run in {} has not finished", folder.display())]
    NotFinished {
        /// Folder of the run.
        folder: PathBuf,
    },
    /// A run of several ensembles.
    #[error("the run in {} has folds, each with an ensemble of its own", folder.display())]
    Folds {
        /// Folder of the run.
        folder: PathBuf,
    },
    /// Files that are not of one run.
    #[error("the files in {} do not belong together: they have other members", folder.display())]
    Inconsistent {
        /// Folder of the run.
        folder: PathBuf,
    },
    /// Runs of different ensembles.
    #[error("{what} is {} in {} and {} in {}", values[0], runs[0].display(), values[1], runs[1].display())]
    Differ {
        /// Name of the option, or of the value in the model file.
        what: String,
        /// Its values.
        values: Box<[Value; 2]>,
        /// Folders of the runs.
        runs: [PathBuf; 2],
    },
    /// Runs whose options are the same, and whose data are not.
    #[error(
        "the images, their labels or the split are not the same in {} and {}",
        runs[0].display(), runs[1].display()
    )]
    OtherData {
        /// Folders of the runs.
        runs: [PathBuf; 2],
    },
    /// Members that are in two runs.
    #[error("{} in {}", listed("member", members), both(runs))]
    Overlap {
        /// Their numbers.
        members: Vec<u32>,
        /// Folders of the runs.
        runs: [PathBuf; 2],
    },
    /// Members that are in no run.
    #[error("{} missing", listed("member", members))]
    Missing {
        /// Their numbers.
        members: Vec<u32>,
    },
    /// A member that is not asked for.
    #[error("member {member} in {} is not one of those that are expected", folder.display())]
    NotExpected {
        /// Its number.
        member: u32,
        /// Folder of the run.
        folder: PathBuf,
    },
}

fn both([a, b]: &[PathBuf; 2]) -> String {
    let shown = |path: &Path| path.display().to_string();
    match a == b {
        true => format!("{} twice", shown(a)),
        false => format!("both {} and {}", shown(a), shown(b)),
    }
}
