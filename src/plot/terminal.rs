//! A scatter plot in plain text.

use crate::posterior::Quantity;

/// Predicted against true values of a quantity as text: `width` x `height` characters inside the axes, which looks square if
/// twice as wide as high, with braille dots for the objects and `·` along the line of equality. Both axes have the same
/// range. Pairs that are not finite are left out.
pub fn terminal_scatter(quantity: &Quantity, truth: &[f64], predicted: &[f64], width: usize, height: usize) -> String {
    let (width, height) = (width.max(16), height.max(4));
    let pairs = truth.iter().copied().zip(predicted.iter().copied());
    let pairs: Vec<_> = pairs.filter(|(t, p)| t.is_finite() && p.is_finite()).collect();
    let ends = pairs
        .iter()
        .flat_map(|&(t, p)| [t, p])
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
    if pairs.is_empty() {
        return "(nothing to plot)\n".into();
    }
    let (low, high) = whole_steps(ends);
    // A braille character is 2 dots wide and 4 high.
    let dot_of = |value: f64, dots: usize| ((value - low) / (high - low) * (dots - 1) as f64).round() as usize;
    let mut cells = vec![vec![0u8; width]; height];
    for (t, p) in pairs {
        let (x, y) = (dot_of(t, 2 * width), 4 * height - 1 - dot_of(p, 4 * height));
        cells[y / 4][x / 2] |= BRAILLE[y % 4][x % 2];
    }

    let labels = [high, 0.5 * (low + high), low].map(|v| format!("{v:.2}"));
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("{:margin$} {}\n", "", quantity.of("predicted"));
    for (row, cells) in cells.iter().enumerate() {
        let (label, tick) = match row {
            0 => (&*labels[0], '┤'),
            _ if row == height - 1 => (&*labels[2], '┤'),
            _ if row == height / 2 => (&*labels[1], '┤'),
            _ => ("", '│'),
        };
        text += &format!("{label:>margin$} {tick}");
        for (column, &dots) in cells.iter().enumerate() {
            let diagonal = column * height / width == height - 1 - row;
            text.push(match dots {
                0 if diagonal => '·',
                0 => ' ',
                dots => char::from_u32(0x2800 + dots as u32).unwrap_or('?'),
            });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let half = width / 2;
    text += &format!(
        "{:margin$} └{}┴{}┴\n",
        "",
        "─".repeat(half - 1),
        "─".repeat(width - half - 1)
    );
    let [right, centre, left] = labels;
    let gap = |until: usize, used: usize| " ".repeat(until.saturating_sub(used).max(1));
    let mut line = format!("{:margin$}  {left}", "");
    line += &gap(margin + 2 + half - centre.len() / 2, line.len());
    line += &centre;
    line += &gap(margin + 2 + width - right.len(), line.len());
    line += &right;
    let title = format!("{:margin$}  {:^width$}", "", quantity.of("true"));
    text + &line + "\n" + title.trim_end() + "\n"
}

/// Bits of a braille pattern by row and column of the dot (Unicode block U+2800).
const BRAILLE: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The range widened to integer multiples of about an eighth of it: a step of 1, 2 or 5 times a power of ten.
fn whole_steps((low, high): (f64, f64)) -> (f64, f64) {
    let span = (high - low).max(1e-6 * high.abs()).max(0.1);
    let power = 10f64.powf((span / 8.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|k| k * power)
        .into_iter()
        .find(|s| s * 8.0 >= span)
        .unwrap_or(span);
    let low = (low / step).floor() * step;
    let high = (high / step).ceil() * step;
    if high > low {
        (low, high)
    } else {
        (low - step, high + step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_plot_by_hand() {
        let text = terminal_scatter(&Quantity::einstein_radius(), &[0.0, 1.0, 0.0], &[0.0, 1.0, 1.0], 16, 4);
        let expected = "     predicted [arcsec]\n\
                        1.00 ┤⠁           ···⠈\n     │        ····\n\
                        0.50 ┤    ····\n\
                        0.00 ┤⡀···\n     └───────┴───────┴\n      0.00  0.50  1.00\n       true [arcsec]\n";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn awkward_input_is_drawn_or_left_out() {
        assert_eq!(
            terminal_scatter(&Quantity::einstein_radius(), &[], &[], 40, 20),
            "(nothing to plot)\n"
        );
        assert_eq!(
            terminal_scatter(&Quantity::einstein_radius(), &[f64::NAN], &[1.0], 40, 20),
            "(nothing to plot)\n"
        );
        for value in [0.0, 1.5, -2.0, 1e12, 1e-12] {
            let text = terminal_scatter(&Quantity::einstein_radius(), &[value], &[value], 0, 0);
            assert_eq!(
                text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count(),
                1,
                "{text}"
            );
        }
    }

    #[test]
    fn ranges_are_round() {
        let close = |(a, b): (f64, f64), (c, d): (f64, f64)| assert!((a - c).abs() + (b - d).abs() < 1e-9, "{a} {b}");
        close(whole_steps((0.43, 2.91)), (0.0, 3.0));
        close(whole_steps((0.0, 1.0)), (0.0, 1.0));
        close(whole_steps((1.5, 1.5)), (1.48, 1.52));
    }
}
