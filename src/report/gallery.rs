//! Colour cutouts with captions, as one SVG.

use crate::plot::png::data_uri;
use crate::plot::svg::FONT;
use std::fmt::Write as _;

/// An image with a caption.
pub struct Tile {
    /// A PNG of any aspect ratio.
    pub png: Vec<u8>,
    /// The lines of text below it.
    pub lines: Vec<String>,
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
