//! The compression of one tile.

use std::borrow::Cow;

use fitsio_pure::hdu::{Hdu, HduInfo};
use fitsio_pure::header::Card;
use fitsio_pure::image::ImageData;
use fitsio_pure::tiled::read_tiled_image;
use fitsio_pure::value::Value;

use super::FitsError;
use super::decode::{Numbers, guarded, numbers};
use super::header::Header;
use crate::files::unpack::gunzip_at_most;

/// ZCMPTYPE with its parameters.
pub(super) enum Codec {
    /// GZIP_1, and GZIP_2 whose bytes are shuffled.
    Gzip { shuffled: bool, bitpix: i64 },
    /// NOCOMPRESS.
    None { bitpix: i64 },
    /// RICE_1, PLIO_1 and HCOMPRESS_1, which hold integers and are decoded by fitsio-pure.
    Integers(Integers),
}

/// What fitsio-pure is told of a tile.
pub(super) struct Integers {
    method: &'static str,
    bitpix: i64,
    rice_block: usize,
    /// Bytes of the integers that Rice's method compressed.
    rice_bytes: usize,
    cards: Vec<Card>,
}

impl Codec {
    /// `bitpix`: ZBITPIX, the type of the image.
    pub fn new(header: &Header, bitpix: i64) -> Result<Codec, FitsError> {
        let Some(name) = header.text("ZCMPTYPE") else {
            return Err(FitsError::MissingKeyword {
                keyword: "ZCMPTYPE".into(),
            });
        };
        let method = match name {
            "GZIP_1" => {
                return Ok(Codec::Gzip {
                    shuffled: false,
                    bitpix,
                });
            }
            "GZIP_2" => return Ok(Codec::Gzip { shuffled: true, bitpix }),
            "NOCOMPRESS" => return Ok(Codec::None { bitpix }),
            "RICE_1" | "RICE_ONE" => "RICE_1",
            "PLIO_1" => "PLIO_1",
            "HCOMPRESS_1" => "HCOMPRESS_1",
            _ => return Err(FitsError::Compression { method: name.into() }),
        };
        let rice_bytes = parameter(header, "BYTEPIX").unwrap_or(4);
        if method == "RICE_1" && ![1, 2, 4].contains(&rice_bytes) {
            return Err(FitsError::Compression {
                method: format!("{name} with {rice_bytes} bytes per pixel"),
            });
        }
        let rice_block = parameter(header, "BLOCKSIZE").unwrap_or(32);
        if method == "RICE_1" && !(1..=4096).contains(&rice_block) {
            return Err(FitsError::Compression {
                method: format!("{name} with blocks of {rice_block} pixels"),
            });
        }
        let card = |key, value| Card::new(key, value).map_err(FitsError::Format);
        let text = |text: &str| Value::String(text.into());
        let mut cards = vec![card("TTYPE1", text("COMPRESSED_DATA"))?, card("TFORM1", text("1PB"))?];
        if method == "HCOMPRESS_1" {
            let smooth = parameter(header, "SMOOTH").unwrap_or(0);
            cards.extend([card("ZNAME1", text("SMOOTH"))?, card("ZVAL1", Value::Integer(smooth))?]);
        }
        Ok(Codec::Integers(Integers {
            method,
            // HCOMPRESS computes with as many bits as cfitsio has for this type.
            bitpix: if method == "HCOMPRESS_1" && matches!(bitpix, 8 | 16) {
                bitpix
            } else {
                32
            },
            rice_block: rice_block as usize,
            rice_bytes: rice_bytes as usize,
            cards,
        }))
    }

    /// The integers of a tile with this many pixels.
    pub fn integers(&self, tile: &[u8], pixels: usize) -> Result<Vec<i64>, FitsError> {
        if let Codec::Integers(integers) = self {
            return integers.decode(tile, pixels);
        }
        let bytes = self.bytes(tile, pixels)?;
        // Integers are stored as wide as the image's, or wider: quantised ones have 4 bytes, or 2.
        let width = if bytes.len().is_multiple_of(pixels) {
            bytes.len() / pixels
        } else {
            0
        };
        let bitpix = match (width, self.bitpix()) {
            (1, 8) | (2, 16) | (4, 32) | (8, 64) => self.bitpix(),
            (2, 8 | -32 | -64) => 16,
            (4, 8 | 16 | -32 | -64) => 32,
            _ => {
                return Err(FitsError::Tiles(
                    "a tile has another number of bytes than its pixels need",
                ));
            }
        };
        match numbers(&bytes, bitpix) {
            Numbers::Integers(integers) => Ok(integers),
            Numbers::Floats(_) => unreachable!("the type is one of integers"),
        }
    }

    fn bitpix(&self) -> i64 {
        match self {
            Codec::Gzip { bitpix, .. } | Codec::None { bitpix } => *bitpix,
            Codec::Integers(integers) => integers.bitpix,
        }
    }

    /// The bytes of a tile's pixels, big-endian.
    pub fn bytes<'a>(&self, tile: &'a [u8], pixels: usize) -> Result<Cow<'a, [u8]>, FitsError> {
        match self {
            Codec::None { .. } => Ok(Cow::Borrowed(tile)),
            Codec::Gzip { shuffled: false, .. } => Codec::gunzip(tile, pixels),
            Codec::Gzip { shuffled: true, .. } => Ok(Cow::Owned(unshuffle(&Codec::gunzip(tile, pixels)?, pixels))),
            Codec::Integers(_) => Err(FitsError::Tiles(
                "it has floating-point pixels without ZSCALE and ZZERO",
            )),
        }
    }

    /// The pixels of a tile have eight bytes at most.
    pub fn gunzip<'a>(tile: &[u8], pixels: usize) -> Result<Cow<'a, [u8]>, FitsError> {
        let content = gunzip_at_most(tile, 8 * pixels as u64);
        content.map(Cow::Owned).map_err(FitsError::Gzip)
    }
}

impl Integers {
    fn decode(&self, tile: &[u8], pixels: usize) -> Result<Vec<i64>, FitsError> {
        // A table of one row: length and place of the tile in the heap, then the heap.
        let length = u32::try_from(tile.len()).map_err(|_| FitsError::Tiles("a tile is too long"))?;
        let mut data = Vec::with_capacity(8 + tile.len());
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&0u32.to_be_bytes());
        data.extend_from_slice(tile);
        let info = HduInfo::CompressedImage {
            zbitpix: self.bitpix,
            znaxes: vec![pixels],
            zcmptype: self.method.into(),
            ztile: vec![pixels],
            blocksize: self.rice_block,
            rice_bytepix: self.rice_bytes,
            naxis1: 8,
            naxis2: 1,
            pcount: tile.len(),
            tfields: 1,
        };
        let hdu = Hdu {
            info,
            header_start: 0,
            data_start: 0,
            data_len: data.len(),
            cards: self.cards.clone(),
        };
        let decoded = guarded(|| read_tiled_image(&data, &hdu).map_err(FitsError::Format))?;
        Ok(match decoded {
            ImageData::U8(values) => values.into_iter().map(i64::from).collect(),
            ImageData::I16(values) => values.into_iter().map(i64::from).collect(),
            ImageData::I32(values) => values.into_iter().map(|value| self.narrow(value)).collect(),
            ImageData::I64(_) | ImageData::F32(_) | ImageData::F64(_) => {
                return Err(FitsError::Tiles("a tile has pixels of another type"));
            }
        })
    }

    /// Rice's method adds differences of integers of this width, which wrap around.
    fn narrow(&self, value: i32) -> i64 {
        match (self.method, self.rice_bytes) {
            ("RICE_1", 1) => i64::from(value as u8),
            ("RICE_1", 2) => i64::from(value as i16),
            _ => i64::from(value),
        }
    }
}

/// A parameter of the compression: ZVALn, where ZNAMEn is its name.
fn parameter(header: &Header, name: &str) -> Option<i64> {
    let named = |n: &usize| {
        header
            .text(&format!("ZNAME{n}"))
            .is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    let key = format!("ZVAL{}", (1..=9).find(named)?);
    header.integer(&key).or_else(|| header.is_true(&key).then_some(1))
}

/// GZIP_2 stores the first bytes of all pixels, then the second ones, and so on.
fn unshuffle(bytes: &[u8], pixels: usize) -> Vec<u8> {
    if pixels == 0 || !bytes.len().is_multiple_of(pixels) {
        return bytes.to_vec();
    }
    let width = bytes.len() / pixels;
    let pixel = |at| (0..width).map(move |byte| bytes[byte * pixels + at]);
    (0..pixels).flat_map(pixel).collect()
}
