//! The report of `lensgpu evaluate`: a folder with every figure as text and every plot as SVG and PNG, and one page that
//! shows them all.

mod figures;
mod gallery;
mod html;
mod tables;

pub use tables::Subject;

use crate::evaluate::Evaluation;
use crate::files;
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::training_curves::{MemberCurves, training_curves};
use crate::plot::{composite, png};
use crate::survey::{ImageFolder, flags};
use anyhow::{Context, Result};
use gallery::{Tile, gallery};
use html::Plot;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Objects in each gallery.
const SHOWN: usize = 10;

/// Writes `metrics.json`, `metrics.csv`, `figures/NAME.svg` and `.png` and `report.html` into `folder`. `log` is the
/// training's `log.csv`, where it is known. Returns the page.
///
/// # Errors
/// Files that cannot be written; a log or an image that cannot be read.
pub fn write(
    folder: &Path,
    subject: &Subject,
    evaluation: &Evaluation,
    source: &ImageFolder,
    log: Option<&Path>,
) -> Result<PathBuf> {
    let plots = plots(subject, evaluation, source, log)?;
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).with_context(|| format!("the folder {} cannot be made", figures.display()))?;
    for plot in &plots {
        write_svg(&figures.join(format!("{}.svg", plot.name)), &plot.svg)?;
        let picture = png::of_svg(&plot.svg)?;
        write(&figures.join(format!("{}.png", plot.name)), &picture)?;
    }
    let json = serde_json::to_string_pretty(&tables::metrics_json(subject, evaluation))?;
    write(&folder.join("metrics.json"), (json + "\n").as_bytes())?;
    write(&folder.join("metrics.csv"), tables::metrics_csv(evaluation).as_bytes())?;
    let page = folder.join("report.html");
    write(&page, html::page(subject, evaluation, &plots).as_bytes())?;
    return Ok(page);

    fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        Ok(files::write_atomic(path, |file| file.write_all(bytes))?)
    }
}

fn plots(subject: &Subject, evaluation: &Evaluation, source: &ImageFolder, log: Option<&Path>) -> Result<Vec<Plot>> {
    let (objects, raw) = (&evaluation.scored[..], evaluation.raw.as_deref());
    let narrow = |name, caption: &str, svg: String| Plot {
        name,
        caption: caption.into(),
        svg,
        wide: false,
    };
    let title = format!("{} objects", objects.len());
    let mut plots = vec![
        narrow(
            "predicted_vs_true",
            "Mean of the mixture against the truth; bars from the 16 to the 84 % quantile.",
            predicted_vs_true(&title, objects, &evaluation.sets[0].metrics)?,
        ),
        narrow(
            "residuals",
            "Each object's error, with the median and the 16 to 84 % range of bins of equally many objects.",
            figures::residuals(objects)?,
        ),
        narrow(
            "pit",
            "A hump says that error bars are too wide, a bowl too narrow, a slope that answers are biased.",
            figures::pit_histogram(objects, raw)?,
        ),
        narrow(
            "reliability",
            "How many truths lie below each stated quantile; on the diagonal all are true.",
            figures::reliability(objects, raw)?,
        ),
        narrow(
            "coverage",
            "How many truths each central interval holds; above the diagonal intervals are too wide.",
            figures::coverage(objects, raw)?,
        ),
        narrow(
            "sigma_error",
            "Whether objects of large sigma have large errors, in bins of equally many objects.",
            figures::sigma_error(objects, raw)?,
        ),
    ];
    let mut wide = |name, caption: &str, svg| {
        plots.push(Plot {
            wide: true,
            ..narrow(name, caption, svg)
        })
    };
    if evaluation.by_size.len() > 1 {
        let caption = "What members add: uncalibrated ensembles of 1 to M members.";
        wide("members", caption, figures::by_size(&evaluation.by_size)?);
    }
    if let Some(log) = log {
        let caption = "Training of each member; its best weights by validation NLL are in the model.";
        wide("training", caption, training_curves(&curves(log)?)?);
    }
    let tiles = |rows: Vec<usize>| {
        rows.into_iter()
            .map(|row| tile(subject, evaluation, source, row))
            .collect::<Result<Vec<_>>>()
    };
    let (worst, uncertain) = (evaluation.worst(SHOWN), evaluation.most_uncertain(SHOWN));
    let colours = channels_text(&subject.model.about.bands);
    let caption = format!("The largest errors. {colours}");
    wide("worst", &caption, gallery("Largest errors", &tiles(worst)?));
    let caption = format!("The largest sigmas. {colours}");
    wide("uncertain", &caption, gallery("Largest sigmas", &tiles(uncertain)?));
    Ok(plots)
}

fn channels_text(bands: &[String]) -> String {
    let [r, g, b] = composite::channels(bands);
    match r == b {
        true => format!("Brightness: {}, arcsinh.", gallery::escape(&bands[r])),
        false => {
            let [r, g, b] = [r, g, b].map(|i| gallery::escape(&bands[i]));
            format!("Red, green, blue: {r}, {g}, {b}, by one arcsinh of their mean (Lupton et al. 2004).")
        }
    }
}

fn tile(subject: &Subject, evaluation: &Evaluation, source: &ImageFolder, row: usize) -> Result<Tile> {
    let known = &evaluation.known[row];
    let about = &subject.model.about;
    let cutout = source.read(known.index)?;
    let rgb = composite::composite(&cutout, &about.stretch, &about.bands);
    let p = evaluation.prediction(row);
    let number = |value: f64| format!("{value:.2}").replace('-', "−");
    let error = format!("{:+.2}", p.theta_e - known.truth).replace('-', "−");
    let mut lines = vec![
        format!("{}: true {}\"", source.objects[known.index].id, number(known.truth)),
        format!("{} ± {}\", error {error}\"", number(p.theta_e), number(p.sigma)),
        format!("95 %: {} to {}\"", number(p.quantiles[0]), number(p.quantiles[4])),
    ];
    let names = flags::describe(known.flags);
    lines.push(if names.is_empty() {
        "no flag".into()
    } else {
        names.join(", ")
    });
    Ok(Tile {
        png: png::of_pixels(&rgb, cutout.width, 4)?,
        lines,
    })
}

/// The curves of a `log.csv`, members in its order.
fn curves(log: &Path) -> Result<Vec<MemberCurves>> {
    let shown = log.display();
    let mut reader = csv::Reader::from_path(log).with_context(|| format!("{shown}: cannot be read"))?;
    let columns = reader
        .headers()
        .with_context(|| format!("{shown}: cannot be read"))?
        .clone();
    let column = |name: &str| {
        let found = columns.iter().position(|c| c == name);
        found.with_context(|| format!("{shown} has no column {name}: it is no training log"))
    };
    let [member, train, val, rmse] = ["member", "train_nll", "val_nll", "val_rmse"].map(column);
    let (member, train, val, rmse) = (member?, train?, val?, rmse?);
    let mut members: Vec<(String, MemberCurves)> = Vec::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("{shown}: cannot be read"))?;
        let number = |column: usize| row[column].parse().unwrap_or(f64::NAN);
        let place = members
            .iter()
            .position(|(name, _)| *name == row[member])
            .unwrap_or_else(|| {
                members.push((row[member].to_string(), MemberCurves::default()));
                members.len() - 1
            });
        let curves = &mut members[place].1;
        curves.train_nll.push(number(train));
        curves.val_nll.push(number(val));
        curves.val_rmse.push(number(rmse));
    }
    Ok(members.into_iter().map(|(_, curves)| curves).collect())
}
