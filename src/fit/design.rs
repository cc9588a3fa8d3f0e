//! Powers of standardised features, and the way back to the units of the table.

use super::options::Basis;
use super::table::Name;
use nalgebra::{DMatrix, DVector};

/// A basis of functions of the features that are standardised on the rows that are fitted: powers of standardised
/// features, which are standardised again. A regression in them is well conditioned whatever the units.
pub struct Design {
    degree: usize,
    features: Vec<Moments>,
    /// Of each power of each standardised feature, by feature.
    powers: Vec<Vec<Moments>>,
    label: Moments,
}

#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    sigma: f64,
}

impl Moments {
    /// Mean and standard deviation; of values that do not vary, the latter is 1.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Moments {
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let sigma = (values.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        Moments {
            mean,
            sigma: if sigma > 0.0 { sigma } else { 1.0 },
        }
    }

    fn standardised(&self, value: f64) -> f64 {
        (value - self.mean) / self.sigma
    }
}

impl Design {
    /// Standardises on `rows` of `values`, which are given by feature, and of the labels.
    pub fn new(values: &[Vec<f64>], labels: &[f64], rows: &[usize], basis: Basis) -> Design {
        let features: Vec<Moments> = values
            .iter()
            .map(|v| Moments::of(rows.iter().map(|&row| v[row])))
            .collect();
        let powers = values.iter().zip(&features).map(|(values, feature)| {
            let power = |k| Moments::of(rows.iter().map(move |&row| feature.standardised(values[row]).powi(k)));
            (1..=basis.degree as i32).map(power).collect()
        });
        Design {
            degree: basis.degree,
            powers: powers.collect(),
            features: features.clone(),
            label: Moments::of(rows.iter().map(|&row| labels[row])),
        }
    }

    /// Number of coefficients, with the intercept.
    pub fn columns(&self) -> usize {
        1 + self.degree * self.features.len()
    }

    /// Names of the coefficients in the units of the table: `intercept`, `x`, `x^2`, ...
    pub fn names(&self, features: &[Name]) -> Vec<String> {
        let of = |name: &Name| {
            let name = name.name.clone();
            (1..=self.degree).map(move |k| if k == 1 { name.clone() } else { format!("{name}^{k}") })
        };
        std::iter::once("intercept".into())
            .chain(features.iter().flat_map(of))
            .collect()
    }

    /// The row of the design for the values of the features.
    pub fn row(&self, features: &[f64]) -> Vec<f64> {
        let mut row = Vec::with_capacity(self.columns());
        row.push(1.0);
        for ((value, feature), powers) in features.iter().zip(&self.features).zip(&self.powers) {
            let z = feature.standardised(*value);
            row.extend(
                powers
                    .iter()
                    .zip(1..)
                    .map(|(moments, k)| moments.standardised(z.powi(k))),
            );
        }
        row
    }

    /// The label, standardised.
    pub fn standardised(&self, label: f64) -> f64 {
        self.label.standardised(label)
    }

    /// Mean and standard deviation of the label.
    pub fn label(&self) -> (f64, f64) {
        (self.label.mean, self.label.sigma)
    }

    /// T and t of the coefficients in the units of the table, T beta + t: those of 1, x, x^2, ... for each feature, for the
    /// label as it is.
    pub fn to_units(&self) -> (DMatrix<f64>, DVector<f64>) {
        let columns = self.columns();
        let mut matrix = DMatrix::zeros(columns, columns);
        matrix[(0, 0)] = self.label.sigma;
        for (f, (feature, powers)) in self.features.iter().zip(&self.powers).enumerate() {
            let first = 1 + f * self.degree;
            for (k, power) in (1..).zip(powers) {
                let column = first + k - 1;
                let unit = self.label.sigma / power.sigma;
                matrix[(0, column)] -= unit * power.mean;
                // ((x - mean) / sigma)^k, term by term.
                let mut binomial = 1.0;
                for j in 0..=k {
                    let term = binomial * (-feature.mean).powi((k - j) as i32) / feature.sigma.powi(k as i32);
                    let row = if j == 0 { 0 } else { first + j - 1 };
                    matrix[(row, column)] += unit * term;
                    binomial *= (k - j) as f64 / (j + 1) as f64;
                }
            }
        }
        let mut shift = DVector::zeros(columns);
        shift[0] = self.label.mean;
        (matrix, shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_in_units_give_the_same_values() {
        let x: Vec<f64> = (0..20).map(|i| 50.0 + f64::from(i * i % 17)).collect();
        let z: Vec<f64> = (0..20).map(|i| 1e-3 * f64::from(i * 7 % 11)).collect();
        let labels: Vec<f64> = (0..20).map(|i| 1e4 + f64::from(i * 3 % 13)).collect();
        let rows: Vec<usize> = (0..15).collect();
        let design = Design::new(&[x.clone(), z.clone()], &labels, &rows, Basis { degree: 3 });
        let beta = DVector::from_fn(7, |j, _| [0.3, -1.0, 2.0, 0.7, 0.1, -0.4, 1.5][j]);
        let (matrix, shift) = design.to_units();
        let units = matrix * &beta + shift;
        for i in [0, 7, 19] {
            let standardised = DVector::from_vec(design.row(&[x[i], z[i]])).dot(&beta);
            let (mean, sigma) = design.label();
            let powers = |v: f64| [v, v * v, v * v * v];
            let basis: Vec<f64> = [1.0].into_iter().chain(powers(x[i])).chain(powers(z[i])).collect();
            let direct = DVector::from_vec(basis).dot(&units);
            assert!((direct - (mean + sigma * standardised)).abs() < 1e-7, "{direct}");
        }
        let names = ["x", "z"].map(|name| Name {
            name: name.into(),
            unit: String::new(),
        });
        assert_eq!(
            design.names(&names),
            ["intercept", "x", "x^2", "x^3", "z", "z^2", "z^3"]
        );
    }

    #[test]
    fn columns_are_standardised_on_the_rows_that_are_fitted() {
        let x: Vec<f64> = (0..30).map(|i| f64::from(i).exp2()).collect();
        let rows: Vec<usize> = (0..10).collect();
        let design = Design::new(std::slice::from_ref(&x), &x, &rows, Basis { degree: 2 });
        let columns: Vec<Vec<f64>> = rows.iter().map(|&row| design.row(&[x[row]])).collect();
        for j in [1, 2] {
            let moments = Moments::of(columns.iter().map(|row| row[j]));
            assert!(moments.mean.abs() < 1e-12 && (moments.sigma - 1.0).abs() < 1e-12);
        }
        let labels = Moments::of(rows.iter().map(|&row| design.standardised(x[row])));
        assert!(labels.mean.abs() < 1e-12 && (labels.sigma - 1.0).abs() < 1e-12);
    }
}
