//! The report as one page that needs nothing else: plots are in it as SVG, images as data.

use super::gallery::escape;
use super::tables::Subject;
use crate::ensemble::calibration::Map;
use crate::ensemble::evaluate::{Binned, Evaluation, Set};
use crate::ensemble::metrics::{FIGURES, Figure};
use std::fmt::Write as _;

/// A plot: its file's name without extension, its caption, the SVG.
pub struct Plot {
    pub name: &'static str,
    pub caption: String,
    pub svg: String,
    /// As wide as the page.
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
    html += "<h2>Figures</h2>\n";
    html += &figures(evaluation, subject);
    html += "<h2>Plots</h2>\n<div class=\"plots\">\n";
    for plot in plots {
        let class = if plot.wide { " class=\"wide\"" } else { "" };
        // In a page an SVG needs no name of its language.
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
        html += &bins(binned);
    }
    html + "</body>\n</html>\n"
}

fn head(subject: &Subject, evaluation: &Evaluation) -> String {
    let about = &subject.model.about;
    let training = &about.training;
    let calibration = match &about.calibration {
        None => "none".into(),
        Some(c) => {
            let what = match &c.map {
                Map::Factors(f) => format!(
                    "factors {:.3} (aleatoric) and {:.3} (epistemic)",
                    f.aleatoric, f.epistemic
                ),
                Map::Isotonic(_) => "isotonic on the PIT".into(),
                Map::Conformal(_) => "split conformal".into(),
            };
            let record = &c.record;
            format!(
                "{what}, fitted on {} rows of {}, {}",
                record.rows,
                escape(&record.data),
                record.date
            )
        }
    };
    let flagged = evaluation.known.iter().filter(|k| k.flags != 0).count();
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
            format!("{} [{}]", escape(&about.label.name), escape(&about.label.unit)),
        ),
        ("data", escape(&subject.data)),
        (
            "objects",
            format!("{}, of which {flagged} are flagged", evaluation.known.len()),
        ),
        ("calibration", calibration),
        (
            "made",
            format!("{} by lensgpu {}", subject.date, env!("CARGO_PKG_VERSION")),
        ),
    ];
    let mut html = String::from("<table class=\"head\">\n");
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    html + "</table>\n"
}

fn cell(figure: &Figure, set: &Set, error: f64) -> String {
    let value = figure.text((figure.of)(&set.metrics));
    let error = figure.text(error);
    // The unit stands once, behind the error.
    let plain = value.trim_end_matches([' ', '%', '"']);
    if error == "–" {
        return format!("<td>{}</td>", escape(&value));
    }
    format!("<td>{plain} <small>± {}</small></td>", escape(&error))
}

fn figures(evaluation: &Evaluation, subject: &Subject) -> String {
    let mut html = String::from("<div class=\"scroll\"><table class=\"figures\">\n<tr><th></th>");
    for set in &evaluation.sets {
        let best = evaluation
            .best_member
            .map(|m| format!("member {}", subject.model.members[m].number));
        let star = if best.as_ref() == Some(&set.name) { " *" } else { "" };
        let _ = write!(html, "<th>{}{star}</th>", escape(&set.name));
    }
    html += "</tr>\n";
    for (i, figure) in FIGURES.iter().enumerate() {
        let _ = write!(html, "<tr><th>{}</th>", escape(figure.title));
        for set in &evaluation.sets {
            html += &cell(figure, set, set.errors[i]);
        }
        html += "</tr>\n";
    }
    html += "</table></div>\n<p class=\"note\">± are standard errors by bootstrap. NLL is −ln p with p in 1/arcsec. \
             Members are scored without calibration.";
    if evaluation.best_member.is_some() {
        html += " * the best member on validation data.";
    }
    html + "</p>\n"
}

fn bins(binned: &Binned) -> String {
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
    let shown: Vec<(usize, &Figure)> = FIGURES
        .iter()
        .enumerate()
        .filter(|(_, f)| SHOWN.contains(&f.name))
        .collect();
    let mut html = format!(
        "<h2>By {}</h2>\n<div class=\"scroll\"><table class=\"figures\">\n<tr><th>range</th><th>objects</th>",
        escape(&binned.quantity)
    );
    for (_, figure) in &shown {
        let _ = write!(html, "<th>{}</th>", escape(figure.title));
    }
    html += "</tr>\n";
    for bin in &binned.bins {
        let digits = if bin.to >= 100.0 { 0 } else { 2 };
        let _ = write!(
            html,
            "<tr><th>{:.digits$} to {:.digits$}</th><td>{}</td>",
            bin.from, bin.to, bin.set.metrics.n
        );
        for (i, figure) in &shown {
            html += &cell(figure, &bin.set, bin.set.errors[*i]);
        }
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}
