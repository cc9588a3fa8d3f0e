//! The columns of the output: those of the predictions, those of the models, then the comparison.

use super::Comparison;
use crate::survey::Catalogue;
use crate::survey::table::{Cell, Column, ColumnType};

/// Appended to the name of a column of the models that another column has.
const SUFFIX: &str = "_model";

/// The columns of the comparison.
fn new_columns() -> [Column; 6] {
    let float = |name: &str, unit: &str, description: &str| {
        Column::new(name, ColumnType::F64, unit, description).shown("", "F10.4")
    };
    [
        float(
            "compared_radius",
            "arcsec",
            "radius of the model in the convention of theta_e",
        ),
        float(
            "compared_radius_error",
            "arcsec",
            "its standard deviation, that of the conversion included",
        ),
        float("difference", "arcsec", "compared_radius - theta_e"),
        Column::new(
            "tail",
            ColumnType::F64,
            "",
            "probability of the tail of the prediction beyond compared_radius",
        )
        .shown("stat.probability", "E10.3"),
        float(
            "n_sigma",
            "",
            "sigma of a normal distribution with this tail; positive if the model is larger",
        ),
        Column::new(
            "contradicts",
            ColumnType::Bool,
            "",
            "whether the model contradicts the prediction",
        )
        .shown("meta.code", ""),
    ]
}

/// All columns of the output.
pub(super) fn columns(catalogue: &Catalogue, models: &Catalogue) -> Vec<Column> {
    let new = new_columns();
    let mut columns: Vec<Column> = (0..catalogue.columns.len()).map(|i| catalogue.described(i)).collect();
    for i in 0..models.columns.len() {
        let mut column = models.described(i);
        let taken = |name: &str| columns.iter().chain(&new).any(|c| c.name.eq_ignore_ascii_case(name));
        while taken(&column.name) {
            column.name += SUFFIX;
        }
        columns.push(column);
    }
    let old = catalogue.columns.len();
    for column in &mut columns[..old] {
        if new.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
            column.name += "_cat";
        }
    }
    columns.extend(new);
    columns
}

/// A row of the output.
pub(super) fn cells(
    catalogue: &Catalogue,
    models: &Catalogue,
    comparison: &Comparison,
    contradicts: bool,
) -> Vec<Cell> {
    let [row, model] = comparison.rows;
    let old = (0..catalogue.columns.len()).map(|column| catalogue.cell(row, column));
    let of_model = (0..models.columns.len()).map(|column| models.cell(model, column));
    let new = [
        comparison.radius,
        comparison.radius_error,
        comparison.radius - comparison.theta_e,
        comparison.tail,
        comparison.n_sigma,
    ];
    old.chain(of_model)
        .chain(new.map(Cell::F64))
        .chain([Cell::Bool(contradicts)])
        .collect()
}
