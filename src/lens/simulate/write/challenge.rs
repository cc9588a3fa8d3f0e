//! The layout of Lens Finding Challenge 1: `Public/...` with a FITS file per object and band, `classifications.csv`
//! with the columns of the challenge, and `truth.csv`.

use super::Output;
use super::truth::TruthFile;
use crate::files::{self, folder_of};
use crate::lens::Error;
use crate::lens::simulate::population::Population;
use crate::lens::simulate::simulator::SimulatedObject;
use crate::survey::table::{Cell, Column, ColumnType, TableWriter};
use fitsio_pure::header::{Card, serialize_header};
use fitsio_pure::image::serialize_image_f32;
use fitsio_pure::primary::build_primary_header;
use fitsio_pure::value::Value;
use std::f64::consts::PI;
use std::fs;
use std::path::{Path, PathBuf};

/// The identifier of the first object, as in the challenge.
pub(super) const FIRST_ID: usize = 100_000;

pub(super) struct Challenge {
    /// Path of each band's images, with `{id}` in it.
    files: Vec<PathBuf>,
    /// Arcsec per pixel.
    pixel_scale: f64,
    /// AB magnitude of a pixel value of 1.
    zero_point: f64,
    classifications: TableWriter,
    truth: TruthFile,
}

impl Challenge {
    pub(super) fn new(folder: &Path, population: &Population) -> Result<Challenge, Error> {
        let public = folder.join("Public");
        let files: Vec<PathBuf> = population.bands.iter().map(|b| public.join(&b.file)).collect();
        for file in &files {
            let parent = folder_of(file);
            fs::create_dir_all(parent).map_err(files::Error::write(parent))?;
        }
        let columns = vec![
            Column::new("ID", ColumnType::I32, "", ""),
            Column::new("is_lens", ColumnType::I32, "", ""),
            Column::new("Einstein_area", ColumnType::F64, "sr", ""),
            Column::new("numb_pix_lensed_image", ColumnType::I32, "", ""),
            Column::new("flux_lensed_image_in_sigma", ColumnType::F64, "", ""),
        ];
        Ok(Challenge {
            files,
            pixel_scale: population.pixel_scale,
            zero_point: population.zero_point,
            classifications: TableWriter::create(&folder.join("classifications.csv"), columns)?,
            truth: TruthFile::new(&folder.join("truth.csv"), "ID", population)?,
        })
    }
}

impl Output for Challenge {
    fn push(&mut self, number: usize, simulated: &SimulatedObject) -> Result<(), Error> {
        let id = (FIRST_ID + number) as i32;
        let bands = self.files.len();
        let side = (simulated.image.len() / bands).isqrt();
        for (band, file) in self.files.iter().enumerate() {
            let pixels: Vec<f32> = simulated.image.iter().skip(band).step_by(bands).copied().collect();
            let path = PathBuf::from(file.to_string_lossy().replace("{id}", &id.to_string()));
            fs::write(&path, fits(&pixels, side, self.pixel_scale, self.zero_point))
                .map_err(files::Error::write(&path))?;
        }
        self.classifications.push(&[
            Cell::Int(id.into()),
            Cell::Int(simulated.object.is_lens.into()),
            Cell::F64(PI * (simulated.theta_e_crit / ARCSEC_PER_RADIAN).powi(2)),
            Cell::Int(simulated.arc_pixels as i64),
            Cell::F64(simulated.arc_flux.into()),
        ])?;
        self.truth.push(id, simulated)
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.classifications.finish()?;
        self.truth.finish()
    }
}

/// Arcsec per radian.
const ARCSEC_PER_RADIAN: f64 = 3600.0 * 180.0 / PI;

/// A FITS file with one square image, in a tangential projection around (0, 0).
fn fits(pixels: &[f32], side: usize, pixel_scale: f64, zero_point: f64) -> Vec<u8> {
    let mut cards = build_primary_header(-32, &[side, side]).expect("a valid shape");
    let middle = Value::Float((side as f64 + 1.0) / 2.0);
    for (key, value) in [
        ("CRPIX1", middle.clone()),
        ("CRPIX2", middle),
        ("CRVAL1", Value::Float(0.0)),
        ("CRVAL2", Value::Float(0.0)),
        ("CTYPE1", Value::String("RA---TAN".into())),
        ("CTYPE2", Value::String("DEC--TAN".into())),
        ("CUNIT1", Value::String("deg".into())),
        ("CUNIT2", Value::String("deg".into())),
        ("CDELT1", Value::Float(-pixel_scale / 3600.0)),
        ("CDELT2", Value::Float(pixel_scale / 3600.0)),
        ("MAGZERO", Value::Float(zero_point)),
    ] {
        cards.push(Card::new(key, value).expect("a valid keyword"));
    }
    let mut bytes = serialize_header(&cards).expect("valid cards");
    bytes.extend(serialize_image_f32(pixels));
    bytes
}
