//! Python's signals and exceptions while the library computes without the GIL.

use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the signals: taking the GIL may mean to wait for another thread of Python.
const INTERVAL: Duration = Duration::from_millis(50);

/// Stops a computation when a signal handler or a callback raises an exception, and then raises that.
pub struct Watch {
    looked: Mutex<Instant>,
    raised: Mutex<Option<PyErr>>,
}

impl Watch {
    pub fn new() -> Watch {
        Watch {
            looked: Mutex::new(Instant::now()),
            raised: Mutex::new(None),
        }
    }

    /// Runs the signal handlers, if the last time was a while ago. Ctrl-C is one of them, and raises KeyboardInterrupt.
    pub fn signals(&self) -> ControlFlow<()> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() < INTERVAL {
            return ControlFlow::Continue(());
        }
        *looked = Instant::now();
        self.python(|py| py.check_signals())
    }

    /// Calls Python.
    pub fn python(&self, call: impl FnOnce(Python) -> PyResult<()>) -> ControlFlow<()> {
        match Python::attach(call) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
                raised.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    /// The exception that stopped the computation, if there was one; otherwise its result.
    pub fn result<T, E>(self, result: Result<T, E>, kind: impl FnOnce(E) -> PyErr) -> PyResult<T> {
        match self.raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => result.map_err(kind),
        }
    }
}
