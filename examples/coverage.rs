//! How often each calibration method misses its coverage, over random splits of a catalogue with true values.
//!
//!     cargo run --release --example coverage -- PREDICTIONS TRUTH [SPLITS [ROWS]]
//!
//! PREDICTIONS is a catalogue from `lensgpu infer --member-columns` of lenses that the model was not trained on, TRUTH its
//! column with true Einstein radii. In each of SPLITS (default 200) random splits, every method is fitted to ROWS of the
//! lenses (default: half) and scored on the others. A level p is missed if the fraction of true values within the
//! central interval differs from p by more than 2.5 sqrt(p (1 - p) (1 / n_cal + 1 / n_test)), which is expected in 1 % of
//! the splits. Scores are means over the splits; the number after ± is the standard deviation over splits of the
//! difference from the uncalibrated mixtures, from which other methods' differences can be judged.

use anyhow::{Context, Result, ensure};
use lensgpu::likelihood::Likelihood;
use lensgpu::posterior::calibration::{Map, Method, PredictiveDistribution, fit};
use lensgpu::posterior::metrics::{Metrics, ScoredPrediction};
use lensgpu::posterior::mixture::Mixture;
use lensgpu::survey::Catalogue;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// A level, and the coverage of its interval.
type Coverage = (f64, fn(&Metrics) -> f64);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("name a catalogue of predictions")?;
    let truth = arguments.next().context("name the column of true values")?;
    let rows = read(Path::new(&path), &truth)?;
    let number = |text: Option<String>, default| text.map_or(Ok(default), |text| text.parse());
    let splits: u64 = number(arguments.next(), 200)? as u64;
    let n_cal = number(arguments.next(), rows.len() / 2)?;
    let n_test = rows
        .len()
        .checked_sub(n_cal)
        .filter(|n| *n > 0)
        .context("no rows are left to score")?;
    println!(
        "{splits} splits of {} rows: {n_cal} to calibrate, {n_test} to score",
        rows.len()
    );
    println!(
        "method        missed at 68.3, 95.4, 99.7 %   coverage              NLL                CRPS    RMSE    ENCE"
    );
    let names = ["uncalibrated"].into_iter().chain(Method::ALL.map(Method::name));
    let start = Instant::now();
    let split = |seed: u64| -> Result<Vec<Metrics>> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (cal, test) = order.split_at(n_cal);
        let cal: Vec<(Mixture, f64)> = cal.iter().map(|&row| rows[row].clone()).collect();
        let score = |map: Option<&Map>| {
            let of_row = |&row: &usize| {
                let (mixture, truth) = &rows[row];
                ScoredPrediction::new(*truth, &PredictiveDistribution::of(mixture, map))
            };
            Metrics::new(&test.iter().map(of_row).collect::<Vec<_>>())
        };
        let spline = fit(Method::Spline, &cal)?;
        // The factors of the spline are those of the method `factors`.
        let maps = Method::ALL.map(|method| match (&spline, method) {
            (spline, Method::Spline) => Ok(spline.clone()),
            (Map::Spline(spline), Method::Factors) => Ok(Map::Factors(spline.factors)),
            _ => fit(method, &cal),
        });
        let mut all = vec![score(None)?];
        for map in maps {
            all.push(score(Some(&map?))?);
        }
        Ok(all)
    };
    let all: Vec<Vec<Metrics>> = (0..splits).into_par_iter().map(split).collect::<Result<_>>()?;
    for (method, name) in names.enumerate() {
        let mean = |of: &dyn Fn(&[Metrics]) -> f64| all.iter().map(|split| of(split)).sum::<f64>() / splits as f64;
        let average = |of: fn(&Metrics) -> f64| mean(&|split| of(&split[method]));
        let coverages: [Coverage; 3] = [
            (0.683, |m| m.coverage_683),
            (0.954, |m| m.coverage_954),
            (0.997, |m| m.coverage_997),
        ];
        let missed = coverages.map(|(p, of)| {
            let allowed = 2.5 * (p * (1.0 - p) * (1.0 / n_cal as f64 + 1.0 / n_test as f64)).sqrt();
            100.0 * mean(&|split| f64::from((of(&split[method]) - p).abs() > allowed))
        });
        let coverage = coverages.map(|(_, of)| 100.0 * average(of));
        let change = mean(&|split| split[method].nll - split[0].nll);
        let scatter = mean(&|split| (split[method].nll - split[0].nll - change).powi(2)).sqrt();
        println!(
            "{name:<12}  {:5.1} {:5.1} {:5.1} %            {:5.2} {:5.2} {:6.2} %  {:8.4} ± {scatter:6.4}  {:7.5}\" {:6.4}\" {:6.3}",
            missed[0],
            missed[1],
            missed[2],
            coverage[0],
            coverage[1],
            coverage[2],
            average(|m| m.nll),
            average(|m| m.crps),
            average(|m| m.rmse),
            average(|m| m.ence),
        );
    }
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Mixtures and true values of the rows that have both.
fn read(path: &Path, truth: &str) -> Result<Vec<(Mixture, f64)>> {
    let catalogue = Catalogue::read(path)?;
    let truth = catalogue.column(truth)?;
    let column = |name: &str, member: usize| catalogue.find(&format!("{name}_{member}"));
    let members: Vec<[usize; 2]> = (0..)
        .map_while(|m| Some([column("mu", m)?, column("var", m)?]))
        .collect();
    ensure!(
        !members.is_empty(),
        "the catalogue has no members: use lensgpu infer --member-columns"
    );
    let likelihood = catalogue.find("likelihood");
    let mut rows = Vec::new();
    for row in 0..catalogue.len() {
        let [mu, var] = [0, 1].map(|i| {
            members
                .iter()
                .map(|m| catalogue.number(row, m[i]))
                .collect::<Vec<f64>>()
        });
        let truth = catalogue.number(row, truth);
        if !mu.iter().chain(&var).all(|v| v.is_finite()) || truth.is_nan() || truth <= 0.0 {
            continue;
        }
        let likelihood = match likelihood {
            Some(column) => catalogue.text(row, column).trim().parse()?,
            None => Likelihood::Gaussian,
        };
        rows.push((Mixture::new(likelihood, &mu, &var)?, truth));
    }
    Ok(rows)
}
