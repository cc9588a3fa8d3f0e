//! Unpacks files, to a length that their own length can justify: a few kilobytes may unpack to terabytes.

use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// What any file may need in memory, bytes: a compressed file of a few kilobytes can hold a large image of one value.
const SMALLEST_LIMIT: u64 = 256 << 20;

/// How many times its length a larger file may need in memory.
const MOST_TIMES: u64 = 100;

/// How many bytes a file of `length` bytes may need when it is unpacked: 256 MiB, or 100 times its length if that is
/// more. What needs more was made to exhaust memory, or has a damaged header.
pub fn limit(length: u64) -> u64 {
    length.saturating_mul(MOST_TIMES).max(SMALLEST_LIMIT)
}

/// Whether the bytes begin as gzip streams do.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks a gzip file: one stream or several that follow each other, perhaps padded with zeros.
///
/// # Errors
/// A stream that is damaged or cut short; content that is longer than [`limit`].
pub fn gunzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    gunzip_at_most(bytes, limit(bytes.len() as u64))
}

/// As [`gunzip`], with a limit of `most` bytes.
///
/// # Errors
/// A stream that is damaged or cut short; content that is longer than `most`.
pub fn gunzip_at_most(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let (mut unpacked, mut rest) = (Vec::new(), bytes);
    loop {
        let mut stream = GzDecoder::new(rest);
        let left = most - unpacked.len() as u64;
        // One byte more, so that the end of the stream is reached and its checksum verified.
        stream
            .by_ref()
            .take(left.saturating_add(1))
            .read_to_end(&mut unpacked)?;
        if unpacked.len() as u64 > most {
            let problem = format!("{} bytes unpack to more than {most}", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        rest = stream.into_inner();
        if rest.iter().all(|&byte| byte == 0) {
            return Ok(unpacked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn several_streams_and_padding() {
        let two = [gzipped(b"one "), gzipped(b"two"), vec![0; 100]].concat();
        assert!(is_gzip(&two));
        assert_eq!(gunzip(&two).unwrap(), b"one two");
        assert_eq!(gunzip(&gzipped(b"")).unwrap(), b"");
        let garbage = [gzipped(b"one "), vec![7; 30]].concat();
        assert!(gunzip(&garbage).is_err());
    }

    #[test]
    fn damaged_and_truncated_streams_are_errors() {
        let whole = gzipped(&[5; 1000]);
        for length in 0..whole.len() {
            assert!(gunzip(&whole[..length]).is_err(), "{length}");
        }
        for at in 10 * 8..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            // A flipped bit of padding changes nothing.
            assert!(gunzip(&bytes).map_or(true, |unpacked| unpacked == [5; 1000]), "{at}");
        }
    }

    #[test]
    fn a_stream_ends_at_the_limit() {
        let bomb = gzipped(&vec![0; 10_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(gunzip_at_most(&bomb, 10_000_000).unwrap().len(), 10_000_000);
        let error = gunzip_at_most(&bomb, 9_999_999).unwrap_err().to_string();
        assert!(error.contains("unpack to more than 9999999"), "{error}");
        assert_eq!((limit(9000), limit(1 << 30)), (SMALLEST_LIMIT, 100 << 30));
    }
}
