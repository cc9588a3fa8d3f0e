//! Pictures in points: PNG files of the SVG plots, and images within them.
//!
//! A PNG is the SVG itself, drawn by resvg in the font that the program carries (DejaVu Sans, cut down to Latin, Greek
//! and what formulae need), so that both look alike, smooth, on any machine and at any size.

use anyhow::{Context, Result, ensure};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::sync::{Arc, LazyLock};

/// A figure of 560 pixels at this scale is 3.5 inches, a column of a paper, at 480 dots an inch.
const SCALE: f32 = 3.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../../assets/font/DejaVuSans.ttf").to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// The SVG as a PNG, three points to a pixel.
pub fn of_svg(svg: &str) -> Result<Vec<u8>> {
    let options = Options {
        fontdb: FONTS.clone(),
        font_family: "DejaVu Sans".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).context("a plot cannot be drawn as PNG")?;
    let size = tree.size().to_int_size().scale_by(SCALE);
    let mut picture = size
        .and_then(|size| Pixmap::new(size.width(), size.height()))
        .context("a plot is too large for a PNG")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().context("a plot cannot be written as PNG")
}

/// Opaque pixels, row by row from the top, each drawn as a square of `zoom` points.
pub fn of_pixels(rgb: &[[u8; 3]], width: usize, zoom: usize) -> Result<Vec<u8>> {
    ensure!(width > 0 && rgb.len().is_multiple_of(width), "pixels without a shape");
    let height = rgb.len() / width;
    let mut picture = Pixmap::new((width * zoom) as u32, (height * zoom) as u32).context("an image without size")?;
    for (at, rgba) in picture.data_mut().chunks_exact_mut(4).enumerate() {
        let (y, x) = (at / (width * zoom) / zoom, at % (width * zoom) / zoom);
        let [r, g, b] = rgb[y * width + x];
        rgba.copy_from_slice(&[r, g, b, 255]);
    }
    picture.encode_png().context("an image cannot be written as PNG")
}

/// A PNG as text that HTML and SVG take in place of an address.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let word = part
            .iter()
            .enumerate()
            .fold(0u32, |word, (i, &b)| word | u32::from(b) << (16 - 8 * i));
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= part.len() {
                DIGITS[value as usize].into()
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, text) in cases {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn an_svg_with_text_becomes_points() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text x="2" y="15" font-family="sans-serif" font-size="12">σ²−±</text></svg>"#;
        let png = of_svg(svg).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (120, 60));
        assert!(
            picture.pixels().iter().filter(|p| p.alpha() > 128).count() > 100,
            "the text is not drawn"
        );
        assert!(of_svg("<svg").is_err());
    }

    #[test]
    fn pixels_are_zoomed() {
        let png = of_pixels(&[[255, 0, 0], [0, 0, 255]], 2, 3).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (6, 3));
        assert_eq!(picture.pixel(2, 2).unwrap().red(), 255);
        assert_eq!(picture.pixel(3, 0).unwrap().blue(), 255);
    }
}
