//! The bands as the user or a model names them.

use super::BandsError;
use std::fmt;
use std::str::FromStr;

/// A band of the network, and its name in the files: `g`, or `g=HSC-G` if the names differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandChoice {
    /// The name of the network's channel.
    pub name: String,
    /// The name in the files.
    pub file: String,
}

impl FromStr for BandChoice {
    type Err = BandsError;

    fn from_str(text: &str) -> Result<BandChoice, BandsError> {
        let (name, file) = text.split_once('=').unwrap_or((text, text));
        let (name, file) = (name.trim().to_owned(), file.trim().to_owned());
        match name.is_empty() || file.is_empty() {
            true => Err(BandsError::EmptyName { text: text.into() }),
            false => Ok(BandChoice { name, file }),
        }
    }
}

impl fmt::Display for BandChoice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.name == self.file {
            true => f.write_str(&self.name),
            false => write!(f, "{}={}", self.name, self.file),
        }
    }
}

impl BandChoice {
    /// The choices that these texts stand for.
    ///
    /// # Errors
    /// An empty name, or a name of two channels.
    pub fn all(texts: &[String]) -> Result<Vec<BandChoice>, BandsError> {
        let choices: Vec<BandChoice> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        for (i, choice) in choices.iter().enumerate() {
            if choices[..i].iter().any(|other| other.name == choice.name) {
                return Err(BandsError::TwoChannels {
                    name: choice.name.clone(),
                });
            }
        }
        Ok(choices)
    }

    /// Whether the channels are called `band1`, `band2`, ... because nothing named them.
    pub(in crate::survey) fn are_unnamed(bands: &[BandChoice]) -> bool {
        bands.iter().map(|band| &band.file).eq(&unnamed(bands.len()))
    }
}

/// The names of so many channels that nothing names: `band1`, `band2`, ...
pub(in crate::survey) fn unnamed(channels: usize) -> Vec<String> {
    (1..=channels).map(|i| format!("band{i}")).collect()
}

/// The bands of the files for a model with the bands `model`, if the user names the bands `given`.
///
/// Names that are the model's in another order, or that are not the model's, are refused: the network would see one band
/// in place of another without any sign of it. Pairs say which band of the files is which of the model's; their order
/// does not matter, nor which of the two names comes first, unless both are names of the model.
///
/// # Errors
/// Names in another order than the model's, and other names.
pub fn model_bands(model: &[String], given: Option<&[String]>) -> Result<Vec<String>, BandsError> {
    let Some(given) = given else { return Ok(model.to_vec()) };
    let choices = BandChoice::all(given)?;
    let refused = || BandsError::NotTheModels {
        expected: model.to_vec(),
        found: choices.iter().map(ToString::to_string).collect(),
    };
    if choices.len() != model.len() {
        return Err(refused());
    }
    let unnamed = *model == *unnamed(model.len());
    let plain = choices.iter().all(|choice| choice.name == choice.file);
    if plain {
        let same = |(choice, name): (&BandChoice, &String)| choice.name.eq_ignore_ascii_case(name);
        return match choices.iter().zip(model).all(same) {
            // File names may have another case than the model's names.
            true => Ok(paired(model, &choices)),
            // The model knows no names: those of the files are taken in the model's order.
            false if unnamed => Ok(paired(model, &choices)),
            false => Err(refused()),
        };
    }
    let pairs = |swapped: bool| {
        let pair = |name: &String| {
            choices.iter().find_map(|choice| {
                let (own, file) = match swapped {
                    false => (&choice.name, &choice.file),
                    true => (&choice.file, &choice.name),
                };
                own.eq_ignore_ascii_case(name).then(|| format!("{name}={file}"))
            })
        };
        model.iter().map(pair).collect::<Option<Vec<_>>>()
    };
    pairs(false).or_else(|| pairs(true)).ok_or_else(refused)
}

/// The model's bands with the names in the files, in the same order.
fn paired(model: &[String], choices: &[BandChoice]) -> Vec<String> {
    let pair = |(choice, name): (&BandChoice, &String)| {
        let pair = BandChoice {
            name: name.clone(),
            file: choice.file.clone(),
        };
        pair.to_string()
    };
    choices.iter().zip(model).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bands(model: &str, given: &str) -> Result<String, String> {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let bands = model_bands(&list(model), Some(&list(given)));
        bands.map(|bands| bands.join(",")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_models_order_counts() {
        assert_eq!(bands("g,r,i", "g,r,i").unwrap(), "g,r,i");
        assert_eq!(bands("g,r,i", "G,R,i").unwrap(), "g=G,r=R,i");
        for other in ["r,g,i", "g,r", "a,b,c", "g,r,z"] {
            let error = bands("g,r,i", other).unwrap_err();
            assert!(
                error.contains("g, r, i") && error.contains(&other.replace(',', ", ")),
                "{error}"
            );
        }
        assert_eq!(bands("band1,band2", "g,r").unwrap(), "band1=g,band2=r");
    }

    #[test]
    fn pairs_say_which_band_is_which() {
        assert_eq!(bands("g,r", "g=HSC-G,r=HSC-R").unwrap(), "g=HSC-G,r=HSC-R");
        assert_eq!(bands("g,r", "r=HSC-R,g=HSC-G").unwrap(), "g=HSC-G,r=HSC-R");
        assert_eq!(bands("g,r", "a=g,b=r").unwrap(), "g=a,r=b");
        assert_eq!(bands("g,r", "g=r,r=g").unwrap(), "g=r,r=g");
        assert!(bands("g,r", "x=y,g=r").is_err());
        assert!(bands("g,r", "g=a,g=b").unwrap_err().contains("'g'"));
        assert!(bands("g,r", "g=,r").is_err());
    }
}
