//! What a user can do about an error, in terms of command line flags; the library's own errors never mention flags.
//!
//! One file per module of the library, each with a function from that module's error to advice.

mod files;
mod infer;
mod lens;
mod model;
mod survey;
mod train;

/// Advice for the first error in the chain for which there is any.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_one)
}

fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    None.or_else(|| error.downcast_ref().and_then(files::advice))
        .or_else(|| error.downcast_ref().and_then(survey::advice))
        .or_else(|| error.downcast_ref().and_then(lens::advice))
        .or_else(|| error.downcast_ref().and_then(model::advice))
        .or_else(|| error.downcast_ref().and_then(train::advice))
        .or_else(|| error.downcast_ref().and_then(infer::advice))
}
