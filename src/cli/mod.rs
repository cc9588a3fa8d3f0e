//! The command line, one file per subcommand: arguments in, one call of the library, text out.

mod advice;
mod arguments;
mod bench;
mod calibrate;
mod choices;
mod compare;
mod console;
mod devices;
mod evaluate;
mod failed_device;
mod fit;
mod infer;
mod info;
mod labelled;
mod mass;
mod merge;
mod models;
mod on_device_lost;
mod output;
mod population;
mod prior;
mod selftest;
mod simulate;
mod techniques;
mod text;
mod tiles;
mod train;

use clap::{Parser, Subcommand};
use output::errln;
use std::ffi::OsString;

/// Measure Einstein radii of strong lenses, with calibrated error bars, by deep ensembles on any GPU
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    success
  1    failure; standard error says why
  2    usage error: an argument that is unknown, missing or not possible
  3    the device failed: lost, hung, out of memory, or it computes wrongly; a training run keeps its last checkpoint
  130  stopped by Ctrl-C, or by a signal: 128 and its number (143 for SIGTERM); a training run is saved";

const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const FAILED_DEVICE: u8 = 3;

#[derive(Subcommand)]
enum Command {
    Simulate(simulate::Simulate),
    Train(Box<train::Train>),
    Merge(merge::Merge),
    Infer(Box<infer::Infer>),
    Evaluate(Box<evaluate::Evaluate>),
    Calibrate(Box<calibrate::Calibrate>),
    Info(info::Info),
    Models(models::Models),
    Mass(Box<mass::Mass>),
    Population(Box<population::PopulationArguments>),
    Prior(Box<prior::Prior>),
    Compare(Box<compare::Compare>),
    Fit(Box<fit::Fit>),
    Devices(devices::Devices),
    Selftest(selftest::Selftest),
    Bench(bench::BenchArgs),
}

/// Runs the program and returns its exit code; `lensgpu --help` lists the codes. The first of the arguments is its name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let result = match Cli::parse_from(arguments).command {
        Command::Simulate(args) => simulate::run(args),
        Command::Train(args) => train::run(*args),
        Command::Merge(args) => merge::run(args),
        Command::Infer(args) => infer::run(*args),
        Command::Evaluate(args) => evaluate::run(*args),
        Command::Calibrate(args) => calibrate::run(*args),
        Command::Info(args) => info::run(args),
        Command::Models(args) => models::run(args),
        Command::Mass(args) => mass::run(*args),
        Command::Population(args) => population::run(*args),
        Command::Prior(args) => prior::run(*args),
        Command::Compare(args) => compare::run(*args),
        Command::Fit(args) => fit::run(*args),
        Command::Devices(args) => devices::run(args),
        Command::Selftest(args) => selftest::run(args),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(()) => match output::finish() {
            None => SUCCESS,
            Some(error) => {
                errln!("error: standard output is not complete: {error}");
                FAILURE
            }
        },
        Err(error) => failure(error),
    }
}

/// Says what is wrong, and returns the exit code.
fn failure(error: anyhow::Error) -> u8 {
    // What a signal stopped is no failure of its own, even if it has a message.
    let code = console::stopped_by().map_or(FAILURE, |signal| 128 + signal);
    if error.is::<Interrupted>() {
        return code;
    }
    let (error, code) = match error.downcast::<Usage>() {
        Ok(Usage(error)) => (error, USAGE),
        Err(error) if failed_device::is_of_device(&error) => (error, FAILED_DEVICE),
        Err(error) => (error, code),
    };
    errln!("error: {error:#}");
    if let Some(advice) = advice::advice(&error) {
        errln!("{advice}");
    }
    code
}

/// A signal stopped the command, which has said so.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Interrupted;

/// Marks an error as a usage error, which decides the exit code: the arguments are well formed but not possible.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Usage(anyhow::Error);

fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Usage(error.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent_and_every_subcommand_shows_examples() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let name = subcommand.get_name();
            let examples = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                examples.contains(&format!("  lensgpu {name}")),
                "{name} has no examples in --help"
            );
        }
    }
}
