//! The walk through a FITS file: one header at a time, data units that are not wanted are skipped, nothing after the last
//! wanted one is read. Damaged and shortened files are found out before anything is decoded.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use fitsio_pure::block::{BLOCK_SIZE, padded_byte_len};
use fitsio_pure::hdu::Hdu;
use fitsio_pure::header::{Card, header_byte_len, parse_header_blocks};
use fitsio_pure::image;
use fitsio_pure::value::Value;

const AGAIN: &str = "download it again";

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Calls `visit` for each HDU that holds an image, with the file standing at its data, until it returns false.
pub(super) fn each_image(path: &Path, mut visit: impl FnMut(&Hdu, &mut dyn Read) -> Result<bool>) -> Result<()> {
    let mut walk = || -> Result<()> {
        let mut file = open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let mut at = 0;
        while let Some(header) = read_header(&mut file, at, length)? {
            let data_start = at + header.len() as u64;
            let cards = parse_header_blocks(&header)?;
            check(&cards)?;
            // Offsets count from the data unit, which is all that is read at a time.
            let hdu = Hdu::from_cards(cards, 0, 0)?;
            let end = data_start + hdu.data_len as u64;
            if end > length {
                let missing = end - length;
                bail!("it is cut short: {missing} bytes are missing ({length} of at least {end} are there); {AGAIN}");
            }
            if image::image_dimensions(&hdu).is_ok_and(|axes| axes.len() >= 2) && !visit(&hdu, &mut file)? {
                break;
            }
            at = data_start + padded_byte_len(hdu.data_len) as u64;
        }
        Ok(())
    };
    walk().with_context(|| format!("cannot read {}", path.display()))
}

/// The header at `at`, in whole blocks; `None` after the last HDU.
fn read_header(file: &mut dyn ReadSeek, at: u64, length: u64) -> Result<Option<Vec<u8>>> {
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
            (0, false) if header.is_empty() => bail!("it is empty (0 bytes); {AGAIN}"),
            (0, false) => bail!("it is not a FITS file: it does not begin with SIMPLE"),
            // What follows the last HDU need not be one (FITS standard 4.0, 3.5).
            (_, false) => return Ok(None),
            (_, true) if header.len() < start + BLOCK_SIZE => {
                bail!("it is cut short: its {length} bytes end inside a header; {AGAIN}")
            }
            _ if header_byte_len(&header[start..]).is_ok() => return Ok(Some(header)),
            _ => {}
        }
    }
}

/// Refuses numbers that no image has, before anything of that size is asked for.
fn check(cards: &[Card]) -> Result<()> {
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
            bail!("its header is damaged: {key} is {n}; {AGAIN}");
        }
    }
    Ok(())
}

/// The file, or what is in it where it is gzipped as a whole.
fn open(path: &Path) -> Result<Box<dyn ReadSeek>> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    if !fitsio_pure::gzip::is_gzip(&magic) {
        return Ok(Box::new(file));
    }
    file.read_to_end(&mut magic)?;
    let inflated = fitsio_pure::gzip::decompress(&magic)
        .map_err(|e| anyhow!("its gzip stream is damaged or cut short ({e}); {AGAIN}"))?;
    Ok(Box::new(Cursor::new(inflated)))
}
