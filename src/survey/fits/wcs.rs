//! The position and pixel scale of an image, from its FITS header.

use crate::survey::angle::{self, Coordinate};
use fitsio_pure::value::Value;

use super::frame::Frame;
use super::header::Header;
use super::projection::{Distortion, Projection};

/// Position and pixel scale; `None` if the header lacks them or has implausible ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::survey) struct Astrometry {
    /// Right ascension and declination of the image's centre, degrees, ICRS.
    pub ra_dec: Option<(f64, f64)>,
    /// The frame of the header's coordinates (RADESYS). Positions in a frame that is not converted, such as FK4, are not
    /// in `ra_dec`.
    pub frame: Option<Frame>,
    /// Arcsec per pixel.
    pub pixel_scale: Option<f64>,
}

impl Astrometry {
    /// An image whose width and height are these axes, counted from 1, with this many pixels.
    pub(super) fn of_image(header: &Header, axes: [usize; 2], width: usize, height: usize) -> Self {
        let wcs = Wcs::new(header, axes);
        let frame = Frame::of_header(header);
        let to_icrs = |(longitude, latitude): (f64, f64)| match wcs.as_ref().is_some_and(|wcs| wcs.galactic) {
            true => Some(Frame::galactic_to_icrs(longitude, latitude)),
            false => frame.to_icrs(longitude, latitude),
        };
        let centre = wcs.as_ref().and_then(|wcs| wcs.centre(width, height)).map(to_icrs);
        let keywords = || keywords(header).map(|(ra, dec)| frame.to_icrs(ra, dec));
        let position = centre.or_else(keywords);
        Astrometry {
            ra_dec: position.flatten().and_then(|(ra, dec)| on_sphere(ra, dec)),
            frame: position.map(|_| frame),
            // A header without a real WCS has CDELT = 1, which would be 1 degree per pixel.
            pixel_scale: wcs
                .map(|wcs| determinant(wcs.matrix).abs().sqrt() * 3600.0)
                .filter(|s| (1e-3..=60.0).contains(s)),
        }
    }

    /// The frame (RADESYS) of a position that is not converted to ICRS.
    pub fn unconverted_frame(&self) -> Option<&'static str> {
        match self.frame? {
            Frame::Icrs | Frame::Fk5 { .. } => None,
            Frame::Fk4 => Some("FK4"),
            Frame::Apparent => Some("GAPPT"),
        }
    }

    /// Fills in what is missing here from `other`.
    pub fn or(self, other: Astrometry) -> Astrometry {
        Astrometry {
            ra_dec: self.ra_dec.or(other.ra_dec),
            frame: if self.ra_dec.is_some() || other.frame.is_none() {
                self.frame
            } else {
                other.frame
            },
            pixel_scale: self.pixel_scale.or(other.pixel_scale),
        }
    }
}

/// A world coordinate system: its linear part, its reference point, its projection and distortion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wcs {
    /// Degrees per pixel: longitude and latitude by width and height.
    matrix: [[f64; 2]; 2],
    /// Pixels, from 1.
    pub reference: Option<[f64; 2]>,
    /// Longitude and latitude of the reference pixel, degrees; `None` if there is none.
    pub origin: Option<(f64, f64)>,
    pub galactic: bool,
    pub projection: Projection,
    distortion: Distortion,
}

impl Wcs {
    /// `None` without a scale, or with a unit that is no angle.
    pub fn new(header: &Header, axes: [usize; 2]) -> Option<Wcs> {
        let kind = |axis: usize| {
            header
                .text(&format!("CTYPE{axis}"))
                .unwrap_or_default()
                .to_ascii_uppercase()
        };
        let kinds = axes.map(kind);
        let is = |kind: &str, names: [&str; 2]| names.iter().any(|name| kind.starts_with(name));
        let swapped = is(&kinds[0], LATITUDES) && is(&kinds[1], LONGITUDES);
        // World axes by their numbers: longitude first. World axis i belongs to pixel axis i.
        let world = if swapped { [axes[1], axes[0]] } else { axes };
        let kinds = if swapped {
            [&kinds[1], &kinds[0]]
        } else {
            [&kinds[0], &kinds[1]]
        };
        let sky = is(kinds[0], LONGITUDES) && is(kinds[1], LATITUDES) && kinds[0][..1] == *latitude_letter(kinds[1]);
        let units = [unit(header, world[0])?, unit(header, world[1])?];
        let value = |i: usize| Some(header.number(&format!("CRVAL{}", world[i]))? * units[i]);
        let origin = value(0).zip(value(1)).filter(|_| sky);
        let pixel = |axis: usize| header.number(&format!("CRPIX{axis}"));
        Some(Wcs {
            matrix: matrix(header, world, axes, units)?,
            reference: pixel(axes[0]).zip(pixel(axes[1])).map(|(x, y)| [x, y]),
            origin,
            galactic: kinds[0].starts_with("GLON"),
            projection: Projection::new(header, kinds[0]),
            distortion: Distortion::new(header, kinds[0], world),
        })
    }

    /// Longitude and latitude of the image's centre, degrees.
    fn centre(&self, width: usize, height: usize) -> Option<(f64, f64)> {
        // Simulations write (0, 0) if they have no position.
        self.origin.filter(|&origin| origin != (0.0, 0.0))?;
        let [px, py] = self.reference?;
        let inside = (0.5..width as f64 + 0.5).contains(&px) && (0.5..height as f64 + 0.5).contains(&py);
        self.sphere([(width as f64 + 1.0) / 2.0, (height as f64 + 1.0) / 2.0], inside)
    }

    /// Longitude and latitude of a pixel (x, y), counted from 1, degrees. `inside`: whether the reference pixel is in the
    /// image, near which an unknown projection is taken as TAN.
    pub fn sphere(&self, [x, y]: [f64; 2], inside: bool) -> Option<(f64, f64)> {
        let (origin, [px, py]) = (self.origin?, self.reference?);
        let [u, v] = self.distortion.of_pixels([x - px, y - py]);
        let m = self.matrix;
        let plane = [m[0][0] * u + m[0][1] * v, m[1][0] * u + m[1][1] * v];
        let [x, y] = self.distortion.of_plane(plane);
        self.projection.to_sphere(x, y, origin, inside)
    }
}

const LONGITUDES: [&str; 2] = ["RA", "GLON"];
const LATITUDES: [&str; 2] = ["DEC", "GLAT"];

/// The first letter of the longitude that a latitude belongs to.
fn latitude_letter(kind: &str) -> &str {
    if kind.starts_with('G') { "G" } else { "R" }
}

/// Degrees per unit of an axis; `None` if its unit is no angle.
fn unit(header: &Header, axis: usize) -> Option<f64> {
    match header
        .text(&format!("CUNIT{axis}"))
        .unwrap_or("deg")
        .to_ascii_lowercase()
        .as_str()
    {
        "deg" | "degree" | "degrees" => Some(1.0),
        "arcmin" => Some(1.0 / 60.0),
        "arcsec" | "arcsecond" | "arcseconds" => Some(1.0 / 3600.0),
        "mas" => Some(1.0 / 3.6e6),
        "rad" | "radian" | "radians" => Some(1f64.to_degrees()),
        _ => None,
    }
}

/// Degrees on the sky per pixel: CD, or CDELT with PC or CROTA (Greisen & Calabretta 2002, A&A 395, 1061). `world`: the
/// axes of longitude and latitude; `pixel`: those of width and height; `units`: degrees per unit. Where there are both
/// CD and PC, CD counts.
fn matrix(header: &Header, world: [usize; 2], pixel: [usize; 2], units: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let with = |element: &dyn Fn(usize, usize) -> f64| {
        let row = |i: usize| [0, 1].map(|j| element(i, j) * units[i]);
        Some([row(0), row(1)]).filter(|m| determinant(*m) != 0.0)
    };
    let number = |stem: &str, i: usize, j: usize| header.number(&format!("{stem}{}_{}", world[i], pixel[j]));
    let cd = with(&|i, j| number("CD", i, j).unwrap_or(0.0));
    if cd.is_some() {
        return cd;
    }
    let step = |i: usize| header.number(&format!("CDELT{}", world[i]));
    if header.has_any("PC") {
        let identity = |i: usize, j: usize| f64::from(u8::from(world[i] == pixel[j]));
        return with(&|i, j| step(i).unwrap_or(1.0) * number("PC", i, j).unwrap_or(identity(i, j)));
    }
    let steps = [step(0)?, step(1)?];
    let angle = header.number(&format!("CROTA{}", world[1])).unwrap_or(0.0);
    let (sin, cos) = angle.to_radians().sin_cos();
    // Element (i, j) is the step of world axis i times the rotation from pixel axis j.
    with(&|i, j| match (world[i] == pixel[j], i) {
        (true, _) => steps[i] * cos,
        (false, 0) => -steps[1] * sin,
        (false, _) => steps[0] * sin,
    })
}

fn determinant(m: [[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

/// The keywords RA and DEC: in degrees, in radians if the comment says so, or as `hh:mm:ss` and `dd:mm:ss`.
fn keywords(header: &Header) -> Option<(f64, f64)> {
    let angle = |key, coordinate| {
        let entry = header.entry(key)?;
        let radians = entry.comment.to_ascii_lowercase().contains("radian");
        match &entry.value {
            Some(Value::String(text)) => angle::degrees(text, coordinate, ""),
            _ => header.number(key).map(|v| if radians { v.to_degrees() } else { v }),
        }
    };
    on_sphere(
        angle("RA", Coordinate::RightAscension)?,
        angle("DEC", Coordinate::Declination)?,
    )
}

fn on_sphere(ra: f64, dec: f64) -> Option<(f64, f64)> {
    (ra.is_finite() && dec.abs() <= 90.0).then(|| (ra.rem_euclid(360.0), dec))
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    fn astrometry(lines: &[&str], width: usize, height: usize) -> Astrometry {
        Astrometry::of_image(&header(lines), [1, 2], width, height)
    }

    const REAL: &[&str] = &[
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        "CRPIX1  = 51.",
        "CRPIX2  = 51.",
        "CDELT1  = -5.55555494285861E-05",
        "CDELT2  = 5.55555494285861E-05",
    ];

    #[test]
    fn radians_if_the_comment_says_so_and_no_position_at_zero_zero() {
        let mut lines = REAL.to_vec();
        lines.extend(["CRVAL1  = 0.", "CRVAL2  = 0."]);
        assert_eq!(astrometry(&lines, 101, 101).ra_dec, None);
        lines.extend([
            "RA      = -0.000150482144998736 / radians",
            "DEC     = 0.00161476056465329 / radians",
        ]);
        let astrometry = astrometry(&lines, 101, 101);
        let (ra, dec) = astrometry.ra_dec.unwrap();
        assert!(
            (ra - 359.991378008).abs() < 1e-8 && (dec - 0.092518965).abs() < 1e-8,
            "{ra} {dec}"
        );
        assert!((astrometry.pixel_scale.unwrap() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn the_position_is_that_of_the_centre_not_of_the_reference_pixel() {
        let mut lines = REAL.to_vec();
        lines.extend(["CRVAL1  = 150.0", "CRVAL2  = 60.0", "RA      = 10.0", "DEC     = 10.0"]);
        let (ra, dec) = astrometry(&lines, 101, 101).ra_dec.unwrap();
        assert!((ra - 150.0).abs() < 1e-12 && (dec - 60.0).abs() < 1e-12);
        // 500 pixels of 0.2" to the west at declination 60: 100" / cos(60) in RA.
        let (ra, dec) = astrometry(&lines, 1101, 101).ra_dec.unwrap();
        assert!((ra - (150.0 - 200.0 / 3600.0)).abs() < 1e-5, "{ra}");
        assert!((dec - 60.0).abs() < 2e-5, "{dec}");
    }

    #[test]
    fn sexagesimal_angles_other_units_and_implausible_scales() {
        let astrometry = |lines: &[&str]| astrometry(lines, 11, 11);
        let (ra, dec) = astrometry(&["RA      = '05:30:00.0'", "DEC     = '-00:30:00'"])
            .ra_dec
            .unwrap();
        assert!((ra - 82.5).abs() < 1e-12 && (dec + 0.5).abs() < 1e-12);
        assert_eq!(astrometry(&["CDELT1  = 1.0", "CDELT2  = 1.0"]).pixel_scale, None);
        let units = [
            "CDELT1  = -0.262",
            "CDELT2  = 0.262",
            "CUNIT1  = 'arcsec'",
            "CUNIT2  = 'arcsec'",
        ];
        let arcsec = astrometry(&units).pixel_scale.unwrap();
        assert!((arcsec - 0.262).abs() < 1e-12);
        let rotated = [
            "CD1_1   = 0.0",
            "CD1_2   = 3E-5",
            "CD2_1   = 3E-5",
            "CD2_2   = 0.0",
            "CDELT1  = 1.0",
        ];
        assert!((astrometry(&rotated).pixel_scale.unwrap() - 0.108).abs() < 1e-9);
    }
}
