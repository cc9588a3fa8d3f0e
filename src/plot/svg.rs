//! What all plots share: palette, type sizes, tick labels, and writing to disk.

use super::Error;
use crate::files::write_atomic;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::io::Write;
use std::path::Path;

/// The font family of every text.
pub const FONT: &str = "sans-serif";
/// Type size of titles. plotters divides sizes by 1.24 in the SVG.
pub const TITLE: i32 = 24;
/// Type size of axis labels.
pub const LABEL: i32 = 20;
/// Type size of tick labels and legends.
pub const SMALL: i32 = 17;

/// Colour of text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Colour of grid lines.
pub const GRID: RGBColor = RGBColor(228, 228, 228);
/// Colour of the main series.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Colour of the series that the main one is compared with.
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);

/// Colours that colour-blind readers can tell apart, also in print (Okabe & Ito 2008, without yellow and black).
pub const PALETTE: [RGBColor; 6] = [
    BLUE,
    VERMILLION,
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Where a plot is drawn.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes an SVG atomically.
///
/// # Errors
/// [`Error::Files`].
pub fn write_svg(path: &Path, svg: &str) -> Result<(), Error> {
    Ok(write_atomic(path, |file| file.write_all(svg.as_bytes()))?)
}

/// An SVG of `size` (width, height) pixels with what `draw` draws.
///
/// # Errors
/// Those of `draw`, and [`Error::Drawing`].
pub fn draw_svg(size: (u32, u32), draw: impl FnOnce(&Area) -> Result<(), Error>) -> Result<String, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        draw(&area)?;
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

/// plotters' errors borrow the drawing area, so only their text is kept.
pub fn drawing(error: impl std::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}

/// The style of text of a given size and colour.
pub fn text_style(size: i32, colour: &RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(colour)
}

/// Formats the tick labels of an axis of length `span` with as many decimals as it needs, and zero without a sign.
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
