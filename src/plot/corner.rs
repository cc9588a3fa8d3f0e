//! A corner plot: the marginal distributions of several parameters and of every pair of them.

use super::Error;
use super::svg::{Area, BLUE, GRID, INK, SMALL, TITLE, VERMILLION, draw_svg, drawing, text_style};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Fractions of the draws within the contours.
pub const LEVELS: [f64; 2] = [0.68, 0.95];

/// Bins of a histogram of one parameter.
const BINS: usize = 40;
/// Cells along each side of a histogram of two parameters, and the width over which it is smoothed, in cells.
const CELLS: usize = 64;
const SMOOTHING: f64 = 1.5;

/// Space for tick labels and names to the left and below, for the title above, and between panels, pixels.
const LEFT: u32 = 96;
const BELOW: u32 = 64;
const ABOVE: u32 = 56;
const GAP: u32 = 8;
/// Space to the left of names, which plotters would cut.
const MARGIN: u32 = 10;

/// What a corner plot shows.
pub struct Corner<'a> {
    /// Above the plot.
    pub title: &'a str,
    /// Names of the parameters, with units.
    pub names: &'a [String],
    /// Draws, each with one value per parameter.
    pub draws: &'a [&'a [f64]],
    /// True values, one per parameter, drawn as lines.
    pub true_values: Option<&'a [f64]>,
    /// Distributions to compare the draws with.
    pub exact: Option<&'a Exact>,
}

/// Points (x, y) of a closed line.
pub type Contour = Vec<(f64, f64)>;

/// Distributions that are known exactly, as lines.
#[derive(Clone, Debug, Default)]
pub struct Exact {
    /// The density of each parameter, as (value, density); empty where it is not known.
    pub densities: Vec<Vec<(f64, f64)>>,
    /// Closed contours of pairs of parameters, by the numbers of the parameters on the x and the y axis.
    pub contours: BTreeMap<(usize, usize), Vec<Contour>>,
}

/// A corner plot as SVG: histograms on the diagonal, with median and 68 % interval above each; below it the regions of
/// highest density that hold 68 and 95 % of the draws.
///
/// # Errors
/// [`Error::NoData`] without draws or parameters, with values that are not finite, and [`Error::Drawing`].
pub fn corner(plot: &Corner) -> Result<String, Error> {
    let count = plot.names.len();
    let valid = |draw: &&[f64]| draw.len() == count && draw.iter().all(|x| x.is_finite());
    if count == 0 || plot.draws.is_empty() || !plot.draws.iter().all(valid) {
        return Err(Error::NoData);
    }
    let parameters: Vec<Parameter> = (0..count).map(|j| Parameter::new(plot, j)).collect();
    // Panels shrink so that the plot stays readable on a screen.
    let side = (960 / count as u32).clamp(96, 260);
    let width = LEFT + count as u32 * (side + GAP) + 16;
    let height = ABOVE + count as u32 * (side + GAP) + BELOW;
    draw_svg((width, height), |area| {
        area.draw_text(plot.title, &text_style(TITLE, &INK), (LEFT as i32, 8))
            .map_err(drawing)?;
        for row in 0..count {
            for column in 0..=row {
                let panel = Panel::new(area, row, column, count, side);
                match row == column {
                    true => panel.histogram(plot, &parameters[row], row)?,
                    false => panel.pair(plot, &parameters, column, row)?,
                }
            }
        }
        legend(area, plot, count, side)
    })
}

/// One parameter's values and axis.
struct Parameter {
    name: String,
    values: Vec<f64>,
    range: Range<f64>,
    /// 16, 50 and 84 % quantiles.
    quantiles: [f64; 3],
}

impl Parameter {
    fn new(plot: &Corner, j: usize) -> Parameter {
        let values: Vec<f64> = plot.draws.iter().map(|draw| draw[j]).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |level: f64| sorted[((sorted.len() - 1) as f64 * level).round() as usize];
        let true_value = plot
            .true_values
            .map(|values| values[j])
            .filter(|value| value.is_finite());
        let low = true_value.unwrap_or(f64::INFINITY).min(at(0.001));
        let high = true_value.unwrap_or(f64::NEG_INFINITY).max(at(0.999));
        // A parameter that does not vary has a panel of some width, too.
        let margin = f64::max(0.05 * (high - low), 1e-6 * high.abs().max(1e-6));
        Parameter {
            name: plot.names[j].clone(),
            range: low - margin..high + margin,
            quantiles: [0.16, 0.5, 0.84].map(at),
            values,
        }
    }

    /// `12.3 +0.4 -0.5`, with two digits of the error.
    fn summary(&self) -> String {
        let [low, middle, high] = self.quantiles;
        let error = f64::min(high - middle, middle - low).max(f64::MIN_POSITIVE);
        let decimals = (1 - error.log10().floor() as i32).clamp(0, 6) as usize;
        format!(
            "{middle:.decimals$} +{:.decimals$} −{:.decimals$}",
            high - middle,
            middle - low
        )
    }

    /// The bin of a value, of `bins` along the axis.
    fn bin(&self, value: f64, bins: usize) -> Option<usize> {
        let place = (value - self.range.start) / (self.range.end - self.range.start) * bins as f64;
        (0.0..bins as f64).contains(&place).then_some(place as usize)
    }

    /// The lower edge of a bin.
    fn edge(&self, bin: usize, bins: usize) -> f64 {
        self.range.start + (self.range.end - self.range.start) * bin as f64 / bins as f64
    }
}

/// A panel's area, with room for labels in the first column and the last row.
struct Panel<'a> {
    area: Area<'a>,
    left: u32,
    below: u32,
    /// Tick labels per axis.
    ticks: usize,
}

impl<'a> Panel<'a> {
    fn new(area: &Area<'a>, row: usize, column: usize, count: usize, side: u32) -> Panel<'a> {
        let left = if column == 0 { LEFT } else { 0 };
        let below = if row == count - 1 { BELOW } else { 0 };
        let x = LEFT + column as u32 * (side + GAP) - left;
        let y = ABOVE + row as u32 * (side + GAP);
        Panel {
            area: area.clone().shrink((x, y), (side + left, side + below)),
            left,
            below,
            ticks: if side >= 150 { 5 } else { 3 },
        }
    }

    fn chart<'b>(
        &'b self,
        x: &Parameter,
        y: Option<&Parameter>,
        ys: Range<f64>,
    ) -> Result<super::chart::Chart<'b, 'a>, Error> {
        let mut chart = ChartBuilder::on(&self.area)
            .margin_left(if self.left > 0 { MARGIN } else { 0 })
            .set_label_area_size(LabelAreaPosition::Left, self.left.saturating_sub(MARGIN))
            .set_label_area_size(LabelAreaPosition::Bottom, self.below)
            .build_cartesian_2d(x.range.clone(), ys.clone())
            .map_err(drawing)?;
        let (x_tick, y_tick) = (tick(&x.range), tick(&ys));
        let mut mesh = chart.configure_mesh();
        mesh.disable_mesh()
            .axis_style(INK)
            .x_labels(self.ticks)
            .y_labels(self.ticks)
            .x_label_formatter(&x_tick)
            .label_style(text_style(SMALL - 3, &INK))
            .axis_desc_style(text_style(SMALL, &INK));
        if self.below > 0 {
            mesh.x_desc(&x.name);
        }
        match y {
            Some(y) => mesh.y_desc(&y.name).y_label_formatter(&y_tick),
            None => mesh.y_labels(0),
        };
        mesh.draw().map_err(drawing)?;
        let frame = [(x.range.start, ys.start), (x.range.end, ys.end)];
        chart.draw_series([Rectangle::new(frame, GRID)]).map_err(drawing)?;
        Ok(chart)
    }

    fn histogram(&self, plot: &Corner, parameter: &Parameter, j: usize) -> Result<(), Error> {
        let mut counts = [0.0; BINS];
        for bin in parameter.values.iter().filter_map(|&x| parameter.bin(x, BINS)) {
            counts[bin] += 1.0;
        }
        let width = (parameter.range.end - parameter.range.start) / BINS as f64;
        let density = counts.map(|count| count / (parameter.values.len() as f64 * width));
        let exact = plot
            .exact
            .and_then(|exact| exact.densities.get(j))
            .map_or(&[][..], Vec::as_slice);
        let inside = exact.iter().filter(|(x, _)| parameter.range.contains(x));
        let curve: Vec<(f64, f64)> = inside.copied().collect();
        let top = density
            .iter()
            .copied()
            .chain(curve.iter().map(|p| p.1))
            .fold(0.0, f64::max);
        // Room for the summary above the histogram.
        let mut chart = self.chart(parameter, None, 0.0..1.3 * top)?;
        let steps = (0..BINS).flat_map(|bin| [bin, bin + 1].map(|edge| (parameter.edge(edge, BINS), density[bin])));
        let outline: Vec<(f64, f64)> = steps.collect();
        let filled: Vec<(f64, f64, f64)> = outline.iter().map(|&(x, y)| (x, 0.0, y)).collect();
        super::chart::band(&mut chart, &filled, BLUE.mix(0.25).filled())?;
        super::chart::line(&mut chart, outline, BLUE.stroke_width(1))?;
        super::chart::line(&mut chart, curve, VERMILLION.stroke_width(2))?;
        for x in parameter.quantiles {
            super::chart::line(&mut chart, [(x, 0.0), (x, top)], BLUE.mix(0.6).stroke_width(1))?;
        }
        if let Some(values) = plot.true_values {
            super::chart::line(&mut chart, [(values[j], 0.0), (values[j], top)], INK.stroke_width(2))?;
        }
        let size = if self.ticks == 5 { SMALL - 2 } else { SMALL - 5 };
        self.area
            .draw_text(&parameter.summary(), &text_style(size, &INK), (self.left as i32 + 5, 3))
            .map_err(drawing)
    }

    fn pair(&self, plot: &Corner, parameters: &[Parameter], i: usize, j: usize) -> Result<(), Error> {
        let (x, y) = (&parameters[i], &parameters[j]);
        let first_column = (self.left > 0).then_some(y);
        let mut chart = match first_column {
            Some(y) => self.chart(x, Some(y), y.range.clone())?,
            None => self.chart(x, None, y.range.clone())?,
        };
        let regions = regions(x, y);
        for (region, opacity) in regions.iter().zip([0.45, 0.2]) {
            for &(row, begin, end) in region {
                let corners = [
                    (x.edge(begin, CELLS), y.edge(row, CELLS)),
                    (x.edge(end, CELLS), y.edge(row + 1, CELLS)),
                ];
                chart
                    .draw_series([Rectangle::new(corners, BLUE.mix(opacity).filled())])
                    .map_err(drawing)?;
            }
        }
        for contour in plot
            .exact
            .and_then(|exact| exact.contours.get(&(i, j)))
            .into_iter()
            .flatten()
        {
            super::chart::line(&mut chart, contour.iter().copied(), VERMILLION.stroke_width(2))?;
        }
        if let Some(values) = plot.true_values {
            let (at_x, at_y) = (values[i], values[j]);
            super::chart::line(
                &mut chart,
                [(at_x, y.range.start), (at_x, y.range.end)],
                INK.stroke_width(1),
            )?;
            super::chart::line(
                &mut chart,
                [(x.range.start, at_y), (x.range.end, at_y)],
                INK.stroke_width(1),
            )?;
        }
        Ok(())
    }
}

/// The cells of highest density that hold each fraction of [`LEVELS`], without those of smaller fractions: rows of cells
/// from one column to the column before another.
fn regions(x: &Parameter, y: &Parameter) -> [Vec<(usize, usize, usize)>; 2] {
    let mut cells = vec![0.0; CELLS * CELLS];
    for (&a, &b) in x.values.iter().zip(&y.values) {
        if let (Some(column), Some(row)) = (x.bin(a, CELLS), y.bin(b, CELLS)) {
            cells[row * CELLS + column] += 1.0;
        }
    }
    let cells = smoothed(&cells);
    let total: f64 = cells.iter().sum();
    let mut sorted = cells.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let limit = |level: f64| {
        let mut sum = 0.0;
        sorted.iter().copied().find(|cell| {
            sum += cell;
            sum >= level * total
        })
    };
    let limits = LEVELS.map(|level| limit(level).unwrap_or(0.0));
    let class = |cell: f64| limits.iter().position(|&limit| cell >= limit && cell > 0.0);
    let mut regions = [Vec::new(), Vec::new()];
    for (row, line) in cells.chunks(CELLS).enumerate() {
        let mut begin = 0;
        for run in line.chunk_by(|&a, &b| class(a) == class(b)) {
            if let Some(class) = class(run[0]) {
                regions[class].push((row, begin, begin + run.len()));
            }
            begin += run.len();
        }
    }
    regions
}

/// Cells smoothed along both axes by a normal kernel.
fn smoothed(cells: &[f64]) -> Vec<f64> {
    let reach = (3.0 * SMOOTHING).ceil() as isize;
    let kernel: Vec<f64> = (-reach..=reach)
        .map(|d| (-0.5 * (d as f64 / SMOOTHING).powi(2)).exp())
        .collect();
    let along = |cells: &[f64], stride: usize, across: usize| {
        let mut out = vec![0.0; cells.len()];
        for line in 0..CELLS {
            for at in 0..CELLS {
                let value = cells[line * across + at * stride];
                for (weight, d) in kernel.iter().zip(-reach..) {
                    let to = at as isize + d;
                    if value > 0.0 && (0..CELLS as isize).contains(&to) {
                        out[line * across + to as usize * stride] += weight * value;
                    }
                }
            }
        }
        out
    };
    along(&along(cells, 1, CELLS), CELLS, 1)
}

fn legend(area: &Area, plot: &Corner, count: usize, side: u32) -> Result<(), Error> {
    // A single panel has no room for it.
    if count < 2 {
        return Ok(());
    }
    let percent = LEVELS.map(|level| format!("{:.0}", 100.0 * level)).join(" and ");
    let mut rows = vec![(Some(BLUE), format!("draws: {percent} %"))];
    rows.extend(plot.exact.map(|_| (Some(VERMILLION), format!("exact: {percent} %"))));
    rows.extend(plot.true_values.map(|_| (Some(INK), "true values".into())));
    let x = LEFT + (count as u32 - 1) * (side + GAP) - 60;
    super::chart::legend(area, (x.max(LEFT + side + 2 * GAP) as i32, ABOVE as i32 + 4), &rows)
}

/// Formats tick labels with three digits of the range of an axis.
fn tick(range: &Range<f64>) -> impl Fn(&f64) -> String {
    let decimals = (1 - (range.end - range.start).log10().floor() as i32).clamp(0, 8) as usize;
    move |value| format!("{:.decimals$}", value + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|j| format!("parameter {j}")).collect()
    }

    fn draws(count: usize, n: usize) -> Vec<Vec<f64>> {
        let value = |i: usize, j: usize| ((i * (j + 2)) as f64 * 0.618).fract() + j as f64;
        (0..n).map(|i| (0..count).map(|j| value(i, j)).collect()).collect()
    }

    fn plot(
        names: &[String],
        draws: &[Vec<f64>],
        true_values: Option<&[f64]>,
        exact: Option<&Exact>,
    ) -> Result<String, Error> {
        let draws: Vec<&[f64]> = draws.iter().map(Vec::as_slice).collect();
        corner(&Corner {
            title: "posterior",
            names,
            draws: &draws,
            true_values,
            exact,
        })
    }

    #[test]
    fn every_parameter_is_named_and_summarised() {
        let svg = plot(&names(3), &draws(3, 2000), None, None).unwrap();
        for text in [
            "posterior",
            "parameter 0",
            "parameter 1",
            "parameter 2",
            "draws: 68 and 95 %",
        ] {
            assert!(svg.contains(text), "no {text}");
        }
        assert_eq!(
            svg.matches(" −0.3").count(),
            3,
            "the 68 % interval of a uniform distribution is +-0.34"
        );
        assert!(!svg.contains("true values") && !svg.contains("exact"));
    }

    #[test]
    fn true_values_are_drawn_inside_the_panels_even_if_no_draw_is_near() {
        let exact = Exact {
            densities: vec![vec![(0.2, 1.0), (0.8, 1.0)], vec![]],
            contours: BTreeMap::from([((0, 1), vec![vec![(0.2, 1.2), (0.8, 1.8), (0.2, 1.2)]])]),
        };
        let without = plot(&names(2), &draws(2, 500), None, Some(&exact)).unwrap();
        let with = plot(&names(2), &draws(2, 500), Some(&[5.0, 1.5]), Some(&exact)).unwrap();
        assert!(with.contains("true values") && with.contains("exact: 68 and 95 %"));
        let lines = |svg: &str| svg.matches("<polyline").count();
        assert!(lines(&with) >= lines(&without) + 4);
    }

    #[test]
    fn regions_hold_their_fractions_of_a_normal_distribution() {
        let grid: Vec<f64> = (0..4000).map(|i| (f64::from(i) + 0.5) / 4000.0).collect();
        let draws: Vec<Vec<f64>> = grid
            .iter()
            .enumerate()
            .map(|(i, u)| {
                let angle = (i as f64 * 0.618_034).fract() * std::f64::consts::TAU;
                let radius = (-2.0 * u.ln()).sqrt();
                vec![radius * angle.cos(), radius * angle.sin()]
            })
            .collect();
        let rows: Vec<&[f64]> = draws.iter().map(Vec::as_slice).collect();
        let names = names(2);
        let plot = Corner {
            title: "",
            names: &names,
            draws: &rows,
            true_values: None,
            exact: None,
        };
        let parameters = [0, 1].map(|j| Parameter::new(&plot, j));
        let [inner, outer] = regions(&parameters[0], &parameters[1]);
        let cells = |region: &[(usize, usize, usize)]| region.iter().map(|(_, a, b)| b - a).sum::<usize>() as f64;
        // Areas of the disks: pi r^2 with r^2 = -2 ln(1 - p); smoothing widens them a little.
        let cell = (parameters[0].edge(1, CELLS) - parameters[0].edge(0, CELLS)).powi(2);
        let expected = LEVELS.map(|p| -std::f64::consts::TAU * (1.0 - p).ln() / cell);
        let found = [cells(&inner), cells(&inner) + cells(&outer)];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.05).abs() < 0.1, "{found} {expected}");
        }
    }

    #[test]
    fn one_parameter_a_constant_and_nothing() {
        plot(&names(1), &draws(1, 100), None, None).unwrap();
        let constant: Vec<Vec<f64>> = (0..50).map(|i| vec![2.0, f64::from(i)]).collect();
        plot(&names(2), &constant, None, None).unwrap();
        for (count, bad) in [
            (0, vec![vec![]]),
            (1, vec![]),
            (1, vec![vec![f64::NAN]]),
            (2, vec![vec![1.0]]),
        ] {
            assert!(matches!(plot(&names(count), &bad, None, None), Err(Error::NoData)));
        }
    }
}
