//! The models that the program contains: files of `assets/models/`. To add one, put its file there and its name here.

use super::{Error, Model};
use std::path::Path;

macro_rules! models {
    ($($name:literal),* $(,)?) => {
        &[$(ShippedModel {
            name: $name,
            bytes: include_bytes!(concat!("../../assets/models/", $name, ".safetensors")),
        }),*]
    };
}

/// All shipped models.
pub const SHIPPED: &[ShippedModel] = models!["lfc1-ground", "lfc1-space", "euclid-vis", "hst-f814w"];

/// A model that the program contains.
#[derive(Clone, Copy)]
pub struct ShippedModel {
    /// The name by which it is chosen.
    pub name: &'static str,
    /// The content of its file.
    pub bytes: &'static [u8],
}

impl ShippedModel {
    /// Parses the model.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`].
    pub fn read(&self) -> Result<Model, Error> {
        Model::from_bytes(self.bytes).map_err(|source| Error::Content {
            path: self.name.into(),
            source: source.into(),
        })
    }
}

/// A model as the user names it.
#[derive(Clone, Copy)]
pub enum Named<'a> {
    /// A file.
    File(&'a Path),
    /// One that the program contains.
    Shipped(&'static ShippedModel),
}

impl<'a> Named<'a> {
    /// What `name` means: a file of this path if there is one, otherwise the shipped model of this name. A path that is
    /// neither, but cannot be a name, is a file, which then cannot be read.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is neither.
    pub fn of(name: &'a Path) -> Result<Named<'a>, Error> {
        Named::among(SHIPPED, name)
    }

    fn among(shipped: &'static [ShippedModel], name: &'a Path) -> Result<Named<'a>, Error> {
        // A folder of images may well have the name of a model.
        if name.exists() && !name.is_dir() {
            return Ok(Named::File(name));
        }
        if let Some(model) = shipped.iter().find(|model| Path::new(model.name) == name) {
            return Ok(Named::Shipped(model));
        }
        if name.components().count() > 1 || name.extension().is_some() {
            return Ok(Named::File(name));
        }
        Err(Error::Unknown {
            name: name.display().to_string(),
            known: shipped.iter().map(|model| model.name).collect(),
        })
    }

    /// Reads the model.
    ///
    /// # Errors
    /// Those of [`Model::read`].
    pub fn read(self) -> Result<Model, Error> {
        match self {
            Named::File(path) => Model::read(path),
            Named::Shipped(model) => model.read(),
        }
    }
}

impl Model {
    /// Reads the file of this path, or else the shipped model of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`], and those of [`Model::read`].
    pub fn open(name: impl AsRef<Path>) -> Result<Model, Error> {
        Named::of(name.as_ref())?.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest size of a shipped model, bytes.
    const MOST: usize = 3_000_000;

    #[test]
    fn every_shipped_model_is_small_packed_and_described() {
        for shipped in SHIPPED {
            let model = shipped.read().unwrap();
            let name = shipped.name;
            assert!(shipped.bytes.len() <= MOST, "{name} has {} bytes", shipped.bytes.len());
            assert!(
                model.about.card.is_some(),
                "{name} has no card: see docs/models/README.md"
            );
            assert!(model.about.pixel_scale.is_some(), "{name} has no pixel scale");
            let page = format!("{}/docs/models/{name}.md", env!("CARGO_MANIFEST_DIR"));
            assert!(Path::new(&page).exists(), "{name} has no page in docs/models");
        }
    }

    const TABLE: &[ShippedModel] = &[
        ShippedModel {
            name: "sky",
            bytes: b"",
        },
        ShippedModel {
            name: "space",
            bytes: b"no model",
        },
    ];

    #[test]
    fn a_file_wins_over_a_name_and_an_unknown_name_lists_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("space");
        assert!(matches!(Named::among(TABLE, Path::new("space")), Ok(Named::Shipped(model)) if model.name == "space"));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Named::among(TABLE, &path), Ok(Named::File(file)) if file == path));
        assert!(
            matches!(Named::among(TABLE, Path::new("src")), Err(Error::Unknown { .. })),
            "a folder"
        );
        for file in ["runs/none", "none.safetensors", "./space"] {
            assert!(
                matches!(Named::among(TABLE, Path::new(file)), Ok(Named::File(_))),
                "{file}"
            );
        }
        let error = |table| Named::among(table, Path::new("ground")).err().unwrap().to_string();
        assert!(error(TABLE).ends_with("no shipped model of this name; the shipped models are sky, space"));
        assert!(error(&[]).ends_with("this program contains no models"));
        let error = Named::among(TABLE, Path::new("space"))
            .unwrap()
            .read()
            .unwrap_err()
            .to_string();
        assert_eq!(error, "space");
    }
}
