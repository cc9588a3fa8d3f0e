//! Advice on simulations.

use crate::files;
use crate::lens::Error;

/// What to do where lenses cannot be simulated.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::UnknownPreset { .. } => "Name a preset, or write a population file of your own (docs/simulator.md).",
        Error::CropSize { .. } => "Give a smaller --crop, or a larger size in the population.",
        Error::OnlyLenses => "Lower lens_share in the population, or train without a lens head (--p-lens).",
        Error::UnknownBand { .. } => "Name the population's bands with --bands.",
        Error::NoObjects => "Give --count 1 or more.",
        Error::TooManyObjects { .. } => "Give a smaller --count, and another --seed for each part.",
        Error::ImageTooLarge { .. } => "Use another --device, for instance cpu, or simulate smaller images.",
        Error::Files(files::Error::FolderNotEmpty { .. } | files::Error::NotAFolder { .. }) => {
            "Name another folder, or empty it."
        }
        Error::Files(error) => return super::files::advice(error),
        Error::Device(error) => return super::device::advice(error),
        Error::Psf { source, .. } => return super::survey::advice(source),
        Error::Table(error) => return super::survey::advice(error),
        // The messages say what is allowed, in terms of the population file.
        Error::ReadPopulation { .. }
        | Error::Population { .. }
        | Error::InvalidPopulation(_)
        | Error::NoLenses
        | Error::FaintArcs { .. }
        | Error::Stopped { .. } => return None,
    };
    Some(advice.into())
}
