//! Adds masses and velocity dispersions to a catalogue of Einstein radii with redshifts.
//!
//! | file | contents |
//! |---|---|
//! | this one | reads a catalogue and writes the one with masses |
//! | `input` | finds the columns of the catalogue |
//! | `row` | computes the mass of a row, with its uncertainty |
//! | `radius` | the distribution of theta_e of a row |
//! | `columns` | the columns that are written |
//! | `flags` | the bits of the column `mass_flags` |

mod columns;
mod error;
mod flags;
mod input;
pub(crate) mod radius;
mod row;

pub use error::{ColumnRole, Error};
pub use flags::{MASS_FLAGS, MassFlag};

use crate::files;
use crate::lens::physics::cosmology::Cosmology;
use crate::progress::{Callback, Event, Phase, warn};
use crate::survey::table::provenance::Provenance;
use crate::survey::table::sidecar::Sidecar;
use crate::survey::table::{Cell, TableWriter};
use crate::survey::{self, Catalogue};
use columns::{new_columns, old_columns};
use input::Input;
use rayon::prelude::*;
use row::RowMass;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Rows that are computed in parallel, then written.
const CHUNK: usize = 256;

/// What to compute. Columns are those of the catalogue.
pub struct MassOptions {
    /// CSV or FITS table, with the columns that `infer` writes.
    pub catalogue: PathBuf,
    /// The table to write; its extension is its format, see [`table`](crate::survey::table).
    pub output: PathBuf,
    /// What the headers of the table, and the file beside it, say about its making; `None`: nothing.
    pub provenance: Option<Provenance>,
    /// Column of the lens redshift.
    pub z_lens: String,
    /// Column of the source redshift.
    pub z_source: String,
    /// Column of the standard deviation of the lens redshift; `None`: exact.
    pub z_lens_error: Option<String>,
    /// Column of the standard deviation of the source redshift; `None`: exact.
    pub z_source_error: Option<String>,
    /// Column of the identifier that, with the seed, determines the random numbers of a row; `None`: `id` if there is
    /// such a column, else the number of the row.
    pub id: Option<String>,
    /// Reconstruct the distribution of theta_e from its quantiles even if the predictions of the members are present.
    pub from_quantiles: bool,
    /// Cosmology of the distances.
    pub cosmology: Cosmology,
    /// Random draws per row, if redshifts have errors; at least 100.
    pub samples: usize,
    /// Random seed.
    pub seed: u64,
}

/// Counts of the rows that were written.
pub struct MassReport {
    /// Rows of the catalogue.
    pub rows: usize,
    /// Rows with a distribution of the mass.
    pub with_mass: usize,
    /// Members whose mixture was used; 0: reconstructed from quantiles.
    pub members: usize,
    /// Rows with each of [`MASS_FLAGS`].
    pub flagged: [usize; MASS_FLAGS.len()],
}

/// Adds masses to a catalogue and writes it with all its columns.
///
/// # Errors
/// [`Error::Survey`] for a catalogue that cannot be read or an output that cannot be written; [`Error::MissingColumn`],
/// [`Error::Predictions`] and [`Error::ColumnExists`] for a catalogue that cannot be used;
/// [`Error::TooFewSamples`]; [`Error::Stopped`] if `progress` breaks. Nothing is written then.
pub fn add_masses(options: &MassOptions, progress: &Callback) -> Result<MassReport, Error> {
    let catalogue = Catalogue::read(&options.catalogue)?;
    files::check_inputs(&options.output, [catalogue.path.as_path()]).map_err(survey::Error::from)?;
    let input = Input::new(&catalogue, options)?;
    let new = new_columns(input.has_errors());
    if let Some(column) = new.iter().find(|column| catalogue.find(&column.name).is_some()) {
        return Err(Error::ColumnExists {
            path: options.catalogue.clone(),
            name: column.name.clone(),
        });
    }
    let old = old_columns(&catalogue, input.members());
    let provenance = options.provenance.as_ref();
    let sidecar = Sidecar::create(&options.output, provenance)?;
    let columns = old.iter().chain(&new).cloned().collect();
    let mut writer = TableWriter::with_provenance(&options.output, columns, provenance)?;
    writer.warnings().iter().for_each(|message| warn(progress, message));

    let mut report = MassReport {
        rows: catalogue.len(),
        with_mass: 0,
        members: input.mixture_members(),
        flagged: [0; MASS_FLAGS.len()],
    };
    let rows: Vec<usize> = (0..catalogue.len()).collect();
    for chunk in rows.chunks(CHUNK) {
        let masses: Vec<RowMass> = chunk.par_iter().map(|&row| RowMass::new(&input, row)).collect();
        for (&row, mass) in chunk.iter().zip(masses) {
            let mut cells: Vec<Cell> = (0..old.len()).map(|column| catalogue.cell(row, column)).collect();
            cells.extend(mass.cells(input.has_errors()));
            writer.push(&cells)?;
            report.with_mass += usize::from(mass.has_distribution());
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
            return Err(Error::Stopped {
                output: options.output.clone(),
            });
        }
    }
    let written = writer.finish()?;
    written.warnings.iter().for_each(|message| warn(progress, message));
    if let Some(sidecar) = sidecar {
        sidecar.write(&written, details(options, &report))?;
    }
    Ok(report)
}

/// What the file beside the table says about it.
fn details(options: &MassOptions, report: &MassReport) -> Map<String, Value> {
    let flagged = MASS_FLAGS.iter().zip(&report.flagged);
    let flagged: Map<String, Value> = flagged.map(|(f, &rows)| (f.name.to_string(), rows.into())).collect();
    let c = &options.cosmology;
    let cosmology = json!({ "omega_m": c.omega_m(), "omega_lambda": c.omega_lambda(), "h0": c.h0() });
    let details = [
        ("input", json!({ "catalogue": options.catalogue })),
        ("cosmology", cosmology),
        ("members", report.members.into()),
        ("with_mass", report.with_mass.into()),
        ("flagged", flagged.into()),
    ];
    Map::from_iter(details.map(|(key, value)| (key.to_string(), value)))
}
