//! Why a linear regression is refused.

/// Data or a prior that determine no posterior. Rows and columns are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no row or no column.
    #[error("a design of {rows} rows and {columns} columns cannot be fitted")]
    Empty {
        /// Rows of the design.
        rows: usize,
        /// Columns of the design.
        columns: usize,
    },
    /// Design, labels and prior do not belong together.
    #[error("{what}: {found} values where {expected} are needed")]
    Length {
        /// Which of them.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that would fit the design.
        expected: usize,
    },
    /// A value of the design is not finite.
    #[error("row {row}, column {column} of the design is {value}")]
    Design {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A label is not finite.
    #[error("the label of row {row} is {value}")]
    Label {
        /// The row.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A column that is the same in all rows, beside the first such column, which is the intercept; or a column of zeros.
    #[error("column {column} of the design is {value} in all rows")]
    Constant {
        /// The column.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// More coefficients than rows.
    #[error("{rows} rows do not determine {columns} coefficients")]
    MoreColumnsThanRows {
        /// Rows of the design.
        rows: usize,
        /// Columns of the design.
        columns: usize,
    },
    /// A column is a linear combination of others.
    #[error("the design is singular: its columns {columns:?} depend on each other linearly")]
    Singular {
        /// The columns of the combination.
        columns: Vec<usize>,
    },
    /// The residuals are 0, and the prior allows noise of 0.
    #[error("the labels are an exact linear function of the columns, so the noise is not determined")]
    NoNoise,
    /// A parameter of the prior is outside its range.
    #[error("{what} of the prior is {value}; {range}")]
    Prior {
        /// Which parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        range: &'static str,
    },
}
