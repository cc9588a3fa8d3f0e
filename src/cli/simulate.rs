//! `lensgpu simulate`: simulates images to train and test on.

use super::arguments::{DeviceArgument, Quiet, Seed};
use super::console::Console;
use super::text::count;
use super::usage;
use crate::files;
use crate::lens::simulate::plan::Window;
use crate::lens::simulate::write::{WriteOptions, write};
use crate::lens::{Population, Simulator};
use anyhow::Result;
use std::path::PathBuf;

/// Simulate images of lenses and other galaxies as a survey observes them, with their true parameters
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu simulate lenses/ --count 20000 --preset lfc1-ground --seed 1
  lensgpu simulate space/ --count 500 --preset lfc1-space --preview sheet.png
  lensgpu simulate stack/ --count 4000 --population mine.toml --stack

By default, this writes the layout of Lens Finding Challenge 1: one FITS file per object and band in OUT/Public, \
classifications.csv, and truth.csv with all parameters. With --stack, it writes images.npy and catalogue.csv. \
`lensgpu train` reads both.")]
#[command(mut_arg("seed", |arg| arg.help("Random seed; object k depends on the seed and k only, not on --count")))]
// Simulated images are f32.
#[command(mut_arg("precision", |arg| arg.hide(true)))]
pub struct Simulate {
    /// Folder to write, new or empty
    out: PathBuf,
    /// Number of objects
    #[arg(long, value_name = "N")]
    count: usize,
    /// Population: lfc1-ground, lfc1-space, euclid, hst-f814w, des, lsst or lenstronomy-check
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "population",
        conflicts_with = "population"
    )]
    preset: Option<String>,
    /// File with a population of your own, see docs/simulator.md
    #[arg(long, value_name = "TOML")]
    population: Option<PathBuf>,
    /// Write one images.npy of shape (N, H, W, C) and a catalogue.csv instead of FITS files
    #[arg(long)]
    stack: bool,
    /// Write a colour contact sheet of the first 100 objects
    #[arg(long, value_name = "PNG")]
    preview: Option<PathBuf>,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    quiet: Quiet,
}

/// # Errors
/// An unknown preset, as a usage error; those of [`Population::read`] and [`write`].
pub fn run(args: Simulate) -> Result<()> {
    let population = match (&args.preset, &args.population) {
        (Some(name), _) => Population::preset(name).map_err(usage)?,
        (None, Some(path)) => Population::read(path)?,
        (None, None) => unreachable!("clap requires one of them"),
    };
    if let Some(preview) = &args.preview {
        files::check(preview)?;
    }
    let console = Console::new(args.quiet.quiet)?;
    let device = args.device.open_and_show(&console)?;
    let window = Window::whole(&population);
    let mut simulator = Simulator::new(&device, &population, window, args.seed.seed, args.count)?;
    let options = WriteOptions {
        count: args.count,
        stack: args.stack,
        preview: args.preview,
    };
    let written = write(&mut simulator, &args.out, &options, &|event| console.report(event));
    console.finish();
    written?;
    console.note(&format!(
        "wrote {} to {}",
        count(args.count, "object"),
        args.out.display()
    ));
    Ok(())
}
