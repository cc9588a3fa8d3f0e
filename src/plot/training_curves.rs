//! Negative log-likelihood (NLL) and RMSE of every member by epoch.

use super::Error;
use super::svg::{GRID, INK, LABEL, PALETTE, SMALL, TITLE, draw_svg, drawing, text_style, tick};
use crate::posterior::Quantity;
use plotters::coord::Shift;
use plotters::prelude::*;

/// One member's history: one value per epoch, from epoch 1 on. Values that are not finite leave a gap.
#[derive(Clone, Debug, Default)]
pub struct MemberCurves {
    /// Mean -ln p of the training rows, p in 1/arcsec.
    pub train_nll: Vec<f64>,
    /// Mean -ln p of the validation rows, p in 1/arcsec.
    pub val_nll: Vec<f64>,
    /// RMSE of the validation rows, arcsec.
    pub val_rmse: Vec<f64>,
}

/// An SVG of two panels, with one colour per member: NLL, training dashed and validation solid, and validation RMSE.
///
/// # Errors
/// [`Error::NoData`] if a panel has no finite value, and [`Error::Drawing`].
pub fn training_curves(quantity: &Quantity, members: &[MemberCurves]) -> Result<String, Error> {
    let finite = |curves: &Vec<f64>| curves.iter().any(|v| v.is_finite());
    let has_nll = members.iter().any(|m| finite(&m.train_nll) || finite(&m.val_nll));
    if !has_nll || !members.iter().any(|m| finite(&m.val_rmse)) {
        return Err(Error::NoData);
    }
    draw_svg((1100, 500), |area| {
        let (left, right) = area.split_horizontally(550);
        let nll = members.iter().enumerate();
        let nll = nll
            .flat_map(|(m, c)| [(m, &c.train_nll, Dash::Dashed), (m, &c.val_nll, Dash::Solid)])
            .collect();
        panel(&left, "Negative log-likelihood", "NLL per object", nll)?;
        let rmse = members
            .iter()
            .enumerate()
            .map(|(m, c)| (m, &c.val_rmse, Dash::Solid))
            .collect();
        panel(&right, "RMSE of the validation split", &quantity.of("RMSE"), rmse)?;
        legend(&left, members.len())
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Dash {
    Solid,
    Dashed,
}

type Curve<'a> = (usize, &'a Vec<f64>, Dash);

fn panel(area: &DrawingArea<SVGBackend, Shift>, title: &str, y_label: &str, curves: Vec<Curve>) -> Result<(), Error> {
    let epochs = curves
        .iter()
        .map(|(_, values, _)| values.len())
        .max()
        .unwrap_or(1)
        .max(2);
    let (low, high) = value_range(&curves);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text_style(TITLE, &INK))
        .margin_top(14)
        .margin_bottom(10)
        .margin_right(24)
        .x_label_area_size(50)
        .margin_left(8)
        .y_label_area_size(68)
        .build_cartesian_2d(1.0..epochs as f64, low..high)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(epochs.min(9))
        .y_labels(7)
        .x_label_formatter(&|v| format!("{v:.0}"))
        .y_label_formatter(&tick(high - low))
        .x_desc("epoch")
        .y_desc(y_label)
        .label_style(text_style(SMALL, &INK))
        .axis_desc_style(text_style(LABEL, &INK))
        .draw()
        .map_err(drawing)?;
    for (member, values, dash) in curves {
        let colour = PALETTE[member % PALETTE.len()];
        for line in lines_below(values, high) {
            match dash {
                Dash::Solid => chart
                    .draw_series(LineSeries::new(line, colour.stroke_width(2)))
                    .map_err(drawing)?,
                Dash::Dashed => {
                    let style = colour.mix(0.75).stroke_width(1);
                    chart
                        .draw_series(DashedLineSeries::new(line, 4, 4, style))
                        .map_err(drawing)?
                }
            };
        }
    }
    Ok(())
}

/// The range of the values in the second half of the epochs, without the highest 5 %: with the first epochs, whose values are
/// often far off, the rest of the curves would look flat.
fn value_range(curves: &[Curve]) -> (f64, f64) {
    let mut values: Vec<f64> = curves
        .iter()
        .flat_map(|c| &c.1[c.1.len() / 2..])
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    if values.is_empty() {
        values = curves
            .iter()
            .flat_map(|c| c.1)
            .copied()
            .filter(|v| v.is_finite())
            .collect();
    }
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[0], values[(values.len() - 1) * 95 / 100]);
    let margin = (0.05 * (high - low)).max(0.005);
    (low - margin, high + margin)
}

/// The curve as lines through (epoch, value), interrupted at values that are not finite and clipped at `top`.
fn lines_below(values: &[f64], top: f64) -> Vec<Vec<(f64, f64)>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut last = f64::NAN;
    for (i, &value) in values.iter().enumerate() {
        let epoch = i as f64 + 1.0;
        let crosses = (last > top) != (value > top) && last.is_finite() && value.is_finite();
        if crosses {
            line.push((epoch - (value - top) / (value - last), top));
        }
        if value.is_finite() && value <= top {
            line.push((epoch, value));
        } else if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        last = value;
    }
    lines.push(line);
    lines.retain(|line| !line.is_empty());
    lines
}

/// In the upper right corner of `area`, which decreasing curves leave empty. Members are listed only if each has a colour of
/// its own.
fn legend(area: &DrawingArea<SVGBackend, Shift>, members: usize) -> Result<(), Error> {
    let mut rows = vec![
        (INK, "training".to_string(), Dash::Dashed),
        (INK, "validation".to_string(), Dash::Solid),
    ];
    if members <= PALETTE.len() {
        rows.extend((0..members).map(|m| (PALETTE[m], format!("member {m}"), Dash::Solid)));
    }
    let (left, top) = (area.dim_in_pixel().0 as i32 - 146, 66);
    let plate = [(left - 10, top - 14), (left + 122, top + 22 * rows.len() as i32 - 6)];
    area.draw(&Rectangle::new(plate, WHITE.mix(0.85).filled()))
        .map_err(drawing)?;
    for (i, (colour, name, dash)) in rows.iter().enumerate() {
        let y = top + 22 * i as i32;
        let pieces = if *dash == Dash::Dashed {
            vec![(0, 6), (10, 16), (20, 26)]
        } else {
            vec![(0, 26)]
        };
        for (from, to) in pieces {
            let line = vec![(left + from, y), (left + to, y)];
            area.draw(&PathElement::new(line, colour.stroke_width(2)))
                .map_err(drawing)?;
        }
        area.draw_text(name, &text_style(SMALL, &INK), (left + 34, y - 5))
            .map_err(drawing)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(offset: f64) -> MemberCurves {
        let curve = |scale: f64| (0..20).map(|e| offset + scale * (-0.2 * e as f64).exp()).collect();
        MemberCurves {
            train_nll: curve(1.0),
            val_nll: curve(1.2),
            val_rmse: curve(0.5),
        }
    }

    #[test]
    fn both_panels_and_every_member() {
        let svg = training_curves(&Quantity::einstein_radius(), &[member(0.0), member(0.1), member(0.2)]).unwrap();
        for text in [
            "NLL per object",
            "RMSE [arcsec]",
            "epoch",
            "member 0",
            "member 2",
            "validation",
        ] {
            assert!(svg.contains(text), "no {text}");
        }
    }

    #[test]
    fn gaps_one_epoch_and_no_data() {
        let mut gap = member(0.0);
        gap.val_nll[3] = f64::NAN;
        gap.val_nll[0] = f64::INFINITY;
        training_curves(&Quantity::einstein_radius(), &vec![gap; 20]).unwrap();
        let one = MemberCurves {
            train_nll: vec![1.0],
            val_nll: vec![1.0],
            val_rmse: vec![1.0],
        };
        training_curves(&Quantity::einstein_radius(), &[one]).unwrap();
        assert!(training_curves(&Quantity::einstein_radius(), &[]).is_err());
        assert!(training_curves(&Quantity::einstein_radius(), &[MemberCurves::default()]).is_err());
    }

    #[test]
    fn lines_are_interrupted_at_gaps_and_clipped_at_the_top() {
        let lines = lines_below(&[1.0, 2.0, f64::NAN, f64::INFINITY, 5.0, 9.0, 3.0, 20.0], 7.0);
        let expected = [
            vec![(1.0, 1.0), (2.0, 2.0)],
            vec![(5.0, 5.0), (5.5, 7.0)],
            vec![(6.0 + 1.0 / 3.0, 7.0), (7.0, 3.0), (7.0 + 4.0 / 17.0, 7.0)],
        ];
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 3]);
        for (a, b) in lines.concat().iter().zip(expected.concat()) {
            assert!((a.0 - b.0).abs() + (a.1 - b.1).abs() < 1e-12, "{lines:?}");
        }
    }

    #[test]
    fn a_wild_first_epoch_does_not_set_the_range() {
        let mut values: Vec<f64> = (0..40).map(|e| 1.0 / (1.0 + e as f64)).collect();
        values[0] = 1e9;
        let (low, high) = value_range(&[(0, &values, Dash::Solid)]);
        assert!(low < 0.025 && high < 1.0, "{low} {high}");
    }
}
