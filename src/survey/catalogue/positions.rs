//! Which columns hold the position on the sky, and the position of a row.

use super::Catalogue;
use super::content::number_of;
use crate::survey::angle::{Coordinate, degrees, degrees_per, on_sphere};
use crate::survey::table::{Cell, Column};

/// Names of the columns of right ascension and declination, compared without regard to case; the first pair that a
/// catalogue has is used.
const NAMES: [[&str; 2]; 12] = [
    ["ra", "dec"],
    ["RAJ2000", "DEJ2000"],
    ["_RAJ2000", "_DEJ2000"],
    ["RA_ICRS", "DE_ICRS"],
    ["ALPHA_J2000", "DELTA_J2000"],
    ["ALPHAWIN_J2000", "DELTAWIN_J2000"],
    ["RIGHT_ASCENSION", "DECLINATION"],
    ["ra_deg", "dec_deg"],
    ["RAdeg", "DEdeg"],
    ["RA_J2000", "DEC_J2000"],
    ["ra", "de"],
    ["coord_ra", "coord_dec"],
];

/// Where the position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PositionColumns {
    pub ra: usize,
    pub dec: usize,
}

impl PositionColumns {
    /// By UCD, because names may be those of another frame; otherwise by name.
    pub fn find(names: &[String], described: &[Column]) -> Option<PositionColumns> {
        let by_ucd = |main: &str| {
            let exact = |column: &Column| column.ucd.to_ascii_lowercase().replace(' ', "") == main;
            described.iter().position(exact)
        };
        let pair = |ra: Option<usize>, dec: Option<usize>| Some(PositionColumns { ra: ra?, dec: dec? });
        let by_name = |[ra, dec]: [&str; 2]| {
            let place = |name: &str| {
                let exact = names.iter().position(|n| n == name);
                exact.or_else(|| names.iter().position(|n| n.eq_ignore_ascii_case(name)))
            };
            pair(place(ra), place(dec))
        };
        let main = || pair(by_ucd("pos.eq.ra;meta.main"), by_ucd("pos.eq.dec;meta.main"));
        // VOTable 1.1 and CDS had other words.
        let old = || pair(by_ucd("pos_eq_ra_main"), by_ucd("pos_eq_dec_main"));
        let any = || pair(by_ucd("pos.eq.ra"), by_ucd("pos.eq.dec"));
        let named = || NAMES.into_iter().find_map(by_name);
        // astropy writes a SkyCoord named `sky` as the columns sky.ra and sky.dec.
        let sky_coord = || {
            let mut prefixes = names.iter().filter_map(|name| name.strip_suffix(".ra"));
            prefixes.find_map(|prefix| by_name([&format!("{prefix}.ra"), &format!("{prefix}.dec")]))
        };
        main().or_else(old).or_else(named).or_else(sky_coord).or_else(any)
    }
}

impl Catalogue {
    /// The columns of right ascension and declination, counted from 0, if there are such.
    pub fn positions(&self) -> Option<(usize, usize)> {
        self.position_columns.map(|columns| (columns.ra, columns.dec))
    }

    /// Takes these columns as right ascension and declination.
    pub(in crate::survey) fn set_positions(&mut self, (ra, dec): (usize, usize)) {
        self.position_columns = Some(PositionColumns { ra, dec });
    }

    /// Whether the cells of a row's position are in degrees, or empty; false without such columns.
    pub(in crate::survey) fn is_in_degrees(&self, row: usize) -> bool {
        let Some(PositionColumns { ra, dec }) = self.position_columns else {
            return false;
        };
        match self.position(row) {
            Some(position) => position == (self.number(row, ra), self.number(row, dec)),
            None => self.text(row, ra).is_empty() && self.text(row, dec).is_empty(),
        }
    }

    /// Right ascension and declination of a row, degrees; `None` if they are unknown or no position on the sky.
    pub fn position(&self, row: usize) -> Option<(f64, f64)> {
        let columns = self.position_columns?;
        let angle = |column: usize, coordinate| {
            let unit = self.described.get(column).map_or("", |column| column.unit.as_str());
            match self.cell(row, column) {
                Cell::Str(text) => degrees(&text, coordinate, unit),
                cell => Some(number_of(&cell) * degrees_per(unit)),
            }
        };
        on_sphere(
            angle(columns.ra, Coordinate::RightAscension)?,
            angle(columns.dec, Coordinate::Declination)?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::table::ColumnType;

    fn found(names: &[&str], ucds: &[&str]) -> Option<(usize, usize)> {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        let column = |ucd: &&str| Column {
            ucd: ucd.to_string(),
            ..Column::new("", ColumnType::F64, "", "")
        };
        let described: Vec<Column> = ucds.iter().map(column).collect();
        PositionColumns::find(&names, &described).map(|columns| (columns.ra, columns.dec))
    }

    #[test]
    fn names_and_ucds() {
        assert_eq!(found(&["id", "Dec", "RA"], &[]), Some((2, 1)));
        assert_eq!(found(&["_RAJ2000", "_DEJ2000", "x"], &[]), Some((0, 1)));
        assert_eq!(found(&["ra", "DELTA_J2000", "alpha_j2000"], &[]), Some((2, 1)));
        assert_eq!(found(&["ra", "z"], &[]), None);
        // The names say galactic, the UCDs know better; and `ra` is that of a neighbour.
        let ucds = [
            "pos.eq.ra",
            "pos.eq.dec",
            "pos.eq.ra;meta.main",
            "POS.EQ.DEC; meta.main",
        ];
        assert_eq!(found(&["ra", "dec", "a", "d"], &ucds), Some((2, 3)));
        assert_eq!(
            found(&["a", "d", "x"], &["POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN", ""]),
            Some((0, 1))
        );
    }
}
