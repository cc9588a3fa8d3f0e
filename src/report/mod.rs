//! The report of an evaluation: a folder with all metrics as JSON and CSV, all plots as SVG and PNG, and one page that
//! shows them.

mod classification;
mod error;
mod figures;
mod gallery;
mod html;
mod tables;
mod training_log;

pub use error::Error;
pub use tables::Subject;

use crate::evaluate::{Classification, Evaluation};
use crate::files::{self, write_atomic};
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::training_curves::training_curves;
use crate::plot::{composite, png};
use crate::survey::{ImageFolder, flags};
use gallery::{Rings, Tile, gallery};
use html::Plot;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Number of objects in each gallery.
const SHOWN: usize = 10;

/// Writes `metrics.json`, `metrics.csv`, `figures/NAME.svg` and `.png`, and `report.html` into the existing folder `folder`.
/// Returns the path of the page. `log` is the `log.csv` of the training run, if it is known.
///
/// # Errors
/// A file that cannot be written; a log or an image that cannot be read.
pub fn write(
    folder: &Path,
    subject: &Subject,
    evaluation: &Evaluation,
    source: &ImageFolder,
    log: Option<&Path>,
) -> Result<PathBuf, Error> {
    let plots = plots(subject, evaluation, source, log)?;
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).map_err(|source| files::Error::CannotCreateFolder {
        path: figures.clone(),
        source,
    })?;
    for plot in &plots {
        write_svg(&figures.join(format!("{}.svg", plot.name)), &plot.svg)?;
        write_bytes(&figures.join(format!("{}.png", plot.name)), &png::of_svg(&plot.svg)?)?;
    }
    let json = format!("{:#}\n", tables::metrics_json(subject, evaluation));
    write_bytes(&folder.join("metrics.json"), json.as_bytes())?;
    write_bytes(
        &folder.join("metrics.csv"),
        tables::metrics_csv(&subject.model.quantity(), evaluation).as_bytes(),
    )?;
    let page = folder.join("report.html");
    write_bytes(&page, html::page(subject, evaluation, &plots).as_bytes())?;
    Ok(page)
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(write_atomic(path, |file| file.write_all(bytes))?)
}

/// The plots of the page, in its order.
fn plots(
    subject: &Subject,
    evaluation: &Evaluation,
    source: &ImageFolder,
    log: Option<&Path>,
) -> Result<Vec<Plot>, Error> {
    let (objects, raw) = (&evaluation.scored[..], evaluation.raw.as_deref());
    let narrow = |name, caption: &str, svg: String| Plot {
        name,
        caption: caption.into(),
        svg,
        wide: false,
    };
    let title = format!("{} objects", objects.len());
    let quantity = &subject.model.quantity();
    let mut plots = vec![
        narrow(
            "predicted_vs_true",
            "Mean of the mixture against the true value; error bars from the 16 to the 84 % quantile.",
            predicted_vs_true(&title, quantity, objects, &evaluation.sets[0].metrics)?,
        ),
        narrow(
            "residuals",
            "Error of each object, with the median and the 16 to 84 % range in bins of equal numbers of objects.",
            figures::residuals(quantity, objects)?,
        ),
        narrow(
            "pit",
            "PIT histogram. A hump means that intervals are too wide, a U shape that they are too narrow, a slope that \
             predictions are biased.",
            figures::pit_histogram(objects, raw)?,
        ),
        narrow(
            "reliability",
            "Fraction of true values below each predicted quantile; perfect calibration lies on the diagonal.",
            figures::reliability(objects, raw)?,
        ),
        narrow(
            "coverage",
            "Fraction of true values inside each central interval; above the diagonal, intervals are too wide.",
            figures::coverage(objects, raw)?,
        ),
        narrow(
            "sigma_error",
            "RMS error against predicted sigma in bins of equal numbers of objects; perfect calibration lies on the \
             diagonal.",
            figures::sigma_error(quantity, objects, raw)?,
        ),
    ];
    if let Some(Classification { objects, metrics }) = &evaluation.classification {
        plots.push(narrow(
            "roc",
            "ROC curve of p_lens: fraction of lenses against fraction of other objects above each threshold.",
            classification::roc(objects, metrics)?,
        ));
        plots.push(narrow(
            "p_lens",
            "Fraction of lenses against mean p_lens in bins of equal numbers of objects; perfect calibration lies on the \
             diagonal.",
            classification::reliability(objects)?,
        ));
    }
    let mut wide = |name, caption: &str, svg| {
        plots.push(Plot {
            wide: true,
            ..narrow(name, caption, svg)
        })
    };
    if evaluation.by_size.len() > 1 {
        let caption = "Uncalibrated sub-ensembles of 1 to M members.";
        wide("members", caption, figures::by_size(quantity, &evaluation.by_size)?);
    }
    if let Some(log) = log {
        let caption = "Training of each member; the model contains the weights with the lowest validation NLL.";
        wide(
            "training",
            caption,
            training_curves(quantity, &training_log::curves(log)?)?,
        );
    }
    if !subject.model.network.takes_images() {
        return Ok(plots);
    }
    let tiles = |rows: Vec<usize>| {
        rows.into_iter()
            .map(|row| tile(subject, evaluation, source, row))
            .collect::<Result<Vec<_>, Error>>()
    };
    let (typical, worst) = (evaluation.across_the_range(SHOWN), evaluation.worst(SHOWN));
    let uncertain = evaluation.most_uncertain(SHOWN);
    let colours = channels_text(&subject.model.about.bands);
    let caption = format!(
        "Objects at equal steps in the order of true radii, with the predicted ring, its 68 % interval as a band, and the \
         true radius dashed. {colours}"
    );
    wide("rings", &caption, gallery("Predicted rings", &tiles(typical)?));
    let caption = format!("The largest errors. {colours}");
    wide("worst", &caption, gallery("Largest errors", &tiles(worst)?));
    let caption = format!("The largest sigmas. {colours}");
    wide("uncertain", &caption, gallery("Largest sigmas", &tiles(uncertain)?));
    Ok(plots)
}

/// Which bands the colours of a gallery show.
fn channels_text(bands: &[String]) -> String {
    let [r, g, b] = composite::channels(bands);
    match r == b {
        true => format!("Band {}, on an arcsinh scale.", gallery::escape(&bands[r])),
        false => {
            let [r, g, b] = [r, g, b].map(|i| gallery::escape(&bands[i]));
            format!(
                "Red, green and blue are {r}, {g} and {b}, scaled by one arcsinh of their mean (Lupton et al. 2004)."
            )
        }
    }
}

fn tile(subject: &Subject, evaluation: &Evaluation, source: &ImageFolder, row: usize) -> Result<Tile, Error> {
    let object = &evaluation.objects[row];
    let about = &subject.model.about;
    let cutout = source.read(object.index).map_err(Box::new)?;
    let rgb = composite::composite(&cutout, &about.stretch, &about.bands);
    let p = evaluation.prediction(row);
    let number = |value: f64| format!("{value:.2}").replace('-', "−");
    let error = format!("{:+.2}", p.theta_e - object.truth).replace('-', "−");
    let mut lines = vec![
        format!("{}: true {}\"", source.objects[object.index].id, number(object.truth)),
        format!("{} ± {}\", error {error}\"", number(p.theta_e), number(p.sigma)),
        format!("95 %: {} to {}\"", number(p.quantiles[0]), number(p.quantiles[4])),
    ];
    let names = flags::describe(object.flags);
    lines.push(if names.is_empty() {
        "no flag".into()
    } else {
        names.join(", ")
    });
    let pixel_scale = cutout.pixel_scale.or(about.pixel_scale);
    let rings = pixel_scale.map(|scale| {
        let fraction = |radius: f64| radius / (scale * cutout.width as f64);
        Rings {
            truth: fraction(object.truth),
            predicted: fraction(p.theta_e),
            interval: [fraction(p.quantiles[1]), fraction(p.quantiles[3])],
        }
    });
    Ok(Tile {
        png: png::of_pixels(&rgb, cutout.width, 4)?,
        rings,
        lines,
    })
}
