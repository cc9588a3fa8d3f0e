//! A stack of images in one `.npy` or `.npz` file, (N, H, W, C) or (N, H, W), read image by image.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use npyz::npz::NpzArchive;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};
use tempfile::NamedTempFile;

use super::error::{Error, Result};
use super::guard::caught;
use crate::files::{self, unpack};

/// Why a `.npy` or `.npz` file cannot be read. The messages speak of the file as "it"; [`Error`] adds its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file does not begin as every `.npy` file does.
    #[error("it has no valid .npy header")]
    Header(#[source] io::Error),
    /// An array that is not a stack of images.
    #[error("it has the shape {shape:?}; (N, H, W, C) or (N, H, W) is needed, with no axis of length 0")]
    Shape {
        /// Lengths of the array's axes.
        shape: Vec<usize>,
    },
    /// A stack whose channels are the second axis.
    #[error(
        "it has the shape {shape:?}; it looks like (N, C, H, W): channels first; save \
         numpy.moveaxis(images, 1, -1)"
    )]
    ChannelsFirst {
        /// Lengths of the array's axes.
        shape: Vec<usize>,
    },
    /// An `.npz` file that is no archive, or a damaged one.
    #[error("it is not a valid .npz archive")]
    Archive(#[source] io::Error),
    /// An `.npz` file without an array, or with several of which none has a usual name.
    #[error("its arrays are: {}; it must have one array, or one that is named {}", found.join(", "), NAMES.join(", "))]
    Arrays {
        /// Names of its arrays.
        found: Vec<String>,
    },
    /// Python objects.
    #[error("it holds Python objects; an array of numbers is needed: numpy.stack(images).astype('float32')")]
    Objects,
    /// An array stored column by column.
    #[error("it is in Fortran order; save it with numpy.save(path, numpy.ascontiguousarray(images))")]
    FortranOrder,
    /// A structured array.
    #[error("it holds records; an array of numbers is needed")]
    Records,
    /// Booleans, complex numbers and the like.
    #[error("it holds numbers of type {number}; save it as float32: images.astype('float32')")]
    NumberType {
        /// As numpy calls the type.
        number: String,
    },
    /// The file ends before the last image.
    #[error("it is cut short: {} bytes are missing ({length} of {expected} are there)", expected - length)]
    CutShort {
        /// Bytes that the file has.
        length: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// One image cannot be read.
    #[error("image {index}")]
    Image {
        /// Its place in the stack, from 0.
        index: usize,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The array that is read if an `.npz` file has several.
const NAMES: [&str; 3] = ["images", "arr_0", "x"];

/// An open stack: its header, and where its images begin.
#[derive(Debug)]
pub(super) struct Stack {
    pub path: PathBuf,
    /// Number of images, height, width, channels.
    pub shape: [usize; 4],
    /// Whether the file stores integers.
    pub integer: bool,
    number: TypeStr,
    item_size: usize,
    data_start: u64,
    /// The array of an `.npz` file, unpacked, so that it need not be in memory.
    unpacked: Option<NamedTempFile>,
}

impl Stack {
    /// Reads the header, and checks that the file is as long as the header says. An array in an `.npz` file is unpacked
    /// to a temporary file.
    pub fn open(path: &Path) -> Result<Stack> {
        let open = || match path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
            true => {
                let unpacked = unpack(path)?;
                let array = unpacked.path().to_owned();
                Stack::read_header(path, &array, Some(unpacked))
            }
            false => Stack::read_header(path, path, None),
        };
        // The readers of headers and archives panic on some damaged files.
        let failed = |_| Err(NpyError::Header(io::Error::other("the decoder failed")));
        let stack = caught(open).unwrap_or_else(failed);
        stack.map_err(|source| Error::Npy {
            path: path.into(),
            source,
        })
    }

    /// `array`: the file that has the array.
    fn read_header(path: &Path, array: &Path, unpacked: Option<NamedTempFile>) -> Result<Stack, NpyError> {
        let mut file = BufReader::new(files::open(array)?);
        check_header(&mut file).map_err(NpyError::Header)?;
        file.rewind()?;
        let header = NpyHeader::from_reader(&mut file).map_err(NpyError::Header)?;
        let data_start = file.stream_position()?;
        let length = file.get_ref().metadata()?.len();

        let DType::Plain(number) = header.dtype() else {
            return Err(NpyError::Records);
        };
        if number.uses_pickled_array() {
            return Err(NpyError::Objects);
        }
        let axes: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
        let count = axes.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64));
        let (shape, count) = match (&axes[..], count) {
            (&[n, h, w, c], Some(count @ 1..)) => ([n, h, w, c], count),
            (&[n, h, w], Some(count @ 1..)) => ([n, h, w, 1], count),
            _ => return Err(NpyError::Shape { shape: axes }),
        };
        let [_, second, third, last] = shape;
        if second <= MAX_CHANNELS && third > MAX_CHANNELS && last > MAX_CHANNELS {
            return Err(NpyError::ChannelsFirst { shape: axes });
        }
        if header.order() == Order::Fortran {
            return Err(NpyError::FortranOrder);
        }
        let item_size = number.num_bytes().unwrap_or(0);
        let integer = match (number.type_char(), item_size) {
            (TypeChar::Float, 2 | 4 | 8) => false,
            (TypeChar::Int | TypeChar::Uint, 1 | 2 | 4 | 8) => true,
            _ => {
                let number = match number.type_char() {
                    TypeChar::Bool => "bool".into(),
                    _ => number.to_string(),
                };
                return Err(NpyError::NumberType { number });
            }
        };
        let expected = count
            .checked_mul(item_size as u64)
            .and_then(|n| n.checked_add(data_start));
        match expected {
            Some(expected) if length < expected => return Err(NpyError::CutShort { length, expected }),
            Some(_) => {}
            None => return Err(NpyError::Shape { shape: axes }),
        }
        Ok(Stack {
            path: path.to_owned(),
            shape,
            integer,
            number,
            item_size,
            data_start,
            unpacked,
        })
    }

    /// Image `index`, (H, W, C). Opens the file again, so that threads do not wait for each other.
    pub fn read(&self, index: usize) -> Result<Vec<f64>> {
        let bytes = self.bytes(index).map_err(|source| Error::Npy {
            path: self.path.clone(),
            source: NpyError::Image { index, source },
        })?;
        Ok(self.values(&bytes))
    }

    fn bytes(&self, index: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.shape[1..].iter().product::<usize>() * self.item_size];
        let mut file = files::open(self.unpacked.as_ref().map_or(self.path.as_path(), NamedTempFile::path))?;
        file.seek(SeekFrom::Start(self.data_start + index as u64 * bytes.len() as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn values(&self, bytes: &[u8]) -> Vec<f64> {
        let big = self.number.endianness() == Endianness::Big;
        macro_rules! each {
            ($number:ty, $to_f64:expr) => {
                bytes
                    .chunks_exact(size_of::<$number>())
                    .map(|bytes| {
                        let bytes = bytes.try_into().expect("the chunks have this size");
                        $to_f64(if big {
                            <$number>::from_be_bytes(bytes)
                        } else {
                            <$number>::from_le_bytes(bytes)
                        })
                    })
                    .collect()
            };
        }
        match (self.number.type_char(), self.item_size) {
            (TypeChar::Float, 2) => each!(u16, half),
            (TypeChar::Float, 4) => each!(f32, f64::from),
            (TypeChar::Int, 1) => each!(i8, f64::from),
            (TypeChar::Int, 2) => each!(i16, f64::from),
            (TypeChar::Int, 4) => each!(i32, f64::from),
            (TypeChar::Int, _) => each!(i64, |v| v as f64),
            (TypeChar::Uint, 1) => each!(u8, f64::from),
            (TypeChar::Uint, 2) => each!(u16, f64::from),
            (TypeChar::Uint, 4) => each!(u32, f64::from),
            (TypeChar::Uint, _) => each!(u64, |v| v as f64),
            _ => each!(f64, |v| v),
        }
    }
}

/// No header is longer than this, bytes, unless it describes hundreds of fields.
const LONGEST_HEADER: u64 = 1 << 16;

/// How deep the brackets of a header may be nested: a dictionary, a list of fields, a field, its shape. The parser is
/// recursive, and tries several kinds of brackets one after the other, so its time multiplies with each of them.
const DEEPEST: usize = 4;

/// Checks the header of an array before it is parsed: its length, and how deep its brackets are nested.
fn check_header(file: &mut impl Read) -> io::Result<()> {
    let mut begin = [0; 8];
    file.read_exact(&mut begin)?;
    // Version 1 has a length of two bytes, later ones of four.
    let mut length = [0; 4];
    file.read_exact(&mut length[..if begin[6] == 1 { 2 } else { 4 }])?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > LONGEST_HEADER {
        return Err(io::Error::other(format!("it claims to have {length} bytes")));
    }
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text)?;
    let mut depth = 0usize;
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(io::Error::other(format!(
                "its brackets are nested more than {DEEPEST} deep"
            )));
        }
    }
    Ok(())
}

/// A second axis that is not longer than this, before two that are, holds channels.
const MAX_CHANNELS: usize = 12;

/// A half-precision number (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The stack of an `.npz` file as a temporary `.npy` file.
fn unpack(path: &Path) -> Result<NamedTempFile, NpyError> {
    let file = files::open(path)?;
    let most = unpack::limit(file.metadata()?.len());
    let mut archive = NpzArchive::new(BufReader::new(file)).map_err(NpyError::Archive)?;
    let mut found: Vec<String> = archive.array_names().map(str::to_owned).collect();
    found.sort();
    let usual = NAMES
        .iter()
        .copied()
        .find(|name| found.iter().any(|found| found == name));
    let name = match &found[..] {
        [only] => only.clone(),
        _ => usual.map(str::to_owned).ok_or(NpyError::Arrays { found })?,
    };
    let damaged = |error| NpyError::Archive(io::Error::other(error));
    let mut array = archive.zip_archive().by_name(&format!("{name}.npy")).map_err(damaged)?;
    let mut unpacked = NamedTempFile::new()?;
    // A damaged archive does not fill the disk. The checksum is verified at the end, one byte further.
    let length = array.size();
    if length > most {
        let problem = format!("an array of {length} bytes is more than it can hold");
        return Err(NpyError::Archive(io::Error::other(problem)));
    }
    let copied =
        io::copy(&mut array.by_ref().take(length.saturating_add(1)), &mut unpacked).map_err(NpyError::Archive)?;
    if copied != length {
        let problem = "an array has another length than the archive says";
        return Err(NpyError::Archive(io::Error::other(problem)));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;
    use npyz::WriterBuilder;
    use std::fs::File;

    fn save<T: npyz::Serialize>(path: &Path, descr: &str, shape: &[u64], order: Order, values: &[T]) {
        let dtype = DType::Plain(descr.parse::<TypeStr>().unwrap());
        let file = File::create(path).unwrap();
        let mut writer = npyz::WriteOptions::new()
            .dtype(dtype)
            .shape(shape)
            .order(order)
            .writer(file)
            .begin_nd()
            .unwrap();
        values.iter().for_each(|value| writer.push(value).unwrap());
        writer.finish().unwrap();
    }

    #[test]
    fn floats_and_integers_of_either_byte_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.npy");
        let floats: Vec<f32> = (0..24).map(|i| i as f32 * 0.5).collect();
        for descr in ["<f4", ">f4"] {
            save(&path, descr, &[2, 2, 2, 3], Order::C, &floats);
            let stack = Stack::open(&path).unwrap();
            assert_eq!((stack.shape, stack.integer), ([2, 2, 2, 3], false));
            assert_eq!(
                stack.read(1).unwrap(),
                (12..24).map(|i| i as f64 * 0.5).collect::<Vec<_>>()
            );
        }
        save(&path, ">f8", &[2, 1, 2], Order::C, &[1e300, 2.0, -3.5, 1e-300]);
        assert_eq!(Stack::open(&path).unwrap().read(1).unwrap(), [-3.5, 1e-300]);
        save(&path, ">i2", &[2, 1, 2], Order::C, &[1i16, 2, -3, 100]);
        let stack = Stack::open(&path).unwrap();
        assert_eq!(
            (stack.read(1).unwrap(), stack.shape, stack.integer),
            (vec![-3.0, 100.0], [2, 1, 2, 1], true)
        );
        save(&path, "|u1", &[1, 1, 2], Order::C, &[200u8, 3]);
        assert_eq!(Stack::open(&path).unwrap().read(0).unwrap(), [200.0, 3.0]);
    }

    /// A file with this header, as numpy writes it, and these bytes.
    fn raw(path: &Path, descr: &str, shape: &str, data: &[u8]) {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn half_precision_and_unsigned_64_bits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.npy");
        // 1, -2, 65504, 2^-24, infinity, NaN, 0.333251953125, 0
        let bits: [u16; 8] = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x7e00, 0x3555, 0x0000];
        for (descr, bytes) in [
            ("<f2", bits.map(u16::to_le_bytes).concat()),
            (">f2", bits.map(u16::to_be_bytes).concat()),
        ] {
            raw(&path, descr, "(1, 2, 4)", &bytes);
            let values = Stack::open(&path).unwrap().read(0).unwrap();
            assert_eq!(values[..5], [1.0, -2.0, 65504.0, 2f64.powi(-24), f64::INFINITY]);
            assert!(values[5].is_nan());
            assert_eq!(values[6..], [0.333251953125, 0.0]);
        }
        save(&path, "<u8", &[1, 1, 2], Order::C, &[u64::MAX, 1 << 60]);
        assert_eq!(
            Stack::open(&path).unwrap().read(0).unwrap(),
            [2f64.powi(64), 2f64.powi(60)]
        );
    }

    #[test]
    fn arrays_of_npz_files_stored_or_deflated() {
        let file = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data/stacks")
                .join(name)
        };
        let second: Vec<f64> = (12..24).map(|i| f64::from(i) * 0.5).collect();
        for name in ["stored.npz", "deflated.npz"] {
            let stack = Stack::open(&file(name)).unwrap();
            assert_eq!((stack.shape, &stack.path), ([2, 2, 2, 3], &file(name)));
            assert_eq!(stack.read(1).unwrap(), second);
        }
        let error = message(Stack::open(&file("several.npz")));
        assert!(
            error.contains("several.npz: its arrays are: a, b; it must have one array, or one that is named images"),
            "{error}"
        );

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.npz");
        let whole = std::fs::read(file("deflated.npz")).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(
                message(Stack::open(&path)).contains("cut.npz: it is not a valid .npz archive"),
                "{length}"
            );
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(stack) = Stack::open(&path) {
                assert_eq!(stack.read(1).unwrap(), second, "{at}");
            }
        }
        // A table of features.
        let mut writer = npyz::npz::NpzWriter::create(&path).unwrap();
        let array = writer.array::<f32>("features", Default::default()).unwrap();
        let mut array = array.default_dtype().shape(&[2, 3]).begin_nd().unwrap();
        array.extend([0f32; 6]).unwrap();
        array.finish().unwrap();
        drop(writer);
        let error = message(Stack::open(&path));
        assert!(error.contains("cut.npz: it has the shape [2, 3]"), "{error}");
    }

    #[test]
    fn channels_first_objects_and_booleans_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.npy");
        let error = |descr: &str, shape: &str| {
            raw(&path, descr, shape, &[0; 60000]);
            message(Stack::open(&path))
        };
        let channels = error("<f4", "(6, 3, 32, 20)");
        assert!(
            channels.contains("[6, 3, 32, 20]; it looks like (N, C, H, W): channels first"),
            "{channels}"
        );
        assert!(channels.contains("numpy.moveaxis(images, 1, -1)"), "{channels}");
        for fine in ["(6, 32, 32, 2)", "(2, 3, 32, 10)", "(2, 13, 13, 13)", "(3, 32, 32)"] {
            raw(&path, "<f4", fine, &[0; 60000]);
            assert!(Stack::open(&path).is_ok(), "{fine}");
        }
        assert!(error("|O", "(2, 3, 4)").contains("Python objects"));
        assert!(error("|b1", "(2, 3, 4)").contains("numbers of type bool"));
        assert!(error("<c8", "(2, 3, 4)").contains("numbers of type <c8"));
        assert!(error("<f4", "(0, 3, 4)").contains("no axis of length 0"));
        assert!(error("<f4", "(3, 4294967296, 4294967296)").contains("no valid .npy header"));
        // These take the parser minutes.
        for brackets in ["{", "(", "["] {
            let nested = brackets.repeat(24) + "(2, 3, 4), ";
            assert!(error("<f4", &nested).contains("no valid .npy header"));
        }
    }

    #[test]
    fn unusable_arrays_are_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.npy");
        let error = |path: &Path| message(Stack::open(path));
        save(&path, "<f4", &[2, 2, 2], Order::Fortran, &[0f32; 8]);
        assert!(error(&path).contains("Fortran") && error(&path).contains("ascontiguousarray"));
        save(&path, "<f4", &[2, 2], Order::C, &[0f32; 4]);
        assert!(error(&path).contains("(N, H, W, C)"));
        save(&path, "<f4", &[2, 2, 2], Order::C, &[0f32; 8]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        assert!(error(&path).contains("5 bytes are missing"), "{}", error(&path));
        std::fs::write(&path, "no npy").unwrap();
        assert!(error(&path).contains("images.npy: it has no valid .npy header"));
    }
}
