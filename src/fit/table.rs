//! The columns of a table as numbers.

use super::error::Error;
use super::options::{FitOptions, HoldOut, NoiseModel};
use crate::posterior::Quantity;
use crate::survey::{Catalogue, Filter, TabularError, is_missing};
use std::path::PathBuf;

/// A column's name, and its unit or an empty text.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Name {
    /// Name of the column.
    pub name: String,
    /// Its unit; may be empty.
    pub unit: String,
}

impl Name {
    /// Name and unit, for axes.
    pub fn axis(&self) -> String {
        Quantity::new(&self.name, &self.unit).of(&self.name)
    }
}

/// The values that are fitted, one entry per row of the table.
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// The column to predict.
    pub label: Name,
    /// The columns to predict it from.
    pub features: Vec<Name>,
    /// Values of the label.
    pub labels: Vec<f64>,
    /// Values of each feature.
    pub values: Vec<Vec<f64>>,
    /// Standard deviation of each row's noise, if a column has it.
    pub noise: Option<Vec<f64>>,
    /// Rows that fulfil the condition to be held out, if there is one.
    pub held_out: Option<Vec<usize>>,
    /// What was detected about the file.
    pub notes: Vec<String>,
    /// What may be wrong with it.
    pub warnings: Vec<String>,
}

impl Table {
    /// Reads the columns that the options name. Without names, every column but the label and the noise is a feature.
    pub fn read(options: &FitOptions) -> Result<Table, Error> {
        let noise = match &options.noise {
            NoiseModel::Column(name) => Some(name),
            _ => None,
        };
        let named = options.features.iter().flatten().chain([&options.label]).chain(noise);
        let wanted: Vec<&str> = named.map(String::as_str).collect();
        let catalogue = Catalogue::read_with(&options.table, &wanted)?;
        let find = |what, name: &str| {
            let column = catalogue.column(name);
            column.map_err(|source| Error::MissingColumn {
                what,
                source: Box::new(source),
            })
        };
        let label = find("the label", &options.label)?;
        let noise = noise.map(|name| find("the noise", name)).transpose()?;
        let features: Vec<usize> = match &options.features {
            Some(names) => names
                .iter()
                .map(|name| find("a feature", name))
                .collect::<Result<_, _>>()?,
            None => (0..catalogue.columns.len())
                .filter(|&c| c != label && Some(c) != noise)
                .collect(),
        };
        if features.is_empty() {
            return Err(TabularError::NoFeatures {
                path: catalogue.path.clone(),
            }
            .into());
        }
        refuse_repeated(&catalogue, label, &features, noise)?;
        let numbers = |column: usize| -> Result<Vec<f64>, Error> {
            (0..catalogue.len())
                .map(|row| number(&catalogue, row, column))
                .collect()
        };
        let name = |column: usize| Name {
            name: catalogue.columns[column].clone(),
            unit: catalogue.described(column).unit,
        };
        let sigmas = noise.map(numbers).transpose()?;
        if let (Some(sigmas), Some(column)) = (&sigmas, noise)
            && let Some(row) = sigmas.iter().position(|&sigma| sigma <= 0.0)
        {
            return Err(Error::RowNoise {
                place: catalogue.place(row),
                column: catalogue.columns[column].clone(),
                value: sigmas[row],
            });
        }
        let held_out = match &options.hold_out {
            HoldOut::Where(condition) => Some(held_out(&catalogue, condition)?),
            HoldOut::Fraction(_) => None,
        };
        Ok(Table {
            held_out,
            label: name(label),
            labels: numbers(label)?,
            values: features
                .iter()
                .map(|&column| numbers(column))
                .collect::<Result<_, _>>()?,
            features: features.iter().map(|&column| name(column)).collect(),
            noise: sigmas,
            path: catalogue.path.clone(),
            notes: catalogue.notes.clone(),
            warnings: catalogue.warnings.clone(),
        })
    }

    /// Refuses a label and features that are the same in all of `rows`.
    pub fn check_variation(&self, rows: &[usize]) -> Result<(), Error> {
        let columns = self
            .features
            .iter()
            .zip(&self.values)
            .chain([(&self.label, &self.labels)]);
        for (name, values) in columns {
            let first = values[rows[0]];
            if rows.iter().all(|&row| values[row] == first) {
                return Err(TabularError::Constant {
                    path: self.path.clone(),
                    column: name.name.clone(),
                    value: first as f32,
                    rows: rows.len(),
                }
                .into());
            }
        }
        Ok(())
    }
}

/// The rows that fulfil a condition.
fn held_out(catalogue: &Catalogue, condition: &str) -> Result<Vec<usize>, Error> {
    let filter = Filter::parse(condition, catalogue).map_err(|source| Error::Condition { source })?;
    let rows: Vec<usize> = (0..catalogue.len())
        .filter(|&row| filter.selects(catalogue, row))
        .collect();
    match rows.is_empty() {
        true => Err(Error::NothingHeldOut {
            condition: condition.into(),
        }),
        false => Ok(rows),
    }
}

fn refuse_repeated(catalogue: &Catalogue, label: usize, features: &[usize], noise: Option<usize>) -> Result<(), Error> {
    let roles = [(label, "the label")].into_iter();
    let roles = roles
        .chain(noise.map(|column| (column, "the noise")))
        .chain(features.iter().map(|&c| (c, "a feature")));
    let roles: Vec<(usize, &'static str)> = roles.collect();
    for (i, &(column, second)) in roles.iter().enumerate() {
        if let Some(&(_, first)) = roles[..i].iter().find(|(other, _)| *other == column) {
            let column = catalogue.columns[column].clone();
            return Err(Error::NamedTwice { column, first, second });
        }
    }
    Ok(())
}

/// A cell as a finite number.
fn number(catalogue: &Catalogue, row: usize, column: usize) -> Result<f64, Error> {
    let value = catalogue.number(row, column);
    if value.is_finite() {
        return Ok(value);
    }
    let (place, name) = (catalogue.place(row), catalogue.columns[column].clone());
    let text = catalogue.text(row, column);
    Err(match value.is_nan() {
        true if is_missing(text) => {
            let others = (row + 1..catalogue.len()).filter(|&row| is_missing(catalogue.text(row, column)));
            TabularError::NoValue {
                place,
                column: name,
                others: others.count(),
            }
        }
        true => TabularError::NotANumber {
            place,
            column: name,
            text: text.into(),
        },
        false => TabularError::Infinite {
            place,
            column: name,
            value,
        },
    }
    .into())
}
