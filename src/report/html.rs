//! The report as a single self-contained page, with plots as inline SVG and images as data URIs.

use super::gallery::escape;
use super::tables::Subject;
use crate::evaluate::{BinnedMetrics, Evaluation, MetricSet};
use crate::posterior::Quantity;
use crate::posterior::metrics::classification::ClassMetrics;
use crate::posterior::metrics::{METRICS, Metric};
use std::fmt::Write as _;

/// A plot of the page.
pub struct Plot {
    /// The name of its file, without extension.
    pub name: &'static str,
    /// Caption, as HTML.
    pub caption: String,
    /// The plot.
    pub svg: String,
    /// Whether it is as wide as the page; otherwise half as wide.
    pub wide: bool,
}

const STYLE: &str = include_str!("report.css");

pub fn page(subject: &Subject, evaluation: &Evaluation, plots: &[Plot]) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    let _ = write!(
        html,
        "<title>lensgpu: evaluation of {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&subject.model_file)
    );
    html += "<h1>Evaluation of an ensemble</h1>\n";
    html += &head(subject, evaluation);
    html += "<h2>Metrics</h2>\n";
    html += &metrics(evaluation, subject);
    let quantity = &subject.model.quantity();
    html += &flags(quantity, evaluation);
    html += &mean_and_median(quantity, evaluation);
    if let Some(classification) = &evaluation.classification {
        html += &lens_or_not(&classification.metrics);
    }
    html += "<h2>Plots</h2>\n<div class=\"plots\">\n";
    for plot in plots {
        let class = if plot.wide { " class=\"wide\"" } else { "" };
        // Inline SVG needs no namespace.
        let svg = plot.svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
        let svg = svg.trim_start_matches(|c| c != '<');
        let _ = write!(
            html,
            "<figure{class} id=\"{}\">\n{svg}\n<figcaption>{}</figcaption>\n</figure>\n",
            plot.name, plot.caption
        );
    }
    html += "</div>\n";
    for binned in evaluation.binned.iter().filter(|b| !b.bins.is_empty()) {
        html += &bins(quantity, binned);
    }
    html + "</body>\n</html>\n"
}

fn head(subject: &Subject, evaluation: &Evaluation) -> String {
    let about = &subject.model.about;
    let training = &about.training;
    let calibration = match &about.calibration {
        None => "none".into(),
        Some(c) => {
            let record = &c.record;
            format!(
                "{}, fitted to {} rows of {}, {}",
                c.map,
                record.rows,
                escape(&record.data),
                record.date
            )
        }
    };
    let flagged = evaluation.objects.iter().filter(|k| k.flags != 0).count();
    let rows = [
        ("model", escape(&subject.model_file)),
        (
            "trained",
            format!(
                "{} members on {} rows, {} epochs, {}",
                subject.model.members.len(),
                training.train,
                training.epochs,
                training.date
            ),
        ),
        (
            "label",
            match about.label.unit.as_str() {
                "" => escape(&about.label.name),
                unit => format!("{} [{}]", escape(&about.label.name), escape(unit)),
            },
        ),
        ("data", escape(&subject.data)),
        (
            "objects",
            format!("{}, of which {flagged} are flagged", evaluation.objects.len()),
        ),
        ("calibration", calibration),
        (
            "created",
            format!("{} by lensgpu {}", subject.date, env!("CARGO_PKG_VERSION")),
        ),
    ];
    let mut html = String::from("<table class=\"head\">\n");
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    html + "</table>\n"
}

fn cell(quantity: &Quantity, metric: &Metric, set: &MetricSet, error: f64) -> String {
    let value = metric.text(quantity, (metric.of)(&set.metrics));
    let error = metric.text(quantity, error);
    // The unit is shown once, after the error.
    let unit = quantity.unit();
    let plain = value.trim_end_matches(unit).trim_end_matches([' ', '%', '"']);
    if error == "–" {
        return format!("<td>{}</td>", escape(&value));
    }
    format!("<td>{plain} <small>± {}</small></td>", escape(&error))
}

fn metrics(evaluation: &Evaluation, subject: &Subject) -> String {
    let mut html = String::from("<div class=\"scroll\"><table class=\"figures\">\n<tr><th></th>");
    for set in &evaluation.sets {
        let best = evaluation
            .best_member
            .map(|m| format!("member {}", subject.model.members[m].number));
        let star = if best.as_ref() == Some(&set.name) { " *" } else { "" };
        let _ = write!(html, "<th>{}{star}</th>", escape(&set.name));
    }
    html += "</tr>\n";
    let quantity = &subject.model.quantity();
    for (i, metric) in METRICS.iter().enumerate().filter(|(_, metric)| metric.is_of(quantity)) {
        let _ = write!(html, "<tr><th>{}</th>", escape(metric.title));
        for set in &evaluation.sets {
            html += &cell(quantity, metric, set, set.errors[i]);
        }
        html += "</tr>\n";
    }
    html += "</table></div>\n<p class=\"note\">± are standard errors by bootstrap. ";
    if !quantity.unit().is_empty() {
        let _ = write!(html, "NLL is −ln p with p in 1/{}. ", escape(quantity.unit()));
    }
    html += "Members are uncalibrated.";
    if evaluation.best_member.is_some() {
        html += " * The member with the lowest validation NLL.";
    }
    html + "</p>\n"
}

/// A table of the metrics named in `shown`, with one row per set and leading cells of its own under `head`.
fn table<'a>(
    quantity: &Quantity,
    head: &[&str],
    shown: &[&str],
    rows: impl Iterator<Item = (Vec<String>, &'a MetricSet)>,
) -> String {
    let shown: Vec<(usize, &Metric)> = METRICS
        .iter()
        .enumerate()
        .filter(|(_, f)| shown.contains(&f.name) && f.is_of(quantity))
        .collect();
    let titles = head.iter().copied().chain(shown.iter().map(|(_, metric)| metric.title));
    let mut html = String::from("<div class=\"scroll\"><table class=\"figures\">\n<tr>");
    for title in titles {
        let _ = write!(html, "<th>{}</th>", escape(title));
    }
    html += "</tr>\n";
    for (cells, set) in rows {
        html += "<tr>";
        for (i, text) in cells.iter().enumerate() {
            let tag = if i == 0 { "th" } else { "td" };
            let _ = write!(html, "<{tag}>{}</{tag}>", escape(text));
        }
        for (i, metric) in &shown {
            html += &cell(quantity, metric, set, set.errors[*i]);
        }
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}

fn flags(quantity: &Quantity, evaluation: &Evaluation) -> String {
    let objects = evaluation.objects.len() as f64;
    let rows = evaluation.by_flag().map(|(name, set)| {
        let n = set.metrics.n;
        let fraction = format!("{:.1} %", 100.0 * n as f64 / objects);
        (vec![name.into(), n.to_string(), fraction], set)
    });
    let table = table(
        quantity,
        &["flag", "objects", "fraction"],
        &["rmse", "runaway_share"],
        rows,
    );
    if !quantity.is_angle() {
        return format!("<h2>Flags</h2>\n{table}");
    }
    let largest = escape(&evaluation.largest.to_string());
    format!(
        "<h2>Flags</h2>\n{table}<p class=\"note\">In this data, {largest}. A prediction above twice that label is a \
         catastrophic outlier, whatever its sigma.</p>\n"
    )
}

fn mean_and_median(quantity: &Quantity, evaluation: &Evaluation) -> String {
    let rows = [("mean", &evaluation.sets[0]), ("median", &evaluation.median)];
    let rows = rows.map(|(name, set)| (vec![name.into()], set));
    let table = table(
        quantity,
        &["prediction"],
        &["rmse", "share_above_1_arcsec"],
        rows.into_iter(),
    );
    format!(
        "<h2>Mean and median of the mixture</h2>\n{table}<p class=\"note\">The median (q50 in a catalogue) is robust \
         against a single diverging member.</p>\n"
    )
}

fn lens_or_not(metrics: &ClassMetrics) -> String {
    let [low, high] = metrics.roc_auc_interval;
    let percent = |fraction: f64| format!("{:.1} %", 100.0 * fraction);
    let rows = [
        ("lenses", metrics.lenses.to_string()),
        ("other objects", metrics.others.to_string()),
        (
            "ROC AUC",
            format!("{:.4} (95 %: {low:.4} to {high:.4})", metrics.roc_auc),
        ),
        ("cross-entropy", format!("{:.4}", metrics.cross_entropy)),
        ("Brier score", format!("{:.4}", metrics.brier)),
        ("calibration error", percent(metrics.calibration_error)),
        ("completeness", percent(metrics.completeness)),
        ("purity", metrics.purity.map_or("–".into(), percent)),
    ];
    let mut html = String::from("<h2>Lens or not</h2>\n<table class=\"head\">\n");
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    html + "</table>\n<p class=\"note\">Completeness and purity are those of the objects with p_lens of at least 0.5; \
            the purity depends on the fraction of lenses in this data. All other metrics are those of the lenses.</p>\n"
}

fn bins(quantity: &Quantity, binned: &BinnedMetrics) -> String {
    const SHOWN: [&str; 8] = [
        "bias",
        "rmse",
        "nmad",
        "outlier_share",
        "nll",
        "crps",
        "coverage_683",
        "coverage_954",
    ];
    let rows = binned.bins.iter().map(|bin| {
        let digits = if bin.to >= 100.0 { 0 } else { 2 };
        let range = format!("{:.digits$} to {:.digits$}", bin.from, bin.to);
        (vec![range, bin.set.metrics.n.to_string()], &bin.set)
    });
    let table = table(quantity, &["range", "objects"], &SHOWN, rows);
    format!("<h2>By {}</h2>\n{table}", escape(&binned.quantity))
}
