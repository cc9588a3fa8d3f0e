//! What a user can do about an error, in terms of command line flags; the library's own errors never mention flags.
//!
//! One file per module of the library, each with a function from that module's error to advice.

mod catalogue;
mod device;
mod diagnose;
mod evaluate;
mod files;
mod fit;
mod infer;
mod lens;
mod mass;
mod model;
mod modelling;
mod plot;
mod population;
mod posterior;
mod report;
mod survey;
mod train;

/// Advice for the first error in the chain for which there is any.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_one)
}

fn of_one(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    None.or_else(|| error.downcast_ref().and_then(device::advice))
        .or_else(|| error.downcast_ref().and_then(diagnose::advice))
        .or_else(|| error.downcast_ref().and_then(evaluate::advice))
        .or_else(|| error.downcast_ref().and_then(files::advice))
        .or_else(|| error.downcast_ref().and_then(fit::advice))
        .or_else(|| error.downcast_ref().and_then(infer::advice))
        .or_else(|| error.downcast_ref().and_then(lens::advice))
        .or_else(|| error.downcast_ref().and_then(mass::advice))
        .or_else(|| error.downcast_ref().and_then(model::advice))
        .or_else(|| error.downcast_ref().and_then(modelling::advice))
        .or_else(|| error.downcast_ref().and_then(plot::advice))
        .or_else(|| error.downcast_ref().and_then(population::advice))
        .or_else(|| error.downcast_ref().and_then(posterior::advice))
        .or_else(|| error.downcast_ref().and_then(report::advice))
        .or_else(|| error.downcast_ref().and_then(survey::advice))
        .or_else(|| error.downcast_ref().and_then(train::advice))
}
