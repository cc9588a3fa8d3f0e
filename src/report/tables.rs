//! Every figure as JSON and CSV.

use crate::evaluate::{Evaluation, MetricSet};
use crate::model::Model;
use crate::posterior::metrics::METRICS;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What a report is about.
pub struct Subject<'a> {
    pub model: &'a Model,
    /// Files, as the user named them.
    pub model_file: String,
    pub data: String,
    pub date: String,
}

/// `{"figures": {"rmse": {"value": .., "error": ..}}, ...}`; what is not finite is null.
pub fn metrics_json(subject: &Subject, evaluation: &Evaluation) -> Value {
    let about = &subject.model.about;
    let objects = evaluation.objects.len();
    let flag = |flagged: &MetricSet| {
        let mut value = set(flagged);
        value["share"] = (flagged.metrics.n as f64 / objects as f64).into();
        value
    };
    let largest = evaluation.largest;
    let bins = |b: &crate::evaluate::BinnedMetrics| -> Value {
        let bin = |bin: &crate::evaluate::Bin| {
            let mut value = set(&bin.set);
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
        "sets": evaluation.sets.iter().map(set).collect::<Vec<_>>(),
        "flags": evaluation.flags.iter().map(flag).collect::<Vec<_>>(),
        "largest": { "label": largest.label, "answer": largest.prediction, "unflagged": largest.unflagged },
        "median": set(&evaluation.median),
        "bins": evaluation.binned.iter().map(bins).collect::<Vec<_>>(),
        "by_members": sizes.collect::<Vec<_>>(),
    })
}

fn set(set: &MetricSet) -> Value {
    let figures: Map<String, Value> = METRICS
        .iter()
        .zip(set.errors)
        .map(|(f, error)| (f.name.into(), json!({ "value": (f.of)(&set.metrics), "error": error })))
        .collect();
    json!({ "name": set.name, "objects": set.metrics.n, "figures": figures })
}

/// One row a figure and set: `set,from,to,objects,figure,unit,value,error`; from and to are empty but for bins. Shares
/// are 0 to 1.
pub fn metrics_csv(evaluation: &Evaluation) -> String {
    let mut text = String::from("set,from,to,objects,figure,unit,value,error\n");
    let number = |value: f64| {
        if value.is_finite() {
            value.to_string()
        } else {
            String::new()
        }
    };
    let mut add = |name: &str, from: &str, to: &str, set: &MetricSet| {
        for (figure, error) in METRICS.iter().zip(set.errors) {
            let unit = if figure.unit == "%" { "" } else { figure.unit };
            let (value, error) = (number((figure.of)(&set.metrics)), number(error));
            let n = set.metrics.n;
            let _ = writeln!(
                text,
                "\"{name}\",{from},{to},{n},{},{unit},{value},{error}",
                figure.name
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
    text
}
