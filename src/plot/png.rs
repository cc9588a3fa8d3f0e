//! PNG files of SVG plots, and images embedded in plots.
//!
//! A PNG is the SVG rendered by resvg in a font that is compiled into the program (DejaVu Sans, reduced to Latin, Greek and
//! mathematical symbols), so that both look the same on any machine.

use super::Error;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::sync::{Arc, LazyLock};

/// PNG pixels per SVG pixel: a plot 560 pixels wide fills the column of a journal (3.5 inches) at 480 dpi.
const SCALE: f32 = 3.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../../assets/font/DejaVuSans.ttf").to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// The SVG as a PNG with three times as many pixels along each side.
///
/// # Errors
/// [`Error::InvalidSvg`], [`Error::ImageSize`] and [`Error::Encoding`].
pub fn of_svg(svg: &str) -> Result<Vec<u8>, Error> {
    let options = Options {
        fontdb: FONTS.clone(),
        font_family: "DejaVu Sans".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| Error::InvalidSvg(error.to_string()))?;
    let side = |length: f32| (SCALE * length).ceil() as usize;
    let mut picture = pixmap(side(tree.size().width()), side(tree.size().height()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    encode(&picture)
}

/// A PNG of opaque pixels, (H, W) by rows from the top, each drawn as a square of `zoom` x `zoom` PNG pixels.
///
/// # Errors
/// [`Error::ImageSize`] and [`Error::Encoding`].
pub fn of_pixels(rgb: &[[u8; 3]], width: usize, zoom: usize) -> Result<Vec<u8>, Error> {
    let height = rgb.len() / width.max(1);
    if height * width != rgb.len() {
        return Err(Error::ImageSize { width, height });
    }
    let mut picture = pixmap(width * zoom, height * zoom)?;
    for (at, rgba) in picture.data_mut().chunks_exact_mut(4).enumerate() {
        let (y, x) = (at / (width * zoom) / zoom, at % (width * zoom) / zoom);
        let [r, g, b] = rgb[y * width + x];
        rgba.copy_from_slice(&[r, g, b, 255]);
    }
    encode(&picture)
}

fn pixmap(width: usize, height: usize) -> Result<Pixmap, Error> {
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let pixmap = sides.and_then(|(width, height)| Pixmap::new(width, height));
    pixmap.ok_or(Error::ImageSize { width, height })
}

fn encode(picture: &Pixmap) -> Result<Vec<u8>, Error> {
    picture.encode_png().map_err(|error| Error::Encoding(error.to_string()))
}

/// A PNG as a URI, to embed it in HTML or SVG.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_uri_has_the_padding_of_the_rfc() {
        assert_eq!(data_uri(b"foob"), "data:image/png;base64,Zm9vYg==");
    }

    #[test]
    fn an_svg_with_text_is_rendered() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text x="2" y="15" font-family="sans-serif" font-size="12">σ²−±</text></svg>"#;
        let png = of_svg(svg).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (120, 60));
        assert!(
            picture.pixels().iter().filter(|p| p.alpha() > 128).count() > 100,
            "the text is not drawn"
        );
        assert!(matches!(of_svg("<svg"), Err(Error::InvalidSvg(_))));
    }

    #[test]
    fn pixels_are_zoomed() {
        let png = of_pixels(&[[255, 0, 0], [0, 0, 255]], 2, 3).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (6, 3));
        assert_eq!(picture.pixel(2, 2).unwrap().red(), 255);
        assert_eq!(picture.pixel(3, 0).unwrap().blue(), 255);
        for width in [0, 2] {
            let error = of_pixels(&[[0; 3]; 3], width, 1).unwrap_err();
            assert!(matches!(error, Error::ImageSize { .. }), "{error}");
        }
    }
}
