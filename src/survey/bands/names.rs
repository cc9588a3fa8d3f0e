//! The band names of images and of the planes of cubes.

use super::role::words;
use crate::survey::fits::ImageHdu;

/// The names of one plane of flux.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PlaneNames {
    /// The names under which it can be asked for, the best one first.
    pub all: Vec<String>,
    /// Whether the first of them is surely that of a band: the only image of a file may be named for the object.
    pub sure: bool,
}

/// Extension names, and endings of them, that say "flux" and nothing about the band.
const FLUX_WORDS: [&str; 11] = [
    "SCI",
    "IMAGE",
    "PRIMARY",
    "COMPRESSED",
    "FLUX",
    "DATA",
    "BGSUB",
    "IMG",
    "CUTOUT",
    "STACK",
    "COADD",
];

/// Whether a part of a name only says that an image is flux.
pub(super) fn is_flux_word(word: &str) -> bool {
    FLUX_WORDS.iter().any(|flux| flux.eq_ignore_ascii_case(word))
}

/// Keywords with the name of the band, in order of preference.
const KEYWORDS: [&str; 8] = [
    "LAYER",
    "FILTER",
    "BAND",
    "FILTNAM",
    "FILTNAME",
    "FILTER1",
    "FILTER2",
    "FPA.FILTER",
];

/// The most band keywords (`BAND0`, `BAND1`, ...) that are looked for.
const MOST_BANDS: usize = 100;

impl PlaneNames {
    /// The name to show.
    pub fn label(&self) -> Option<&str> {
        self.all.first().map(String::as_str)
    }

    /// Names of an image of one plane; `alone` says that the file has no other flux.
    pub fn of_image(image: &ImageHdu, alone: bool) -> PlaneNames {
        let extension = image.name.clone().unwrap_or_default();
        let mut parts = words(&extension);
        let whole = parts.len();
        while parts.last().is_some_and(|word| is_flux_word(word)) {
            parts.pop();
        }
        while parts.first().is_some_and(|word| is_flux_word(word)) {
            parts.remove(0);
        }
        let marked = parts.len() < whole;
        let band = parts.join("_");
        let mut names = PlaneNames::default();
        if !band.is_empty() && (!alone || marked) {
            names.add(if marked { band.clone() } else { extension.clone() });
            names.sure = true;
        }
        // A filter in the primary header is not that of every extension if they have names of bands.
        let keywords = filters(image, names.sure && !alone);
        names.sure |= !keywords.is_empty();
        keywords.into_iter().for_each(|name| names.add(name));
        // The whole name of the extension can always be asked for.
        if !extension.is_empty() {
            names.add(extension);
        }
        names
    }

    /// Names of the planes of a cube.
    pub fn of_cube(image: &ImageHdu) -> Vec<PlaneNames> {
        let planes = image.planes;
        let name = |text: &str| PlaneNames {
            all: vec![text.trim().to_owned()],
            sure: true,
        };
        for key in ["BANDS", "FILTERS", "FILTER"] {
            let Some(text) = image.keywords.text(key) else { continue };
            let separated: Vec<&str> = words(&text);
            if separated.len() == planes {
                return separated.into_iter().map(name).collect();
            }
            // `griz`: one letter per band.
            if text.chars().count() == planes && separated.len() == 1 {
                return text.chars().map(|c| name(&c.to_string())).collect();
            }
        }
        for stem in ["BAND", "FILTER", "FILT"] {
            for first in [0, 1] {
                let named: Option<Vec<String>> = (first..first + planes.min(MOST_BANDS))
                    .map(|i| image.keywords.text(&format!("{stem}{i}")))
                    .collect();
                if let Some(named) = named.filter(|named| named.len() == planes) {
                    return named.iter().map(|text| name(text)).collect();
                }
            }
        }
        vec![PlaneNames::default(); planes]
    }

    fn add(&mut self, name: String) {
        if !self.all.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            self.all.push(name);
        }
    }
}

/// The filters that the header names; `own`: the image's own header, without that of the file.
fn filters(image: &ImageHdu, own: bool) -> Vec<String> {
    let texts = |key: &str| match own {
        true => image.keywords.own_text(key).into_iter().collect(),
        false => image.keywords.texts(key),
    };
    let named = KEYWORDS.iter().flat_map(|key| texts(key));
    let mut filters: Vec<String> = named.filter(|name| is_filter(name)).collect();
    // `ACS WFC1 F814W MJD#53990.6704`.
    if filters.is_empty()
        && let Some(mode) = texts("PHOTMODE").first()
    {
        let filter = words(mode)
            .into_iter()
            .map(str::to_owned)
            .find(|word| is_hubble_filter(word));
        filters.extend(filter);
    }
    filters
}

/// Whether a keyword names a filter, and not that there is none.
fn is_filter(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !(name.starts_with("CLEAR") || ["NONE", "OPEN", "N/A", "UNKNOWN"].contains(&name.as_str()))
}

/// `F814W`, `F160W`, `F115W`, `F350LP`.
fn is_hubble_filter(word: &str) -> bool {
    let mut rest = word.chars().skip(1).skip_while(char::is_ascii_digit);
    word.starts_with(['F', 'f'])
        && word.len() >= 5
        && word.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
        && rest.next().is_some_and(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_filters() {
        for (word, is) in [
            ("F814W", true),
            ("F160W", true),
            ("F350LP", true),
            ("WFC1", false),
            ("MJD", false),
            ("F12", false),
        ] {
            assert_eq!(is_hubble_filter(word), is, "{word}");
        }
        assert!(!is_filter("CLEAR1L") && !is_filter("none") && is_filter("F475W"));
    }
}
