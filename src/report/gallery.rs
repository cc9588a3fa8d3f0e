//! Colour cutouts with rings and captions, as one SVG.

use crate::plot::png::data_uri;
use crate::plot::svg::FONT;
use std::fmt::Write as _;

/// An image with a caption.
pub struct Tile {
    /// A PNG of any aspect ratio.
    pub png: Vec<u8>,
    /// Circles around its centre; `None` if the pixel scale is not known.
    pub rings: Option<Rings>,
    /// The lines of text below it.
    pub lines: Vec<String>,
}

/// Radii as fractions of the image's width.
pub struct Rings {
    /// The true radius: dashed.
    pub truth: f64,
    /// The predicted radius.
    pub predicted: f64,
    /// The 68 % interval: a band.
    pub interval: [f64; 2],
}

impl Rings {
    /// An SVG element as large as the image, which clips circles that are larger.
    fn draw(&self, x: usize, y: usize) -> String {
        let [low, high] = self.interval;
        let circle = |radius: f64, width: f64, style: &str| {
            format!("<circle r=\"{radius:.4}\" stroke-width=\"{width:.4}\" fill=\"none\" {style}/>")
        };
        let band = circle(
            (low + high) / 2.0,
            high - low,
            "stroke=\"#ffb000\" stroke-opacity=\"0.35\"",
        );
        let predicted = circle(self.predicted, 0.008, "stroke=\"#ffb000\"");
        let truth = circle(self.truth, 0.006, "stroke=\"#ffffff\" stroke-dasharray=\"0.03 0.03\"");
        format!(
            "<svg x=\"{x}\" y=\"{y}\" width=\"{IMAGE}\" height=\"{IMAGE}\" viewBox=\"-0.5 -0.5 1 1\">\
             {band}{predicted}{truth}</svg>"
        )
    }
}

const COLUMNS: usize = 5;
const IMAGE: usize = 200;
const LINE: usize = 20;
const GAP: usize = 24;

/// Tiles in rows of five.
pub fn gallery(title: &str, tiles: &[Tile]) -> String {
    let text_lines = tiles.iter().map(|t| t.lines.len()).max().unwrap_or(0);
    let (wide, high) = (IMAGE + GAP, IMAGE + GAP + LINE * text_lines + 10);
    let columns = tiles.len().clamp(1, COLUMNS);
    let (width, height) = (GAP + columns * wide, 56 + tiles.len().div_ceil(COLUMNS) * high);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <g font-family=\"{FONT}\" fill=\"#282828\">\n<text x=\"{GAP}\" y=\"34\" font-size=\"20\">{}</text>\n",
        escape(title)
    );
    for (i, tile) in tiles.iter().enumerate() {
        let (x, y) = (GAP + i % COLUMNS * wide, 56 + i / COLUMNS * high);
        let image = data_uri(&tile.png);
        let _ = writeln!(
            svg,
            "<image x=\"{x}\" y=\"{y}\" width=\"{IMAGE}\" height=\"{IMAGE}\" href=\"{image}\"/>"
        );
        if let Some(rings) = &tile.rings {
            let _ = writeln!(svg, "{}", rings.draw(x, y));
        }
        for (k, line) in tile.lines.iter().enumerate() {
            let y = y + IMAGE + LINE * (k + 1);
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"14\">{}</text>",
                escape(line)
            );
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Escapes text for XML and HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_lie_at_their_radii() {
        let rings = Rings {
            truth: 0.2,
            predicted: 0.25,
            interval: [0.22, 0.3],
        };
        let tile = |rings| Tile {
            png: vec![],
            rings,
            lines: vec!["a <lens>".into()],
        };
        let svg = gallery("title", &[tile(Some(rings)), tile(None)]);
        assert_eq!(svg.matches("<circle").count(), 3);
        for circle in [
            "r=\"0.2600\" stroke-width=\"0.0800\"",
            "r=\"0.2500\"",
            "r=\"0.2000\"",
            "a &lt;lens&gt;",
        ] {
            assert!(svg.contains(circle), "{circle} is not in {svg}");
        }
    }
}
