//! A panic in a dependency, on bytes that it did not expect, becomes the error of one file.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Once;

use super::error::{Error, Result};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `read` returns; a panic in it becomes [`Error::Panicked`], and prints nothing. `files` are those that it reads.
pub(super) fn guarded<T>(files: impl FnOnce() -> Vec<PathBuf>, read: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(read).unwrap_or_else(|message| {
        Err(Error::Panicked {
            files: files(),
            message,
        })
    })
}

/// What `decode` returns, or the message of a panic in it, which prints nothing.
///
/// To print nothing, the panic hook of the process is wrapped once: inside this function it is not called, elsewhere it
/// is called as before. `decode` must leave nothing behind that a panic could make inconsistent; reading a file does not.
pub(super) fn caught<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    static WRAP_HOOK: Once = Once::new();
    WRAP_HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(outer);
    result.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let files = || vec![PathBuf::from("a.fits")];
        let error = |read: fn() -> Result<u8>| guarded(files, read).unwrap_err().to_string();
        let text = error(|| panic!("index {} out of range", 7));
        assert!(
            text.contains("a.fits") && text.contains("index 7 out of range"),
            "{text}"
        );
        assert!(error(|| panic!("plain")).contains("plain"));
        let nested = guarded(files, || Ok(guarded(files, || -> Result<u8> { panic!() }).is_err()));
        assert!(nested.unwrap());
        assert!(!GUARDED.get(), "the hook is called again");
        assert_eq!(guarded(files, || Ok(3)).unwrap(), 3);
    }
}
