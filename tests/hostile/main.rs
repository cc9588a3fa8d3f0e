//! Files that are damaged or made to do harm: each is an error, or costs one row, in bounded time and memory.

#![cfg(unix)] // for FIFOs, sockets and limits of memory

#[path = "../common/mod.rs"]
mod common;

mod edited;
mod images;
mod inputs;
mod mutations;
mod numbers;
mod peak;
mod seeds;
mod special;

use common::program::{Folder, Ran};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: peak::Counting = peak::Counting;

/// Memory that reading one file may take, bytes: docs/reliability.md.
const MOST_MEMORY: usize = 2 << 30;

/// Time that reading one file may take, on a machine that does something else as well.
const MOST_TIME: Duration = Duration::from_secs(30);

/// Runs the program with 4 GiB of address space; it must end in time. `{name}` stands for a path in the folder, and
/// ID.fits for the pattern `{id}.fits`.
fn bounded(folder: &Folder, line: &str) -> Ran {
    let mut running = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 4194304; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_lensgpu"),
        ])
        .args(folder.line(line).replace("ID.fits", "{id}.fits").split_whitespace())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.path("stdout")).unwrap())
        .stderr(std::fs::File::create(folder.path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        match running.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > MOST_TIME => {
                running.kill().unwrap();
                running.wait().unwrap();
                panic!("it does not end: {line}");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    let (stdout, stderr) = (text("stdout"), text("stderr"));
    assert!(
        !stderr.contains("panicked") && status.code().is_some(),
        "{line}: {status} {stderr}"
    );
    Ran {
        code: status.code(),
        stdout,
        stderr,
    }
}
