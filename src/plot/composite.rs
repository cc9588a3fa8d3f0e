//! A cutout in colour (Lupton et al. 2004, PASP 116, 133): all bands are scaled by one arcsinh of their mean intensity, so
//! that an object's colour does not depend on its brightness.

use crate::survey::{Cutout, Stretch};

/// Softening: roughly linear below 1/Q of the white level.
const Q: f64 = 10.0;
/// Fraction of the pixels above the white level.
const SATURATED: f64 = 0.003;

/// Names of bands in order of wavelength; their case does not matter.
const WAVELENGTHS: [&str; 13] = ["fuv", "nuv", "u", "b", "g", "v", "r", "vis", "i", "z", "y", "j", "h"];

/// The indices of the bands shown in red, green and blue: the longest, the middle and the shortest wavelength if all names
/// are known, otherwise the first three in reverse. With fewer than three bands, the first one is shown in grey.
pub fn channels(bands: &[String]) -> [usize; 3] {
    let n = bands.len();
    if n < 3 {
        return [0; 3];
    }
    let place = |band: &String| WAVELENGTHS.iter().position(|name| band.eq_ignore_ascii_case(name));
    let mut ordered: Vec<(usize, usize)> = bands
        .iter()
        .enumerate()
        .filter_map(|(i, b)| Some((place(b)?, i)))
        .collect();
    if ordered.len() < n {
        return [2, 1, 0];
    }
    ordered.sort_unstable();
    [ordered[n - 1].1, ordered[n / 2].1, ordered[0].1]
}

/// RGB pixels, (H, W) by rows. Fluxes are scaled by each band's sky noise.
pub fn composite(cutout: &Cutout, stretch: &Stretch, bands: &[String]) -> Vec<[u8; 3]> {
    let scale = |band: usize| match stretch.scale[band] {
        s if s > 0.0 => s,
        _ => 1.0,
    };
    let channels = channels(bands);
    let flux: Vec<[f64; 3]> = cutout
        .pixels
        .chunks_exact(cutout.channels)
        .map(|pixel| channels.map(|band| f64::from(pixel[band]) / scale(band)))
        .collect();
    let mut intensities: Vec<f64> = flux.iter().map(|rgb| rgb.iter().sum::<f64>() / 3.0).collect();
    intensities.sort_by(f64::total_cmp);
    let bright = ((1.0 - SATURATED) * (intensities.len() - 1) as f64) as usize;
    // Pure sky must not be shown as noise at full contrast.
    let white = intensities[bright].max(20.0);
    let colour = |rgb: &[f64; 3]| {
        let intensity = (rgb.iter().sum::<f64>() / 3.0).max(1e-9);
        let shown = (Q * intensity / white).asinh() / Q.asinh();
        let rgb = rgb.map(|f| f.max(0.0) * shown / intensity);
        let brightest = rgb.iter().copied().fold(1.0, f64::max);
        rgb.map(|f| (255.0 * f / brightest).round() as u8)
    };
    flux.iter().map(colour).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::cutout::tests::cutout;

    #[test]
    fn bands_by_wavelength() {
        let of = |bands: &[&str]| channels(&bands.iter().map(|b| b.to_string()).collect::<Vec<_>>());
        assert_eq!(of(&["R", "I", "G"]), [1, 0, 2]);
        assert_eq!(of(&["g", "r", "i", "z"]), [3, 2, 0]);
        assert_eq!(of(&["a", "b", "c"]), [2, 1, 0]);
        assert_eq!((of(&["VIS"]), of(&["g", "r"])), ([0; 3], [0; 3]));
    }

    #[test]
    fn colour_does_not_depend_on_brightness_and_bad_pixels_are_black() {
        let pixels: Vec<f32> = (0..100)
            .flat_map(|i| {
                let f = if i == 7 { f32::NAN } else { i as f32 + 0.25 };
                [f, 2.0 * f, 0.5 * f]
            })
            .collect();
        let stretch = Stretch {
            scale: vec![1.0, 1.0, 0.0],
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
            curve: Default::default(),
            softening: vec![],
        };
        let bands = ["R", "I", "G"].map(String::from);
        let image = composite(&cutout([10, 10, 3], &pixels), &stretch, &bands);
        assert_eq!(image[7], [0; 3]);
        for rgb in &image[40..] {
            let [r, g, b] = rgb.map(f64::from);
            assert!((r / g - 2.0).abs() < 0.05 && (g / b - 2.0).abs() < 0.1, "{rgb:?}");
        }
        assert!(image[10][0] > image[2][0], "brighter pixels are brighter");
        assert_eq!(
            composite(&cutout([2, 2, 1], &[0.0; 4]), &stretch, &["x".into()]),
            [[0; 3]; 4]
        );
    }
}
