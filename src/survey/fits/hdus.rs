//! Iterates over the HDUs of a FITS file: headers are read one at a time, unwanted data units are skipped, and nothing is
//! read after the last one wanted. Damaged and truncated files are detected before anything is decoded.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use fitsio_pure::block::{BLOCK_SIZE, padded_byte_len};
use fitsio_pure::hdu::Hdu;
use fitsio_pure::header::{Card, header_byte_len, parse_header_blocks};
use fitsio_pure::image;
use fitsio_pure::value::Value;

use super::FitsError;

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Calls `visit` for each HDU that holds an image, with the reader at the start of its data, until it returns false.
pub(super) fn each_image(
    path: &Path,
    mut visit: impl FnMut(&Hdu, &mut dyn Read) -> Result<bool, FitsError>,
) -> Result<(), FitsError> {
    let mut file = open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while let Some(header) = read_header(&mut file, at, length)? {
        let data_start = at + header.len() as u64;
        let cards = parse_header_blocks(&header)?;
        check(&cards)?;
        // Offsets count from the start of the data unit, because only one data unit is in memory at a time.
        let hdu = Hdu::from_cards(cards, 0, 0)?;
        let end = data_start + hdu.data_len as u64;
        if end > length {
            return Err(FitsError::CutInData { length, expected: end });
        }
        if image::image_dimensions(&hdu).is_ok_and(|axes| axes.len() >= 2) && !visit(&hdu, &mut file)? {
            break;
        }
        at = data_start + padded_byte_len(hdu.data_len) as u64;
    }
    Ok(())
}

/// The header that starts at byte `at`, in whole blocks; `None` after the last HDU.
fn read_header(file: &mut dyn ReadSeek, at: u64, length: u64) -> Result<Option<Vec<u8>>, FitsError> {
    let mut header = Vec::new();
    if at >= length && at > 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    loop {
        let start = header.len();
        file.take(BLOCK_SIZE as u64).read_to_end(&mut header)?;
        let keyword: &[u8] = if at == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
        match (at, header.starts_with(keyword)) {
            (0, false) if header.is_empty() => return Err(FitsError::Empty),
            (0, false) => return Err(FitsError::NotFits),
            // Special records may follow the last HDU (FITS standard 4.0, section 3.5).
            (_, false) => return Ok(None),
            (_, true) if header.len() < start + BLOCK_SIZE => return Err(FitsError::CutInHeader { length }),
            _ if header_byte_len(&header[start..]).is_ok() => return Ok(Some(header)),
            _ => {}
        }
    }
}

/// Refuses impossible sizes before memory is allocated for them.
fn check(cards: &[Card]) -> Result<(), FitsError> {
    for card in cards {
        let key = card.keyword_str();
        let allowed = match key.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "NAXIS" | "ZNAXIS" | "TFIELDS" if key.ends_with('S') => 0..=999,
            "NAXIS" | "ZNAXIS" | "PCOUNT" | "GCOUNT" => 0..=i64::MAX / 2,
            "ZTILE" => 1..=i64::MAX / 2,
            _ => continue,
        };
        if let Some(Value::Integer(n)) = card.value
            && !allowed.contains(&n)
        {
            return Err(FitsError::DamagedHeader {
                keyword: key.into(),
                value: n,
            });
        }
    }
    Ok(())
}

/// The file, or its uncompressed content if it is gzipped as a whole.
fn open(path: &Path) -> Result<Box<dyn ReadSeek>, FitsError> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    if !fitsio_pure::gzip::is_gzip(&magic) {
        return Ok(Box::new(file));
    }
    file.read_to_end(&mut magic)?;
    let inflated = fitsio_pure::gzip::decompress(&magic).map_err(FitsError::Gzip)?;
    Ok(Box::new(Cursor::new(inflated)))
}
