//! A FITS file with images, opened: all its headers, and its images one by one on demand. Damaged and truncated files are
//! detected before anything is decoded.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use fitsio_pure::block::BLOCK_SIZE;

use super::decode::{Image, Storage, decode};
use super::hdu::{Content, content};
use super::header::{Header, has_end};
use super::keywords::Keywords;
use super::sky::SkyGrid;
use super::{Astrometry, FitsError, Window};
use crate::files::{self, unpack};
use std::collections::HashMap;

trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// An open file.
pub(in crate::survey) struct FitsFile {
    reader: Box<dyn ReadSeek>,
    /// Every HDU with an image of two axes or more, in order.
    pub images: Vec<ImageHdu>,
    /// Whether it has a table that is not a compressed image.
    pub has_table: bool,
    /// The data units of compressed images of which parts were read.
    compressed: HashMap<usize, Vec<u8>>,
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
    pub(super) header: Arc<Header>,
    /// How its pixels are stored.
    pub(super) storage: Storage,
    /// Its width and height among all its axes, counted from 0.
    pub(super) axes: [usize; 2],
    data_start: u64,
    data_length: usize,
}

impl FitsFile {
    /// Reads all headers, and no pixels. There may be no image.
    pub fn open(path: &Path) -> Result<FitsFile, FitsError> {
        let mut reader = open(path)?;
        let length = reader.seek(SeekFrom::End(0))?;
        let (mut at, mut images, mut has_table, mut unusable) = (0, Vec::new(), false, None);
        let mut primary = None;
        while let Some((header, data_start)) = read_header(&mut *reader, at, length)? {
            let (content, data_length) = content(&header, at == 0)?;
            let end = data_start + data_length;
            if end > length && data_length > 0 {
                return Err(FitsError::CutInData { length, expected: end });
            }
            let header = Arc::new(header);
            let primary = primary.get_or_insert_with(|| header.clone());
            at = end.next_multiple_of(BLOCK_SIZE as u64);
            let (storage, axes) = match content {
                Content::Image { bitpix, axes } => (Storage::Plain { bitpix }, axes),
                Content::Compressed { bitpix, axes } => (
                    Storage::Tiles {
                        bitpix,
                        axes: axes.clone(),
                    },
                    axes,
                ),
                Content::Table => {
                    has_table = true;
                    continue;
                }
                Content::Other => continue,
            };
            // Spectra and empty images are skipped: a primary HDU of 0 x 0 pixels precedes extensions.
            if axes.len() >= 2 && !axes.contains(&0) {
                let place = (data_start, data_length as usize);
                match ImageHdu::new(header, primary, storage, &axes, place) {
                    Ok(image) => images.push(image),
                    // Images of many axes, as some contexts and groups of exposures, are no bands.
                    Err(error @ FitsError::Axes { .. }) => unusable = unusable.or(Some(error)),
                    Err(error) => return Err(error),
                }
            }
        }
        if images.is_empty()
            && let Some(error) = unusable
        {
            return Err(error);
        }
        Ok(FitsFile {
            reader,
            images,
            has_table,
            compressed: HashMap::new(),
        })
    }

    /// Reads the pixels of an image.
    pub fn image(&mut self, index: usize) -> Result<Image, FitsError> {
        let bytes = self.data(index)?;
        decode(&bytes, &self.images[index], None)
    }

    /// Reads a part of all planes of an image, which must be inside it. Of a plain image, only its bytes are read. Those
    /// of a compressed image are kept, compressed, for further parts.
    pub fn part(&mut self, index: usize, window: Window) -> Result<Image, FitsError> {
        if let Storage::Plain { bitpix } = self.images[index].storage {
            let bytes = self.rows(index, window, bitpix.unsigned_abs() as usize / 8)?;
            return decode(&bytes, &self.images[index], Some(window));
        }
        if !self.compressed.contains_key(&index) {
            let bytes = self.data(index)?;
            self.compressed.insert(index, bytes);
        }
        decode(&self.compressed[&index], &self.images[index], Some(window))
    }

    /// The data unit of an image.
    fn data(&mut self, index: usize) -> Result<Vec<u8>, FitsError> {
        let image = &self.images[index];
        self.reader.seek(SeekFrom::Start(image.data_start))?;
        let mut bytes = vec![0; image.data_length];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of a part of all planes, of `size` bytes per pixel.
    fn rows(&mut self, index: usize, window: Window, size: usize) -> Result<Vec<u8>, FitsError> {
        let image = &self.images[index];
        let row = window.width * size;
        let mut bytes = vec![0; row * window.height * image.planes];
        for (at, row) in bytes.chunks_exact_mut(row).enumerate() {
            let (plane, y) = (at / window.height, window.y + at % window.height);
            let pixel = (plane * image.height + y) * image.width + window.x;
            self.reader
                .seek(SeekFrom::Start(image.data_start + (pixel * size) as u64))?;
            self.reader.read_exact(row)?;
        }
        Ok(bytes)
    }
}

impl ImageHdu {
    fn new(
        header: Arc<Header>,
        primary: &Arc<Header>,
        storage: Storage,
        axes: &[usize],
        (data_start, data_length): (u64, usize),
    ) -> Result<ImageHdu, FitsError> {
        let used = used_axes(axes);
        let (width, height, planes) = match used[..] {
            [x, y] => (axes[x], axes[y], 1),
            [x, y, plane] => (axes[x], axes[y], axes[plane]),
            _ => return Err(FitsError::Axes { axes: axes.into() }),
        };
        let pixels = axes.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let Some(pixels) = pixels.filter(|&n| n <= MAX_PIXELS) else {
            return Err(FitsError::ImageSize { axes: axes.into() });
        };
        // A plain image is as large as its data, which are in the file.
        if matches!(storage, Storage::Tiles { .. }) && 8 * pixels as u64 > unpack::limit(data_length as u64) {
            let (axes, bytes) = (axes.into(), data_length);
            return Err(FitsError::Bomb { axes, bytes });
        }
        let (Storage::Plain { bitpix } | Storage::Tiles { bitpix, .. }) = storage;
        Ok(ImageHdu {
            name: header.name().map(str::to_owned),
            width,
            height,
            planes,
            integer: bitpix > 0,
            astrometry: Astrometry::of_image(&header, [used[0] + 1, used[1] + 1], width, height),
            keywords: Keywords::new(header.clone(), primary.clone()),
            header,
            storage,
            axes: [used[0], used[1]],
            data_start,
            data_length,
        })
    }

    /// Where its pixels are on the sky.
    pub fn sky_grid(&self) -> Result<SkyGrid, FitsError> {
        SkyGrid::new(&self.header, self.axes.map(|axis| axis + 1))
    }
}

/// An image with more pixels than this is taken as a sign of a damaged header.
const MAX_PIXELS: usize = 1 << 30;

/// The axes, from 0, that are left without those of length 1; at least two.
fn used_axes(axes: &[usize]) -> Vec<usize> {
    let long: Vec<usize> = (0..axes.len()).filter(|&axis| axes[axis] > 1).collect();
    match long[..] {
        [] => vec![0, 1],
        [0] => vec![0, 1],
        [one] => vec![one - 1, one],
        _ => long,
    }
}

/// No header is longer than this, bytes: a file without END is not read to its end.
const MAX_HEADER: usize = 8 << 20;

/// The header that starts at byte `at`, and where its data begin; `None` after the last HDU.
fn read_header(file: &mut dyn ReadSeek, at: u64, length: u64) -> Result<Option<(Header, u64)>, FitsError> {
    let mut bytes = Vec::new();
    if at >= length && at > 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    loop {
        let start = bytes.len();
        file.take(BLOCK_SIZE as u64).read_to_end(&mut bytes)?;
        let keyword: &[u8] = if at == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
        match (at, bytes.starts_with(keyword)) {
            (0, false) if bytes.is_empty() => return Err(FitsError::Empty),
            (0, false) => return Err(FitsError::NotFits),
            // Special records may follow the last HDU (FITS standard 4.0, section 3.5).
            (_, false) => return Ok(None),
            (_, true) if has_end(&bytes[start..]) => {
                let data_start = at + bytes.len().next_multiple_of(BLOCK_SIZE) as u64;
                return Ok(Some((Header::parse(&bytes), data_start)));
            }
            (_, true) if bytes.len() < start + BLOCK_SIZE => return Err(FitsError::CutInHeader { length }),
            (_, true) if bytes.len() > MAX_HEADER => return Err(FitsError::NoEnd { at }),
            (_, true) => {}
        }
    }
}

/// Files of up to this many bytes are read at once, which is faster than in parts.
const SMALL_FILE: u64 = 1 << 20;

/// The file, or its uncompressed content if it is gzipped as a whole.
fn open(path: &Path) -> Result<Box<dyn ReadSeek>, FitsError> {
    let mut file = files::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref()
        .take(if length <= SMALL_FILE { SMALL_FILE } else { 2 })
        .read_to_end(&mut bytes)?;
    if unpack::is_gzip(&bytes) {
        file.read_to_end(&mut bytes)?;
        let content = unpack::gunzip(&bytes).map_err(FitsError::Gzip)?;
        return Ok(Box::new(Cursor::new(content)));
    }
    match length <= SMALL_FILE {
        true => Ok(Box::new(Cursor::new(bytes))),
        false => Ok(Box::new(file)),
    }
}
