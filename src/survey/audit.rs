//! Warnings about the images, which users should read before they trust a result.

use super::Cutout;

/// A cutout with a larger fraction of masked pixels is flagged.
pub const MAX_MASKED: f64 = 0.2;
/// Pixel scales with a larger relative difference are not the same.
pub const SCALE_TOLERANCE: f64 = 0.02;
/// A ring whose radius is a larger fraction of the cutout's half width may extend beyond the cutout.
pub const EDGE_FRACTION: f64 = 0.8;

/// Whether two pixel scales, arcsec, differ by more than [`SCALE_TOLERANCE`].
pub fn scale_differs(header: f64, expected: f64) -> bool {
    let off = (header / expected - 1.0).abs();
    off.is_nan() || off > SCALE_TOLERANCE
}

/// Whether a ring of radius `theta_e` (arcsec) may extend beyond a cutout that is `size` pixels wide.
pub fn near_edge(theta_e: f64, size: usize, pixel_scale: f64) -> bool {
    theta_e > EDGE_FRACTION * size as f64 / 2.0 * pixel_scale
}

/// A warning if some of `labels` (arcsec) are [`near_edge`]; nothing can be said without a pixel scale.
pub fn near_edge_warning(labels: &[f64], size: usize, pixel_scale: Option<f64>) -> Option<String> {
    let scale = pixel_scale?;
    let count = labels.iter().filter(|&&t| near_edge(t, size, scale)).count();
    (count > 0).then(|| {
        format!(
            "{count} of {} Einstein radii are larger than {EDGE_FRACTION} of the cutout's half width: these rings may \
             extend beyond the cutout; use a larger crop if the images allow it",
            labels.len()
        )
    })
}

/// Collects warnings image by image: another pixel scale, repeated bands, many masked pixels.
///
/// [`ImageFolder::warnings`](super::ImageFolder::warnings) are the warnings that do not need the images.
#[derive(Debug)]
pub struct Audit {
    bands: Vec<String>,
    pixel_scale: Option<f64>,
    images: usize,
    other_scale: Findings,
    repeated_bands: Findings,
    masked: Findings,
}

/// The images with one problem.
#[derive(Debug, Default)]
struct Findings {
    count: usize,
    /// The first image, and what is wrong with it.
    first: Option<(String, String)>,
}

impl Findings {
    fn add(&mut self, id: &str, problem: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(|| (id.to_owned(), problem()));
    }

    fn warning(&self, images: usize) -> Option<String> {
        let (id, problem) = self.first.as_ref()?;
        Some(format!("{} of {images} images {problem} (first: {id})", self.count))
    }
}

impl Audit {
    /// Nothing observed yet, of images with these bands and this pixel scale (arcsec per pixel), if it is known.
    pub fn new(bands: &[String], pixel_scale: Option<f64>) -> Audit {
        Audit {
            bands: bands.to_vec(),
            pixel_scale,
            images: 0,
            other_scale: Findings::default(),
            repeated_bands: Findings::default(),
            masked: Findings::default(),
        }
    }

    /// Records one image of the folder, with or without its pixels.
    pub fn observe(&mut self, cutout: &Cutout) {
        self.images += 1;
        if let (Some(header), Some(expected)) = (cutout.pixel_scale, self.pixel_scale)
            && scale_differs(header, expected)
        {
            self.other_scale.add(&cutout.id, || {
                format!("have another pixel scale in their header: {header:.4}\" instead of {expected:.4}\"")
            });
        }
        if let Some((one, other)) = cutout.repeated_bands {
            let (one, other) = (&self.bands[one], &self.bands[other]);
            self.repeated_bands.add(&cutout.id, || {
                format!("have the same pixels in two bands: {one} and {other} are equal")
            });
        }
        if cutout.masked_fraction > MAX_MASKED {
            self.masked.add(&cutout.id, || {
                format!("have more than {:.0} % masked pixels", MAX_MASKED * 100.0)
            });
        }
    }

    /// One line per problem of the images observed so far.
    pub fn warnings(&self) -> Vec<String> {
        let findings = [&self.other_scale, &self.repeated_bands, &self.masked];
        findings.iter().filter_map(|f| f.warning(self.images)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_the_edge_is_beyond_four_fifths_of_half_the_width() {
        // Half of 55 pixels of 0.2" is 5.5", and four fifths of that are 4.4".
        assert!(!near_edge(4.39, 55, 0.2));
        assert!(near_edge(4.41, 55, 0.2));
    }

    #[test]
    fn a_rounded_pixel_scale_is_not_another_scale() {
        assert!(!scale_differs(0.200016, 0.2));
        assert!(scale_differs(0.197 * 0.99, 0.2) && scale_differs(0.263, 0.2));
    }
}
