//! A cutout in colour (Lupton et al. 2004, PASP 116, 133): one arcsinh of the mean intensity for all bands, so that an
//! object's colour does not depend on how bright it is.

use crate::survey::{Cutout, Stretch};

/// Softening: about linear below 1/Q of the brightest.
const Q: f64 = 10.0;
/// The brightest pixels that are white, as a share of all.
const WHITE: f64 = 0.003;

/// Order in wavelength of what bands are called, any letter case.
const WAVELENGTHS: [&str; 13] = ["fuv", "nuv", "u", "b", "g", "v", "r", "vis", "i", "z", "y", "j", "h"];

/// Red, green and blue as indices of the bands: the longest wavelength, the one in the middle, the shortest, where the
/// names are known; else the first three in reverse; the only one where there are fewer than three.
pub fn channels(bands: &[String]) -> [usize; 3] {
    let n = bands.len();
    if n < 3 {
        return [0; 3];
    }
    let place = |band: &String| WAVELENGTHS.iter().position(|name| band.eq_ignore_ascii_case(name));
    let mut known: Vec<(usize, usize)> = bands
        .iter()
        .enumerate()
        .filter_map(|(i, b)| Some((place(b)?, i)))
        .collect();
    if known.len() < n {
        return [2, 1, 0];
    }
    known.sort_unstable();
    [known[n - 1].1, known[n / 2].1, known[0].1]
}

/// Pixels row by row. Fluxes count in units of each band's sky noise.
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
    let bright = ((1.0 - WHITE) * (intensities.len() - 1) as f64) as usize;
    // An image of sky alone is not made of noise at full contrast.
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
    fn colour_does_not_depend_on_brightness_and_bad_pixels_do_no_harm() {
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
        };
        let bands = ["R", "I", "G"].map(String::from);
        let image = composite(&cutout([10, 10, 3], &pixels), &stretch, &bands);
        assert_eq!(image[7], [0; 3]);
        for rgb in &image[40..] {
            let [r, g, b] = rgb.map(f64::from);
            assert!((r / g - 2.0).abs() < 0.05 && (g / b - 2.0).abs() < 0.1, "{rgb:?}");
        }
        assert!(image[10][0] > image[2][0], "brighter is brighter");
        assert_eq!(
            composite(&cutout([2, 2, 1], &[0.0; 4]), &stretch, &["x".into()]),
            [[0; 3]; 4]
        );
    }
}
