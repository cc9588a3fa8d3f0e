//! A model and the stack of images that it is tried on, from the arguments of an example.

use anyhow::{Context, Result};
use lensgpu::model::Model;
use lensgpu::survey::{ImageFolder, ImageFolderOptions};
use std::collections::HashSet;
use std::path::Path;

/// What the arguments name.
pub struct Stack {
    pub model: Model,
    pub source: ImageFolder,
    /// Ids of the first column of the last argument, if it is given.
    held_out: Option<HashSet<String>>,
}

impl Stack {
    /// Opens `MODEL DIR BANDS [HELD_OUT.csv]`.
    pub fn open(args: &[String]) -> Result<Stack> {
        let [model, dir, bands, rest @ ..] = args else {
            anyhow::bail!("give a model, the folder of a stack, its bands as in R,I,G, and the held_out.csv of a run");
        };
        let model = Model::read(Path::new(model))?;
        let source = ImageFolder::open(&ImageFolderOptions {
            bands: Some(bands.split(',').map(String::from).collect()),
            crop: Some(model.network.input_shape().h),
            ..ImageFolderOptions::new(dir)
        })?;
        let ids = |path: &String| {
            let mut rows = csv::Reader::from_path(path).with_context(|| path.clone())?;
            let ids = rows.records().map(|row| Ok(row?[0].to_string()));
            ids.collect::<Result<_>>()
        };
        Ok(Stack {
            model,
            source,
            held_out: rest.first().map(ids).transpose()?,
        })
    }

    /// The rows that are held out, or all if no ids are given; and the others.
    pub fn split(&self) -> (Vec<usize>, Vec<usize>) {
        let id = |row: usize| &self.source.objects[row].id;
        let is_held_out = |row: &usize| self.held_out.as_ref().is_none_or(|ids| ids.contains(id(*row)));
        (0..self.source.len()).partition(is_held_out)
    }
}
