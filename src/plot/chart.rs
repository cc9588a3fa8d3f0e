//! Elements of plots: axes, lines, bands, points with error bars, legends.

use super::Error;
use super::svg::{Area, GRID, INK, LABEL, SMALL, TITLE, drawing, text_style};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// A plot with its axes.
pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Default (width, height) in pixels: half as wide as the page of a report.
pub const SIZE: (u32, u32) = (560, 480);

/// Title, labels and ranges of a plot.
pub struct Axes<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// Label of the x axis.
    pub x: &'a str,
    /// Label of the y axis.
    pub y: &'a str,
    /// Range of the x axis.
    pub xs: (f64, f64),
    /// Range of the y axis.
    pub ys: (f64, f64),
    /// Formats the tick labels of the x axis.
    pub x_tick: &'a dyn Fn(&f64) -> String,
    /// Formats the tick labels of the y axis.
    pub y_tick: &'a dyn Fn(&f64) -> String,
}

impl Axes<'_> {
    /// Draws the axes.
    ///
    /// # Errors
    /// [`Error::Drawing`].
    pub fn draw<'a, 'b>(&self, area: &'a Area<'b>) -> Result<Chart<'a, 'b>, Error> {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, text_style(TITLE, &INK))
            .margin_top(12)
            .margin_bottom(10)
            .margin_right(24)
            .x_label_area_size(50)
            .margin_left(8)
            .y_label_area_size(70)
            .build_cartesian_2d(self.xs.0..self.xs.1, self.ys.0..self.ys.1)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&self.x_tick)
            .y_label_formatter(&self.y_tick)
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(text_style(SMALL, &INK))
            .axis_desc_style(text_style(LABEL, &INK))
            .draw()
            .map_err(drawing)?;
        Ok(chart)
    }
}

/// Draws a line through points.
///
/// # Errors
/// [`Error::Drawing`].
pub fn line(chart: &mut Chart, points: impl IntoIterator<Item = (f64, f64)>, style: ShapeStyle) -> Result<(), Error> {
    chart.draw_series(LineSeries::new(points, style)).map_err(drawing)?;
    Ok(())
}

/// Fills the area between two curves, given as (x, low, high).
///
/// # Errors
/// [`Error::Drawing`].
pub fn band(chart: &mut Chart, points: &[(f64, f64, f64)], style: ShapeStyle) -> Result<(), Error> {
    let low = points.iter().map(|&(x, low, _)| (x, low));
    let high = points.iter().rev().map(|&(x, _, high)| (x, high));
    let outline: Vec<(f64, f64)> = low.chain(high).collect();
    chart.draw_series([Polygon::new(outline, style)]).map_err(drawing)?;
    Ok(())
}

/// Draws a point with a vertical error bar.
///
/// # Errors
/// [`Error::Drawing`].
pub fn point(chart: &mut Chart, at: (f64, f64), bar: (f64, f64), colour: RGBColor) -> Result<(), Error> {
    line(chart, [(at.0, bar.0), (at.0, bar.1)], colour.stroke_width(2))?;
    chart
        .draw_series([Circle::new(at, 4, colour.filled())])
        .map_err(drawing)?;
    Ok(())
}

/// Draws a legend with its upper left corner at (x, y): lines of text, each after a stroke of its colour if it has one.
///
/// # Errors
/// [`Error::Drawing`].
pub fn legend(area: &Area, (x, y): (i32, i32), rows: &[(Option<RGBColor>, String)]) -> Result<(), Error> {
    let longest = rows.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0) as i32;
    let plate = [(x - 6, y - 4), (x + 36 + 8 * longest, y + 21 * rows.len() as i32)];
    area.draw(&Rectangle::new(plate, WHITE.mix(0.85).filled()))
        .map_err(drawing)?;
    for (i, (colour, text)) in rows.iter().enumerate() {
        let y = y + 21 * i as i32;
        if let Some(colour) = colour {
            area.draw(&PathElement::new(
                vec![(x, y + 8), (x + 22, y + 8)],
                colour.stroke_width(3),
            ))
            .map_err(drawing)?;
        }
        let indent = if colour.is_some() { 30 } else { 0 };
        area.draw_text(text, &text_style(SMALL, &INK), (x + indent, y + 2))
            .map_err(drawing)?;
    }
    Ok(())
}
