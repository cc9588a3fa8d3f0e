//! The draws of a chain as files.

use crate::files::{Error, write_atomic};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `chain.csv` and `chain.safetensors` into a folder. `draws` is (draws, names), the last axis fastest; the draws of
/// one step of all walkers follow each other.
///
/// The safetensors file has the tensor `draws` (draws, names) in 64 bits; its metadata have the names, separated by commas,
/// and the number of walkers.
///
/// # Errors
/// Those of [`write_atomic`].
pub fn write_draws(folder: &Path, names: &[String], draws: &[f64], walkers: usize) -> Result<(), Error> {
    write_atomic(&folder.join("chain.csv"), |file| {
        let mut file = BufWriter::new(file);
        let head: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        writeln!(file, "{}", head.join(","))?;
        for draw in draws.chunks_exact(names.len()) {
            let cells: Vec<String> = draw.iter().map(f64::to_string).collect();
            writeln!(file, "{}", cells.join(","))?;
        }
        file.flush()
    })?;
    let path = folder.join("chain.safetensors");
    let bytes: Vec<u8> = draws.iter().flat_map(|x| x.to_le_bytes()).collect();
    let encoded = TensorView::new(Dtype::F64, vec![draws.len() / names.len(), names.len()], &bytes).and_then(|view| {
        let metadata = HashMap::from([
            ("names".to_string(), names.join(",")),
            ("walkers".to_string(), walkers.to_string()),
        ]);
        safetensors::serialize([("draws", view)], Some(metadata))
    });
    let encoded = encoded.map_err(io::Error::other).map_err(Error::write(&path))?;
    write_atomic(&path, |file| file.write_all(&encoded))
}

/// A name as a cell of a CSV file.
fn quoted(name: &str) -> String {
    match name.contains(['"', ',', '\n']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn both_files_have_all_draws() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a".to_string(), "b,\"c\"".to_string()];
        write_draws(dir.path(), &names, &[1.0, 2.5, -3.0, 1e-300], 2).unwrap();
        let text = std::fs::read_to_string(dir.path().join("chain.csv")).unwrap();
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(rows.headers().unwrap(), vec!["a", "b,\"c\""]);
        let last: Vec<f64> = rows.records().last().unwrap().unwrap().deserialize(None).unwrap();
        assert_eq!(last, [-3.0, 1e-300]);
        let bytes = std::fs::read(dir.path().join("chain.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let draws = tensors.tensor("draws").unwrap();
        assert_eq!((draws.shape(), draws.dtype()), (&[2, 2][..], Dtype::F64));
        assert_eq!(draws.data()[8..16], 2.5f64.to_le_bytes());
    }
}
