//! The pixels of two stacks of images.

use crate::{PANEL, print_head, quantile};
use anyhow::{Context, Result, ensure};
use lensgpu::plot::chart::{Axes, legend, line};
use lensgpu::plot::svg::{INK, PALETTE, draw_svg, drawing, write_svg};
use npyz::NpyFile;
use plotters::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

const PERCENT: [f64; 6] = [1.0, 16.0, 50.0, 84.0, 99.0, 99.9];
/// Inner radii of the rings around the centre, arcsec.
const RINGS: [f64; 7] = [0.0, 0.5, 1.0, 1.5, 2.5, 3.5, 5.5];

/// The ratio of our quantiles to theirs in one band, by ring, at each of [`PERCENT`].
type Ratios = [[f64; PERCENT.len()]; RINGS.len()];

pub fn compare(ours: &Path, theirs: &Path, scale: f64, bands: &[String], plot: Option<&Path>) -> Result<()> {
    let (ours, theirs) = (Stack::read(ours, bands)?, Stack::read(theirs, bands)?);
    let ratios: Vec<Ratios> = (0..bands.len())
        .map(|band| {
            std::array::from_fn(|ring| {
                let [a, b] = [&ours, &theirs].map(|stack| stack.ring(band, ring, scale));
                PERCENT.map(|p| quantile(&a, p) / quantile(&b, p))
            })
        })
        .collect();
    print_head("| band | from [\"] |", &PERCENT);
    for (band, ratios) in bands.iter().zip(&ratios) {
        for (from, ratios) in RINGS.iter().zip(ratios) {
            println!(
                "| {band} | {from} | {} |",
                ratios.map(|r| format!("{r:.2}")).join(" | ")
            );
        }
    }
    plot.map_or(Ok(()), |path| {
        Ok(write_svg(path, &draw(bands, &ratios, ours.corner(scale))?)?)
    })
}

struct Stack {
    /// Height, width, channels.
    shape: [usize; 3],
    values: Vec<f32>,
}

impl Stack {
    fn read(path: &Path, bands: &[String]) -> Result<Stack> {
        let name = path.display();
        let file = NpyFile::new(BufReader::new(File::open(path).with_context(|| name.to_string())?))?;
        let shape: Vec<usize> = file.shape().iter().map(|&n| n as usize).collect();
        ensure!(
            shape.len() == 4 && shape[3] == bands.len(),
            "{name} has shape {shape:?}"
        );
        Ok(Stack {
            shape: [shape[1], shape[2], shape[3]],
            values: file.into_vec()?,
        })
    }

    /// The sorted pixels of a band in a ring.
    fn ring(&self, band: usize, ring: usize, scale: f64) -> Vec<f64> {
        let [h, w, c] = self.shape;
        let within = |place: usize| {
            let (i, j) = (place / c / w % h, place / c % w);
            let r = (i as f64 - (h - 1) as f64 / 2.0).hypot(j as f64 - (w - 1) as f64 / 2.0) * scale;
            r >= RINGS[ring] && r < RINGS.get(ring + 1).copied().unwrap_or(f64::INFINITY)
        };
        let chosen = self.values.iter().enumerate().skip(band).step_by(c);
        let mut out: Vec<f64> = chosen
            .filter(|(place, _)| within(*place))
            .map(|(_, v)| f64::from(*v))
            .collect();
        out.sort_by(f64::total_cmp);
        out
    }

    /// Distance of the corners from the centre, arcsec.
    fn corner(&self, scale: f64) -> f64 {
        scale * ((self.shape[0] - 1) as f64 / 2.0).hypot((self.shape[1] - 1) as f64 / 2.0)
    }
}

/// One panel per band: ratios against the middles of the rings. Ratios beyond the axis are shown at its edge.
fn draw(bands: &[String], ratios: &[Ratios], corner: f64) -> Result<String, lensgpu::plot::Error> {
    const LEGEND: i32 = 130;
    const EDGES: (f64, f64) = (0.5, 1.5);
    let middle = |ring: usize| 0.5 * (RINGS[ring] + RINGS.get(ring + 1).copied().unwrap_or(corner));
    let panels = PANEL.0 * bands.len() as u32;
    draw_svg((panels + LEGEND as u32, PANEL.1), |area| {
        let (left, right) = area.split_horizontally(panels);
        for ((area, band), ratios) in left.split_evenly((1, bands.len())).iter().zip(bands).zip(ratios) {
            let mut chart = Axes {
                title: &format!("Pixels in {band}"),
                x: "distance from the centre [arcsec]",
                y: "quantile, ours / lenstronomy",
                xs: (0.0, corner),
                ys: EDGES,
                x_tick: &|x| format!("{x:.0}"),
                y_tick: &|y| format!("{y:.1}"),
            }
            .draw(area)?;
            line(&mut chart, [(0.0, 1.0), (corner, 1.0)], INK.stroke_width(1))?;
            for (k, colour) in PALETTE.into_iter().enumerate() {
                let (inside, outside): (Vec<_>, Vec<_>) = (0..RINGS.len())
                    .map(|ring| (middle(ring), ratios[ring][k]))
                    .partition(|(_, ratio)| (EDGES.0..=EDGES.1).contains(ratio));
                line(&mut chart, inside.iter().copied(), colour.stroke_width(2))?;
                let points = inside.iter().map(|&at| Circle::new(at, 3, colour.filled()));
                chart.draw_series(points).map_err(drawing)?;
                let at_edge = |&(x, ratio): &(f64, f64)| {
                    TriangleMarker::new((x, ratio.clamp(EDGES.0 + 0.02, EDGES.1 - 0.02)), 5, colour.filled())
                };
                chart.draw_series(outside.iter().map(at_edge)).map_err(drawing)?;
            }
        }
        let rows: Vec<_> = PALETTE.into_iter().zip(PERCENT).rev().collect();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(colour, p)| (Some(colour), format!("{p} %")))
            .collect();
        legend(&right, (10, 60), &rows)
    })
}
