//! Which objects have images.

use super::SelectionError;
use crate::files::same_file;
use crate::survey::error::Result;
use crate::survey::fits::FitsFile;
use crate::survey::guard::guarded;
use crate::survey::images::Images;
use crate::survey::pattern::Pattern;
use std::collections::HashSet;
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
    /// Lists the files, without `catalogue`, which may be one of them. A stack must have one image for each of the `rows`
    /// of `catalogue`.
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
            Images::Stack { .. } | Images::Table(_) | Images::Tiles(_) => return Ok(PresentImages::Stack),
            Images::PerBand { root, patterns, .. } => (root, patterns.as_slice()),
            Images::PerObject { root, pattern, .. } | Images::Pictures { root, pattern, .. } => {
                (root, std::slice::from_ref(pattern))
            }
        };
        let ids = patterns.iter().map(|p| Ok((p, p.ids(root)?))).collect::<Result<_>>()?;
        let mut present = PresentImages::Files { root, ids };
        present.leave_out(catalogue);
        Ok(present)
    }

    fn leave_out(&mut self, catalogue: &Path) {
        let PresentImages::Files { root, ids } = self else {
            return;
        };
        let name = catalogue.file_name();
        for (pattern, ids) in ids {
            ids.retain(|id| {
                let file = pattern.file(root, id);
                file.file_name() != name || !same_file(&file, catalogue)
            });
        }
    }

    /// # Errors
    /// An object that lacks some of its bands.
    pub fn check_bands(&self, id: &str) -> Result<(), SelectionError> {
        let PresentImages::Files { root, ids } = self else {
            return Ok(());
        };
        match ids.iter().find(|(_, ids)| !ids.contains(id)) {
            None => Ok(()),
            Some((pattern, _)) => Err(SelectionError::MissingBand {
                id: id.into(),
                file: pattern.file(root, id),
            }),
        }
    }

    /// The ids that have a file, in natural order (2 before 10). A stack has none of its own.
    pub fn ids(&self) -> Vec<&str> {
        let PresentImages::Files { ids, .. } = self else {
            return Vec::new();
        };
        let all: HashSet<&str> = ids.iter().flat_map(|(_, ids)| ids).map(String::as_str).collect();
        let mut all: Vec<&str> = all.into_iter().collect();
        all.sort_by(|a, b| alphanumeric_sort::compare_str(a, b).then_with(|| a.cmp(b)));
        all
    }

    /// Whether the object's files are tables without an image.
    pub fn is_table(&self, id: &str) -> bool {
        match self {
            PresentImages::Stack => false,
            PresentImages::Files { root, ids } => ids.iter().any(|(pattern, _)| is_table(&pattern.file(root, id))),
        }
    }

    /// The first file that the object should have, for messages.
    pub fn file(&self, id: &str) -> String {
        match self {
            PresentImages::Stack => "image in the stack".into(),
            PresentImages::Files { root, ids } => ids[0].0.file(root, id).display().to_string(),
        }
    }
}

/// Whether a file is a FITS table without an image. Reads its headers.
pub(in crate::survey) fn is_table(file: &Path) -> bool {
    let opened = guarded(
        || vec![file.into()],
        || FitsFile::open(file).map_err(crate::survey::Error::fits(file)),
    );
    opened.is_ok_and(|fits| fits.images.is_empty() && fits.has_table)
}
