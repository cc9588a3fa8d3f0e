//! What the program prints. Standard output and standard error may be closed, or go to a full disk: that must neither end
//! a computation nor keep a file from being written, so failures are remembered instead of returned.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Mutex;

/// The first failure of standard output that is worth reporting.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints to standard output, [without control characters](visible).
pub fn print(text: Arguments) {
    if let Err(error) = io::stdout().lock().write_all(visible(&text.to_string()).as_bytes()) {
        remember(error);
    }
}

/// Prints to standard error, [without control characters](visible). Where nobody can read it, nothing is lost.
pub fn print_error(text: Arguments) {
    let _ = io::stderr().lock().write_all(visible(&text.to_string()).as_bytes());
}

/// The text with control characters as JSON writes them, `\u001b`: ids, names of files and metadata are what others
/// wrote, and a terminal would obey them. Line breaks and tabs stay as they are.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match is_control(c) {
            true => write!(visible, "\\u{:04x}", u32::from(c)).expect("a string takes all text"),
            false => visible.push(c),
        }
    }
    visible.into()
}

/// Control characters but line breaks and tabs, and characters that change the direction of writing.
fn is_control(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_given_no_control_characters() {
        assert_eq!(visible("3\u{3b8} \"a\"\n\tb"), "3\u{3b8} \"a\"\n\tb");
        assert_eq!(
            visible("\x1b[2J\r\u{9b}\x7f\u{202e}x"),
            "\\u001b[2J\\u000d\\u009b\\u007f\\u202ex"
        );
    }
}
