//! What the program prints. Standard output and standard error may be closed, or go to a full disk: that must neither end
//! a computation nor keep a file from being written, so failures are remembered instead of returned.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::Mutex;

/// The first failure of standard output that is worth reporting.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints to standard output.
pub fn print(text: Arguments) {
    if let Err(error) = io::stdout().lock().write_fmt(text) {
        remember(error);
    }
}

/// Prints to standard error. Where nobody can read it, nothing is lost.
pub fn print_error(text: Arguments) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Remembers that standard output failed. That its reader has ended first, as in `lensgpu info model | head`, is not a
/// failure.
fn remember(error: io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let mut failed = FAILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        failed.get_or_insert(error);
    }
}

/// Writes what is still buffered, and returns why standard output does not have all that was printed.
pub fn finish() -> Option<io::Error> {
    if let Err(error) = io::stdout().lock().flush() {
        remember(error);
    }
    FAILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
}

/// `print!` for standard output that may be closed.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!($($text)*)) };
}

/// `println!` for standard output that may be closed.
macro_rules! outln {
    ($($text:tt)*) => {{
        $crate::cli::output::print(format_args!($($text)*));
        $crate::cli::output::print(format_args!("\n"));
    }};
}

/// `eprintln!` for standard error that may be closed.
macro_rules! errln {
    ($($text:tt)*) => {{
        $crate::cli::output::print_error(format_args!($($text)*));
        $crate::cli::output::print_error(format_args!("\n"));
    }};
}

pub(super) use {errln, out, outln};
