//! Axis ratio and slope of each mass, and the conversion of its radius.

use super::numbers::NumberColumn;
use super::{ColumnRole, Error};
use crate::lens::physics::convention::{Convention, MAX_SHEAR, MassShape, Uncertain};
use crate::survey::Catalogue;

/// A number for all objects, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// For all objects.
    Number(f64),
    /// A column of the table.
    Column(String),
}

/// What is known of the masses. Where nothing is given, they are those of [`MassOptions::UNKNOWN`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MassOptions {
    /// Minor over major axis.
    pub axis_ratio: Option<Given>,
    /// Its standard deviation; `None`: 0 if the axis ratio is given.
    pub axis_ratio_error: Option<f64>,
    /// Slope of the density in three dimensions; 2 is isothermal.
    pub slope: Option<Given>,
    /// Its standard deviation; `None`: 0 if the slope is given.
    pub slope_error: Option<f64>,
    /// Size of the external shear, in an unknown direction.
    pub shear: Option<f64>,
}

impl MassOptions {
    /// The masses of galaxies in general, as the presets of the simulator have them: the axis ratio is 0.75 +- 0.15, the
    /// slope 2 +- 0.1, and the shear 0.05, the root mean square of the presets.
    pub const UNKNOWN: MassShape = MassShape {
        axis_ratio: Uncertain {
            value: 0.75,
            error: 0.15,
        },
        gamma: Uncertain { value: 2.0, error: 0.1 },
        shear: 0.05,
    };
}

const AXIS_RATIO: (fn(f64) -> bool, &str) = (|q| (0.1..=1.0).contains(&q), "from 0.1 to 1, minor over major axis");
const SLOPE: (fn(f64) -> bool, &str) = (|g| (1.1..=2.9).contains(&g), "from 1.1 to 2.9; 2 is isothermal");

/// The masses of the rows of a table.
pub(super) struct Masses<'a> {
    catalogue: &'a Catalogue,
    axis_ratio: Option<NumberColumn>,
    slope: Option<NumberColumn>,
    /// Where no column says otherwise.
    shape: MassShape,
    /// ln ratio of the radii and its standard deviation for `shape`.
    log_ratio: [f64; 2],
    from: Convention,
    to: Convention,
}

impl<'a> Masses<'a> {
    /// The masses of `catalogue`, whose radii are converted `from` one convention `to` another. An `isothermal` mass has
    /// the slope 2 exactly, whatever the options are.
    ///
    /// # Errors
    /// Missing columns; numbers that are impossible.
    pub fn new(
        catalogue: &'a Catalogue,
        options: &MassOptions,
        isothermal: bool,
        [from, to]: [Convention; 2],
    ) -> Result<Masses<'a>, Error> {
        let mut shape = MassOptions::UNKNOWN;
        let axis_ratio = apply(
            options.axis_ratio.as_ref(),
            options.axis_ratio_error,
            &mut shape.axis_ratio,
            ["axis ratio", "error of the axis ratio"],
            AXIS_RATIO,
        )?;
        let slope = apply(
            options.slope.as_ref(),
            options.slope_error,
            &mut shape.gamma,
            ["slope", "error of the slope"],
            SLOPE,
        )?;
        if let Some(shear) = options.shear {
            check(
                shear,
                "shear",
                |shear| (0.0..=MAX_SHEAR).contains(&shear),
                "from 0 to 0.3",
            )?;
            shape.shear = shear;
        }
        let isothermal_slope = Uncertain { value: 2.0, error: 0.0 };
        if isothermal {
            shape.gamma = isothermal_slope;
        }
        let find = |name: Option<&str>, role| name.map(|name| NumberColumn::find(catalogue, name, role)).transpose();
        Ok(Masses {
            catalogue,
            axis_ratio: find(axis_ratio, ColumnRole::AxisRatio)?,
            slope: find(slope.filter(|_| !isothermal), ColumnRole::Slope)?,
            log_ratio: shape.log_ratio(from, to),
            shape,
            from,
            to,
        })
    }

    /// The slope of a row's mass.
    pub fn slope(&self, row: usize) -> Result<Uncertain, Error> {
        let gamma = self
            .slope
            .map(|c| c.number(self.catalogue, row, SLOPE.0, SLOPE.1))
            .transpose()?;
        Ok(match gamma.flatten() {
            Some(value) => Uncertain {
                value,
                ..self.shape.gamma
            },
            None if self.slope.is_some() => MassOptions::UNKNOWN.gamma,
            None => self.shape.gamma,
        })
    }

    /// ln of the radius in the new convention divided by that in the old one, and its standard deviation. Where a cell is
    /// empty, the axis ratio or slope is unknown.
    ///
    /// # Errors
    /// A cell that is no axis ratio or slope.
    pub fn log_ratio(&self, row: usize) -> Result<[f64; 2], Error> {
        if self.from == self.to || (self.axis_ratio.is_none() && self.slope.is_none()) {
            return Ok(self.log_ratio);
        }
        let column = self.axis_ratio;
        let q = column
            .map(|c| c.number(self.catalogue, row, AXIS_RATIO.0, AXIS_RATIO.1))
            .transpose()?;
        let axis_ratio = match q.flatten() {
            Some(value) => Uncertain {
                value,
                ..self.shape.axis_ratio
            },
            None if column.is_some() => MassOptions::UNKNOWN.axis_ratio,
            None => self.shape.axis_ratio,
        };
        let shape = MassShape {
            axis_ratio,
            gamma: self.slope(row)?,
            ..self.shape
        };
        Ok(shape.log_ratio(self.from, self.to))
    }
}

/// Sets a number and its error as far as they are given, and returns the column that has the number.
fn apply<'o>(
    given: Option<&'o Given>,
    error: Option<f64>,
    number: &mut Uncertain,
    [what, what_error]: [&'static str; 2],
    (within, allowed): (fn(f64) -> bool, &'static str),
) -> Result<Option<&'o str>, Error> {
    if given.is_some() {
        number.error = 0.0;
    }
    if let Some(error) = error {
        check(
            error,
            what_error,
            |error| (0.0..1.0).contains(&error),
            "at least 0 and below 1",
        )?;
        number.error = error;
    }
    match given {
        Some(Given::Number(value)) => {
            check(*value, what, within, allowed)?;
            number.value = *value;
            Ok(None)
        }
        Some(Given::Column(name)) => Ok(Some(name)),
        None => Ok(None),
    }
}

fn check(value: f64, what: &'static str, within: impl Fn(f64) -> bool, allowed: &'static str) -> Result<(), Error> {
    match within(value) {
        true => Ok(()),
        false => Err(Error::Number { what, value, allowed }),
    }
}
