//! The frames of celestial coordinates.

use super::header::Header;

/// The frame of equatorial coordinates: RADESYS, or what EQUINOX implies (Calabretta & Greisen 2002, A&A 395, 1077).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::survey) enum Frame {
    /// International celestial reference system.
    Icrs,
    /// Mean place in the IAU 1984 system, of this equinox. That of 2000 is taken as ICRS: they differ by 0.02 arcsec.
    Fk5 {
        /// Julian year.
        equinox: f64,
    },
    /// Mean place in the older system of B1950, which is not converted.
    Fk4,
    /// Apparent place, which is not converted.
    Apparent,
}

impl Frame {
    pub(super) fn of_header(header: &Header) -> Frame {
        let equinox = header.number("EQUINOX").or_else(|| header.number("EPOCH"));
        let fk5 = Frame::Fk5 {
            equinox: equinox.unwrap_or(2000.0),
        };
        let name = header
            .text("RADESYS")
            .or_else(|| header.text("RADECSYS"))
            .unwrap_or_default();
        match (name.to_ascii_uppercase().as_str(), equinox) {
            ("ICRS", _) => Frame::Icrs,
            ("FK5", _) => fk5,
            ("FK4" | "FK4-NO-E", _) => Frame::Fk4,
            ("GAPPT", _) => Frame::Apparent,
            (_, None) => Frame::Icrs,
            (_, Some(equinox)) if equinox < 1984.0 => Frame::Fk4,
            (_, Some(_)) => fk5,
        }
    }

    /// Right ascension and declination, degrees; `None` in frames that are not converted.
    pub(super) fn to_icrs(self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        match self {
            Frame::Icrs => Some((ra, dec)),
            Frame::Fk5 { equinox: 2000.0 } => Some((ra, dec)),
            Frame::Fk5 { equinox } => Some(precess_to_2000(equinox, ra, dec)),
            Frame::Fk4 | Frame::Apparent => None,
        }
    }

    /// Right ascension and declination of galactic longitude and latitude, all in degrees.
    pub(super) fn galactic_to_icrs(longitude: f64, latitude: f64) -> (f64, f64) {
        let galactic = vector(longitude, latitude);
        let equatorial = |axis: usize| (0..3).map(|row| GALACTIC[row][axis] * galactic[row]).sum();
        angles([0, 1, 2].map(equatorial))
    }
}

/// From ICRS to galactic coordinates (The Hipparcos and Tycho Catalogues, ESA 1997, volume 1, equation 1.5.11).
const GALACTIC: [[f64; 3]; 3] = [
    [-0.0548755604, -0.8734370902, -0.4838350155],
    [0.4941094279, -0.4448296300, 0.7469822445],
    [-0.8676661490, -0.1980763734, 0.4559837762],
];

/// The precession of IAU 2006 (Capitaine et al. 2003, A&A 412, 567), backwards from `equinox` to 2000.
fn precess_to_2000(equinox: f64, ra: f64, dec: f64) -> (f64, f64) {
    let t = (equinox - 2000.0) / 100.0;
    let degrees = |a: f64, b: f64, c: f64, d: f64| (a + b * t + c * t * t + d * t * t * t) / 3600.0;
    let zeta = degrees(2.650545, 2306.083227, 0.2988499, 0.01801828);
    let z = degrees(-2.650545, 2306.077181, 1.0927348, 0.01826837);
    let theta = degrees(0.0, 2004.191903, -0.4294934, -0.04182264);
    let [x, y, height] = vector(ra - z, dec);
    let (sin, cos) = theta.to_radians().sin_cos();
    let (ra, dec) = angles([cos * x + sin * height, y, cos * height - sin * x]);
    (ra - zeta, dec)
}

fn vector(longitude: f64, latitude: f64) -> [f64; 3] {
    let (sin, cos) = longitude.to_radians().sin_cos();
    let (height, radius) = latitude.to_radians().sin_cos();
    [radius * cos, radius * sin, height]
}

fn angles([x, y, z]: [f64; 3]) -> (f64, f64) {
    (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
}
