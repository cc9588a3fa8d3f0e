//! `lensgpu mass`: adds masses to a catalogue of Einstein radii with redshifts.

use super::arguments::{Json, ProvenanceArguments, Quiet, Seed};
use super::console::Console;
use super::output::outln;
use super::text::count;
use crate::lens::physics::cosmology::Cosmology;
use crate::mass::{MASS_FLAGS, MassOptions, MassReport, add_masses};
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

/// Compute masses and velocity dispersions for a catalogue of Einstein radii and redshifts
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu mass einstein_radii.csv --z-lens z_l --z-source z_s -o masses.csv
  lensgpu mass einstein_radii.fits --z-lens z_l --z-source z_phot --z-source-error z_phot_err -o masses.fits
  lensgpu mass einstein_radii.csv --z-lens z_l --z-source z_s --h0 70 --omega-m 0.3 -o masses.csv --json

`lensgpu infer --catalogue` copies the redshifts of a table into its output. The distribution of the Einstein radius is \
rebuilt from its quantiles, which include the calibration. With the columns of `lensgpu infer --member-columns`, the \
masses follow from the mixture of the members itself if the quantiles are those of the mixture, as in an uncalibrated \
catalogue.")]
#[command(mut_arg("seed", |arg| {
    arg.help("Random seed; the samples of a row depend on the seed and the row's id only").default_value("0")
}))]
pub struct Mass {
    /// Catalogue written by `lensgpu infer`
    catalogue: PathBuf,
    /// Column with the redshift of the lens
    #[arg(long, value_name = "COLUMN")]
    z_lens: String,
    /// Column with the redshift of the source
    #[arg(long, value_name = "COLUMN")]
    z_source: String,
    /// Catalogue to write: .csv, .fits, .vot (VOTable) or .parquet; or a folder .hats (HATS)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Column with the standard deviation of the lens redshift [default: redshifts are exact]
    #[arg(long, value_name = "COLUMN")]
    z_lens_error: Option<String>,
    /// Column with the standard deviation of the source redshift [default: redshifts are exact]
    #[arg(long, value_name = "COLUMN")]
    z_source_error: Option<String>,
    /// Hubble constant in km/s/Mpc
    #[arg(long, value_name = "H0", default_value_t = Cosmology::default().h0(), allow_negative_numbers = true)]
    h0: f64,
    /// Matter density parameter today
    #[arg(long, value_name = "OMEGA", default_value_t = Cosmology::default().omega_m(), allow_negative_numbers = true)]
    omega_m: f64,
    /// Density parameter of the cosmological constant [default: 1 - OMEGA_M, a flat universe]
    #[arg(long, value_name = "OMEGA", allow_negative_numbers = true)]
    omega_lambda: Option<f64>,
    /// Use the quantiles of theta_e even if the catalogue has the members' means and variances
    #[arg(long)]
    from_quantiles: bool,
    /// Random samples per row, if redshifts have errors
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    samples: usize,
    #[command(flatten)]
    seed: Seed,
    /// Column with the object ids [default: id, otherwise the row number]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    #[command(flatten)]
    provenance: ProvenanceArguments,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// # Errors
/// Those of [`Cosmology::new`] and [`add_masses`].
pub fn run(args: Mass) -> Result<()> {
    let cosmology = match args.omega_lambda {
        Some(omega_lambda) => Cosmology::new(args.omega_m, omega_lambda, args.h0)?,
        None => Cosmology::flat(args.omega_m, args.h0)?,
    };
    let options = MassOptions {
        catalogue: args.catalogue,
        output: args.output,
        provenance: Some(args.provenance.of("MASSES", None)?),
        z_lens: args.z_lens,
        z_source: args.z_source,
        z_lens_error: args.z_lens_error,
        z_source_error: args.z_source_error,
        id: args.id_column,
        from_quantiles: args.from_quantiles,
        cosmology,
        samples: args.samples,
        seed: args.seed.seed,
    };
    let console = Console::new(args.quiet.quiet)?;
    let report = add_masses(&options, &|event| console.report(event));
    console.finish();
    let report = report?;
    if args.json.json {
        outln!("{}", serde_json::to_string_pretty(&as_json(&report, &options))?);
    } else if !args.quiet.quiet {
        print(&report, &options);
    }
    Ok(())
}

fn print(report: &MassReport, options: &MassOptions) {
    let c = &options.cosmology;
    let lambda = match c.omega_k() {
        0.0 => "flat".into(),
        _ => format!("omega_lambda {}", c.omega_lambda()),
    };
    outln!("omega_m {}, {lambda}, H0 {} km/s/Mpc", c.omega_m(), c.h0());
    match report.members {
        0 => outln!("distribution of theta_e: rebuilt from its quantiles"),
        1 => outln!("distribution of theta_e: that of the only member, truncated at 0"),
        members => outln!("distribution of theta_e: the mixture of {members} members, truncated at 0"),
    }
    outln!(
        "{}, {} with a mass, in {}",
        count(report.rows, "row"),
        report.with_mass,
        options.output.display()
    );
    for (flag, &rows) in MASS_FLAGS.iter().zip(&report.flagged).filter(|(_, rows)| **rows > 0) {
        outln!("  {rows:>6} flagged {} ({}): {}", flag.name, flag.bit, flag.meaning);
    }
}

fn as_json(report: &MassReport, options: &MassOptions) -> serde_json::Value {
    let flagged: serde_json::Map<String, serde_json::Value> = MASS_FLAGS
        .iter()
        .zip(&report.flagged)
        .map(|(flag, &rows)| (flag.name.to_string(), rows.into()))
        .collect();
    let c = &options.cosmology;
    json!({
        "output": options.output,
        "rows": report.rows,
        "with_mass": report.with_mass,
        "distribution": if report.members > 0 { "members" } else { "quantiles" },
        "members": report.members,
        "flagged": flagged,
        "cosmology": { "omega_m": c.omega_m(), "omega_lambda": c.omega_lambda(), "h0": c.h0() },
    })
}
