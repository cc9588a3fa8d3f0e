//! Opens files for reading.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

/// A file of settings, such as a network, is not longer than this, bytes.
const LONGEST_TEXT: u64 = 16 << 20;

/// Opens a regular file, or a link to one. Opening a FIFO would wait for somebody to write to it, and a device may have no
/// end.
///
/// # Errors
/// Those of [`File::open`]; a folder, a FIFO, a device or a socket.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    match kind.is_file() {
        true => File::open(path),
        false => Err(invalid(format!("it is {}, not a regular file", name(kind)))),
    }
}

/// Reads a whole file.
///
/// # Errors
/// Those of [`open`]; a file that cannot be read, or does not fit in memory.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of settings.
///
/// # Errors
/// Those of [`read`]; a file that is not UTF-8 or is longer than 16 MiB.
pub fn read_text(path: &Path) -> io::Result<String> {
    let (mut text, file) = (String::new(), open(path)?);
    match file.metadata()?.len() {
        ..=LONGEST_TEXT => file.take(LONGEST_TEXT).read_to_string(&mut text)?,
        length => {
            return Err(invalid(format!(
                "it has {length} bytes; at most {LONGEST_TEXT} are read"
            )));
        }
    };
    Ok(text)
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(unix)]
fn name(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn name(kind: FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "a device" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_opening_it() {
        let dir = tempfile::tempdir().unwrap();
        let said = |path: &Path| read(path).unwrap_err().to_string();
        assert_eq!(said(dir.path()), "it is a folder, not a regular file");
        assert_eq!(
            read(&dir.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        #[cfg(unix)]
        {
            let socket = dir.path().join("socket");
            let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
            assert_eq!(said(&socket), "it is a socket, not a regular file");
            assert_eq!(said(Path::new("/dev/zero")), "it is a device, not a regular file");
            let (file, link) = (dir.path().join("file"), dir.path().join("link"));
            fs::write(&file, "text").unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert_eq!(read_text(&link).unwrap(), "text");
        }
    }

    #[test]
    fn a_text_has_a_largest_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.contains("1099511627776 bytes"), "{error}");
    }
}
