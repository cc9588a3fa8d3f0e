//! A FITS file with images, opened: all its headers, and its images one by one on demand. Damaged and truncated files are
//! detected before anything is decoded.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use fitsio_pure::block::{BLOCK_SIZE, padded_byte_len};
use fitsio_pure::hdu::{Hdu, HduInfo};
use fitsio_pure::header::{Card, header_byte_len, parse_header_blocks};
use fitsio_pure::image;
use fitsio_pure::value::Value;

use super::decode::{Image, decode};
use super::keywords::Keywords;
use super::{Astrometry, FitsError};

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// An open file.
pub(in crate::survey) struct FitsFile {
    reader: Box<dyn ReadSeek>,
    /// Every HDU with an image of two axes or more, in order.
    pub images: Vec<ImageHdu>,
    /// Whether it has a table that is not a compressed image.
    pub has_table: bool,
}

/// An image HDU: its header, and where its pixels are.
#[derive(Debug, Clone)]
pub(in crate::survey) struct ImageHdu {
    /// EXTNAME.
    pub name: Option<String>,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Length of the third axis, or 1.
    pub planes: usize,
    /// Whether the file stores integers.
    pub integer: bool,
    /// Position and pixel scale.
    pub astrometry: Astrometry,
    /// Its header.
    pub keywords: Keywords,
    hdu: Hdu,
    data_start: u64,
}

impl FitsFile {
    /// Reads all headers, and no pixels. There may be no image.
    pub fn open(path: &Path) -> Result<FitsFile, FitsError> {
        let mut reader = open(path)?;
        let length = reader.seek(SeekFrom::End(0))?;
        let (mut at, mut images, mut has_table) = (0, Vec::new(), false);
        let mut primary = Arc::new(Vec::new());
        while let Some(header) = read_header(&mut reader, at, length)? {
            let data_start = at + header.len() as u64;
            let cards = parse_header_blocks(&header)?;
            check(&cards)?;
            // Offsets count from the start of the data unit, because only one data unit is in memory at a time.
            let hdu = Hdu::from_cards(cards, 0, 0)?;
            let end = data_start + hdu.data_len as u64;
            if end > length {
                return Err(FitsError::CutInData { length, expected: end });
            }
            if at == 0 {
                primary = Arc::new(hdu.cards.clone());
            }
            at = data_start + padded_byte_len(hdu.data_len) as u64;
            match image::image_dimensions(&hdu) {
                Ok(axes) if axes.len() >= 2 => images.push(ImageHdu::new(hdu, &primary, data_start)?),
                Ok(_) => {}
                Err(_) => has_table = true,
            }
        }
        Ok(FitsFile {
            reader,
            images,
            has_table,
        })
    }

    /// Reads the pixels of an image.
    pub fn image(&mut self, index: usize) -> Result<Image, FitsError> {
        let image = &self.images[index];
        self.reader.seek(SeekFrom::Start(image.data_start))?;
        let mut bytes = vec![0; image.hdu.data_len];
        self.reader.read_exact(&mut bytes)?;
        decode(&bytes, &image.hdu, image)
    }
}

impl ImageHdu {
    fn new(hdu: Hdu, primary: &Arc<Vec<Card>>, data_start: u64) -> Result<ImageHdu, FitsError> {
        let (width, height, planes) = size(&hdu)?;
        let keywords = Keywords::new(hdu.cards.clone(), primary.clone());
        Ok(ImageHdu {
            name: keywords.own_text("EXTNAME"),
            width,
            height,
            planes,
            integer: is_integer(&hdu),
            astrometry: Astrometry::from_cards(&hdu.cards, width, height),
            keywords,
            hdu,
            data_start,
        })
    }
}

fn is_integer(hdu: &Hdu) -> bool {
    match hdu.info {
        HduInfo::Primary { bitpix, .. }
        | HduInfo::Image { bitpix, .. }
        | HduInfo::RandomGroups { bitpix, .. }
        | HduInfo::CompressedImage { zbitpix: bitpix, .. } => bitpix > 0,
        HduInfo::AsciiTable { .. } | HduInfo::BinaryTable { .. } => false,
    }
}

/// An image with more pixels than this is taken as a sign of a damaged header.
const MAX_PIXELS: usize = 1 << 30;

/// Width, height and planes; further axes must have length 1.
fn size(hdu: &Hdu) -> Result<(usize, usize, usize), FitsError> {
    let axes = image::image_dimensions(hdu)?;
    let pixels = axes.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if pixels.is_none_or(|n| n == 0 || n > MAX_PIXELS) {
        return Err(FitsError::ImageSize { axes });
    }
    match axes[..] {
        [width, height] => Ok((width, height, 1)),
        [width, height, planes, ref more @ ..] if more.iter().all(|&n| n == 1) => Ok((width, height, planes)),
        _ => Err(FitsError::Axes { axes }),
    }
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
