//! Options on the pixels of images: masks and units.

use crate::survey::{FluxUnit, PixelOptions};

/// Which pixels have no value, and the unit of flux.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Images")]
pub struct PixelArguments {
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

impl PixelArguments {
    /// The options of the library.
    pub fn options(&self) -> PixelOptions {
        PixelOptions {
            mask_value: self.mask_value,
            mask_bits: self.mask_bits,
            zero_is_missing: self.zero_is_missing,
            flux_unit: self.flux_unit,
        }
    }
}

fn bits(text: &str) -> Result<u64, String> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    u64::from_str_radix(digits, radix).map_err(|_| "give a whole number, such as 257 or 0x101".into())
}
