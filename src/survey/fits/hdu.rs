//! What an HDU is, and how long its data unit is.

use super::FitsError;
use super::header::Header;

/// What an HDU holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// An image of numbers.
    Image { bitpix: i64, axes: Vec<usize> },
    /// A tile-compressed image in a binary table.
    Compressed { bitpix: i64, axes: Vec<usize> },
    /// A table.
    Table,
    /// Random groups, or an extension that is none of the standard's.
    Other,
}

/// The content of an HDU, and the bytes of its data unit without padding (FITS standard 4.0, section 4.4.1).
pub(super) fn content(header: &Header, primary: bool) -> Result<(Content, u64), FitsError> {
    let bitpix = required(header, "BITPIX")?;
    if ![8, 16, 32, 64, -32, -64].contains(&bitpix) {
        return Err(damaged("BITPIX", bitpix));
    }
    let axes = axes(header, "NAXIS")?;
    let extra = |key, otherwise| match header.integer(key) {
        Some(n) if n < 0 => Err(damaged(key, n)),
        Some(n) => Ok(n as u64),
        None => Ok(otherwise),
    };
    let groups = primary && axes.first() == Some(&0) && header.is_true("GROUPS");
    let (parameters, count) = match groups || !primary {
        true => (extra("PCOUNT", 0)?, extra("GCOUNT", 1)?.max(1)),
        false => (0, 1),
    };
    let pixels = match axes[..] {
        [] => Some(0),
        _ => product(&axes[usize::from(groups)..]),
    };
    let bytes = pixels
        .and_then(|n| {
            n.checked_add(parameters)?
                .checked_mul(count)?
                .checked_mul(bitpix.unsigned_abs() / 8)
        })
        .filter(|&n| n < 1 << 62)
        .ok_or_else(|| FitsError::ImageSize { axes: axes.clone() })?;
    let content = match header.text("XTENSION").unwrap_or("IMAGE") {
        _ if groups => Content::Other,
        _ if primary => Content::Image { bitpix, axes },
        "IMAGE" => Content::Image { bitpix, axes },
        "BINTABLE" if header.is_true("ZIMAGE") => Content::Compressed {
            bitpix: required(header, "ZBITPIX")?,
            axes: self::axes(header, "ZNAXIS")?,
        },
        "BINTABLE" | "TABLE" => Content::Table,
        _ => Content::Other,
    };
    Ok((content, bytes))
}

/// The lengths of all axes, the fastest first.
fn axes(header: &Header, key: &str) -> Result<Vec<usize>, FitsError> {
    let count = required(header, key)?;
    if !(0..=999).contains(&count) {
        return Err(damaged(key, count));
    }
    let length = |axis| {
        let key = format!("{key}{axis}");
        match required(header, &key)? {
            n if n < 0 => Err(damaged(&key, n)),
            n => Ok(n as usize),
        }
    };
    (1..=count).map(length).collect()
}

fn product(axes: &[usize]) -> Option<u64> {
    axes.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64))
}

/// A whole number that the header must have.
pub(super) fn required(header: &Header, key: &str) -> Result<i64, FitsError> {
    header
        .integer(key)
        .ok_or_else(|| FitsError::MissingKeyword { keyword: key.into() })
}

fn damaged(keyword: &str, value: i64) -> FitsError {
    FitsError::DamagedHeader {
        keyword: keyword.into(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    fn size(lines: &[&str], primary: bool) -> (Content, u64) {
        content(&header(lines), primary).unwrap()
    }

    #[test]
    fn sizes_of_all_kinds_of_data_units() {
        let image = ["BITPIX = -32", "NAXIS   = 2", "NAXIS1  = 3.", "NAXIS2  = 5"]
            .map(|l| l.replacen("BITPIX =", "BITPIX  =", 1));
        let image: Vec<&str> = image.iter().map(String::as_str).collect();
        let axes = vec![3, 5];
        assert_eq!(size(&image, true), (Content::Image { bitpix: -32, axes }, 60));
        assert_eq!(size(&["BITPIX  = 8", "NAXIS   = 0"], true).1, 0);
        let zero = ["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 0"];
        assert_eq!(size(&zero, true).1, 0);
        let groups = [
            &zero[..3],
            &["NAXIS2  = 4", "GROUPS  = T", "PCOUNT  = 6", "GCOUNT  = 7"],
        ]
        .concat();
        assert_eq!(size(&groups, true), (Content::Other, 70));
        for unknown in ["FOREIGN", "IUEIMAGE", "A3DTABLE", "SOMETHING"] {
            let name = format!("XTENSION= '{unknown}'");
            let lines = [&[name.as_str()], &image[..], &["PCOUNT  = 10", "GCOUNT  = 2"]].concat();
            assert_eq!(size(&lines, false), (Content::Other, 200), "{unknown}");
        }
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let error = |lines: &[&str]| content(&header(lines), true).unwrap_err().to_string();
        assert!(error(&["NAXIS   = 0"]).contains("no valid BITPIX"));
        assert!(error(&["BITPIX  = 12", "NAXIS   = 0"]).contains("BITPIX is 12"));
        assert!(error(&["BITPIX  = 8", "NAXIS   = 1000"]).contains("NAXIS is 1000"));
        assert!(error(&["BITPIX  = 8", "NAXIS   = 1"]).contains("no valid NAXIS1"));
        let huge = [
            "BITPIX  = 64",
            "NAXIS   = 2",
            "NAXIS1  = 9223372036854775807",
            "NAXIS2  = 4",
        ];
        assert!(error(&huge).contains("9223372036854775807"));
    }
}
