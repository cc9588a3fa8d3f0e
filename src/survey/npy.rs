//! A stack of images in one `.npy` file, (N, H, W, C) or (N, H, W), read image by image.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use npyz::{DType, Deserialize, NpyHeader, Order, TypeChar, TypeRead, TypeStr};

use super::error::{Error, Result};

/// Why a `.npy` file cannot be read. The messages speak of the file as "it"; [`Error`] adds its name.
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
    /// An array stored column by column.
    #[error("it is in Fortran order; save it with numpy.save(path, numpy.ascontiguousarray(images))")]
    FortranOrder,
    /// A structured array.
    #[error("it holds records; an array of numbers is needed")]
    Records,
    /// Complex numbers, half precision and the like.
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
}

impl Stack {
    /// Reads the header, and checks that the file is as long as the header says.
    pub fn open(path: &Path) -> Result<Stack> {
        Stack::read_header(path).map_err(|source| Error::Npy {
            path: path.into(),
            source,
        })
    }

    fn read_header(path: &Path) -> Result<Stack, NpyError> {
        let mut file = BufReader::new(File::open(path)?);
        let header = NpyHeader::from_reader(&mut file).map_err(NpyError::Header)?;
        let data_start = file.stream_position()?;
        let length = file.get_ref().metadata()?.len();

        let axes: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
        let shape = match axes[..] {
            [n, h, w, c] if header.len() > 0 => [n, h, w, c],
            [n, h, w] if header.len() > 0 => [n, h, w, 1],
            _ => return Err(NpyError::Shape { shape: axes }),
        };
        if header.order() == Order::Fortran {
            return Err(NpyError::FortranOrder);
        }
        let DType::Plain(number) = header.dtype() else {
            return Err(NpyError::Records);
        };
        let item_size = number.num_bytes().unwrap_or(0);
        let integer = match (number.type_char(), item_size) {
            (TypeChar::Float, 4 | 8) => false,
            (TypeChar::Int | TypeChar::Uint, 1 | 2 | 4 | 8) => true,
            _ => {
                return Err(NpyError::NumberType {
                    number: number.to_string(),
                });
            }
        };
        let expected = data_start + header.len() * item_size as u64;
        if length < expected {
            return Err(NpyError::CutShort { length, expected });
        }
        Ok(Stack {
            path: path.to_owned(),
            shape,
            integer,
            number,
            item_size,
            data_start,
        })
    }

    /// Image `index`, (H, W, C). Opens the file again, so that threads do not wait for each other.
    pub fn read(&self, index: usize) -> Result<Vec<f64>> {
        self.values(index).map_err(|source| Error::Npy {
            path: self.path.clone(),
            source: NpyError::Image { index, source },
        })
    }

    fn values(&self, index: usize) -> io::Result<Vec<f64>> {
        let bytes = self.bytes(index)?;
        match (self.number.type_char(), self.item_size) {
            (TypeChar::Float, 4) => self.decode::<f32>(&bytes, |v| v as f64),
            (TypeChar::Int, 1) => self.decode::<i8>(&bytes, |v| v as f64),
            (TypeChar::Int, 2) => self.decode::<i16>(&bytes, |v| v as f64),
            (TypeChar::Int, 4) => self.decode::<i32>(&bytes, |v| v as f64),
            (TypeChar::Int, _) => self.decode::<i64>(&bytes, |v| v as f64),
            (TypeChar::Uint, 1) => self.decode::<u8>(&bytes, |v| v as f64),
            (TypeChar::Uint, 2) => self.decode::<u16>(&bytes, |v| v as f64),
            (TypeChar::Uint, 4) => self.decode::<u32>(&bytes, |v| v as f64),
            (TypeChar::Uint, _) => self.decode::<u64>(&bytes, |v| v as f64),
            _ => self.decode::<f64>(&bytes, |v| v),
        }
    }

    fn bytes(&self, index: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.shape[1..].iter().product::<usize>() * self.item_size];
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.data_start + (index * bytes.len()) as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn decode<T: Deserialize>(&self, bytes: &[u8], to_f64: fn(T) -> f64) -> io::Result<Vec<f64>> {
        let reader = T::reader(&DType::Plain(self.number.clone())).map_err(io::Error::other)?;
        let numbers = bytes.chunks_exact(self.item_size);
        numbers.map(|number| reader.read_one(number).map(to_f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;
    use npyz::WriterBuilder;

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
