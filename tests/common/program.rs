//! Runs the program as a user does, and folders for that.

use super::{rings, says, write_stack};
use lensgpu::model::{Member, Model};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Height, width and bands of the images of a [`Folder`].
pub const SHAPE: [usize; 3] = [12, 12, 2];

/// Output and exit code of the program.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn program(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lensgpu"));
    command
        .args(args)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    let code = output.status.code();
    Ran { code, stdout, stderr }
}

/// Runs a command line, split at white space.
pub fn lensgpu(line: &str) -> Ran {
    ran(&mut program(line.split_whitespace()))
}

/// Runs a command line that must succeed; returns its standard output.
#[track_caller]
pub fn done(line: &str) -> String {
    let Ran { code, stdout, stderr } = lensgpu(line);
    assert_eq!(code, Some(0), "{line}\n{stderr}");
    stdout
}

/// Runs a command line that must fail with this exit code and a message that contains these parts.
#[track_caller]
pub fn fails(code: i32, line: &str, parts: &[&str]) {
    let ran = lensgpu(line);
    assert_eq!(ran.code, Some(code), "{line}\n{}{}", ran.stdout, ran.stderr);
    let message = ran
        .stderr
        .split_once("error: ")
        .unwrap_or_else(|| panic!("no error: {}", ran.stderr))
        .1;
    says(message, parts);
}

/// A temporary folder with the tiny network and a stack of 40 rings, to which tests add files.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.path("tiny.toml"), super::TINY).unwrap();
        fs::create_dir(folder.path("stack")).unwrap();
        write_stack(&folder.path("stack"), &rings(40, 1, SHAPE), SHAPE);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `{name}` in a command line stands for a path in this folder.
    pub fn line(&self, line: &str) -> String {
        line.replace('{', &format!("{}/", self.0.path().display()))
            .replace('}', "")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Sorted names in a folder, including hidden ones.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A folder on a small disk, of a size such as `16k`; `None` if it cannot be mounted.
    pub fn small_disk(&self, name: &str, size: &str) -> Option<SmallDisk> {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&path)
            .output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(SmallDisk(path));
        }
        println!("no small disk can be mounted here: not tested with one");
        None
    }

    pub fn members(&self, run: &str) -> Vec<Member> {
        Model::read(self.path(run).join("model.safetensors")).unwrap().members
    }
}

/// A mounted disk, see [`Folder::small_disk`]; unmounted when dropped.
pub struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(std::thread::panicking() || unmounted.unwrap().success());
    }
}

/// Columns of a CSV in order, and its rows as maps from column to text.
pub fn table(path: &Path) -> (Vec<String>, Vec<HashMap<String, String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let row = |row: csv::StringRecord| columns.iter().cloned().zip(row.iter().map(String::from)).collect();
    let rows = reader.records().map(|r| row(r.unwrap())).collect();
    (columns, rows)
}

/// A running program; killed when dropped, so that a failing test does not leave it behind.
pub struct Running(pub Child);

impl Running {
    pub fn new(line: &str) -> Running {
        Running(program(line.split_whitespace()).spawn().unwrap())
    }

    /// Waits until a file exists and its content satisfies `like`.
    pub fn until(&mut self, path: &Path, like: impl Fn(&str) -> bool) {
        self.wait_for(path, || fs::read_to_string(path).is_ok_and(|text| like(&text)));
    }

    /// Waits until a file has more than so many bytes.
    pub fn until_longer(&mut self, path: &Path, bytes: u64) {
        self.wait_for(path, || fs::metadata(path).is_ok_and(|file| file.len() > bytes));
    }

    fn wait_for(&mut self, path: &Path, ready: impl Fn() -> bool) {
        let start = Instant::now();
        while !ready() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{} does not appear",
                path.display()
            );
            assert!(self.0.try_wait().unwrap().is_none(), "the program ended too early");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn interrupt(&self) {
        let status = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Runs a training until its log has more than `lines` lines, and stops it by Ctrl-C; what it printed.
    pub fn stopped(line: &str, log: &Path, lines: usize) -> String {
        let mut running = Running::new(line);
        running.until(log, |text| text.lines().count() > lines);
        running.interrupt();
        let (status, stdout, stderr) = running.end();
        assert_eq!(status.code(), Some(130), "{stderr}");
        stdout
    }

    pub fn end(mut self) -> (ExitStatus, String, String) {
        let text = |mut stream: Box<dyn std::io::Read>| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let (stdout, stderr) = (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap());
        let (stdout, stderr) = (text(Box::new(stdout)), text(Box::new(stderr)));
        (self.0.wait().unwrap(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
