//! `--on-device-lost`: what a training does when its device fails.

use super::console::{Console, stopped_by};
use super::failed_device::is_of_device;
use anyhow::Result;
use std::time::{Duration, Instant};

/// What to do when the device of a training fails.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnDeviceLost {
    /// Stop with exit code 3; the last checkpoint stays
    Stop,
    /// Open the device again and continue from the last checkpoint, up to three times
    Retry,
}

/// Before each attempt: a driver needs a moment to reset its device.
pub const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// Runs `again` as long as the result is a failure of the device, once per pause, and announces it. A signal ends it.
pub fn retry<T>(
    mut result: Result<T>,
    pauses: &[Duration],
    console: &Console,
    mut again: impl FnMut() -> Result<T>,
) -> Result<T> {
    for (number, pause) in (1..).zip(pauses) {
        let Err(error) = &result else { break };
        if !is_of_device(error) {
            break;
        }
        console.warn(&format!(
            "{error:#}; attempt {number} of {} to continue from the last checkpoint, in {} s",
            pauses.len(),
            pause.as_secs()
        ));
        if !wait(*pause) {
            break;
        }
        result = again();
    }
    result
}

/// Whether the time passed without a signal.
fn wait(pause: Duration) -> bool {
    let start = Instant::now();
    while stopped_by().is_none() {
        if start.elapsed() >= pause {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50).min(pause));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Error;
    use anyhow::anyhow;

    fn lost() -> anyhow::Error {
        let text = String::new;
        Error::Lost {
            device: text(),
            during: text(),
            message: text(),
        }
        .into()
    }

    #[test]
    fn the_number_of_attempts_is_bounded_and_only_devices_are_tried_again() {
        let console = Console::new(true).unwrap();
        let attempts = |first, then: &dyn Fn(usize) -> Result<usize>| {
            let mut count = 0;
            let result = retry(first, &[Duration::ZERO; 3], &console, || {
                count += 1;
                then(count)
            });
            (result.ok(), count)
        };
        assert_eq!(attempts(Err(lost()), &|_| Err(lost())), (None, 3));
        assert_eq!(attempts(Err(lost()), &Ok), (Some(1), 1));
        assert_eq!(
            attempts(Err(lost()), &|n| if n < 3 { Err(lost()) } else { Ok(n) }),
            (Some(3), 3)
        );
        assert_eq!(attempts(Err(lost()), &|_| Err(anyhow!("the disk is full"))), (None, 1));
        assert_eq!(attempts(Err(Error::NoMembers.into()), &Ok), (None, 0));
        assert_eq!(attempts(Ok(7), &Ok), (Some(7), 0));
    }
}
