//! Small valid files of every kind, which the tests damage.

use super::common::POPULATION;
use super::inputs::{TINY, tiny_trainer};
use lensgpu::{Device, LabelledImages, Network, Recipe, Start, TrainOptions, ignore_events, train_arrays};
use safetensors::SafeTensors;
use std::fs;
use std::io::Read;
use std::path::Path;

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let bytes = fs::read(path).unwrap();
    match name.ends_with(".gz") {
        true => unpacked(&bytes),
        false => bytes,
    }
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut content)
        .unwrap();
    content
}

fn all(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| data(name)).collect()
}

/// Files of the kind that [`super::inputs::ALL`] calls `kind`.
pub fn seeds(kind: &str) -> Vec<Vec<u8>> {
    match kind {
        "fits_image" => all(&[
            "fits/rice.fits.fz",
            "fits/gzip.fits.fz",
            "fits/quantised.fits.fz",
            "fits/scaled.fits",
            "fits/cube.fits",
            "fits/mef.fits",
            "fits/astropy/hcompress_smooth.fits.gz",
            "fits/astropy/int16_PLIO_1.fits.gz",
            "fits/astropy/int16_GZIP_2.fits.gz",
            "fits/astropy/quantised_GZIP_1_no.fits.gz",
            "fits/astropy/compressed_blank.fits.gz",
            "fits/astropy/foreign.fits.gz",
        ]),
        "fits_table" => all(&[
            "catalogues/ascii.fits.gz",
            "catalogues/binary.fits.gz",
            "catalogues/ldac.fits.gz",
        ]),
        "csv" => {
            let text = "# comment\nid,ra,dec,theta_e,name\n1,150.1,-2.2,1.25,\"a, b\"\n2,12:30:00,+01:10:00,nan,\n3,1e3,2,3,x\n";
            let mut texts: Vec<Vec<u8>> = [",", ";", "\t", "|"]
                .map(|by| text.replace(',', by).into_bytes())
                .into();
            texts.extend(all(&["catalogues/commas.ecsv", "catalogues/spaces.ecsv"]));
            texts
        }
        "votable" => all(&[
            "catalogues/binary.vot",
            "catalogues/binary2.vot",
            "catalogues/tabledata.vot",
        ]),
        "parquet" => all(&[
            "catalogues/none.parquet",
            "catalogues/snappy.parquet",
            "catalogues/zstd.parquet",
        ]),
        "npy" => vec![
            npy("'<f4'", "(2, 3, 3, 2)", 144),
            npy("'>i2'", "(2, 3, 3)", 36),
            npy("[('a', '<f4')]", "(2,)", 8),
        ],
        "model" => vec![model()],
        "checkpoint" => vec![checkpoint()],
        "network" => [
            super::common::TINY,
            include_str!("../../assets/networks/residual55.toml"),
            TINY,
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "population" => [POPULATION, include_str!("../../assets/presets/lenstronomy-check.toml")]
            .map(|text| text.as_bytes().to_vec())
            .into(),
        "run" => vec![run()],
        _ => panic!("there are no files of the kind {kind}"),
    }
}

fn npy(dtype: &str, shape: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((118u16).to_le_bytes());
    file.extend(format!("{header:117}\n").bytes());
    file.extend((0..bytes).map(|i| i as u8));
    file
}

/// Files of early versions have no checksum; so a damaged one is read as well.
fn without_checksum(bytes: &[u8]) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    assert!(metadata.remove("sha256").is_some());
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap()
}

fn model() -> Vec<u8> {
    let images: Vec<f32> = (0..30 * 9).map(|i| (i as f32 * 12.9898).sin() * 43.758).collect();
    let labels: Vec<f64> = (0..30).map(|i| 1.0 + 0.05 * i as f64).collect();
    let network = Network::from_toml(TINY, &[3, 3, 1]).unwrap();
    let options = TrainOptions {
        members: vec![0, 1],
        epochs: 1,
        batch: 8,
        ..Recipe::Vanilla.options()
    };
    let data = LabelledImages::new(&images, [3, 3, 1], &labels);
    let trained = train_arrays(&data, Start::Network(&network), &options, &Device::Cpu, &ignore_events).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained.model.write(&path).unwrap();
    without_checksum(&fs::read(path).unwrap())
}

fn checkpoint() -> Vec<u8> {
    let mut trainer = tiny_trainer();
    for _ in 0..2 {
        trainer.epoch(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    trainer.checkpoint().unwrap().write(&path).unwrap();
    without_checksum(&fs::read(path).unwrap())
}

fn run() -> Vec<u8> {
    let options = lensgpu::train::RunOptions {
        lensgpu: "test".into(),
        data: super::common::data_options(Path::new("images")),
        simulate: None,
        from: None,
        folds: Some(lensgpu::train::Folds::Count(3)),
        training: TrainOptions::default(),
        network: Network::from_toml(super::common::TINY, &[12, 12, 2]).unwrap(),
    };
    toml::to_string(&options).unwrap().into_bytes()
}

#[test]
fn all_files_are_valid() {
    for (kind, accepts) in super::inputs::ALL {
        for (i, seed) in seeds(kind).iter().enumerate() {
            // Records are no images, and binary tables may have columns that are no ids.
            let accepted = accepts(seed);
            assert!(
                accepted || kind.ends_with("table") || (kind, i) == ("npy", 2),
                "{kind} {i}"
            );
        }
    }
}

/// Writes the files of `fuzz/corpus` that are not in `tests/data`.
#[test]
#[ignore = "writes into the repository"]
fn write_corpora() {
    for kind in ["csv", "npy", "model", "checkpoint", "network", "population", "run"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(kind);
        fs::create_dir_all(&folder).unwrap();
        for (i, seed) in seeds(kind).iter().enumerate() {
            fs::write(folder.join(i.to_string()), seed).unwrap();
        }
    }
}
