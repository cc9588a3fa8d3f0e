//! What additional members contribute: the metrics of sub-ensembles of every size.

use super::LabelledPrediction;
use crate::posterior;

/// Metrics of uncalibrated sub-ensembles of `members` members: mean and range over the sub-ensembles of consecutive
/// members, cyclically, in which every member occurs equally often.
#[derive(Clone, Copy, Debug)]
pub struct SubEnsembles {
    /// Size of each sub-ensemble.
    pub members: usize,
    /// Mean RMSE, arcsec.
    pub rmse: f64,
    /// Mean NLL of the mixture, p in 1/arcsec.
    pub nll: f64,
    /// Smallest and largest RMSE, arcsec.
    pub rmse_range: (f64, f64),
    /// Smallest and largest NLL.
    pub nll_range: (f64, f64),
}

/// Metrics of the sub-ensembles with `size` of the `members` members.
pub(super) fn of_size(
    objects: &[LabelledPrediction],
    members: usize,
    size: usize,
) -> Result<SubEnsembles, posterior::Error> {
    let count = if size == members { 1 } else { members };
    let metrics = |first: usize| {
        let selected: Vec<usize> = (0..size).map(|k| (first + k) % members).collect();
        let (mut squares, mut nll) = (0.0, 0.0);
        for object in objects {
            let mixture = object.members.select(&selected).mixture()?;
            squares += (mixture.mean() - object.truth).powi(2);
            nll -= mixture.log_pdf(object.truth);
        }
        let n = objects.len() as f64;
        Ok(((squares / n).sqrt(), nll / n))
    };
    let metrics: Vec<(f64, f64)> = (0..count).map(metrics).collect::<Result<_, _>>()?;
    let mean = |value: fn(&(f64, f64)) -> f64| metrics.iter().map(value).sum::<f64>() / count as f64;
    let range = |value: fn(&(f64, f64)) -> f64| {
        let values = metrics.iter().map(value);
        let smallest = values.clone().fold(f64::INFINITY, f64::min);
        (smallest, values.fold(f64::NEG_INFINITY, f64::max))
    };
    Ok(SubEnsembles {
        members: size,
        rmse: mean(|m| m.0),
        nll: mean(|m| m.1),
        rmse_range: range(|m| m.0),
        nll_range: range(|m| m.1),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::labelled;
    use super::*;

    #[test]
    fn every_member_is_in_equally_many_sub_ensembles() {
        let objects = labelled(10);
        let one = of_size(&objects, 3, 1).unwrap();
        assert!((one.rmse - (0.1 + 0.1 + 0.3) / 3.0).abs() < 1e-12, "{one:?}");
        assert!((one.rmse_range.0 - 0.1).abs() < 1e-12 && (one.rmse_range.1 - 0.3).abs() < 1e-12);
        let all = of_size(&objects, 3, 3).unwrap();
        assert!((all.rmse - 0.1).abs() < 1e-12);
        assert_eq!(all.rmse_range, (all.rmse, all.rmse));
    }
}
