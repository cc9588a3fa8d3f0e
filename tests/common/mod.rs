//! Shared by the tests of complete trainings: devices, a tiny network, images with known labels, and folders of them.
#![allow(dead_code)]

pub mod program;

use lensgpu::device::Device;
use lensgpu::model::Ensemble;
use lensgpu::model::Member;
use lensgpu::nn::Network;
use lensgpu::posterior::MemberPredictions;
use lensgpu::train::{DataOptions, Dataset, EpochEnd, Examples, Recipe, TrainOptions, Trainer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

/// Every device that training must run on. Without a software adapter the tests fail, and say what to install.
pub fn devices() -> [Device; 2] {
    static DEVICES: OnceLock<[Device; 2]> = OnceLock::new();
    let choose = |name| Device::choose(name).unwrap_or_else(|error| panic!("{error:#}"));
    DEVICES.get_or_init(|| ["cpu", "software"].map(choose)).clone()
}

/// A small network.
pub const TINY: &str = "
[[layers]]
layer = 'conv'
name = 'conv1'
filters = 4
kernel = 3
activation = 'relu'
[[layers]]
layer = 'norm'
name = 'norm1'
[[layers]]
layer = 'maxpool'
size = 2
[[layers]]
layer = 'flatten'
[[layers]]
layer = 'dense'
name = 'dense1'
units = 8
activation = 'relu'
[[layers]]
layer = 'norm'
name = 'norm2'
[[layers]]
layer = 'heads'
mean = 'mean'
var = 'var'
";

/// A population of bright lenses in small images, which are simulated quickly.
pub const POPULATION: &str = r#"
description = "bright lenses in small images"
size = 21
pixel_scale = 0.2
zero_point = 0.0
label = "theta_e_crit"
samples = 2
lens_share = 1.0

[[bands]]
name = "G"
file = "G/{id}.fits"
electron = 0.5
sky = 100
psf = { kind = "gaussian", fwhm = 0.4 }

[[bands]]
name = "R"
file = "R/{id}.fits"
electron = 2.0
sky = 400
psf = { kind = "gaussian", fwhm = 0.4 }

[deflector]
theta_e = { uniform = [0.3, 1.2] }
axis_ratio = { uniform = [0.7, 1] }
slope = 1
shear = 0.02
centre = 0.05

[lens_light]
brightness = { flux = 100, colours = [1, 4] }
radius = { arcsec = 0.2, within = [0.01, 1] }
index = 1

[source]
brightness = { flux = 200, colours = [1, 4] }
radius = { arcsec = 0.1, within = [0.01, 1] }
index = 1
axis_ratio = 0.8
offset = { within = 0.3 }
"#;

/// Height, width and channels of the images: not square, and no multiples of four.
pub const IMAGE: [usize; 3] = [12, 11, 2];

pub fn tiny() -> Network {
    Network::from_toml(TINY, &IMAGE).unwrap()
}

/// Rings in noise of standard deviation 1, whose size and brightness follow from their label (0.5 to 2 arcsec). A seed
/// always gives the same ones.
pub fn rings(count: usize, seed: u64, [h, w, c]: [usize; 3]) -> Examples {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = move || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let labels: Vec<f64> = (0..count).map(|i| 0.5 + 1.5 * (i as f64 * 0.618_034).fract()).collect();
    let mut images = Vec::with_capacity(count * h * w * c);
    for label in &labels {
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            let radius = (y as f64 - (h as f64 - 1.0) / 2.0).hypot(x as f64 - (w as f64 - 1.0) / 2.0);
            let ring = 4.0 * label * (-(radius - 2.5 * label).powi(2)).exp();
            images.extend((0..c).map(|_| ring as f32 + noise()));
        }
    }
    Examples { images, labels }
}

/// Rings to train on, and others for validation.
pub fn dataset(train: usize, validation: usize) -> Dataset {
    Dataset {
        train: rings(train, 1, IMAGE),
        validation: rings(validation, 2, IMAGE),
        bands: vec![],
        scale: 0.433,
        shift: 0.0,
        fingerprint: 1,
    }
}

/// These members and epochs, batches of 10, and a learning rate for the tiny network.
pub fn options(members: impl IntoIterator<Item = u32>, epochs: usize) -> TrainOptions {
    TrainOptions {
        members: members.into_iter().collect(),
        batch: 10,
        epochs,
        learning_rate: 2e-2,
        final_rate: 1e-3,
        ..Recipe::Vanilla.options()
    }
}

/// The images and labels of a folder, everything about them detected.
pub fn data_options(dir: &Path) -> DataOptions {
    DataOptions::new(dir)
}

/// Trains to the end.
pub fn finish(trainer: &mut Trainer) {
    while !trainer.is_done() {
        let ended = trainer.epoch(&mut |_| ControlFlow::Continue(())).unwrap();
        assert!(matches!(ended, EpochEnd::Complete));
    }
}

/// A complete training of the tiny network.
pub fn trained(device: &Device, data: Dataset, options: &TrainOptions) -> Trainer {
    let mut trainer = Trainer::new(device, &tiny(), data, options, None).unwrap();
    finish(&mut trainer);
    trainer
}

/// Predictions of the trained members, in scaled labels.
pub fn predictions(
    device: &Device,
    network: &Network,
    trainer: &mut Trainer,
    images: &[f32],
) -> Vec<MemberPredictions> {
    let members: Vec<Member> = trainer
        .members()
        .unwrap()
        .into_iter()
        .map(|(member, _)| member)
        .collect();
    let mut ensemble = Ensemble::of_members(device, network, &members, 16).unwrap();
    ensemble.predict(images).unwrap()
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Fails unless the message contains every part.
#[track_caller]
pub fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

/// `images.npy` of these images, and the catalogue with their labels: ids 0, 1, ...
pub fn write_stack(dir: &Path, examples: &Examples, [h, w, c]: [usize; 3]) {
    use npyz::WriterBuilder;
    let shape = [examples.labels.len(), h, w, c].map(|n| n as u64);
    let file = fs::File::create(dir.join("images.npy")).unwrap();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(file)
        .begin_nd()
        .unwrap();
    writer.extend(examples.images.iter().copied()).unwrap();
    writer.finish().unwrap();
    let mut table = String::from("id,theta_e\n");
    for (id, label) in examples.labels.iter().enumerate() {
        writeln!(table, "{id},{label}").unwrap();
    }
    fs::write(dir.join("catalogue.csv"), table).unwrap();
}

/// Bytes of a FITS image: 32-bit floats, `pixel_scale` in arcsec, its centre at `ra_dec` in degrees.
pub fn fits(pixels: &[f32], width: usize, pixel_scale: f64, ra_dec: (f64, f64)) -> Vec<u8> {
    let height = pixels.len() / width;
    let centre = |size: usize| format!("{:.1}", (size as f64 + 1.0) / 2.0);
    let step = pixel_scale / 3600.0;
    let cards = [
        ("SIMPLE", "T".into()),
        ("BITPIX", "-32".into()),
        ("NAXIS", "2".into()),
        ("NAXIS1", width.to_string()),
        ("NAXIS2", height.to_string()),
        ("CTYPE1", "'RA---TAN'".into()),
        ("CTYPE2", "'DEC--TAN'".into()),
        ("CRPIX1", centre(width)),
        ("CRPIX2", centre(height)),
        ("CRVAL1", format!("{:.9}", ra_dec.0)),
        ("CRVAL2", format!("{:.9}", ra_dec.1)),
        ("CDELT1", format!("{:.12}", -step)),
        ("CDELT2", format!("{step:.12}")),
    ];
    let mut bytes: Vec<u8> = cards
        .iter()
        .flat_map(|(key, value): &(&str, String)| format!("{:80}", format!("{key:8}= {value:>20}")).into_bytes())
        .chain(format!("{:80}", "END").into_bytes())
        .collect();
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes.extend(pixels.iter().flat_map(|v| v.to_be_bytes()));
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}
