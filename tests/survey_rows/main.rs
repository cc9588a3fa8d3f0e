//! Rows of catalogues and files of images as people have them: which image belongs to which row, what is written, what
//! counts as a label, what a model remembers, and files that are no images.

#![cfg(unix)] // for links between files

#[path = "../common/mod.rs"]
mod common;

mod bad_files;
mod columns;
mod conditions;
mod ids;
mod labels;
mod remembered;
mod rows;

use common::program::{self, Ran, done, program, ran};
use common::{TINY, data_options, fits, options, rings, says};
use lensgpu::device::Device;
use lensgpu::infer::{InferOptions, InferReport, infer};
use lensgpu::survey::table::{Cell, Column, TableWriter};
use lensgpu::survey::{Catalogue, ImageFolderOptions};
use lensgpu::train::RunOptions;
use lensgpu::train::run::{RunEnd, begin};
use lensgpu::{Event, Model, Network, Passes, ignore_events};
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;

/// Height, width and bands of the images.
const SHAPE: [usize; 3] = [12, 12, 1];

const NO_IMAGE: &str = "512";

/// A model of two members, trained on `{id}.fits` with the defaults, and its folder.
static MODEL: LazyLock<(TempDir, Model)> = LazyLock::new(|| {
    let dir = Images::of((0..24).map(|i| i.to_string()));
    dir.label("id,theta_e", "");
    let mut data = data_options(&dir.path(""));
    data.images = Some("{id}.fits".into());
    let options = RunOptions {
        lensgpu: "test".into(),
        data,
        simulate: None,
        from: None,
        folds: None,
        training: options([0, 1], 2),
        network: Network {
            input: vec![],
            layers: vec![],
        },
    };
    let network = |input: &[usize]| Ok(Network::from_toml(TINY, input).unwrap());
    let end = begin(&dir.path("run"), options, network, &Device::Cpu, &ignore_events).unwrap();
    let RunEnd::Complete { model, .. } = end else {
        panic!("nobody stops it")
    };
    let model = Model::read(model).unwrap();
    (dir.dir, model)
});

/// The model's file, for the program.
fn model_file() -> String {
    MODEL.0.path().join("run/model.safetensors").display().to_string()
}

/// A folder with images `ID.fits`, to which tests add files.
struct Images {
    dir: TempDir,
    ids: Vec<String>,
}

impl Images {
    fn of(ids: impl IntoIterator<Item = impl Into<String>>) -> Images {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let dir = tempfile::tempdir().unwrap();
        let size = SHAPE.iter().product();
        let lenses = rings(ids.len(), 3, SHAPE);
        for (id, image) in ids.iter().zip(lenses.images.chunks(size)) {
            fs::write(dir.path().join(format!("{id}.fits")), without_position(image)).unwrap();
        }
        Images { dir, ids }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// `catalogue.csv` with the ids and labels of the images, and more columns.
    fn label(&self, header: &str, more: &str) {
        let row = |(i, id): (usize, &String)| format!("{id},{}{more}\n", 0.5 + 0.05 * i as f64);
        let rows: String = self.ids.iter().enumerate().map(row).collect();
        self.write("catalogue.csv", format!("{header}\n{rows}"));
    }

    fn options(&self) -> ImageFolderOptions {
        ImageFolderOptions {
            images: Some("{id}.fits".into()),
            require_labels: false,
            ..ImageFolderOptions::new(self.dir.path())
        }
    }

    /// Options with a catalogue of this text.
    fn with(&self, catalogue: &str) -> ImageFolderOptions {
        ImageFolderOptions {
            catalogue: Some(self.write("targets.csv", catalogue)),
            ..self.options()
        }
    }

    /// `{name}` in a command line stands for a path in this folder, and MODEL for the model.
    fn line(&self, line: &str) -> Vec<String> {
        let path = |word: &str| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(name) if name != "id" => self.path(name).display().to_string(),
            _ => word.replace("MODEL", &model_file()).replace('~', " "),
        };
        line.split_whitespace().map(path).collect()
    }

    /// Runs the program. A `~` in the line stands for a space inside an argument.
    fn run(&self, line: &str) -> Ran {
        ran(&mut program(self.line(line)))
    }

    #[track_caller]
    fn done(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.stderr);
        ran
    }

    #[track_caller]
    fn fails(&self, line: &str, parts: &[&str]) {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(1), "{line}\n{}{}", ran.stdout, ran.stderr);
        says(&ran.stderr, parts);
    }
}

/// A FITS image without coordinates.
fn without_position(pixels: &[f32]) -> Vec<u8> {
    let mut bytes = fits(pixels, SHAPE[1], 0.2, (0.0, 0.0));
    // The first letters of the keywords of coordinates.
    for card in bytes[..2880].chunks_mut(80) {
        if [&b"CTYPE"[..], b"CRPIX", b"CRVAL", b"CDELT"]
            .iter()
            .any(|key| card.starts_with(key))
        {
            card[0] = b'X';
        }
    }
    bytes
}

/// What `infer` wrote and said.
struct Inferred {
    /// Deletes the file when it is dropped.
    _dir: TempDir,
    file: PathBuf,
    report: InferReport,
    /// Warnings and notes, one per line.
    said: String,
}

/// Predictions in a file with this extension.
fn inferred_as(options: ImageFolderOptions, extension: &str) -> Inferred {
    try_infer(options, extension, None).unwrap_or_else(|error| panic!("{error}"))
}

fn inferred(options: ImageFolderOptions) -> Inferred {
    inferred_as(options, "csv")
}

/// The error with all its causes.
fn refused(options: ImageFolderOptions) -> String {
    try_infer(options, "csv", None).err().expect("an error")
}

fn try_infer(options: ImageFolderOptions, extension: &str, truth: Option<&str>) -> Result<Inferred, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("out.{extension}"));
    let options = InferOptions {
        images: options,
        output: file.clone(),
        provenance: None,
        member_columns: true,
        truth: truth.map(String::from),
        passes: Passes {
            batch: 4,
            all_views: false,
        },
        resume: false,
        shard: None,
    };
    let said = Mutex::new(String::new());
    let report = infer(&MODEL.1, &Device::Cpu, &options, &|event| {
        if let Event::Warning(text) | Event::Note(text) = event {
            *said.lock().unwrap() += &format!("{text}\n");
        }
        ControlFlow::Continue(())
    });
    Ok(Inferred {
        report: report.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?,
        said: said.into_inner().unwrap(),
        _dir: dir,
        file,
    })
}

impl Inferred {
    /// Rows of a CSV file.
    fn rows(&self) -> Vec<HashMap<String, String>> {
        program::table(&self.file).1
    }

    /// One column of a file of any format.
    fn column(&self, name: &str) -> Vec<String> {
        let table = self.table();
        let column = table.column(name).unwrap_or_else(|error| panic!("{error}"));
        (0..table.len()).map(|row| table.text(row, column).to_owned()).collect()
    }

    fn table(&self) -> Catalogue {
        Catalogue::read(&self.file).unwrap()
    }
}

/// A table of any format, by its extension.
fn write_table(path: &Path, columns: Vec<Column>, rows: &[Vec<Cell>]) -> PathBuf {
    let mut writer = TableWriter::create(path, columns).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap();
    path.into()
}
