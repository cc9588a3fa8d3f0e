//! The roofline of a device (Williams, Waterman & Patterson 2009): the rate of each operation against its operations per
//! byte, below what bandwidth and arithmetic allow.

use super::Error;
use super::chart::{Axes, legend, line};
use super::svg::{BLUE, INK, PALETTE, SMALL, VERMILLION, draw_svg, drawing, text_style};
use plotters::prelude::*;

/// What a device can do at most.
#[derive(Clone, Copy, Debug)]
pub struct Roof {
    /// Floating point operations per second.
    pub flops_per_second: f64,
    /// Bytes per second, read and written.
    pub bytes_per_second: f64,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Rate {
    /// Its name and layer.
    pub name: String,
    /// Floating point operations per second.
    pub flops_per_second: f64,
    /// Bytes per second that it cannot do without.
    pub bytes_per_second: f64,
}

/// An SVG with logarithmic axes. Operations without arithmetic or bytes are left out.
///
/// # Errors
/// [`Error::NoData`] without operations or without a roof, and [`Error::Drawing`].
pub fn roofline(title: &str, roof: Roof, rates: &[Rate]) -> Result<String, Error> {
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    let shown: Vec<(f64, f64, &str)> = rates
        .iter()
        .filter(|rate| is_positive(rate.flops_per_second) && is_positive(rate.bytes_per_second))
        .map(|rate| {
            let intensity = rate.flops_per_second / rate.bytes_per_second;
            (
                intensity.log10(),
                (1e-9 * rate.flops_per_second).log10(),
                &rate.name[..],
            )
        })
        .collect();
    if shown.is_empty() || !is_positive(roof.flops_per_second) || !is_positive(roof.bytes_per_second) {
        return Err(Error::NoData);
    }
    let top = (1e-9 * roof.flops_per_second).log10();
    let ridge = (roof.flops_per_second / roof.bytes_per_second).log10();
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (left, right) = ends(&mut shown.iter().map(|point| point.0).chain([ridge]));
    let (low, high) = ends(&mut shown.iter().map(|point| point.1).chain([top]));
    let (xs, ys) = ((left - 0.3, right + 0.9), (low - 0.4, high + 0.4));
    let power = |v: &f64| match *v {
        v if v >= 0.0 => format!("{:.0}", 10f64.powf(v)),
        v => format!("{:.2}", 10f64.powf(v)),
    };
    draw_svg((820, 560), |area| {
        let axes = Axes {
            title,
            x: "floating point operations per byte",
            y: "GFLOP/s",
            xs,
            ys,
            x_tick: &power,
            y_tick: &power,
        };
        let mut chart = axes.draw(area)?;
        line(
            &mut chart,
            [(xs.0, top + xs.0 - ridge), (ridge, top)],
            BLUE.stroke_width(2),
        )?;
        line(&mut chart, [(ridge, top), (xs.1, top)], VERMILLION.stroke_width(2))?;
        let mut labels: Vec<(i32, i32)> = Vec::new();
        for (i, (x, y, name)) in shown.iter().enumerate() {
            let colour = PALETTE[i % PALETTE.len()];
            chart
                .draw_series([Circle::new((*x, *y), 4, colour.filled())])
                .map_err(drawing)?;
            let label = beside(chart.backend_coord(&(*x, *y)), &labels);
            area.draw_text(name, &text_style(SMALL, &INK), label).map_err(drawing)?;
            labels.push(label);
        }
        let rows = [
            (Some(BLUE), format!("a copy: {:.1} GB/s", 1e-9 * roof.bytes_per_second)),
            (
                Some(VERMILLION),
                format!("multiply-adds: {:.0} GFLOP/s", 1e-9 * roof.flops_per_second),
            ),
        ];
        legend(area, (100, 60), &rows)
    })
}

/// Where the label of a point begins: beside it, and above or below the labels that are there.
fn beside((x, y): (i32, i32), labels: &[(i32, i32)]) -> (i32, i32) {
    const WIDTH: i32 = 200;
    const HEIGHT: i32 = 17;
    let is_free = |y: i32| {
        !labels
            .iter()
            .any(|l| (l.0 - x).abs() < WIDTH && (l.1 - y).abs() < HEIGHT)
    };
    let offsets = (0..10).flat_map(|k| [-8 - HEIGHT * k, -8 + HEIGHT * k]);
    let free = offsets.map(|offset| y + offset).find(|&y| is_free(y));
    (x + 9, free.unwrap_or(y - 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOF: Roof = Roof {
        flops_per_second: 1e12,
        bytes_per_second: 1e11,
    };

    fn rate(name: &str, flops: f64, bytes: f64) -> Rate {
        Rate {
            name: name.into(),
            flops_per_second: flops,
            bytes_per_second: bytes,
        }
    }

    #[test]
    fn operations_with_arithmetic_have_a_point_and_a_name() {
        let rates = [rate("conv_forward conv1", 4e11, 1e10), rate("gather input", 0.0, 5e10)];
        let svg = roofline("a device", ROOF, &rates).unwrap();
        assert!(svg.contains("conv_forward conv1") && !svg.contains("gather"));
        assert!(svg.contains("a copy: 100.0 GB/s") && svg.contains("multiply-adds: 1000 GFLOP/s"));
    }

    #[test]
    fn nothing_to_show_is_an_error() {
        let none = roofline("a device", ROOF, &[rate("gather input", 0.0, 5e10)]);
        assert!(matches!(none, Err(Error::NoData)));
        let roof = Roof {
            flops_per_second: 0.0,
            ..ROOF
        };
        assert!(roofline("a device", roof, &[rate("a", 1.0, 1.0)]).is_err());
    }
}
