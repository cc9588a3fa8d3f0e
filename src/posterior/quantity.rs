//! The predicted quantity, as tables and plots name it.

/// Name and unit of what a model predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    name: String,
    unit: String,
}

/// The unit of angles, which is shown as `"`.
const ARCSEC: &str = "arcsec";

impl Quantity {
    /// The Einstein radius, arcsec.
    pub fn einstein_radius() -> Quantity {
        Quantity {
            name: "Einstein radius".into(),
            unit: ARCSEC.into(),
        }
    }

    /// A column of a table; `unit` may be empty.
    pub fn new(name: &str, unit: &str) -> Quantity {
        Quantity {
            name: name.into(),
            unit: unit.into(),
        }
    }

    /// Whether values are angles, so that metrics with limits in arcsec mean something.
    pub fn is_angle(&self) -> bool {
        self.unit == ARCSEC
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its unit; may be empty.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The label of an axis that shows it, such as `true Einstein radius [arcsec]`; `what` is what of it is shown.
    pub fn axis(&self, what: &str) -> String {
        self.of(&format!("{what} {}", self.name))
    }

    /// The label of an axis that shows something in its unit, such as `RMSE [arcsec]`.
    pub fn of(&self, what: &str) -> String {
        match self.unit.is_empty() {
            true => what.into(),
            false => format!("{what} [{}]", self.unit),
        }
    }

    /// A formatted number with its unit: `0.05"`, `3.2 Mpc`, `3.2`.
    pub fn with_unit(&self, number: &str) -> String {
        match self.unit.as_str() {
            "" => number.into(),
            ARCSEC => format!("{number}\""),
            unit => format!("{number} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_shown_if_there_are_any() {
        let radius = Quantity::einstein_radius();
        assert_eq!(radius.axis("true"), "true Einstein radius [arcsec]");
        assert_eq!((radius.with_unit("0.05"), radius.is_angle()), ("0.05\"".into(), true));
        let price = Quantity::new("MEDV", "");
        assert_eq!(
            (price.axis("true"), price.of("RMSE")),
            ("true MEDV".into(), "RMSE".into())
        );
        assert_eq!((price.with_unit("3"), price.is_angle()), ("3".into(), false));
        assert_eq!(Quantity::new("d", "Mpc").with_unit("3"), "3 Mpc");
    }
}
