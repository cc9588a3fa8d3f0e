//! Text that several subcommands print: tables in one style, and counts.

use crate::posterior::Quantity;
use crate::posterior::metrics::classification::ClassMetrics;
use crate::posterior::metrics::{METRICS, Metrics};
use crate::train::OverFolds;
use comfy_table::{CellAlignment, Table, presets::NOTHING};

/// `1 member`, `2 members`.
pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The header of a column, which decides its alignment.
#[derive(Clone, Copy)]
pub enum Column<'a> {
    /// Aligned to the left.
    Text(&'a str),
    /// Aligned to the right.
    Number(&'a str),
}

/// A table without borders, indented by two spaces, with as much between columns. It is as wide as its cells are,
/// whatever the terminal, so that output in a pipe or a file is the same. Without any header, there is no header line.
pub fn table<const N: usize>(columns: [Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let headers = columns.map(|column| match column {
        Column::Text(header) | Column::Number(header) => header,
    });
    let mut table = Table::new();
    table.load_style(NOTHING);
    if headers.iter().any(|header| !header.is_empty()) {
        table.set_header(headers);
    }
    table.add_rows(rows);
    for (formatted, column) in table.column_iter_mut().zip(columns) {
        formatted.set_padding((2, 0));
        formatted.set_cell_alignment(match column {
            Column::Text(_) => CellAlignment::Left,
            Column::Number(_) => CellAlignment::Right,
        });
    }
    table.trim_fmt() + "\n"
}

/// All figures of a set of objects, one per line.
pub fn metrics(quantity: &Quantity, metrics: &Metrics) -> String {
    let objects = ["objects".into(), metrics.n.to_string(), String::new()];
    let figures = METRICS.iter().filter(|figure| figure.is_of(quantity)).map(|figure| {
        let value = (figure.of)(metrics);
        let value = match figure.unit {
            "%" => format!("{:.1}", 100.0 * value),
            _ => format!("{value:.4}"),
        };
        [figure.title.into(), value, figure.unit_of(quantity).into()]
    });
    let columns = [Column::Text(""), Column::Number(""), Column::Text("")];
    table(columns, std::iter::once(objects).chain(figures))
}

/// All figures over folds, one per line: mean and standard error.
pub fn over_folds(quantity: &Quantity, metrics: &[Metrics]) -> String {
    let figures = METRICS.iter().filter(|figure| figure.is_of(quantity)).map(|figure| {
        let over = OverFolds::of(metrics, figure.of);
        let number = |value: f64| match figure.unit {
            "%" => format!("{:.1}", 100.0 * value),
            _ => format!("{value:.4}"),
        };
        let unit = figure.unit_of(quantity).into();
        [
            figure.title.into(),
            number(over.mean),
            format!("± {}", number(over.error)),
            unit,
        ]
    });
    let columns = [Column::Text(""), Column::Number(""), Column::Text(""), Column::Text("")];
    table(columns, figures)
}

/// Figures of the lens head, one per line.
pub fn class_metrics(metrics: &ClassMetrics) -> String {
    let [low, high] = metrics.roc_auc_interval;
    let percent = |fraction: f64| format!("{:.1} %", 100.0 * fraction);
    let rows = [
        ("lenses", metrics.lenses.to_string(), String::new()),
        ("other objects", metrics.others.to_string(), String::new()),
        (
            "ROC AUC",
            format!("{:.4}", metrics.roc_auc),
            format!("95 %: {low:.4} to {high:.4}"),
        ),
        ("cross-entropy", format!("{:.4}", metrics.cross_entropy), String::new()),
        ("Brier score", format!("{:.4}", metrics.brier), String::new()),
        ("calibration error", percent(metrics.calibration_error), String::new()),
        ("completeness", percent(metrics.completeness), "of p_lens >= 0.5".into()),
        (
            "purity",
            metrics.purity.map_or("-".into(), percent),
            "of p_lens >= 0.5".into(),
        ),
    ];
    let rows = rows.map(|(name, value, note)| [name.to_string(), value, note]);
    table([Column::Text(""), Column::Number(""), Column::Text("")], rows)
}

#[cfg(test)]
mod tests {
    use super::Column::{Number, Text};
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let rows = [["a long name", "1", "ok"], ["b", "22.5", ""]].map(|row| row.map(String::from));
        assert_eq!(
            table([Text("name"), Number("ms"), Text("verdict")], rows.clone()),
            "  name           ms  verdict\n  a long name     1  ok\n  b            22.5\n"
        );
        assert_eq!(
            table([Text(""), Number(""), Text("")], rows),
            "  a long name     1  ok\n  b            22.5\n"
        );
        assert_eq!(table([Text("name"), Number("R²")], []), "  name  R²\n");
    }

    #[test]
    fn a_long_cell_is_never_wrapped() {
        let long = "x".repeat(500);
        assert_eq!(table([Text("")], [[long.clone()]]), format!("  {long}\n"));
    }

    #[test]
    fn counts_have_a_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "row")), ["0 rows", "1 row", "2 rows"]);
    }
}
