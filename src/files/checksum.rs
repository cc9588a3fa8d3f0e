//! A checksum in a safetensors file, which has none of its own: SHA-256 of all tensors and metadata.

use safetensors::tensor::{TensorView, View};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// The key of the checksum in the metadata.
pub const KEY: &str = "sha256";

/// What a checksum says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The content is as it was written.
    Intact,
    /// There is no checksum: an earlier version wrote the file.
    Unknown,
    /// The content has changed.
    Damaged,
}

/// The checksum of tensors and metadata, in any order; the metadata's own checksum does not count.
pub fn checksum<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a TensorView<'a>)>,
    metadata: &HashMap<String, String>,
) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    let tensors: BTreeMap<&str, &TensorView> = tensors.into_iter().collect();
    for (name, tensor) in tensors {
        add(name.as_bytes());
        add(format!("{:?} {:?}", View::dtype(tensor), View::shape(tensor)).as_bytes());
        add(&View::data(tensor));
    }
    let metadata: BTreeMap<&String, &String> = metadata.iter().filter(|(key, _)| *key != KEY).collect();
    for (key, text) in metadata {
        add(key.as_bytes());
        add(text.as_bytes());
    }
    hexadecimal(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares the content of a file with its checksum. `known` are the keys that the metadata may have beside it: another one
/// in a file without a checksum may be the damaged name of it.
pub fn verify<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a TensorView<'a>)>,
    metadata: &HashMap<String, String>,
    known: &[&str],
) -> Verdict {
    match metadata.get(KEY) {
        Some(expected) if *expected == checksum(tensors, metadata) => Verdict::Intact,
        Some(_) => Verdict::Damaged,
        None if metadata.keys().all(|key| known.contains(&key.as_str())) => Verdict::Unknown,
        None => Verdict::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, SafeTensors};

    const KNOWN: [&str; 1] = ["format"];

    fn file() -> Vec<u8> {
        let values: Vec<u8> = (0..24).collect();
        let views = [("a", vec![2, 3]), ("b", vec![6])].map(|(name, shape)| {
            let view = TensorView::new(Dtype::F32, shape, &values).unwrap();
            (name, view)
        });
        let mut metadata = HashMap::from([("format".to_string(), "x".to_string())]);
        let sum = checksum(views.iter().map(|(name, view)| (*name, view)), &metadata);
        metadata.insert(KEY.into(), sum);
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    /// `None` if the file cannot be read at all.
    fn verdict(bytes: &[u8]) -> Option<Verdict> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let views = tensors.tensors();
        let views = views.iter().map(|(name, view)| (name.as_str(), view));
        Some(verify(views, &header.metadata().clone()?, &KNOWN))
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let good = file();
        assert_eq!(verdict(&good), Some(Verdict::Intact));
        for at in 0..8 * good.len() {
            let mut bytes = good.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let verdict = verdict(&bytes);
            assert!(
                matches!(verdict, None | Some(Verdict::Damaged)),
                "bit {at}: {verdict:?}"
            );
        }
    }

    #[test]
    fn a_file_of_an_earlier_version_has_no_checksum() {
        let metadata = HashMap::from([("format".to_string(), "x".to_string())]);
        assert_eq!(verify([], &metadata, &KNOWN), Verdict::Unknown);
        assert_eq!(verify([], &metadata, &[]), Verdict::Damaged);
    }
}
