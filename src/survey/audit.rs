//! What a user should know about the images before trusting a result.

use super::{Cutout, ImageFolder};

/// A cutout with a larger share of masked pixels is flagged.
pub const MAX_MASKED: f64 = 0.2;
/// Pixel scales that differ by a larger share are not the same.
pub const SCALE_TOLERANCE: f64 = 0.02;
/// A label beyond this share of the cutout's half width cannot be seen whole.
pub const EDGE_SHARE: f64 = 0.8;

/// Whether two pixel scales, arcsec, are not the same instrument's.
pub fn scale_differs(header: f64, expected: f64) -> bool {
    let off = (header / expected - 1.0).abs();
    off.is_nan() || off > SCALE_TOLERANCE
}

/// Whether a ring of radius `theta_e` (arcsec) comes too near to the edge of a cutout `size` pixels wide.
pub fn near_edge(theta_e: f64, size: usize, pixel_scale: f64) -> bool {
    theta_e > EDGE_SHARE * size as f64 / 2.0 * pixel_scale
}

impl ImageFolder {
    /// How many labels are [`near_edge`]; none known without a pixel scale.
    pub fn count_near_edge(&self) -> usize {
        let Some(scale) = self.pixel_scale else { return 0 };
        let size = self.height.min(self.width);
        self.objects
            .iter()
            .filter_map(|o| o.theta_e)
            .filter(|&t| near_edge(t, size, scale))
            .count()
    }

    /// Warnings about these cutouts: another pixel scale, repeated bands, many masked pixels.
    pub fn audit(&self, cutouts: &[Cutout]) -> Vec<String> {
        let other_scale = |c: &&Cutout| {
            c.pixel_scale
                .zip(self.pixel_scale)
                .is_some_and(|(h, e)| scale_differs(h, e))
        };
        let mut warnings = Vec::new();
        let mut warn = |found: Vec<&Cutout>, what: String| {
            if let Some(first) = found.first() {
                warnings.push(format!(
                    "{} of {} images {what} (first: {})",
                    found.len(),
                    cutouts.len(),
                    first.id
                ));
            }
        };
        let scaled: Vec<_> = cutouts.iter().filter(other_scale).collect();
        if let (Some(header), Some(expected)) = (scaled.first().and_then(|c| c.pixel_scale), self.pixel_scale) {
            let what = format!("have another pixel scale in their header: {header:.4}\" instead of {expected:.4}\"");
            warn(scaled, what);
        }
        let repeated: Vec<_> = cutouts.iter().filter(|c| c.repeated_bands.is_some()).collect();
        if let Some((one, other)) = repeated.first().and_then(|c| c.repeated_bands) {
            let what = format!(
                "repeat one band in another: {} and {} are equal",
                self.bands[one], self.bands[other]
            );
            warn(repeated, what);
        }
        let masked: Vec<_> = cutouts.iter().filter(|c| c.masked_fraction > MAX_MASKED).collect();
        warn(
            masked,
            format!("have more than {:.0} % masked pixels", MAX_MASKED * 100.0),
        );
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_the_edge_is_beyond_four_fifths_of_half_the_width() {
        // Half of 55 pixels of 0.2" is 5.5", four fifths of it 4.4".
        assert!(!near_edge(4.39, 55, 0.2));
        assert!(near_edge(4.41, 55, 0.2));
    }

    #[test]
    fn rounding_in_a_header_is_no_other_scale() {
        assert!(!scale_differs(0.200016, 0.2));
        assert!(scale_differs(0.197 * 0.99, 0.2) && scale_differs(0.263, 0.2));
    }
}
