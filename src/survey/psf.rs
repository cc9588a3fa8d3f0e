//! A point spread function from a FITS file.

use super::fits::{Select, read};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// The largest side that the kernels take.
const MAX_SIDE: usize = 49;

/// Side in pixels and values, row by row, with the sum 1, of the first image of a file.
///
/// # Errors
/// A file that cannot be read; an image that is not square with an odd side of at most 49 pixels; values that are not
/// finite or have no positive sum.
pub fn read_psf(path: &Path) -> Result<(usize, Vec<f64>)> {
    let name = path.display();
    let image = read(path, &Select::First { planes: 1 })
        .with_context(|| format!("the point spread function {name}"))?
        .remove(0);
    let side = image.width;
    ensure!(
        side == image.height && side % 2 == 1 && side <= MAX_SIDE,
        "the point spread function {name} has {} x {} pixels; allowed are squares of an odd side up to {MAX_SIDE}",
        image.height,
        image.width
    );
    let sum: f64 = image.values.iter().sum();
    ensure!(
        image.values.iter().all(|v| v.is_finite()) && sum > 0.0,
        "the point spread function {name} cannot be normalised: its sum is {sum}; allowed are numbers with a sum above 0"
    );
    Ok((side, image.values.iter().map(|v| v / sum).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_kernel_is_refused() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits/scaled.fits");
        let error = format!("{:#}", read_psf(&file).unwrap_err());
        assert!(error.contains("scaled.fits has 10 x 12 pixels"), "{error}");
    }
}
