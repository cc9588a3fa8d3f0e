//! The columns of the output: those of the catalogue, then the new ones.

use crate::likelihood::Likelihood;
use crate::posterior::Quantity;
use crate::survey::Catalogue;
use crate::survey::infer_table::InferTable;
use crate::survey::predictions::QUANTILES;
use crate::survey::table::{Column, ColumnType};

/// The columns of the catalogue, of which `members` pairs are predictions of members. Those that `infer` writes get what
/// the file of the catalogue cannot say about them.
pub(super) fn old_columns(catalogue: &Catalogue, members: usize) -> Vec<Column> {
    let from_infer = InferTable {
        id: ColumnType::Str,
        ra_dec: true,
        quantity: Quantity::einstein_radius(),
        column: "theta_e".into(),
        members,
        likelihood: Likelihood::default(),
        p_lens: true,
        pass_through: Vec::new(),
    }
    .columns();
    let column = |i: usize| {
        let mut column = catalogue.described(i);
        if let Some(same) = from_infer.iter().find(|other| other.name == column.name)
            && column.unit.is_empty()
            && column.description.is_empty()
        {
            let Column {
                unit, description, ucd, ..
            } = same.clone();
            column = Column {
                unit,
                description,
                ucd,
                ..column
            };
        }
        column
    };
    (0..catalogue.columns.len()).map(column).collect()
}

/// The columns that are added; one more if redshifts have errors.
pub(super) fn new_columns(has_errors: bool) -> Vec<Column> {
    let float = |name: &str, unit: &str, description: &str| {
        Column::new(name, ColumnType::F64, unit, description).shown("", "F10.4")
    };
    // Without a unit: astropy does not read the logarithmic units of the FITS standard.
    let mass = "log10 of the mass inside theta_e, solar masses";
    let mut columns = vec![float("log10_mass_e", "", mass)];
    let descriptions = [
        "2.5 % quantile",
        "16 % quantile",
        "median",
        "84 % quantile",
        "97.5 % quantile",
    ];
    let quantiles = QUANTILES.iter().zip(descriptions);
    columns.extend(quantiles.map(|(q, description)| float(&format!("log10_mass_e_{q}"), "", description)));
    let half_range = "half of the range from the 16 to the 84 % quantile";
    columns.extend([
        float("r_einstein_kpc", "kpc", "theta_e as a length in the lens plane"),
        float("r_einstein_kpc_error", "kpc", half_range),
        float(
            "sigma_v_sis",
            "km/s",
            "velocity dispersion of a singular isothermal sphere",
        ),
        float("sigma_v_sis_error", "km/s", half_range),
    ]);
    if has_errors {
        let description = "fraction of the drawn redshifts that were impossible";
        columns.push(float("redshift_cut", "", description));
    }
    let description = "bit mask, 0: no problem detected";
    columns.push(Column::new("mass_flags", ColumnType::I32, "", description).shown("meta.code", "I6"));
    columns
}
