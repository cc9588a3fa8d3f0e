//! A catalogue of Einstein radii, with redshifts, to one with masses.

pub mod radius;

use self::radius::Radius;
use crate::lens::physics::cosmology::{Cosmology, Distances};
use crate::likelihood::Likelihood;
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::posterior::mixture::{LEVELS, Mixture};
use crate::progress::{Callback, Event, Phase};
use crate::survey::Catalogue;
use crate::survey::infer_table::InferTable;
use crate::survey::table::{Cell, Column, ColumnType, TableWriter};
use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

pub const NO_THETA_E: i32 = 1;
pub const NO_REDSHIFT: i32 = 2;
pub const BAD_REDSHIFT: i32 = 4;
pub const SOURCE_IN_FRONT: i32 = 8;
pub const NO_DISTANCE: i32 = 16;
pub const THETA_E_CUT: i32 = 32;
pub const REDSHIFT_CUT: i32 = 64;
pub const NO_REDSHIFT_ERROR: i32 = 128;

/// One bit of the column `mass_flags`.
pub struct MassFlag {
    pub bit: i32,
    pub name: &'static str,
    pub meaning: &'static str,
}

/// Every bit, in order. A bit keeps its meaning for ever.
pub const MASS_FLAGS: [MassFlag; 8] = [
    MassFlag {
        bit: NO_THETA_E,
        name: "no_theta_e",
        meaning: "theta_e or its distribution is missing, or not above 0: no mass",
    },
    MassFlag {
        bit: NO_REDSHIFT,
        name: "no_redshift",
        meaning: "a redshift is missing or no number: no mass",
    },
    MassFlag {
        bit: BAD_REDSHIFT,
        name: "bad_redshift",
        meaning: "a redshift is not above 0: no mass",
    },
    MassFlag {
        bit: SOURCE_IN_FRONT,
        name: "source_in_front",
        meaning: "the source is not behind the lens: no mass",
    },
    MassFlag {
        bit: NO_DISTANCE,
        name: "no_distance",
        meaning: "the source lies beyond the antipode of a closed universe: no mass",
    },
    MassFlag {
        bit: THETA_E_CUT,
        name: "theta_e_cut",
        meaning: "more than 1 % of the distribution of theta_e lay below 0 and was cut off",
    },
    MassFlag {
        bit: REDSHIFT_CUT,
        name: "redshift_cut",
        meaning: "more than 1 % of the drawn redshifts were impossible and were cut off",
    },
    MassFlag {
        bit: NO_REDSHIFT_ERROR,
        name: "no_redshift_error",
        meaning: "the error of a redshift is missing or negative: the redshift is taken as exact",
    },
];

/// A larger share that is cut off is flagged.
const MOST_CUT: f64 = 0.01;

/// What is asked for. Columns are those of the catalogue.
pub struct MassOptions {
    /// CSV or FITS, with the columns that `infer` writes.
    pub catalogue: PathBuf,
    /// .csv or .fits.
    pub output: PathBuf,
    pub z_lens: String,
    pub z_source: String,
    /// Standard deviations of the redshifts.
    pub z_lens_error: Option<String>,
    pub z_source_error: Option<String>,
    /// What a row's random numbers hang on, besides the seed; `None`: `id`, else the row's number.
    pub id: Option<String>,
    /// Rebuild the distribution of theta_e from its quantiles even where the members' answers are there.
    pub from_quantiles: bool,
    pub cosmology: Cosmology,
    /// Draws a row, where redshifts have errors.
    pub samples: usize,
    pub seed: u64,
}

/// What came out.
pub struct MassReport {
    pub rows: usize,
    /// Rows with a distribution of the mass.
    pub with_mass: usize,
    /// Members whose mixture was used; 0: rebuilt from quantiles.
    pub members: usize,
    /// How many rows have each of [`MASS_FLAGS`].
    pub flagged: [usize; MASS_FLAGS.len()],
}

/// Adds masses to a catalogue.
///
/// # Errors
/// A catalogue that cannot be read or lacks a column, or has one of the new columns already; an output that cannot be
/// written; being stopped, after which nothing is written.
pub fn add_masses(options: &MassOptions, progress: &Callback) -> Result<MassReport> {
    let catalogue = Catalogue::read(&options.catalogue)?;
    let input = Input::find(&catalogue, options)?;
    let new = new_columns(input.has_errors());
    if let Some(taken) = new.iter().find(|c| catalogue.find(&c.name).is_some()) {
        bail!(
            "{} has a column '{}' already: give the catalogue from before `lensgpu mass`, or rename the column",
            options.catalogue.display(),
            taken.name
        );
    }
    let old = old_columns(&catalogue, &options.output);
    let mut writer = TableWriter::create(&options.output, old.iter().chain(&new).cloned().collect())?;

    let mut report = MassReport {
        rows: catalogue.len(),
        with_mass: 0,
        members: input.members(),
        flagged: [0; MASS_FLAGS.len()],
    };
    let rows: Vec<usize> = (0..catalogue.len()).collect();
    for chunk in rows.chunks(256) {
        let masses: Vec<RowMass> = chunk.par_iter().map(|&row| input.mass(row)).collect();
        for (&row, mass) in chunk.iter().zip(masses) {
            let mut cells: Vec<Cell> = (0..old.len())
                .map(|c| old[c].column_type.cell(catalogue.text(row, c)))
                .collect();
            cells.extend(mass.cells(input.has_errors()));
            writer.push(&cells)?;
            report.with_mass += usize::from(mass.log10_quantiles[2].is_finite());
            for (count, flag) in report.flagged.iter_mut().zip(&MASS_FLAGS) {
                *count += usize::from(mass.flags & flag.bit != 0);
            }
        }
        let done = chunk[chunk.len() - 1] + 1;
        let advanced = Event::Advanced {
            phase: Phase::Masses,
            done,
            total: report.rows,
        };
        if progress(advanced).is_break() && done < report.rows {
            bail!("stopped: {} is not written", options.output.display());
        }
    }
    writer.finish()?;
    Ok(report)
}

/// The catalogue's own columns. To CSV all go as the texts that they are; to FITS with the units that `infer` gives.
fn old_columns(catalogue: &Catalogue, output: &Path) -> Vec<Column> {
    let csv = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let known = InferTable {
        id: ColumnType::Str,
        ra_dec: true,
        members: members(catalogue).len(),
        likelihood: Likelihood::default(),
        pass_through: Vec::new(),
    }
    .columns();
    let column = |i: usize| {
        if csv {
            return Column::new(&catalogue.columns[i], ColumnType::Str, "", "");
        }
        let mut column = catalogue.described(i);
        if let Some(known) = known.iter().find(|k| k.name == column.name)
            && column.unit.is_empty()
            && column.description.is_empty()
        {
            column.unit = known.unit.clone();
            column.description = known.description.clone();
        }
        column
    };
    (0..catalogue.columns.len()).map(column).collect()
}

const QUANTILES: [&str; 5] = ["q02_5", "q16", "q50", "q84", "q97_5"];

fn new_columns(has_errors: bool) -> Vec<Column> {
    let float = |name: &str, unit: &str, description: &str| Column::new(name, ColumnType::F64, unit, description);
    // No unit: astropy does not know the logarithms of units that the FITS standard has.
    let mass = "log10 of the mass inside theta_e, solar masses";
    let mut columns = vec![float("log10_mass_e", "", mass)];
    let of = [
        "2.5 % quantile",
        "16 % quantile",
        "median",
        "84 % quantile",
        "97.5 % quantile",
    ];
    columns.extend(
        QUANTILES
            .iter()
            .zip(of)
            .map(|(q, description)| float(&format!("log10_mass_e_{q}"), "", description)),
    );
    columns.extend([
        float("r_einstein_kpc", "kpc", "theta_e at the lens"),
        float("r_einstein_kpc_error", "kpc", "half of the range from 16 to 84 %"),
        float(
            "sigma_v_sis",
            "km/s",
            "velocity dispersion of a singular isothermal sphere",
        ),
        float("sigma_v_sis_error", "km/s", "half of the range from 16 to 84 %"),
    ]);
    if has_errors {
        columns.push(float(
            "redshift_cut",
            "",
            "share of drawn redshifts that were impossible",
        ));
    }
    columns.push(Column::new(
        "mass_flags",
        ColumnType::I32,
        "",
        "bit mask, 0: nothing noticed",
    ));
    columns
}

/// One row of the new columns; NaN is unknown.
struct RowMass {
    log10_mass: f64,
    log10_quantiles: [f64; 5],
    /// kpc, with its uncertainty.
    radius: [f64; 2],
    /// km/s, with its uncertainty.
    sigma_v: [f64; 2],
    redshift_cut: f64,
    flags: i32,
}

impl RowMass {
    fn unknown(flags: i32) -> RowMass {
        RowMass {
            log10_mass: f64::NAN,
            log10_quantiles: [f64::NAN; 5],
            radius: [f64::NAN; 2],
            sigma_v: [f64::NAN; 2],
            redshift_cut: f64::NAN,
            flags,
        }
    }

    fn cells(&self, has_errors: bool) -> Vec<Cell> {
        let mut values = vec![self.log10_mass];
        values.extend(self.log10_quantiles);
        values.extend(self.radius);
        values.extend(self.sigma_v);
        if has_errors {
            values.push(self.redshift_cut);
        }
        let mut cells: Vec<Cell> = values.into_iter().map(Cell::F64).collect();
        cells.push(Cell::I32(self.flags));
        cells
    }
}

/// Where a row's radius is found.
enum RadiusColumns {
    /// (mu_m, var_m) of each member, and the likelihood of each row.
    Members(Vec<(usize, usize)>, Vec<Likelihood>),
    Quantiles([usize; 5]),
}

/// A catalogue and where in it things are.
struct Input<'a> {
    catalogue: &'a Catalogue,
    options: &'a MassOptions,
    theta_e: usize,
    radius: RadiusColumns,
    /// Lens, source.
    redshifts: [usize; 2],
    errors: [Option<usize>; 2],
    id: Option<usize>,
}

impl<'a> Input<'a> {
    fn find(catalogue: &'a Catalogue, options: &'a MassOptions) -> Result<Self> {
        ensure!(
            options.samples >= 100,
            "--samples {}: fewer than 100 draws have no quantiles",
            options.samples
        );
        let asked = |name: &Option<String>, option| {
            name.as_ref()
                .map(|name| catalogue.column(name).context(option))
                .transpose()
        };
        let z_lens = catalogue.column(&options.z_lens).context("--z-lens")?;
        let z_source = catalogue.column(&options.z_source).context("--z-source")?;
        let from_infer = |name: &str| {
            catalogue.find(name).with_context(|| {
                format!(
                    "{} has no column '{name}'; it has: {}. Is it a catalogue that `lensgpu infer` wrote?",
                    catalogue.path.display(),
                    catalogue.columns.join(", ")
                )
            })
        };
        let members = members(catalogue);
        let radius = if members.is_empty() || options.from_quantiles {
            let found = QUANTILES.iter().map(|q| from_infer(q)).collect::<Result<Vec<_>>>()?;
            RadiusColumns::Quantiles(found.try_into().expect("five"))
        } else {
            RadiusColumns::Members(members, likelihoods(catalogue)?)
        };
        Ok(Input {
            catalogue,
            options,
            theta_e: from_infer("theta_e")?,
            radius,
            redshifts: [z_lens, z_source],
            errors: [
                asked(&options.z_lens_error, "--z-lens-error")?,
                asked(&options.z_source_error, "--z-source-error")?,
            ],
            id: asked(&options.id, "--id-column")?.or(catalogue.find("id")),
        })
    }

    fn has_errors(&self) -> bool {
        self.errors.iter().any(Option::is_some)
    }

    fn members(&self) -> usize {
        match &self.radius {
            RadiusColumns::Members(members, _) => members.len(),
            RadiusColumns::Quantiles(_) => 0,
        }
    }

    fn radius(&self, row: usize) -> Result<Radius> {
        let number = |column: usize| self.catalogue.number(row, column);
        match &self.radius {
            RadiusColumns::Members(members, likelihoods) => {
                let (mu, var): (Vec<f64>, Vec<f64>) =
                    members.iter().map(|&(mu, var)| (number(mu), number(var))).unzip();
                Radius::from_mixture(Mixture::new(likelihoods[row], &mu, &var)?)
            }
            RadiusColumns::Quantiles(columns) => Radius::from_quantiles(columns.map(number)),
        }
    }

    fn mass(&self, row: usize) -> RowMass {
        let theta_e = self.catalogue.number(row, self.theta_e);
        let z = self.redshifts.map(|column| self.catalogue.number(row, column));
        let radius = self.radius(row).ok().filter(|_| theta_e.is_finite());
        let distances = possible(&self.options.cosmology, z);
        let (radius, distances) = match (radius, distances) {
            (Some(radius), Ok(distances)) => (radius, distances),
            (radius, distances) => {
                let no_theta_e = if radius.is_none() { NO_THETA_E } else { 0 };
                return RowMass::unknown(no_theta_e | distances.err().unwrap_or(0));
            }
        };

        let mut flags = if radius.cut() > MOST_CUT { THETA_E_CUT } else { 0 };
        let errors = self.errors.map(|column| {
            let error = column.map_or(0.0, |column| self.catalogue.number(row, column));
            if error.is_finite() && error >= 0.0 {
                return error;
            }
            flags |= NO_REDSHIFT_ERROR;
            0.0
        });
        let (spread, redshift_cut) = if errors == [0.0; 2] {
            (Spread::exact(&radius, &distances), 0.0)
        } else {
            self.spread(row, &radius, z, errors)
        };
        if redshift_cut > MOST_CUT {
            flags |= REDSHIFT_CUT;
        }
        // A theta_e that is itself below 0 has no mass, but its distribution has.
        let theta_e = if theta_e > 0.0 { theta_e } else { f64::NAN };
        RowMass {
            log10_mass: distances.einstein_mass(theta_e).log10(),
            log10_quantiles: spread.log10_mass,
            radius: [distances.at_lens(theta_e), spread.radius],
            sigma_v: [distances.velocity_dispersion(theta_e), spread.sigma_v],
            redshift_cut,
            flags,
        }
    }

    /// By random draws of theta_e and of the redshifts, Gaussian; those that are impossible are left out. Also their
    /// share. A row's numbers hang on the seed and its id alone, not on its place or on other rows.
    fn spread(&self, row: usize, radius: &Radius, z: [f64; 2], errors: [f64; 2]) -> (Spread, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        let id = self
            .id
            .map_or(row.to_string(), |id| self.catalogue.text(row, id).to_string());
        rng.set_stream(fnv1a(FNV_OFFSET, id.bytes()));
        let samples = self.options.samples;
        let mut drawn = [const { Vec::new() }; 3];
        for _ in 0..samples {
            let z = [0, 1].map(|i| {
                let normal: f64 = StandardNormal.sample(&mut rng);
                z[i] + errors[i] * normal
            });
            let theta_e = radius.draw(&mut rng);
            if let Ok(d) = possible(&self.options.cosmology, z) {
                drawn[0].push(d.einstein_mass(theta_e).log10());
                drawn[1].push(d.at_lens(theta_e));
                drawn[2].push(d.velocity_dispersion(theta_e));
            }
        }
        let cut = (samples - drawn[0].len()) as f64 / samples as f64;
        drawn
            .iter_mut()
            .for_each(|values| values.sort_unstable_by(f64::total_cmp));
        let spread = Spread {
            log10_mass: LEVELS.map(|p| empirical_quantile(&drawn[0], p)),
            radius: half_range(|p| empirical_quantile(&drawn[1], p)),
            sigma_v: half_range(|p| empirical_quantile(&drawn[2], p)),
        };
        (spread, cut)
    }
}

/// The columns mu_0, var_0, mu_1, ... as far as there are both.
fn members(catalogue: &Catalogue) -> Vec<(usize, usize)> {
    (0..)
        .map_while(|m| {
            catalogue
                .find(&format!("mu_{m}"))
                .zip(catalogue.find(&format!("var_{m}")))
        })
        .collect()
}

/// Each row's likelihood, which `infer` writes where it is not Gaussian.
fn likelihoods(catalogue: &Catalogue) -> Result<Vec<Likelihood>> {
    let Some(column) = catalogue.find("likelihood") else {
        return Ok(vec![Likelihood::Gaussian; catalogue.len()]);
    };
    let of_row = |row: usize| {
        let text = catalogue.text(row, column).trim();
        let known = text.parse().ok();
        known
            .or(text.is_empty().then_some(Likelihood::Gaussian))
            .with_context(|| {
                format!(
                    "{}: row {}: the likelihood '{text}' is not known: --from-quantiles does without it",
                    catalogue.path.display(),
                    row + 1
                )
            })
    };
    (0..catalogue.len()).map(of_row).collect()
}

/// The distances, or the flag that says why there are none.
fn possible(cosmology: &Cosmology, [lens, source]: [f64; 2]) -> Result<Distances, i32> {
    match (lens, source) {
        _ if !lens.is_finite() || !source.is_finite() => Err(NO_REDSHIFT),
        _ if lens <= 0.0 || source <= 0.0 => Err(BAD_REDSHIFT),
        _ if source <= lens => Err(SOURCE_IN_FRONT),
        _ => cosmology.distances(lens, source).map_err(|_| NO_DISTANCE),
    }
}

/// How far the answers spread.
struct Spread {
    /// Quantiles at [`LEVELS`].
    log10_mass: [f64; 5],
    /// Half of the range from 16 to 84 %, kpc.
    radius: f64,
    /// The same, km/s.
    sigma_v: f64,
}

impl Spread {
    /// With exact distances all answers increase with theta_e, so their quantiles are those of its quantiles.
    fn exact(radius: &Radius, distances: &Distances) -> Spread {
        let theta_e = radius.quantiles();
        let quantile = |p: f64| theta_e[LEVELS.iter().position(|level| *level == p).expect("a level")];
        Spread {
            log10_mass: theta_e.map(|theta_e| distances.einstein_mass(theta_e).log10()),
            radius: half_range(|p| distances.at_lens(quantile(p))),
            sigma_v: half_range(|p| distances.velocity_dispersion(quantile(p))),
        }
    }
}

fn half_range(quantile: impl Fn(f64) -> f64) -> f64 {
    0.5 * (quantile(LEVELS[3]) - quantile(LEVELS[1]))
}

/// Linear between the sorted values, as numpy's `quantile`; NaN if there are none.
fn empirical_quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = p * last as f64;
    let below = sorted[at as usize];
    below + at.fract() * (sorted[last.min(at as usize + 1)] - below)
}
