//! The pixels of an image HDU in physical units.

use fitsio_pure::value::Value;

use super::file::ImageHdu;
use super::header::Header;
use super::tiles;
use super::{FitsError, Window};
use crate::survey::guard::caught;

/// One image in physical units (BSCALE and BZERO applied), BLANK pixels as NaN.
pub(in crate::survey) struct Image {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// (planes, height, width), as in the file.
    pub values: Vec<f64>,
}

impl Image {
    /// The pixels of one of its planes, row by row.
    pub fn plane(&self, plane: usize) -> &[f64] {
        let size = self.width * self.height;
        &self.values[plane * size..][..size]
    }
}

/// How an image is stored. `bitpix`: 8, 16, 32, 64, -32 or -64.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    /// One number after the other.
    Plain { bitpix: i64 },
    /// Tile-compressed; `axes` are all the image's axes, the fastest first.
    Tiles { bitpix: i64, axes: Vec<usize> },
}

/// `bytes` are the image's data unit or, of a plain image, those of the `window`, which is the part that is wanted.
pub(super) fn decode(bytes: &[u8], image: &ImageHdu, window: Option<Window>) -> Result<Image, FitsError> {
    let planes = image.planes;
    let (width, height) = window.map_or((image.width, image.height), |w| (w.width, w.height));
    let scaling = Scaling::new(&image.header)?;
    let values = match &image.storage {
        Storage::Plain { bitpix } => {
            let blank = blank(&image.header, "BLANK", *bitpix)?;
            let stored = &bytes[..(width * height * planes * bitpix.unsigned_abs() as usize / 8).min(bytes.len())];
            match numbers(stored, *bitpix) {
                Numbers::Integers(values) => scaling.integers(values, blank).collect(),
                Numbers::Floats(values) => scaling.floats(values),
            }
        }
        Storage::Tiles { bitpix, axes } => {
            let window = window.map(|window| window.on_axes(axes, image.axes));
            tiles::read(bytes, &image.header, *bitpix, axes, window, &scaling)?
        }
    };
    if values.len() != width * height * planes {
        return Err(FitsError::PixelCount {
            found: values.len(),
            width,
            height,
            planes,
        });
    }
    Ok(Image { width, height, values })
}

/// Numbers as they are stored.
pub(super) enum Numbers {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
}

/// Big-endian numbers; integers of 8 bits have no sign.
pub(super) fn numbers(bytes: &[u8], bitpix: i64) -> Numbers {
    macro_rules! each {
        ($number:ty, $to:ty) => {
            bytes
                .chunks_exact(size_of::<$number>())
                .map(|b| <$number>::from_be_bytes(b.try_into().expect("the chunks have this size")) as $to)
                .collect()
        };
    }
    match bitpix {
        8 => Numbers::Integers(each!(u8, i64)),
        16 => Numbers::Integers(each!(i16, i64)),
        32 => Numbers::Integers(each!(i32, i64)),
        64 => Numbers::Integers(each!(i64, i64)),
        -32 => Numbers::Floats(each!(f32, f64)),
        _ => Numbers::Floats(each!(f64, f64)),
    }
}

/// From stored to physical values: BSCALE and BZERO.
pub(super) struct Scaling {
    scale: f64,
    zero: f64,
    /// BZERO, if it is a whole number and BSCALE is 1: unsigned 64-bit integers are sums that f64 cannot hold in between.
    offset: Option<i128>,
}

impl Scaling {
    fn new(header: &Header) -> Result<Scaling, FitsError> {
        let scale = number_or(header, "BSCALE", 1.0)?;
        let zero = number_or(header, "BZERO", 0.0)?;
        if scale == 0.0 {
            return Err(FitsError::ZeroScale);
        }
        let whole = scale == 1.0 && zero.fract() == 0.0 && zero.abs() <= 2f64.powi(64);
        Ok(Scaling {
            scale,
            zero,
            offset: whole.then_some(zero as i128),
        })
    }

    /// Integers that equal `blank` become NaN.
    pub fn integers(&self, stored: Vec<i64>, blank: Option<i64>) -> impl Iterator<Item = f64> {
        stored.into_iter().map(move |value| match self.offset {
            _ if Some(value) == blank => f64::NAN,
            Some(0) => value as f64,
            Some(offset) => (i128::from(value) + offset) as f64,
            None => self.zero + self.scale * value as f64,
        })
    }

    pub fn floats(&self, mut values: Vec<f64>) -> Vec<f64> {
        if self.offset != Some(0) {
            values
                .iter_mut()
                .for_each(|value| *value = self.zero + self.scale * *value);
        }
        values
    }
}

/// A number that is `default` if the header lacks it or leaves it undefined. A text is refused: without the number, the
/// pixels would be wrong.
fn number_or(header: &Header, key: &str, default: f64) -> Result<f64, FitsError> {
    match header.entry(key).map(|entry| &entry.value) {
        None | Some(Some(Value::Undefined)) => Ok(default),
        Some(value) => header.number(key).ok_or_else(|| not_a_number(key, value)),
    }
}

/// The stored integer of pixels without a value. One that the image's integers cannot hold marks no pixel.
pub(super) fn blank(header: &Header, key: &str, bitpix: i64) -> Result<Option<i64>, FitsError> {
    let range = match bitpix {
        8 => 0..=255,
        16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        64 => i64::MIN..=i64::MAX,
        _ => return Ok(None),
    };
    match header.entry(key).map(|entry| &entry.value) {
        None | Some(Some(Value::Undefined)) => Ok(None),
        Some(value) if header.number(key).is_none() => Err(not_a_number(key, value)),
        Some(_) => Ok(header.integer(key).filter(|blank| range.contains(blank))),
    }
}

fn not_a_number(keyword: &str, value: &Option<Value>) -> FitsError {
    FitsError::NotANumber {
        keyword: keyword.into(),
        value: match value {
            Some(Value::String(text)) => format!("the text '{}'", text.trim()),
            Some(Value::Logical(_)) => "a logical value".into(),
            Some(Value::Float(number)) => number.to_string(),
            _ => "not a value of any FITS type".into(),
        },
    }
}

/// Runs a decoder of someone else's; if it panics, that is an error.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, FitsError>) -> Result<T, FitsError> {
    caught(decode).unwrap_or_else(|reason| Err(FitsError::Decoder { reason }))
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    fn physical(lines: &[&str], bitpix: i64, stored: &[i64]) -> Result<Vec<f64>, FitsError> {
        let header = header(lines);
        let blank = blank(&header, "BLANK", bitpix)?;
        Ok(Scaling::new(&header)?.integers(stored.to_vec(), blank).collect())
    }

    #[test]
    fn unsigned_integers_of_64_bits_are_added_exactly() {
        let zero = "BZERO   =  9223372036854775808";
        let least = i64::MIN;
        let values = physical(&[zero], 64, &[least, least + 1, least + 12345, 0, -1]).unwrap();
        assert_eq!(values, [0.0, 1.0, 12345.0, 2f64.powi(63), 2f64.powi(63)]);
        let halves = physical(&[zero, "BSCALE  = 1.0"], 64, &[least + (1 << 52) + 1]).unwrap();
        assert_eq!(halves, [4503599627370497.0]);
        assert_eq!(physical(&["BZERO   = -128"], 8, &[0, 255]).unwrap(), [-128.0, 127.0]);
        assert_eq!(physical(&["BZERO   = 2147483648."], 32, &[-2147483648]).unwrap(), [0.0]);
    }

    #[test]
    fn a_blank_outside_the_integers_range_marks_no_pixel() {
        let blank = |lines: &[&str], bitpix, stored| physical(lines, bitpix, &[stored]).unwrap()[0].is_nan();
        assert!(blank(&["BLANK   = -32768"], 16, -32768));
        assert!(blank(&["BLANK   = -32768."], 16, -32768), "as a float");
        assert!(blank(&["BLANK   = 255"], 8, 255));
        assert!(!blank(&["BLANK   = 100000"], 16, 100000 - 65536));
        assert!(!blank(&["BLANK   = -1"], 8, 255));
        assert!(!blank(&["BLANK   = 0.5"], 16, 0));
        assert!(!blank(&["BLANK   ="], 16, 0));
        // The stored value is compared, not the physical one.
        assert!(blank(&["BLANK   = 5", "BZERO   = 32768"], 16, 5));
        assert!(!blank(&["BLANK   = 5", "BZERO   = 32768"], 16, 5 - 32768));
    }

    #[test]
    fn scales_that_are_no_numbers_are_refused_and_undefined_ones_are_none() {
        let error = |line: &str| physical(&[line], 16, &[1]).unwrap_err().to_string();
        assert_eq!(
            error("BZERO   = '32768'"),
            "its keyword BZERO is the text '32768'; a number is needed"
        );
        assert!(error("BSCALE  = T").contains("BSCALE is a logical value"));
        assert!(error("BSCALE  = 1,5").contains("BSCALE is not a value"));
        assert!(error("BLANK   = '-1'").contains("BLANK is the text '-1'"));
        assert!(error("BSCALE  = 0.0").contains("BSCALE is 0"));
        assert!(error("BZERO   = NaN").contains("BZERO is NaN"));
        let undefined = physical(&["BSCALE  =", "BZERO   = / none"], 16, &[7]).unwrap();
        assert_eq!(undefined, [7.0]);
    }

    #[test]
    fn a_panic_of_a_decoder_is_an_error() {
        let panics = guarded(|| -> Result<(), FitsError> { panic!("index {} is out of bounds", 3) });
        let error = panics.unwrap_err().to_string();
        assert!(error.contains("index 3 is out of bounds"), "{error}");
    }
}
