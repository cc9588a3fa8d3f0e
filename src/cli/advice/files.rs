//! Advice on files and folders that cannot be written.

use crate::files::Error;

/// What to do where a file or folder cannot be written.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::IsFolder { .. } => "Give the name of a file in it.",
        Error::WriteProtected { .. } => "Choose another name.",
        Error::CannotCreate { .. } => "Choose another folder.",
        Error::FolderNotEmpty { .. } | Error::NotAFolder { .. } | Error::CannotCreateFolder { .. } => {
            "Name another folder with -o."
        }
        // These say themselves what to do.
        Error::InUse { .. } => "Wait until it ends, or name another folder.",
        Error::NotAFile { .. }
        | Error::BrokenLink { .. }
        | Error::IsInput { .. }
        | Error::NoFolder { .. }
        | Error::Write { .. } => return None,
    };
    Some(advice.into())
}
