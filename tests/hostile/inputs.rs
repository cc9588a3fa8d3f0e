//! What reads files that others made, one function per kind of file. Each takes the bytes of a file and returns whether
//! they are accepted. None may panic, or take time or memory that the length of the file does not justify.
//!
//! `fuzz/` has a target for each of them.

use lensgpu::lens::simulate::plan::Window;
use lensgpu::lens::{Population, Simulator};
use lensgpu::nn::Layout;
use lensgpu::survey::{Catalogue, ImageFolder, ImageFolderOptions};
use lensgpu::train::checkpoint::Checkpoint;
use lensgpu::train::{Dataset, Examples, Recipe, RunOptions, TrainOptions, Trainer};
use lensgpu::{Device, Model, Network, Predictor};
use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// A kind of file: its name, which is that of the target in `fuzz/`, and what reads it.
pub type Input = (&'static str, fn(&[u8]) -> bool);

/// All kinds.
pub const ALL: [Input; 11] = [
    ("fits_image", fits_image),
    ("fits_table", fits_table),
    ("csv", csv),
    ("votable", votable),
    ("parquet", parquet),
    ("npy", npy),
    ("model", model),
    ("checkpoint", checkpoint),
    ("network", network),
    ("population", population),
    ("run", run),
];

/// Networks and models with more weights, or larger images, are not computed: they need the memory that they ask for.
const FEW: usize = 100_000;

/// The network of the checkpoint in `fuzz/corpus`.
pub const TINY: &str = "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'dense', units = 2, \
                        activation = 'relu' }, { layer = 'heads', mean = 'mean', var = 'var' }]";

/// Height, width and bands of its images.
pub const SHAPE: [usize; 3] = [3, 3, 1];

/// Calls `read` with a folder in which the file `name` has this content.
fn in_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    read(folder.path())
}

fn images(folder: &Path, pattern: Option<&str>) -> bool {
    let options = ImageFolderOptions {
        images: pattern.map(String::from),
        require_labels: false,
        ..ImageFolderOptions::new(folder)
    };
    let Ok(folder) = ImageFolder::open(&options) else {
        return false;
    };
    folder.read(0).is_ok() && folder.read(folder.len() - 1).is_ok()
}

/// An image, also a compressed one.
pub fn fits_image(bytes: &[u8]) -> bool {
    in_file("a.fits", bytes, |folder| images(folder, Some("{id}.fits")))
}

/// A stack of images.
pub fn npy(bytes: &[u8]) -> bool {
    in_file("images.npy", bytes, |folder| images(folder, None))
}

fn catalogue(name: &str, bytes: &[u8]) -> bool {
    in_file(name, bytes, |folder| {
        let Ok(catalogue) = Catalogue::read(&folder.join(name)) else {
            return false;
        };
        for column in 0..catalogue.columns.len() {
            catalogue.described(column);
            for row in 0..catalogue.len().min(100) {
                catalogue.cell(row, column);
                catalogue.number(row, column);
                catalogue.text(row, column);
            }
        }
        !catalogue.columns.is_empty() && catalogue.rows_by_id(0).is_ok()
    })
}

/// A table in a FITS file.
pub fn fits_table(bytes: &[u8]) -> bool {
    catalogue("a.fits", bytes)
}

/// A table of text.
pub fn csv(bytes: &[u8]) -> bool {
    catalogue("a.csv", bytes)
}

/// A VOTable.
pub fn votable(bytes: &[u8]) -> bool {
    catalogue("a.vot", bytes)
}

/// A Parquet file.
pub fn parquet(bytes: &[u8]) -> bool {
    catalogue("a.parquet", bytes)
}

/// A model: what it predicts is finite, or has a flag.
pub fn model(bytes: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(bytes) else {
        return false;
    };
    let size = model.network.input_shape().len();
    if model.members.iter().map(|m| m.params.len()).sum::<usize>() > FEW || size > FEW {
        return true;
    }
    let Ok(mut predictor) = Predictor::new(model, &Device::Cpu) else {
        return true;
    };
    let image: Vec<f32> = (0..size).map(|i| (i as f32).sin()).collect();
    for predicted in predictor.predict(&image).unwrap_or_default() {
        let p = predicted.prediction;
        let numbers = [p.theta_e, p.sigma, p.sigma_aleatoric, p.sigma_epistemic];
        let more = predicted.p_lens.into_iter().chain(predicted.ood_score);
        let finite = numbers.into_iter().chain(p.quantiles).chain(more).all(f64::is_finite);
        assert!(finite || predicted.flags != 0, "{predicted:?}");
    }
    true
}

/// The training of the checkpoint in `fuzz/corpus`.
pub fn tiny_trainer() -> Trainer {
    let network = Network::from_toml(TINY, &SHAPE).unwrap();
    let options = TrainOptions {
        members: vec![0, 1],
        epochs: 3,
        batch: 4,
        ..Recipe::Vanilla.options()
    };
    trainer(&network, &options).unwrap()
}

fn trainer(network: &Network, options: &TrainOptions) -> Option<Trainer> {
    let size = network.input_shape().len();
    let examples = |count: usize| Examples {
        images: (0..count * size).map(|i| (i as f32).sin()).collect(),
        labels: (0..count).map(|i| 0.5 + 0.1 * i as f64).collect(),
    };
    let data = Dataset {
        train: examples(8),
        validation: examples(2),
        bands: vec![],
        scale: 0.5,
        shift: 0.0,
        fingerprint: 1,
    };
    Trainer::new(&Device::Cpu, network, data, options, None).ok()
}

/// A checkpoint, from which a training goes on.
pub fn checkpoint(bytes: &[u8]) -> bool {
    thread_local! {
        static TRAINER: RefCell<Option<Trainer>> = const { RefCell::new(None) };
    }
    let Ok(checkpoint) = in_file("checkpoint", bytes, |folder| {
        Checkpoint::read(&folder.join("checkpoint"))
    }) else {
        return false;
    };
    TRAINER.with_borrow_mut(|trainer| {
        let trainer = trainer.get_or_insert_with(tiny_trainer);
        if trainer.restore(checkpoint).is_err() {
            return false;
        }
        if !trainer.is_done() {
            let _ = trainer.epoch(&mut |_| ControlFlow::Continue(()));
        }
        let _ = trainer.members();
        let _ = trainer.checkpoint();
        true
    })
}

/// A network file, which is trained for a step.
pub fn network(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(network) = Network::from_toml(&text, &[12, 12, 2]) else {
        return false;
    };
    let Ok(layout) = Layout::new(&network) else {
        return false;
    };
    let shapes = network.shapes().unwrap();
    let values: usize = shapes.iter().map(|[_, out]| out.len()).sum();
    // Products of kernels and images.
    let work = layout
        .values()
        .saturating_mul(shapes.iter().map(|[_, out]| out.h * out.w).max().unwrap_or(1));
    if layout.values() > FEW || values > FEW || work > 100 * FEW {
        return true;
    }
    let options = TrainOptions {
        members: vec![0],
        epochs: 1,
        batch: 2,
        ..Recipe::Vanilla.options()
    };
    if let Some(mut trainer) = trainer(&network, &options) {
        let _ = trainer.epoch(&mut |_| ControlFlow::Break(()));
    }
    true
}

/// A population, of which an object is simulated.
pub fn population(bytes: &[u8]) -> bool {
    in_file("a.toml", bytes, |folder| {
        let Ok(population) = Population::read(&folder.join("a.toml")) else {
            return false;
        };
        let rays = population.size * population.samples;
        if rays * rays * population.bands.len() > FEW {
            return true;
        }
        let window = Window::whole(&population);
        if let Ok(mut simulator) = Simulator::new(&Device::Cpu, &population, window, 1, 1) {
            let _ = simulator.run(0, &mut |object| {
                assert!(object.image.iter().all(|value| value.is_finite()));
                ControlFlow::Break(())
            });
        }
        true
    })
}

/// The options of a run, `run.toml`.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(options) = toml::from_str::<RunOptions>(&String::from_utf8_lossy(bytes)) else {
        return false;
    };
    let known = options.data.image_folder(true).is_ok();
    let population = options
        .simulate
        .as_ref()
        .is_none_or(|simulate| simulate.population().is_ok());
    known && population && options.training.check().is_ok() && Layout::new(&options.network).is_ok()
}
