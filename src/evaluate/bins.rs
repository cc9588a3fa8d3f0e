//! Metrics as a function of the true radius, and of quantities in the catalogue.

use super::{LabelledPrediction, MetricSet};
use crate::posterior;
use crate::posterior::metrics::ScoredPrediction;
use crate::survey::ImageFolder;

/// Maximum number of bins.
const BINS: usize = 5;
/// Minimum number of objects in a bin.
const LEAST_IN_BIN: usize = 20;
/// Catalogue columns with the signal-to-noise ratio of the arcs, in Lens Finding Challenge 1 and in our simulator.
const SIGNAL_TO_NOISE: [&str; 4] = ["flux_lensed_image_in_sigma", "arc_sigma", "arc_snr", "snr"];
/// Catalogue columns with the size of the arcs.
const ARC_SIZE: [&str; 2] = ["numb_pix_lensed_image", "arc_pixels"];

/// Metrics of the objects with a quantity in [from, to].
#[derive(Clone, Debug)]
pub struct Bin {
    /// Smallest value of the quantity.
    pub from: f64,
    /// Largest value of the quantity.
    pub to: f64,
    /// Metrics of the objects.
    pub set: MetricSet,
}

/// Metrics in bins of one quantity.
#[derive(Clone, Debug)]
pub struct BinnedMetrics {
    /// The name of the quantity, with its unit.
    pub quantity: String,
    /// Its catalogue column, or `truth`.
    pub column: String,
    /// In ascending order; empty if there are too few objects or all values are equal.
    pub bins: Vec<Bin>,
}

/// A quantity that is known for every object.
struct Quantity {
    name: String,
    column: String,
    values: Vec<f64>,
}

pub(super) fn binned(
    predicted: &posterior::Quantity,
    source: &ImageFolder,
    objects: &[LabelledPrediction],
    scored: &[ScoredPrediction],
    seed: u64,
) -> Result<Vec<BinnedMetrics>, posterior::Error> {
    let of_quantity = |quantity: Quantity| {
        let bin = |rows: Vec<usize>| {
            let part: Vec<ScoredPrediction> = rows.iter().map(|&row| scored[row]).collect();
            Ok(Bin {
                from: quantity.values[rows[0]],
                to: quantity.values[rows[rows.len() - 1]],
                set: MetricSet::new(quantity.column.clone(), &part, seed)?,
            })
        };
        let bins = equal_parts(&quantity.values)
            .into_iter()
            .map(bin)
            .collect::<Result<_, _>>()?;
        Ok(BinnedMetrics {
            quantity: quantity.name,
            column: quantity.column,
            bins,
        })
    };
    quantities(predicted, source, objects)
        .into_iter()
        .map(of_quantity)
        .collect()
}

fn quantities(predicted: &posterior::Quantity, source: &ImageFolder, objects: &[LabelledPrediction]) -> Vec<Quantity> {
    let mut quantities = vec![Quantity {
        name: predicted.axis("true"),
        column: "truth".into(),
        values: objects.iter().map(|object| object.truth).collect(),
    }];
    let Some(catalogue) = &source.catalogue else {
        return quantities;
    };
    for (name, columns) in [
        ("signal to noise of the arcs", &SIGNAL_TO_NOISE[..]),
        ("size of the arcs [pixels]", &ARC_SIZE[..]),
    ] {
        let Some(column) = columns.iter().find_map(|column| catalogue.find(column)) else {
            continue;
        };
        let value = |object: &LabelledPrediction| {
            let row = source.objects[object.index].row;
            row.map_or(f64::NAN, |row| catalogue.number(row, column))
        };
        let values: Vec<f64> = objects.iter().map(value).collect();
        if values.iter().all(|value| value.is_finite()) {
            quantities.push(Quantity {
                name: name.into(),
                column: catalogue.columns[column].clone(),
                values,
            });
        }
    }
    quantities
}

/// Row indices in up to five parts of equal size by ascending value; no part if all values are equal.
fn equal_parts(values: &[f64]) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..values.len()).collect();
    rows.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (n, parts) = (rows.len(), (rows.len() / LEAST_IN_BIN).min(BINS));
    if parts < 2 || values[rows[0]] == values[rows[n - 1]] {
        return Vec::new();
    }
    (0..parts)
        .map(|k| rows[k * n / parts..(k + 1) * n / parts].to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_ascend() {
        let values: Vec<f64> = (0..110).map(|i| ((i * 37) % 110) as f64).collect();
        let parts = equal_parts(&values);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [22; 5]);
        assert!(values[parts[0][21]] < values[parts[1][0]]);
        assert!(equal_parts(&values[..30]).is_empty() && equal_parts(&[1.0; 100]).is_empty());
    }
}
