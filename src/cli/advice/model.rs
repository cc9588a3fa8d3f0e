//! Advice on model files that cannot be read.

use crate::model::Error;

/// What to do about a model that cannot be read, written or run.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Read { .. } | Error::NotSafetensors(_) | Error::NotAModel => {
            "Give the model.safetensors that `lensgpu train` wrote."
        }
        Error::Unknown { .. } => {
            "Give the model.safetensors that `lensgpu train` wrote, or the name of a shipped model: see `lensgpu models`."
        }
        Error::Damaged | Error::WrongLength(_) | Error::MissingMetadata { .. } | Error::MissingTensor { .. } => {
            "The file is incomplete: copy it again, or train again."
        }
        Error::Tensor { .. } => "Take the original file.",
        Error::Calibration => "Run `lensgpu calibrate` on it.",
        Error::Files(error) => return super::files::advice(error),
        Error::Content { source, .. } | Error::NotWritten { source, .. } => return advice(source),
        Error::Version { .. }
        | Error::Metadata { .. }
        | Error::NotFinite { .. }
        | Error::MemberLength { .. }
        | Error::NoMembers
        | Error::DuplicateMember { .. }
        | Error::Features { .. }
        | Error::Statistics
        | Error::LabelScale { .. }
        | Error::MetadataNotFinite
        | Error::Bands { .. }
        | Error::Encode(_)
        | Error::Network(_) => return None,
        Error::Device(error) => return super::device::advice(error),
        Error::Posterior(error) => return super::posterior::advice(error),
    };
    Some(advice.into())
}
