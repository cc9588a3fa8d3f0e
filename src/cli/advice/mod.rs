//! What a user can do about an error, in terms of the command line's flags; the library's own errors know of none.
//!
//! One file per module of the library, each a function from that module's error to advice.

mod evaluate;
mod files;
mod plot;
mod posterior;
mod report;
mod survey;

/// Advice for the first error in the chain that has any.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_one)
}

fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let files = error.downcast_ref().and_then(files::advice);
    files
        .or_else(|| error.downcast_ref().and_then(survey::advice))
        .or_else(|| error.downcast_ref().and_then(posterior::advice))
        .or_else(|| error.downcast_ref().and_then(evaluate::advice))
        .or_else(|| error.downcast_ref().and_then(plot::advice))
        .or_else(|| error.downcast_ref().and_then(report::advice))
}
