//! Which objects have images.

use super::SelectionError;
use crate::survey::error::Result;
use crate::survey::images::Images;
use crate::survey::pattern::Pattern;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The images that exist.
pub(super) enum PresentImages<'a> {
    /// A stack has an image for each row of its catalogue.
    Stack,
    /// Separate files: the ids that each pattern (one per band, or one for all) has a file for.
    Files {
        root: &'a Path,
        ids: Vec<(&'a Pattern, HashSet<String>)>,
    },
}

impl<'a> PresentImages<'a> {
    /// Lists the files. A stack must have one image for each of the `rows` of `catalogue`.
    pub fn find(images: &'a Images, rows: usize, catalogue: &Path) -> Result<Self> {
        let (root, patterns) = match images {
            Images::Stack { stack, .. } if stack.shape[0] != rows => {
                return Err(SelectionError::StackLength {
                    stack: stack.path.clone(),
                    images: stack.shape[0],
                    catalogue: catalogue.into(),
                    rows,
                }
                .into());
            }
            Images::Stack { .. } => return Ok(PresentImages::Stack),
            Images::PerBand { root, patterns, .. } => (root, patterns.as_slice()),
            Images::PerObject { root, pattern, .. } => (root, std::slice::from_ref(pattern)),
        };
        let ids = patterns.iter().map(|p| Ok((p, p.ids(root)?))).collect::<Result<_>>()?;
        Ok(PresentImages::Files { root, ids })
    }

    /// Whether the object has its images.
    ///
    /// # Errors
    /// An object that lacks some of its bands.
    pub fn contains(&self, id: &str) -> Result<bool, SelectionError> {
        let PresentImages::Files { root, ids: files } = self else {
            return Ok(true);
        };
        let Some((pattern, _)) = files.iter().find(|(_, ids)| !ids.contains(id)) else {
            return Ok(true);
        };
        if files.iter().any(|(_, ids)| ids.contains(id)) {
            return Err(SelectionError::MissingBand {
                id: id.into(),
                file: pattern.file(root, id),
            });
        }
        Ok(false)
    }

    /// The ids that have a file, shorter ones first, so that numbers are in order. A stack has none of its own.
    pub fn ids(&self) -> Vec<String> {
        let PresentImages::Files { ids, .. } = self else {
            return Vec::new();
        };
        let all: HashSet<&String> = ids.iter().flat_map(|(_, ids)| ids).collect();
        let mut all: Vec<String> = all.into_iter().cloned().collect();
        all.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        all
    }

    /// How many objects have a file but no row.
    pub fn count_missing_from(&self, rows_by_id: &HashMap<&str, usize>) -> usize {
        let without_row = |id: &&String| !rows_by_id.contains_key(id.as_str());
        self.ids().iter().filter(without_row).count()
    }

    /// The first file that the object should have, for messages.
    pub fn file(&self, id: &str) -> String {
        match self {
            PresentImages::Stack => "image in the stack".into(),
            PresentImages::Files { root, ids } => ids[0].0.file(root, id).display().to_string(),
        }
    }
}
