//! Simulated objects to disk: the folder of Lens Finding Challenge 1, or one stack; all of it or nothing.

use super::object::Light;
use super::population::{MAX_CLUMPS, MAX_NEIGHBOURS, Population, Radii};
use super::preview::Sheet;
use super::simulator::{Simulated, Simulator};
use crate::files::{folder_of, write_failed};
use crate::survey::table::{Cell, Column, ColumnType, TableWriter};
use anyhow::{Context, Result, bail, ensure};
use fitsio_pure::header::{Card, serialize_header};
use fitsio_pure::image::serialize_image_f32;
use fitsio_pure::primary::build_primary_header;
use fitsio_pure::value::Value;
use npyz::WriterBuilder;
use std::fs;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The challenge's numbers begin here.
const FIRST_ID: u64 = 100_000;

/// What is written.
pub struct WriteOptions {
    pub count: usize,
    /// One `images.npy` with a `catalogue.csv`, instead of a FITS file a band and object.
    pub stack: bool,
    /// A contact sheet of the first objects.
    pub preview: Option<PathBuf>,
}

/// Makes `count` objects and puts them into the folder `out`, which must be new or empty. `progress` is told how many are
/// done, and breaks to stop.
///
/// # Errors
/// A folder that is not empty or cannot be written, a full disk, those of [`Simulator::run`], a stop: nothing is left
/// behind.
pub fn write(
    simulator: &mut Simulator,
    out: &Path,
    options: &WriteOptions,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<()> {
    ensure!(options.count > 0, "--count 0; allowed is 1 or more");
    let folder = prepare(out)?;
    let population = simulator.population().clone();
    let shape = simulator.image_shape();
    let mut sheet = options
        .preview
        .is_some()
        .then(|| Sheet::new(&population, shape, options.count));
    let mut sink: Box<dyn Write> = if options.stack {
        Box::new(Stack::new(folder.path(), &population, shape, options.count)?)
    } else {
        Box::new(Challenge::new(folder.path(), &population)?)
    };
    let mut done = 0;
    simulator.run(0, &mut |simulated| {
        sink.push(done, &simulated)?;
        if let Some(sheet) = &mut sheet {
            sheet.push(simulated.image);
        }
        done += 1;
        if progress(done).is_break() {
            bail!("stopped after {done} objects; nothing was written");
        }
        Ok(if done == options.count {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    sink.finish()?;
    if let (Some(sheet), Some(path)) = (sheet, &options.preview) {
        sheet.save(path)?;
    }
    put(folder, out)
}

/// A folder beside `out` that goes away unless it is put there.
fn prepare(out: &Path) -> Result<TempDir> {
    let shown = out.display();
    match fs::read_dir(out) {
        Ok(mut entries) => ensure!(
            entries.next().is_none(),
            "{shown} is not empty: choose another folder, or empty it"
        ),
        Err(_) if !out.exists() => {}
        Err(error) => return Err(error).with_context(|| format!("{shown} is no folder that can be opened")),
    }
    let parent = folder_of(out);
    fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lensgpu-simulate-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
        .tempdir_in(parent)
        .with_context(|| format!("cannot write in {}: choose another folder", parent.display()))
}

fn put(folder: TempDir, out: &Path) -> Result<()> {
    if out.exists() {
        fs::remove_dir(out).with_context(|| format!("{} is not empty any more", out.display()))?;
    }
    fs::rename(folder.path(), out).with_context(|| write_failed(out))?;
    // What it named is gone.
    let _ = folder.keep();
    Ok(())
}

trait Write {
    fn push(&mut self, number: usize, simulated: &Simulated) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<()>;
}

/// `Public/...` a FITS file a band, `classifications.csv` as the challenge has it, `truth.csv`.
struct Challenge {
    files: Vec<PathBuf>,
    scale: f64,
    classifications: TableWriter,
    truth: Truth,
}

impl Challenge {
    fn new(folder: &Path, population: &Population) -> Result<Challenge> {
        let public = folder.join("Public");
        let files: Vec<PathBuf> = population.bands.iter().map(|b| public.join(&b.file)).collect();
        for file in &files {
            let parent = folder_of(file);
            fs::create_dir_all(parent).with_context(|| write_failed(parent))?;
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
            scale: population.pixel_scale,
            classifications: TableWriter::create(&folder.join("classifications.csv"), columns)?,
            truth: Truth::new(&folder.join("truth.csv"), "ID", population)?,
        })
    }
}

/// Arcsec in a radian.
const ARCSEC: f64 = 3600.0 * 180.0 / std::f64::consts::PI;

impl Write for Challenge {
    fn push(&mut self, number: usize, s: &Simulated) -> Result<()> {
        let id = FIRST_ID + number as u64;
        let bands = self.files.len();
        let side = (s.image.len() / bands).isqrt();
        for (band, file) in self.files.iter().enumerate() {
            let pixels: Vec<f32> = s.image.iter().skip(band).step_by(bands).copied().collect();
            let path = PathBuf::from(file.to_string_lossy().replace("{id}", &id.to_string()));
            let bytes = fits(&pixels, side, self.scale)?;
            fs::write(&path, bytes).with_context(|| write_failed(&path))?;
        }
        self.classifications.push(&[
            Cell::I32(i32::try_from(id)?),
            Cell::I32(s.object.is_lens.into()),
            Cell::F64(std::f64::consts::PI * (s.theta_e_crit / ARCSEC).powi(2)),
            Cell::I32(s.arc_pixels as i32),
            Cell::F64(s.arc_flux.into()),
        ])?;
        self.truth.push(id, s)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.classifications.finish()?;
        self.truth.table.finish()?;
        Ok(())
    }
}

/// One image with its scale, on a tangent plane around (0, 0).
fn fits(pixels: &[f32], side: usize, scale: f64) -> Result<Vec<u8>> {
    let mut cards = build_primary_header(-32, &[side, side])?;
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
        ("CDELT1", Value::Float(-scale / 3600.0)),
        ("CDELT2", Value::Float(scale / 3600.0)),
    ] {
        cards.push(Card::new(key, value)?);
    }
    let mut bytes = serialize_header(&cards)?;
    bytes.extend(serialize_image_f32(pixels));
    Ok(bytes)
}

/// `images.npy` (N,H,W,C) and `catalogue.csv`.
struct Stack {
    images: npyz::NpyWriter<f32, BufWriter<fs::File>>,
    path: PathBuf,
    truth: Truth,
}

impl Stack {
    fn new(folder: &Path, population: &Population, [h, w, c]: [usize; 3], count: usize) -> Result<Stack> {
        let path = folder.join("images.npy");
        let file = fs::File::create(&path).with_context(|| write_failed(&path))?;
        let images = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[count, h, w, c].map(|n| n as u64))
            .writer(BufWriter::new(file))
            .begin_nd()
            .with_context(|| write_failed(&path))?;
        let truth = Truth::new(&folder.join("catalogue.csv"), "id", population)?;
        Ok(Stack { images, path, truth })
    }
}

impl Write for Stack {
    fn push(&mut self, number: usize, s: &Simulated) -> Result<()> {
        let written = s.image.iter().try_for_each(|value| self.images.push(value));
        written.with_context(|| write_failed(&self.path))?;
        self.truth.push(number as u64, s)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.images.finish().with_context(|| write_failed(&self.path))?;
        self.truth.table.finish()?;
        Ok(())
    }
}

/// Every parameter of every object.
struct Truth {
    table: TableWriter,
    /// Light profiles that a row has room for: clumps of the source, then the galaxy and its neighbours.
    room: [usize; 2],
    /// Whether radii follow from velocity dispersions and redshifts.
    physics: bool,
    bands: usize,
}

impl Truth {
    fn new(path: &Path, id: &str, population: &Population) -> Result<Truth> {
        let clumps = 1 + if population.source.clumps > 0.0 { MAX_CLUMPS } else { 0 };
        let neighbours = population.neighbours.as_ref().map_or(0, |_| MAX_NEIGHBOURS);
        let mut columns = vec![
            Column::new(id, ColumnType::I32, "", ""),
            Column::new("is_lens", ColumnType::I32, "", "0: nothing is lensed"),
            Column::new(
                "theta_e",
                ColumnType::F64,
                "arcsec",
                "mean convergence 1 inside the ellipse of area pi theta_e^2",
            ),
            Column::new(
                "theta_e_crit",
                ColumnType::F64,
                "arcsec",
                "circle with the area of the critical curve",
            ),
            Column::new(
                "arc_pixels",
                ColumnType::I32,
                "",
                "lensed light above the noise of the sky",
            ),
            Column::new(
                "arc_sigma",
                ColumnType::F64,
                "",
                "lensed light of these pixels over that noise",
            ),
        ];
        let number = |name: String, unit: &str| Column::new(name, ColumnType::F64, unit, "");
        for (name, unit) in [
            ("x", "arcsec"),
            ("y", "arcsec"),
            ("axis_ratio", ""),
            ("angle", "rad"),
            ("slope", ""),
            ("shear1", ""),
            ("shear2", ""),
            ("source_dx", "arcsec"),
            ("source_dy", "arcsec"),
        ] {
            columns.push(number(name.into(), unit));
        }
        let physics = matches!(population.deflector.theta_e, Radii::Physics(_));
        if physics {
            for (name, unit) in [("sigma_v", "km/s"), ("z_lens", ""), ("z_source", "")] {
                columns.push(number(name.into(), unit));
            }
        }
        let source = (0..clumps).map(|k| if k == 0 { "source".into() } else { format!("clump{k}") });
        let light = (0..=neighbours).map(|k| if k == 0 { "lens".into() } else { format!("neighbour{k}") });
        for name in source.chain(light) {
            for (what, unit) in [
                ("x", "arcsec"),
                ("y", "arcsec"),
                ("radius", "arcsec"),
                ("index", ""),
                ("axis_ratio", ""),
                ("angle", "rad"),
            ] {
                columns.push(number(format!("{name}_{what}"), unit));
            }
            columns.extend(
                population
                    .bands
                    .iter()
                    .map(|b| number(format!("{name}_flux_{}", b.name), "")),
            );
        }
        for band in &population.bands {
            for (what, unit) in [
                ("sky", "electron"),
                ("read_noise", "electron"),
                ("fwhm", "arcsec"),
                ("psf_e1", ""),
                ("psf_e2", ""),
            ] {
                columns.push(number(format!("{what}_{}", band.name), unit));
            }
        }
        columns.push(Column::new(
            "masks",
            ColumnType::Str,
            "",
            "columns:rows:bit mask of bands, first and last pixel from 0",
        ));
        Ok(Truth {
            table: TableWriter::create(path, columns)?,
            room: [clumps, 1 + neighbours],
            physics,
            bands: population.bands.len(),
        })
    }

    fn push(&mut self, id: u64, s: &Simulated) -> Result<()> {
        let (o, m) = (s.object, &s.object.mass);
        let mut row = vec![
            Cell::I32(i32::try_from(id)?),
            Cell::I32(o.is_lens.into()),
            Cell::F64(m.theta_e),
            Cell::F64(s.theta_e_crit),
            Cell::I32(s.arc_pixels as i32),
            Cell::F64(s.arc_flux.into()),
        ];
        let [dx, dy] = o.source_offset;
        let mass = [m.x, m.y, m.axis_ratio, m.angle, m.slope, m.shear[0], m.shear[1], dx, dy];
        row.extend(mass.map(Cell::F64));
        if self.physics {
            let values = o.isothermal.map(|i| [i.sigma_v, i.z_lens, i.z_source]);
            row.extend(values.map_or([Cell::Null, Cell::Null, Cell::Null], |v| v.map(Cell::F64)));
        }
        for (lights, room) in [&o.source, &o.light].into_iter().zip(self.room) {
            for k in 0..room {
                self.light(&mut row, lights.get(k));
            }
        }
        for seen in &o.seen {
            let [e1, e2] = seen.ellipticity;
            row.extend([seen.sky, seen.read_noise, seen.fwhm, e1, e2].map(Cell::F64));
        }
        let masks: Vec<String> = o
            .masks
            .iter()
            .map(|r| {
                format!(
                    "{}-{}:{}-{}:{}",
                    r.columns[0], r.columns[1], r.rows[0], r.rows[1], r.bands
                )
            })
            .collect();
        row.push(if masks.is_empty() {
            Cell::Null
        } else {
            Cell::Str(masks.join(" "))
        });
        Ok(self.table.push(&row)?)
    }

    fn light(&self, row: &mut Vec<Cell>, light: Option<&Light>) {
        match light {
            None => row.extend(std::iter::repeat_n(Cell::Null, 6 + self.bands)),
            Some(l) => {
                row.extend([l.x, l.y, l.radius, l.index, l.axis_ratio, l.angle].map(Cell::F64));
                row.extend(l.flux.iter().map(|&flux| Cell::F64(flux)));
            }
        }
    }
}
