//! `lensgpu simulate`: lenses made to train and test on.

use super::console::Console;
use crate::device::Device;
use crate::lens::simulate::plan::Window;
use crate::lens::simulate::write::{WriteOptions, write};
use crate::lens::{Population, Simulator};
use anyhow::Result;
use std::path::PathBuf;

/// Make images of lenses and other galaxies, as a survey sees them, with the truth about them
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu simulate lenses/ --count 20000 --preset lfc1-ground --seed 1
  lensgpu simulate space/ --count 500 --preset lfc1-space --preview sheet.png
  lensgpu simulate stack/ --count 4000 --population mine.toml --stack

Written are the folder of Lens Finding Challenge 1 (a FITS file a band below OUT/Public, classifications.csv) and
truth.csv with every parameter; or with --stack images.npy and catalogue.csv, which `lensgpu train` reads as well.")]
pub struct Simulate {
    /// The folder to write: new, or empty
    out: PathBuf,
    /// Objects to make
    #[arg(long, value_name = "N")]
    count: usize,
    /// lfc1-ground, lfc1-space, euclid, des, lsst or lenstronomy-check
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "population",
        conflicts_with = "population"
    )]
    preset: Option<String>,
    /// A population of your own, as docs/simulator.md has it
    #[arg(long, value_name = "TOML")]
    population: Option<PathBuf>,
    /// Decides everything that is drawn; object k is the same whatever the count
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One images.npy (N,H,W,C) and a catalogue.csv instead of FITS files
    #[arg(long)]
    stack: bool,
    /// A contact sheet in colour of the first hundred objects
    #[arg(long, value_name = "PNG")]
    preview: Option<PathBuf>,
    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// Warnings only
    #[arg(short, long)]
    quiet: bool,
}

/// # Errors
/// Those of [`Population::preset`], [`Population::read`] and [`write`].
pub fn run(args: Simulate) -> Result<()> {
    let population = match (&args.preset, &args.population) {
        (Some(name), _) => Population::preset(name)?,
        (None, Some(path)) => Population::read(path)?,
        (None, None) => unreachable!("clap asks for one of them"),
    };
    let console = Console::new(args.quiet)?;
    let device = Device::choose(&args.device)?;
    console.note(&format!("device: {}", device.name()));
    let window = Window::whole(&population);
    let mut simulator = Simulator::new(&device, &population, window, args.seed, args.count)?;
    let options = WriteOptions {
        count: args.count,
        stack: args.stack,
        preview: args.preview,
    };
    let written = write(&mut simulator, &args.out, &options, &|event| console.report(event));
    console.finish();
    written?;
    console.note(&format!("{} objects: {}", args.count, args.out.display()));
    Ok(())
}
