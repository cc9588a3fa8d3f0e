//! Advice on errors of the self test and the benchmark.

use crate::diagnose::Error;

/// Advice on an error, or on the one that it wraps.
pub fn advice(error: &Error) -> Option<String> {
    match error {
        Error::InRecording { source, .. } => advice(source),
        Error::Safetensors(_) => Some("Copy the recording again, or run `lensgpu selftest` without files.".into()),
        Error::ZeroCount { name } => Some(format!("Use --{name} with at least 1.")),
        Error::Read { .. }
        | Error::MetadataMissing { .. }
        | Error::MetadataSyntax { .. }
        | Error::MetadataValue { .. }
        | Error::TensorMissing { .. }
        | Error::TensorType { .. }
        | Error::NotFinite { .. }
        | Error::Network(_) => None,
        Error::Lens(error) => super::lens::advice(error),
        Error::Device(error) => super::device::advice(error),
    }
}
