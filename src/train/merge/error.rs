//! Why runs cannot be merged.

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
        values: [Value; 2],
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
    #[error("{} in {}", listed(members), both(runs))]
    Overlap {
        /// Their numbers.
        members: Vec<u32>,
        /// Folders of the runs.
        runs: [PathBuf; 2],
    },
    /// Members that are in no run.
    #[error("{} missing", listed(members))]
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

/// `member 5 is`, `members 3 and 4 are`, `members 0 to 3, 7 and 9 are`.
fn listed(members: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &member in members {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(member) => *last = member,
            _ => ranges.push((member, member)),
        }
    }
    let names = ranges.into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    });
    let names: Vec<String> = names.collect();
    match &names[..] {
        [] => "no members are".into(),
        [one] if members.len() == 1 => format!("member {one} is"),
        [one] => format!("members {one} are"),
        [others @ .., last] => format!("members {} and {last} are", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_as_one_would_say_it() {
        assert_eq!(listed(&[5]), "member 5 is");
        assert_eq!(listed(&[3, 4]), "members 3 and 4 are");
        assert_eq!(listed(&[0, 1, 2, 3]), "members 0 to 3 are");
        assert_eq!(listed(&[0, 1, 2, 3, 7, 9]), "members 0 to 3, 7 and 9 are");
        assert_eq!(listed(&[u32::MAX]), "member 4294967295 is");
    }
}
