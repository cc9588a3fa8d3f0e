//! Data reduced to as many rows as there are columns, with the same likelihood.

use super::Error;
use nalgebra::{DMatrix, DVector, DVectorView};

/// Ratio of singular values, of columns of equal norm, below which a design counts as singular.
const SINGULAR: f64 = 1e-10;

/// R and Q^T y of X = Q R: |y - X b|^2 = |Q^T y - R b|^2 + rest for all b. With fewer rows than columns, the data
/// themselves.
#[derive(Clone, Debug)]
pub struct Reduced {
    pub design: DMatrix<f64>,
    pub label: DVector<f64>,
    /// The sum of squares that no coefficients reach.
    pub rest: f64,
    /// Rows before the reduction.
    pub rows: usize,
}

impl Reduced {
    /// Checks and reduces the data. A design that does not determine the coefficients is an error unless it is `allowed`.
    pub fn new(design: &DMatrix<f64>, label: &[f64], allowed: bool) -> Result<Reduced, Error> {
        let (rows, columns) = design.shape();
        check_values(design, label)?;
        if !allowed && columns > rows {
            return Err(Error::MoreColumnsThanRows { rows, columns });
        }
        let mut label = DVector::from_column_slice(label);
        let reduced = if columns > rows {
            Reduced {
                design: design.clone(),
                label,
                rest: 0.0,
                rows,
            }
        } else {
            let qr = design.clone().qr();
            qr.q_tr_mul(&mut label);
            Reduced {
                design: qr.r(),
                rest: label.rows(columns, rows - columns).norm_squared(),
                label: label.rows(0, columns).into(),
                rows,
            }
        };
        match dependent(&reduced.design) {
            Some(columns) if !allowed => Err(Error::Singular { columns }),
            _ => Ok(reduced),
        }
    }

    /// |y - X b|^2.
    pub fn squares(&self, coefficients: &[f64]) -> f64 {
        let mut residuals = self.label.clone();
        let coefficients = DVectorView::from_slice(coefficients, coefficients.len());
        residuals.gemv(-1.0, &self.design, &coefficients, 1.0);
        self.rest + residuals.norm_squared()
    }
}

fn check_values(design: &DMatrix<f64>, label: &[f64]) -> Result<(), Error> {
    let (rows, columns) = design.shape();
    if rows == 0 || columns == 0 {
        return Err(Error::Empty { rows, columns });
    }
    if label.len() != rows {
        return Err(Error::Length {
            what: "the labels",
            found: label.len(),
            expected: rows,
        });
    }
    let mut intercept = false;
    for (column, values) in design.column_iter().enumerate() {
        if let Some(row) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::Design {
                row,
                column,
                value: values[row],
            });
        }
        let value = values[0];
        if values.iter().all(|&x| x == value) {
            // A single row tells nothing about which columns vary.
            if value == 0.0 || (intercept && rows > 1) {
                return Err(Error::Constant { column, value });
            }
            intercept = true;
        }
    }
    match label.iter().position(|y| !y.is_finite()) {
        Some(row) => Err(Error::Label { row, value: label[row] }),
        None => Ok(()),
    }
}

/// The columns of a linear combination that is 0, if there is one.
fn dependent(design: &DMatrix<f64>) -> Option<Vec<usize>> {
    let mut scaled = design.clone();
    for mut column in scaled.column_iter_mut() {
        let norm = column.norm();
        column.unscale_mut(norm);
    }
    // Of a square matrix, so that all right singular vectors are computed.
    let columns = scaled.ncols();
    let scaled = scaled.resize_vertically(columns, 0.0);
    let svd = scaled.svd(false, true);
    let (smallest, &value) = svd
        .singular_values
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(b.1))?;
    let singular = value <= SINGULAR * svd.singular_values.max();
    let combination = singular.then(|| svd.v_t.as_ref().map(|v| v.row(smallest).into_owned()))??;
    let largest = combination.amax();
    // Scaled columns take part with coefficients of similar size.
    Some(
        (0..columns)
            .filter(|&j| combination[j].abs() > 1e-3 * largest)
            .collect(),
    )
}
