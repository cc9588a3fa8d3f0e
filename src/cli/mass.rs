//! `lensgpu mass`: a catalogue of Einstein radii, with redshifts, to one with masses.

use super::console::Console;
use crate::lens::physics::cosmology::Cosmology;
use crate::mass::{MASS_FLAGS, MassOptions, MassReport, add_masses};
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

/// Masses and velocity dispersions for a catalogue of Einstein radii with redshifts
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu mass einstein_radii.csv --z-lens z_l --z-source z_s -o masses.csv
  lensgpu mass einstein_radii.fits --z-lens z_l --z-source z_phot --z-source-error z_phot_err -o masses.fits
  lensgpu mass einstein_radii.csv --z-lens z_l --z-source z_s --h0 70 --omega-m 0.3 -o masses.csv --json

Redshifts come into the catalogue by `lensgpu infer --catalogue`. With `infer --member-columns` the
mixture itself is carried through, else it is rebuilt from its quantiles.")]
pub struct Mass {
    /// The catalogue that `lensgpu infer` wrote, CSV or FITS
    catalogue: PathBuf,
    /// Column with the lens's redshift
    #[arg(long, value_name = "COLUMN")]
    z_lens: String,
    /// Column with the source's redshift
    #[arg(long, value_name = "COLUMN")]
    z_source: String,
    /// The catalogue to write, .csv or .fits
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Column with the standard deviation of the lens's redshift
    #[arg(long, value_name = "COLUMN")]
    z_lens_error: Option<String>,
    /// Column with the standard deviation of the source's redshift
    #[arg(long, value_name = "COLUMN")]
    z_source_error: Option<String>,
    /// Hubble constant, km/s/Mpc
    #[arg(long, default_value_t = Cosmology::default().h0(), allow_negative_numbers = true)]
    h0: f64,
    /// Matter density today, in units of the critical one
    #[arg(long, default_value_t = Cosmology::default().omega_m(), allow_negative_numbers = true)]
    omega_m: f64,
    /// Density of the cosmological constant; without it the universe is flat
    #[arg(long, allow_negative_numbers = true)]
    omega_lambda: Option<f64>,
    /// Use the quantiles of theta_e even where the catalogue has the members' means and variances
    #[arg(long)]
    from_quantiles: bool,
    /// Random draws a row, where redshifts have errors
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// Seed of the random draws; with a row's id it determines them
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Column with the objects' ids; without it `id`, else the row's number
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Print what came out as JSON, for scripts
    #[arg(long)]
    json: bool,
    /// Warnings only
    #[arg(short, long)]
    quiet: bool,
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
        z_lens: args.z_lens,
        z_source: args.z_source,
        z_lens_error: args.z_lens_error,
        z_source_error: args.z_source_error,
        id: args.id_column,
        from_quantiles: args.from_quantiles,
        cosmology,
        samples: args.samples,
        seed: args.seed,
    };
    let console = Console::new(args.quiet)?;
    let report = add_masses(&options, &|event| console.report(event));
    console.finish();
    let report = report?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&report, &options))?);
    } else if !args.quiet {
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
    println!("omega_m {}, {lambda}, H0 {} km/s/Mpc", c.omega_m(), c.h0());
    match report.members {
        0 => println!("distribution of theta_e: rebuilt from its quantiles"),
        1 => println!("distribution of theta_e: one member's, cut off at 0"),
        members => println!("distribution of theta_e: the mixture of {members} members, cut off at 0"),
    }
    println!(
        "{} rows in {}, {} with a mass",
        report.rows,
        options.output.display(),
        report.with_mass
    );
    for (flag, &count) in MASS_FLAGS.iter().zip(&report.flagged).filter(|(_, count)| **count > 0) {
        println!("  {count:>6} flagged {} ({}): {}", flag.name, flag.bit, flag.meaning);
    }
}

fn as_json(report: &MassReport, options: &MassOptions) -> serde_json::Value {
    let flagged: serde_json::Map<String, serde_json::Value> = MASS_FLAGS
        .iter()
        .zip(&report.flagged)
        .map(|(f, &count)| (f.name.to_string(), count.into()))
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
