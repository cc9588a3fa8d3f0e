//! The table with the parameters of every object.

use super::object::Light;
use super::population::{EinsteinRadii, MAX_NEIGHBOURS, Population};
use super::simulator::SimulatedObject;
use crate::survey::table::{Cell, Column, ColumnType};

/// Which parameters the objects of a population have.
pub(super) struct Truth {
    /// Light profiles per row: the source and its clumps; the central galaxy and its neighbours.
    profiles: [usize; 2],
    /// Whether there are columns for velocity dispersions and redshifts.
    physics: bool,
    bands: Vec<String>,
}

impl Truth {
    pub(super) fn new(population: &Population) -> Truth {
        let neighbours = population.neighbours.as_ref().map_or(0, |_| MAX_NEIGHBOURS);
        Truth {
            profiles: [1 + population.source.clumps.most(), 1 + neighbours],
            physics: matches!(population.deflector.theta_e, EinsteinRadii::Physics(_)),
            bands: population.bands.iter().map(|band| band.name.clone()).collect(),
        }
    }

    /// The parameters of one object, in the order of [`columns`](Self::columns).
    pub(super) fn row(&self, id: i32, s: &SimulatedObject) -> Vec<Cell> {
        let (o, m) = (s.object, &s.object.mass);
        let mut row = vec![
            Cell::Int(id.into()),
            Cell::Int(o.is_lens.into()),
            Cell::F64(m.theta_e),
            Cell::F64(s.theta_e_crit),
            Cell::Int(s.arc_pixels as i64),
            Cell::F64(s.arc_flux.into()),
        ];
        let [dx, dy] = o.source_offset;
        let mass = [m.x, m.y, m.axis_ratio, m.angle, m.slope, m.shear[0], m.shear[1], dx, dy];
        row.extend(mass.map(Cell::F64));
        if self.physics {
            let values = o.isothermal.map(|i| [i.sigma_v, i.z_lens, i.z_source]);
            row.extend(values.map_or([Cell::Null, Cell::Null, Cell::Null], |v| v.map(Cell::F64)));
        }
        for (lights, profiles) in [&o.source, &o.light].into_iter().zip(self.profiles) {
            for k in 0..profiles {
                self.light(&mut row, lights.get(k));
            }
        }
        for conditions in &o.conditions {
            let [e1, e2] = conditions.ellipticity;
            let noise = [conditions.sky, conditions.read_noise];
            let rest = [conditions.fwhm, e1, e2, conditions.electron, conditions.sky_left];
            row.extend(noise.into_iter().chain(rest).map(Cell::F64));
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
        row
    }

    fn light(&self, row: &mut Vec<Cell>, light: Option<&Light>) {
        match light {
            None => row.extend(std::iter::repeat_n(Cell::Null, 6 + self.bands.len())),
            Some(l) => {
                row.extend([l.x, l.y, l.radius, l.index, l.axis_ratio, l.angle].map(Cell::F64));
                row.extend(l.flux.iter().map(|&flux| Cell::F64(flux)));
            }
        }
    }

    /// The columns; `id` is the name of that of identifiers.
    pub(super) fn columns(&self, id: &str) -> Vec<Column> {
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
        if self.physics {
            for (name, unit) in [("sigma_v", "km/s"), ("z_lens", ""), ("z_source", "")] {
                columns.push(number(name.into(), unit));
            }
        }
        let source = (0..self.profiles[0]).map(|k| if k == 0 { "source".into() } else { format!("clump{k}") });
        let light = (0..self.profiles[1]).map(|k| if k == 0 { "lens".into() } else { format!("neighbour{k}") });
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
            columns.extend(self.bands.iter().map(|band| number(format!("{name}_flux_{band}"), "")));
        }
        for band in &self.bands {
            for (what, unit) in [
                ("sky", "electron"),
                ("read_noise", "electron"),
                ("fwhm", "arcsec"),
                ("psf_e1", ""),
                ("psf_e2", ""),
                ("electron", ""),
                ("sky_left", "electron"),
            ] {
                columns.push(number(format!("{what}_{band}"), unit));
            }
        }
        columns.push(Column::new(
            "masks",
            ColumnType::Str,
            "",
            "columns:rows:bit mask of bands, first and last pixel from 0",
        ));
        columns
    }
}
