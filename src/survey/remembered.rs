//! What a model remembers of how its training images are stored, and folders that are stored alike.

use super::error::{Error, Result};
use super::folder::{FolderError, ImageFolderOptions};
use super::layout::{FolderLayout, has_files, usual_pattern};
use super::preset::Preset;
use super::tabular::Missing;
use crate::files;
use serde::{Deserialize, Serialize};

/// How images were stored and their catalogue read: what a model remembers of its training images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageSource {
    /// Name of the survey preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Pattern of the file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The bands as they were given, if the files have other names for them: `g=HSC-G`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<String>,
    /// The column of the ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// The column of the label, arcsec, if it is not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is done with rows of a table that lack a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

impl ImageSource {
    /// Without its names of the bands, if the user names them.
    pub(crate) fn unless_named(self, bands: Option<&[String]>) -> ImageSource {
        match bands {
            Some(_) => ImageSource { bands: vec![], ..self },
            None => self,
        }
    }
}

impl ImageFolderOptions {
    /// How other images were stored; nothing is known if the options do not say.
    pub(super) fn remembered(&self) -> ImageSource {
        self.like.clone().unwrap_or_default()
    }

    /// The options with what is remembered of the files, if the folder has such files; and a note if it has others.
    pub(super) fn as_remembered(&self) -> Result<(ImageFolderOptions, Option<String>)> {
        let bands = self.remembered().bands;
        if !bands.is_empty() {
            let renamed = ImageFolderOptions {
                bands: Some(bands),
                ..self.clone()
            };
            let (options, note) = renamed.with_remembered_files()?;
            if has_files(&options)? && FolderLayout::detect(&options).is_ok() {
                return Ok((options, note));
            }
        }
        self.with_remembered_files()
    }

    /// The options with the remembered preset or pattern, if neither is given and the folder has such files; and a note
    /// if the folder has others.
    fn with_remembered_files(&self) -> Result<(ImageFolderOptions, Option<String>)> {
        let ImageSource { preset, pattern, .. } = self.remembered();
        let remembered = ImageFolderOptions {
            // It must not lead elsewhere.
            images: pattern.filter(|pattern| files::is_below(pattern)),
            // A later version may know other presets.
            preset: preset.and_then(|name| Preset::by_name(&name).ok()),
            ..self.clone()
        };
        let given = self.images.is_some() || self.preset.is_some();
        if given || (remembered.images.is_none() && remembered.preset.is_none()) {
            return Ok((self.clone(), None));
        }
        if has_files(&remembered)? {
            return Ok((remembered, None));
        }
        let note = |found: &str| {
            let pattern = remembered.images.as_ref()?;
            Some(format!(
                "no file has a name like those that the model was trained on ({pattern}); the images are {found}"
            ))
        };
        match FolderLayout::detect(self) {
            Ok(found) => {
                let name = |preset: &Preset| format!("those of the preset {}", preset.name);
                return Ok((self.clone(), note(&found.preset.map_or("a stack".into(), name))));
            }
            Err(Error::Folder(FolderError::NotRecognised { .. } | FolderError::Empty { .. })) => {}
            // Such as a stack whose axes have another order: this is what is wrong, not the names of the files.
            Err(_) => return Ok((self.clone(), None)),
        }
        // Files with all bands may have another ending: they may be compressed.
        let one_per_object = remembered
            .images
            .as_ref()
            .is_some_and(|pattern| !pattern.contains("{band}"));
        match usual_pattern(&self.dir).ok().flatten().filter(|_| one_per_object) {
            Some(pattern) => {
                let note = note(&pattern);
                Ok((
                    ImageFolderOptions {
                        images: Some(pattern),
                        ..self.clone()
                    },
                    note,
                ))
            }
            // The remembered names are what is missing.
            None => Ok((remembered, None)),
        }
    }
}
