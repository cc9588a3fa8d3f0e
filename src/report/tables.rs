//! All metrics as JSON and CSV.

use crate::evaluate::{Bin, BinnedMetrics, Classification, Evaluation, MetricSet};
use crate::model::Model;
use crate::posterior::Quantity;
use crate::posterior::metrics::METRICS;
use crate::posterior::metrics::classification::ClassMetrics;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What was evaluated.
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its file, as the user named it.
    pub model_file: String,
    /// The folder of labelled images, as the user named it.
    pub data: String,
    /// When: UTC, RFC 3339.
    pub date: String,
}

/// `{"figures": {"rmse": {"value": .., "error": ..}}, ...}`; values that are not finite are null.
pub fn metrics_json(subject: &Subject, evaluation: &Evaluation) -> Value {
    let about = &subject.model.about;
    let objects = evaluation.objects.len();
    let quantity = &subject.model.quantity();
    let flag = |flagged: &MetricSet| {
        let mut value = set(quantity, flagged);
        value["share"] = (flagged.metrics.n as f64 / objects as f64).into();
        value
    };
    let largest = evaluation.largest;
    let bins = |b: &BinnedMetrics| -> Value {
        let bin = |bin: &Bin| {
            let mut value = set(quantity, &bin.set);
            value["from"] = bin.from.into();
            value["to"] = bin.to.into();
            value
        };
        json!({ "quantity": b.quantity, "column": b.column, "bins": b.bins.iter().map(bin).collect::<Vec<_>>() })
    };
    let sizes = evaluation.by_size.iter().map(|s| {
        json!({ "members": s.members, "rmse": s.rmse, "rmse_range": s.rmse_range, "nll": s.nll, "nll_range": s.nll_range })
    });
    json!({
        "lensgpu": env!("CARGO_PKG_VERSION"),
        "date": subject.date,
        "model": subject.model_file,
        "data": subject.data,
        "objects": objects,
        "calibration": about.calibration,
        "best_member": evaluation.best_member.map(|m| subject.model.members[m].number),
        "sets": evaluation.sets.iter().map(|one| set(quantity, one)).collect::<Vec<_>>(),
        "flags": evaluation.flags.iter().map(flag).collect::<Vec<_>>(),
        "largest": { "label": largest.label, "answer": largest.prediction, "unflagged": largest.unflagged },
        "median": set(quantity, &evaluation.median),
        "bins": evaluation.binned.iter().map(bins).collect::<Vec<_>>(),
        "by_members": sizes.collect::<Vec<_>>(),
        "p_lens": evaluation.classification.as_ref().map(|c| &c.metrics),
    })
}

fn set(quantity: &Quantity, set: &MetricSet) -> Value {
    let figures: Map<String, Value> = METRICS
        .iter()
        .zip(set.errors)
        .filter(|(f, _)| f.is_of(quantity))
        .map(|(f, error)| (f.name.into(), json!({ "value": (f.of)(&set.metrics), "error": error })))
        .collect();
    json!({ "name": set.name, "objects": set.metrics.n, "figures": figures })
}

/// One row per set and metric: `set,from,to,objects,figure,unit,value,error`, where from and to are empty except for bins.
/// Fractions are 0 to 1.
pub fn metrics_csv(quantity: &Quantity, evaluation: &Evaluation) -> String {
    let mut text = String::from("set,from,to,objects,figure,unit,value,error\n");
    let number = |value: f64| {
        if value.is_finite() {
            value.to_string()
        } else {
            String::new()
        }
    };
    let mut add = |name: &str, from: &str, to: &str, set: &MetricSet| {
        let known = METRICS
            .iter()
            .zip(set.errors)
            .filter(|(metric, _)| metric.is_of(quantity));
        for (metric, error) in known {
            let unit = match metric.unit_of(quantity) {
                "%" => "",
                unit => unit,
            };
            let (value, error) = (number((metric.of)(&set.metrics)), number(error));
            let n = set.metrics.n;
            let _ = writeln!(
                text,
                "\"{name}\",{from},{to},{n},{},{unit},{value},{error}",
                metric.name
            );
        }
    };
    for set in &evaluation.sets {
        add(&set.name, "", "", set);
    }
    for flagged in &evaluation.flags {
        add(&format!("flag {}", flagged.name), "", "", flagged);
    }
    for binned in &evaluation.binned {
        for bin in &binned.bins {
            add(
                &format!("by {}", binned.column),
                &number(bin.from),
                &number(bin.to),
                &bin.set,
            );
        }
    }
    if let Some(Classification { objects, metrics }) = &evaluation.classification {
        for (name, value) in class_figures(metrics) {
            let _ = writeln!(text, "\"p_lens\",,,{},{name},,{},", objects.len(), number(value));
        }
    }
    text
}

/// The figures of the lens head, by their names in `metrics.json` and `metrics.csv`.
fn class_figures(metrics: &ClassMetrics) -> [(&'static str, f64); 6] {
    [
        ("roc_auc", metrics.roc_auc),
        ("cross_entropy", metrics.cross_entropy),
        ("brier", metrics.brier),
        ("calibration_error", metrics.calibration_error),
        ("completeness", metrics.completeness),
        ("purity", metrics.purity.unwrap_or(f64::NAN)),
    ]
}
