//! Arguments that several subcommands share, with one help text each.

use super::console::Console;
use super::{choices, usage};
use crate::device::{Device, Precision};
use crate::diagnose::adapter::check_adapter;
use crate::infer::Passes;
use crate::lens::physics::convention::Convention;
use crate::model::shipped::Named;
use crate::modelling::{Given, MassOptions, PredictionOptions};
use crate::survey::table::provenance::{ModelFile, Provenance, command_line};
use crate::survey::{FluxUnit, Missing, PixelOptions};
use crate::train::DataOptions;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The images and where to find them.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Images")]
pub struct Images {
    /// Survey whose conventions the files follow: lfc1-ground, lfc1-space, euclid, legacy, hsc, rubin, des, ps1, hst, jwst
    /// or kids [default: detected from file names and headers]
    #[arg(long)]
    preset: Option<String>,
    /// Pattern of the file names in DIR, such as '{id}_{band}.fits'; without {band}, each file holds all bands
    #[arg(long, value_name = "PATTERN")]
    images: Option<String>,
    /// Bands, in the order of the network's input channels; g=HSC-G if the files call the band g HSC-G
    #[arg(long, value_delimiter = ',', value_name = "BAND,...")]
    bands: Option<Vec<String>>,
    /// Features of a table, in the order of the network's input; g=gmag if the table calls the feature g gmag
    /// [default: all columns but the label and the ids; with a model, its features]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...", conflicts_with_all = ["bands", "simulate"])]
    features: Option<Vec<String>>,
    /// What to do with rows of a table that lack the value of a feature [default: refuse them, or as the model does]
    #[arg(long, value_name = "WHAT", value_parser = super::choices::missing())]
    missing: Option<Missing>,
    /// Table with one row per object; if labels or a condition are needed, the default is the .csv file in DIR
    #[arg(long, value_name = "CSV")]
    catalogue: Option<PathBuf>,
    /// Catalogue column with the object ids [default: id]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Use only rows of the catalogue that fulfil a condition on its columns, such as 'is_lens == 1 and snr > 10'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Multiply all fluxes by this factor, for images in a different unit
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    flux_scale: f64,
    /// Pixel scale in arcsec per pixel [default: from the preset or the FITS headers]
    #[arg(long, value_name = "ARCSEC")]
    pub pixel_scale: Option<f64>,
    /// Mask pixels with exactly this value [default: 100 in the Lens Finding Challenge]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    mask_value: Option<f64>,
    /// Bits of mask images (MASK, DQ, ...) that mask a pixel, such as 257 or 0x101 [default: the survey's, otherwise all]
    #[arg(long, value_name = "BITS", value_parser = bits)]
    mask_bits: Option<u64>,
    /// Whether blocks of pixels that are exactly 0 are masked [default: as the survey means them]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    zero_is_missing: Option<bool>,
    /// Convert all fluxes to this unit by the zero points in the headers: nJy, uJy, Jy, nanomaggy, maggy, or the AB
    /// magnitude of one unit
    #[arg(long, value_name = "UNIT")]
    flux_unit: Option<FluxUnit>,
}

impl Images {
    /// The options of the library. Paths become absolute, so that a run can be resumed from any folder.
    ///
    /// # Errors
    /// A path that cannot be made absolute.
    pub fn options(&self, dir: &Path, label: Option<String>, crop: Option<usize>) -> Result<DataOptions> {
        let absolute = |path: &Path| {
            std::path::absolute(path).with_context(|| format!("{}: cannot determine the absolute path", path.display()))
        };
        Ok(DataOptions {
            // Simulated images have no folder.
            dir: if dir.as_os_str().is_empty() {
                dir.into()
            } else {
                absolute(dir)?
            },
            preset: self.preset.clone(),
            images: self.images.clone(),
            bands: self.bands.clone().or(self.features.clone()),
            missing: self.missing,
            label,
            catalogue: self.catalogue.as_deref().map(absolute).transpose()?,
            id_column: self.id_column.clone(),
            crop,
            flux_scale: self.flux_scale,
            pixel_scale: self.pixel_scale,
            pixels: PixelOptions {
                mask_value: self.mask_value,
                mask_bits: self.mask_bits,
                zero_is_missing: self.zero_is_missing,
                flux_unit: self.flux_unit,
                assumed_unit: None,
            },
            condition: self.condition.clone(),
        })
    }
}

/// The bits of `--mask-bits`.
fn bits(text: &str) -> Result<u64, String> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    u64::from_str_radix(digits, radix).map_err(|_| "give a whole number, such as 257 or 0x101".into())
}

/// `--device` and `--precision`.
#[derive(clap::Args, Clone)]
pub struct DeviceArgument {
    /// Where to compute: auto (a GPU if there is one, otherwise the CPU), all (every GPU, each for a part of the members),
    /// cpu, software, or names or numbers that `lensgpu devices` lists, separated by commas
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// How the device stores images and activations; everything else, and all arithmetic, is f32
    #[arg(long, default_value = "f32", value_parser = choices::precision())]
    precision: Precision,
}

impl DeviceArgument {
    /// Opens the device.
    ///
    /// # Errors
    /// Those of [`Device::choose`] and [`Device::with_precision`], as usage errors unless the device failed.
    pub fn open(&self) -> Result<Device> {
        let device = Device::choose(&self.device).and_then(|device| device.with_precision(self.precision));
        device.map_err(|error| match error.is_failure() {
            true => error.into(),
            false => usage(error),
        })
    }

    /// Opens the device, shows its name on the console, and tests it if it is an adapter not seen before.
    ///
    /// # Errors
    /// Those of [`DeviceArgument::open`] and [`check_adapter`].
    pub fn open_and_show(&self, console: &Console) -> Result<Device> {
        let device = self.open()?;
        console.note(&device_line(&device));
        if check_adapter(&device)? {
            console.note("this adapter is new here, and passed a short self test");
        }
        Ok(device)
    }
}

/// The line that names the device, the same for all commands.
pub fn device_line(device: &Device) -> String {
    let precision = match device.precision() {
        Precision::F32 => "",
        Precision::F16 => ", images and activations in f16",
    };
    format!("device: {}{precision}", device.name())
}

/// How images pass through the network: `--batch` and `--tta`.
#[derive(clap::Args, Clone, Copy)]
pub struct PassArguments {
    /// Images per batch; the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Test-time augmentation: average each member's predictions over all flips and quarter turns of an image
    #[arg(long)]
    tta: bool,
}

impl PassArguments {
    pub fn passes(self) -> Passes {
        Passes {
            batch: usize::from(self.batch),
            all_views: self.tta,
        }
    }
}

/// `--seed`. A command states what it decides, and another default, by `mut_arg`.
#[derive(clap::Args, Clone, Copy)]
pub struct Seed {
    /// Random seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What is written about the making of a table.
#[derive(clap::Args, Clone, Copy)]
pub struct ProvenanceArguments {
    /// Begin a CSV file with an ECSV header: command line, model, types, units (other formats always have one)
    #[arg(long)]
    provenance: bool,
    /// Do not write OUTPUT.json, which describes the table, the model and the input
    #[arg(long)]
    no_sidecar: bool,
}

impl ProvenanceArguments {
    /// The provenance of a table of this name, which this command line makes now.
    ///
    /// # Errors
    /// The model cannot be read.
    pub fn of(self, table: &str, model: Option<&Path>) -> Result<Provenance> {
        let read = |name: &Path| match Named::of(name)? {
            Named::File(path) => ModelFile::read(path).with_context(|| format!("cannot read {}", path.display())),
            Named::Shipped(model) => Ok(ModelFile::of_bytes(name, model.bytes)),
        };
        Ok(Provenance {
            command: Some(command()),
            model: model.map(read).transpose()?,
            in_csv: self.provenance,
            sidecar: !self.no_sidecar,
            ..Provenance::new(table)
        })
    }
}

/// The command line, quoted for a shell.
pub fn command() -> String {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    command_line(std::iter::once("lensgpu".into()).chain(arguments))
}

/// Which rows of a catalogue of predictions are used, and what they mean.
#[derive(clap::Args, Clone)]
pub struct PredictionArguments {
    /// Flags that a prediction may have: none, any, or names separated by commas; others are left out
    #[arg(long, value_name = "FLAGS", default_value = "none", value_parser = choices::flags)]
    flags: i32,
    /// What theta_e means in the catalogue [default: that of the model's labels, otherwise intermediate]
    #[arg(long, value_name = "CONVENTION", value_parser = choices::convention())]
    catalogue_convention: Option<Convention>,
    /// Column of the catalogue with the object ids [default: id, otherwise the row number]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
}

impl PredictionArguments {
    pub fn of(self, catalogue: PathBuf) -> PredictionOptions {
        PredictionOptions {
            catalogue,
            id: self.id_column,
            accepted_flags: self.flags,
            convention: self.catalogue_convention,
        }
    }
}

/// What is known of the masses whose Einstein radii are converted between conventions.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Masses, for the conversion between conventions")]
pub struct MassArguments {
    /// Minor over major axis of the mass: a number, or a column of the table [default: 0.75 with an error of 0.15]
    #[arg(long, value_name = "Q|COLUMN", value_parser = given, allow_negative_numbers = true)]
    axis_ratio: Option<Given>,
    /// Standard deviation of the axis ratio [default: 0 with --axis-ratio]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    axis_ratio_error: Option<f64>,
    /// Slope of the density in three dimensions, 2 is isothermal: a number, or a column of the table [default: 2 with an
    /// error of 0.1]
    #[arg(long, value_name = "GAMMA|COLUMN", value_parser = given, allow_negative_numbers = true)]
    slope: Option<Given>,
    /// Standard deviation of the slope [default: 0 with --slope]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    slope_error: Option<f64>,
    /// Size of the external shear, whose direction is unknown [default: 0.05]
    #[arg(long, value_name = "GAMMA", allow_negative_numbers = true)]
    shear: Option<f64>,
}

impl MassArguments {
    pub fn options(self) -> MassOptions {
        MassOptions {
            axis_ratio: self.axis_ratio,
            axis_ratio_error: self.axis_ratio_error,
            slope: self.slope,
            slope_error: self.slope_error,
            shear: self.shear,
        }
    }
}

/// A number, or the name of a column.
fn given(text: &str) -> Result<Given, std::convert::Infallible> {
    Ok(match text.parse() {
        Ok(number) => Given::Number(number),
        Err(_) => Given::Column(text.into()),
    })
}

/// `--json`.
#[derive(clap::Args, Clone, Copy)]
pub struct Json {
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--quiet`.
#[derive(clap::Args, Clone, Copy)]
pub struct Quiet {
    /// Show only warnings and errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Parses a count.
///
/// # Errors
/// Text that is not a whole number, 0, and more than a billion.
pub fn at_least_1(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(count @ 1..=1_000_000_000) => Ok(count),
        Ok(_) => Err("it must be at most 1000000000".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses members: `5` is 0 to 4, `3..7` is 3 to 7, both ends included.
///
/// # Errors
/// Text that is neither, and fewer than 1 or more than 1000 members.
pub fn members(text: &str) -> Result<Vec<u32>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .map_err(|_| format!("'{text}' is not a member number"))
    };
    let (first, end) = match text.split_once("..") {
        Some((first, last)) => (number(first)?, u64::from(number(last)?) + 1),
        None => (0, u64::from(number(text)?)),
    };
    // Counted before they are listed: there may be billions.
    match end.saturating_sub(u64::from(first)) {
        1..=1000 => Ok((u64::from(first)..end).map(|member| member as u32).collect()),
        n => Err(format!("this is {n} members; give 1 to 1000, such as 5 or 3..7")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_given_by_count_or_by_range() {
        assert_eq!(members("3").unwrap(), [0, 1, 2]);
        assert_eq!(members("3..3").unwrap(), [3]);
        assert_eq!(members("2..4").unwrap(), [2, 3, 4]);
        assert_eq!(members("4294967294..4294967295").unwrap(), [u32::MAX - 1, u32::MAX]);
        for bad in [
            "0",
            "4..2",
            "x",
            "1..",
            "1001",
            "4294967295",
            "0..4294967295",
            "4294967296",
        ] {
            assert!(members(bad).is_err(), "{bad}");
        }
    }
}
