//! What the plots share: palette, type sizes, number of ticks, and how a plot reaches the disk.

use anyhow::{Context, Result, anyhow};
use fitsio_pure::io::write_atomic;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

pub const FONT: &str = "sans-serif";
/// Type sizes; plotters writes them into the SVG divided by 1.24.
pub const TITLE: i32 = 24;
pub const LABEL: i32 = 20;
pub const SMALL: i32 = 17;

pub const INK: RGBColor = RGBColor(40, 40, 40);
pub const GRID: RGBColor = RGBColor(228, 228, 228);
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);

/// Colours that stay apart for colour-blind readers and on paper (Okabe & Ito 2008, without yellow and black).
pub const PALETTE: [RGBColor; 6] = [
    BLUE,
    VERMILLION,
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes an SVG whole or not at all.
pub fn write_svg(path: &Path, svg: &str) -> Result<()> {
    write_atomic(path, svg.as_bytes()).with_context(|| format!("{}: cannot write the plot", path.display()))
}

/// The text of an SVG of `size` pixels.
pub fn draw_svg(size: (u32, u32), draw: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        draw(&area)?;
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

/// plotters' errors borrow the drawing area; this one does not.
pub fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing a plot failed: {error}")
}

/// Text of one of the sizes above.
pub fn text_style(size: i32, colour: &RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(colour)
}

/// Writes an axis' numbers with the decimals that an axis of length `span` needs, and zero without a sign.
pub fn tick(span: f64) -> impl Fn(&f64) -> String {
    let decimals = if span < 0.1 { 3 } else { 1 + (span < 1.0) as usize };
    let unit = 10f64.powi(decimals as i32);
    move |value| format!("{:.decimals$}", (value * unit).round() / unit + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks() {
        assert_eq!(
            [-1e-17, 1e-17, 0.5, -1.25].map(|v| tick(0.5)(&v)),
            ["0.00", "0.00", "0.50", "-1.25"]
        );
        assert_eq!(
            (tick(3.0)(&-0.04), tick(3.0)(&2.0), tick(0.05)(&0.01)),
            ("0.0".into(), "2.0".into(), "0.010".into())
        );
    }
}
