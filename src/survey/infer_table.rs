//! The columns and rows of the catalogue of predictions. Both are in one file so that they stay consistent.

use super::table::{Cell, Column, ColumnType};
use crate::likelihood::Likelihood;
use crate::posterior::Quantity;
use crate::posterior::mixture::Prediction;

/// Which columns the catalogue has besides those of every prediction.
#[derive(Clone, Debug)]
pub struct InferTable {
    /// The type of the ids; see [`ColumnType::of_texts`].
    pub id: ColumnType,
    /// Whether there are columns for the position.
    pub ra_dec: bool,
    /// What is predicted.
    pub quantity: Quantity,
    /// The column of the mean: `theta_e`, or the label of a table. A name that another column has gets `_cat` appended.
    pub column: String,
    /// Number of members whose own predictions are written; 0 for none.
    pub members: usize,
    /// The members' likelihood. It gets a column if the members have columns and it is not Gaussian.
    pub likelihood: Likelihood,
    /// Whether the model has a lens head, whose probability gets a column.
    pub p_lens: bool,
    /// Columns passed through from the user's catalogue. A name that is already used gets `_cat` appended.
    pub pass_through: Vec<Column>,
}

/// One object. Values without a column in the table are ignored.
pub struct InferRow<'a> {
    /// The object's id.
    pub id: &'a str,
    /// Right ascension and declination, degrees.
    pub ra_dec: Option<(f64, f64)>,
    /// The ensemble's prediction, arcsec.
    pub prediction: Prediction,
    /// Probability that the image shows a lens.
    pub p_lens: Option<f64>,
    /// Distance from the training set; see [`ood`](crate::posterior::ood).
    pub ood_score: Option<f64>,
    /// See [`flags`](super::flags).
    pub flags: i32,
    /// Each member's mean, arcsec; empty if the image could not be read.
    pub mu: &'a [f64],
    /// Each member's variance, arcsec^2; empty if the image could not be read.
    pub var: &'a [f64],
    /// One text per passed-through column; empty if the object is not in the user's catalogue.
    pub pass_through: &'a [Cell],
}

impl InferTable {
    /// The columns of the table.
    pub fn columns(&self) -> Vec<Column> {
        let number = |name: &str, unit: &str, description: &str| Column::new(name, ColumnType::F64, unit, description);
        let unit = self.quantity.unit();
        let ucd_of = |ucd: &'static str| if self.quantity.is_angle() { ucd } else { "" };
        let value = |name: &str, ucd, description: &str| number(name, unit, description).shown(ucd_of(ucd), "F10.4");
        let id = Column::new("id", self.id.clone(), "", "name of the object");
        let mut columns = vec![id.shown("meta.id;meta.main", "")];
        if self.ra_dec {
            let degrees = |name, ucd, description| number(name, "deg", description).shown(ucd, "F12.7");
            columns.extend([
                degrees("ra", "pos.eq.ra;meta.main", "right ascension"),
                degrees("dec", "pos.eq.dec;meta.main", "declination"),
            ]);
        }
        let (radius, error) = ("phys.angSize", "stat.error;phys.angSize");
        columns.extend([
            value(
                &self.column,
                "phys.angSize;stat.mean",
                &format!("{}: mean of the mixture of all members", self.quantity.name()),
            ),
            value("sigma", "stat.stdev;phys.angSize", "standard deviation of the mixture"),
            value("sigma_aleatoric", error, "aleatoric part of sigma: noise in the data"),
            value(
                "sigma_epistemic",
                error,
                "epistemic part of sigma: scatter of the members",
            ),
            value("q02_5", radius, "2.5 % quantile of the mixture"),
            value("q16", radius, "16 % quantile of the mixture"),
            value("q50", "phys.angSize;stat.median", "median of the mixture"),
            value("q84", radius, "84 % quantile of the mixture"),
            value("q97_5", radius, "97.5 % quantile of the mixture"),
        ]);
        if self.p_lens {
            let description = "probability that the image shows a lens: mean of all members";
            columns.push(number("p_lens", "", description).shown("stat.probability", "F8.5"));
        }
        columns.extend([
            number(
                "ood_score",
                "",
                "how unlike the training images it is, in standard deviations; about 0 in distribution",
            )
            .shown("stat.value", "F10.4"),
            Column::new("flags", ColumnType::I32, "", "bit mask, 0: no problem detected").shown("meta.code", "I6"),
        ]);
        let mean = |m| value(&format!("mu_{m}"), radius, "mean of one member, not calibrated");
        columns.extend((0..self.members).map(mean));
        let squared = if unit.is_empty() {
            String::new()
        } else {
            format!("{unit}2")
        };
        let variance = |m| number(&format!("var_{m}"), &squared, "variance of one member, not calibrated");
        let ucd = ucd_of("stat.variance;phys.angSize");
        columns.extend((0..self.members).map(|m| variance(m).shown(ucd, "E12.4")));
        if self.names_likelihood() {
            let description = "likelihood of the members";
            columns.push(Column::new("likelihood", ColumnType::Str, "", description).shown("meta.note", ""));
        }
        let mean = 1 + 2 * usize::from(self.ra_dec);
        let others: Vec<Column> = columns
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != mean)
            .map(|(_, c)| c.clone())
            .collect();
        columns[mean].name = free_name(&self.column, &others);
        for column in &self.pass_through {
            let name = free_name(&column.name, &columns);
            columns.push(Column { name, ..column.clone() });
        }
        columns
    }

    /// One object's cells, in the order of [`columns`](Self::columns).
    pub fn row(&self, object: &InferRow) -> Vec<Cell> {
        let p = &object.prediction;
        let mut row = vec![self.id.cell(object.id)];
        if self.ra_dec {
            let (ra, dec) = object.ra_dec.unwrap_or((f64::NAN, f64::NAN));
            row.extend([Cell::F64(ra), Cell::F64(dec)]);
        }
        row.extend([p.theta_e, p.sigma, p.sigma_aleatoric, p.sigma_epistemic].map(Cell::F64));
        row.extend(p.quantiles.map(Cell::F64));
        if self.p_lens {
            row.push(object.p_lens.map_or(Cell::Null, Cell::F64));
        }
        row.push(object.ood_score.map_or(Cell::Null, Cell::F64));
        row.push(Cell::Int(object.flags.into()));
        for values in [object.mu, object.var] {
            row.extend((0..self.members).map(|m| values.get(m).map_or(Cell::Null, |&v| Cell::F64(v))));
        }
        if self.names_likelihood() {
            row.push(Cell::Str(self.likelihood.name().into()));
        }
        let passed = object.pass_through.iter().cloned().chain(std::iter::repeat(Cell::Null));
        row.extend(passed.take(self.pass_through.len()));
        row
    }

    fn names_likelihood(&self) -> bool {
        self.members > 0 && self.likelihood != Likelihood::Gaussian
    }
}

/// `name`, with `_cat` appended until no other column has it. The case of letters is ignored, as in FITS.
fn free_name(name: &str, taken: &[Column]) -> String {
    let mut name = name.to_string();
    while taken.iter().any(|c| c.name.eq_ignore_ascii_case(&name)) {
        name += "_cat";
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_rows_are_in_the_same_order() {
        let table = InferTable {
            id: ColumnType::I32,
            ra_dec: true,
            quantity: Quantity::einstein_radius(),
            column: "theta_e".into(),
            members: 2,
            likelihood: Likelihood::StudentT,
            p_lens: true,
            pass_through: vec![
                Column::new("z_lens", ColumnType::F64, "", ""),
                Column::new("RA", ColumnType::Str, "", ""),
                Column::new("ra_cat", ColumnType::I32, "", ""),
            ],
        };
        let quantiles = [1.0, 2.0, 3.0, 4.0, 5.0];
        let prediction = Prediction {
            theta_e: 6.0,
            sigma: 7.0,
            sigma_aleatoric: 8.0,
            sigma_epistemic: 9.0,
            quantiles,
        };
        let row = table.row(&InferRow {
            id: "12",
            ra_dec: Some((10.0, -11.0)),
            prediction,
            p_lens: Some(0.75),
            ood_score: Some(11.0),
            flags: 40,
            mu: &[12.0, 13.0],
            var: &[14.0, 15.0],
            pass_through: &[Cell::F64(0.5), Cell::Str("10:20".into()), Cell::Int(7)],
        });
        let named: Vec<_> = table.columns().into_iter().map(|c| c.name).zip(row).collect();
        let f = Cell::F64;
        let expected = [
            ("id", Cell::Int(12)),
            ("ra", f(10.0)),
            ("dec", f(-11.0)),
            ("theta_e", f(6.0)),
            ("sigma", f(7.0)),
            ("sigma_aleatoric", f(8.0)),
            ("sigma_epistemic", f(9.0)),
            ("q02_5", f(1.0)),
            ("q16", f(2.0)),
            ("q50", f(3.0)),
            ("q84", f(4.0)),
            ("q97_5", f(5.0)),
            ("p_lens", f(0.75)),
            ("ood_score", f(11.0)),
            ("flags", Cell::Int(40)),
            ("mu_0", f(12.0)),
            ("mu_1", f(13.0)),
            ("var_0", f(14.0)),
            ("var_1", f(15.0)),
            ("likelihood", Cell::Str("student-t".into())),
            ("z_lens", f(0.5)),
            ("RA_cat", Cell::Str("10:20".into())),
            ("ra_cat_cat", Cell::Int(7)),
        ];
        assert_eq!(named, expected.map(|(name, cell)| (name.to_string(), cell)));
    }

    #[test]
    fn an_unreadable_image_has_a_row() {
        let table = InferTable {
            id: ColumnType::Str,
            ra_dec: false,
            quantity: Quantity::new("sigma", ""),
            column: "sigma".into(),
            members: 1,
            likelihood: Likelihood::Gaussian,
            p_lens: false,
            pass_through: vec![Column::new("z", ColumnType::F64, "", "")],
        };
        let row = table.row(&InferRow {
            id: "a",
            ra_dec: None,
            prediction: Prediction::UNKNOWN,
            p_lens: None,
            ood_score: None,
            flags: crate::survey::flags::READ_ERROR,
            mu: &[],
            var: &[],
            pass_through: &[],
        });
        let columns = table.columns();
        assert_eq!(row.len(), columns.len());
        assert_eq!(
            (columns[1].name.as_str(), columns[2].name.as_str()),
            ("sigma_cat", "sigma")
        );
        assert!(row[1..10].iter().all(|c| matches!(c, Cell::F64(v) if v.is_nan())));
        let unknown = [Cell::Null, Cell::Int(128), Cell::Null, Cell::Null, Cell::Null];
        assert_eq!(row[10..], unknown);
    }
}
