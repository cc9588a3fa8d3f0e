//! From the pixels of an image to the sky and back.

use super::FitsError;
use super::frame::Frame;
use super::header::Header;
use super::projection::{Projection, code};
use super::wcs::Wcs;

/// Where the pixels of an image are on the sky. Pixels (x, y) are counted from 0, at the centre of the first; positions
/// are right ascension and declination, degrees, ICRS.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::survey) struct SkyGrid {
    wcs: Wcs,
    frame: Frame,
}

/// Keywords of distortions that are tables of their own, which are not read.
const TABLES: [&str; 3] = ["CPDIS1", "CQDIS1", "D2IMDIS1"];

/// Newton's method ends at a step of less than this, pixels: what is left then is far below it.
const LAST_STEP: f64 = 1e-5;
const MOST_STEPS: usize = 20;

impl SkyGrid {
    /// Of an image whose width and height are these axes, counted from 1. A projection that is not known exactly is
    /// refused by name.
    pub(super) fn new(header: &Header, axes: [usize; 2]) -> Result<SkyGrid, FitsError> {
        let refused = |reason: &str| FitsError::NoSky { reason: reason.into() };
        let wcs =
            Wcs::new(header, axes).ok_or_else(|| refused("neither CD nor CDELT is there in units of an angle"))?;
        let (Some(_), Some(_)) = (wcs.reference, wcs.origin) else {
            return Err(refused("CTYPE, CRPIX and CRVAL do not name a reference point"));
        };
        let exact = match wcs.projection {
            Projection::Zenithal { .. } => true,
            Projection::Cartesian => wcs.origin.is_some_and(|origin| origin.1 == 0.0),
            Projection::Other => false,
        };
        let kind = header.text(&format!("CTYPE{}", axes[0])).unwrap_or_default();
        if !exact {
            let reason = format!(
                "the projection {} is not known; known are TAN, also with SIP or TPV, SIN, ARC, STG, ZEA, and CAR on \
                 the equator",
                code(kind)
            );
            return Err(FitsError::NoSky { reason });
        }
        if let Some(keyword) = TABLES.iter().find(|keyword| header.entry(keyword).is_some()) {
            let reason = format!("its distortion is a table ({keyword}), which is not read");
            return Err(FitsError::NoSky { reason });
        }
        let frame = Frame::of_header(header);
        if !wcs.galactic && frame.to_icrs(0.0, 0.0).is_none() {
            return Err(refused("its frame (RADESYS, EQUINOX) is older than FK5 or apparent"));
        }
        Ok(SkyGrid { wcs, frame })
    }

    /// The position of a pixel; `None` where the projection has none.
    pub fn sky(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let (longitude, latitude) = self.wcs.sphere([x + 1.0, y + 1.0], false)?;
        let (ra, dec) = match self.wcs.galactic {
            true => Frame::galactic_to_icrs(longitude, latitude),
            false => self.frame.to_icrs(longitude, latitude)?,
        };
        Some([ra.rem_euclid(360.0), dec])
    }

    /// The pixel of a position, by Newton's method from the pixel `start`; `None` if there is none near it.
    pub fn pixel(&self, sky: [f64; 2], start: [f64; 2]) -> Option<[f64; 2]> {
        let mut pixel = start;
        for _ in 0..MOST_STEPS {
            let off = to_plane(sky, self.sky(pixel)?)?;
            let [[a, b], [c, d]] = self.slope(sky, pixel, off)?;
            let determinant = a * d - b * c;
            let step = [
                (b * off[1] - d * off[0]) / determinant,
                (c * off[0] - a * off[1]) / determinant,
            ];
            pixel = [pixel[0] + step[0], pixel[1] + step[1]];
            let length = step[0].hypot(step[1]);
            if length < LAST_STEP {
                return Some(pixel);
            }
            if !length.is_finite() {
                return None;
            }
        }
        None
    }

    /// Arcsec to the east and to the north per pixel along x and along y, at a pixel: ((east_x, east_y), (north_x,
    /// north_y)).
    pub fn scale(&self, pixel: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        let here = self.sky(pixel)?;
        let slope = self.slope(here, pixel, [0.0, 0.0])?;
        Some(slope.map(|row| row.map(|degrees| degrees * 3600.0)))
    }

    /// How the place in the tangent plane of `origin` changes per pixel along x and y; `off` is that of `pixel`.
    fn slope(&self, origin: [f64; 2], [x, y]: [f64; 2], off: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        let right = to_plane(origin, self.sky([x + 1.0, y])?)?;
        let up = to_plane(origin, self.sky([x, y + 1.0])?)?;
        Some([[right[0] - off[0], up[0] - off[0]], [right[1] - off[1], up[1] - off[1]]])
    }
}

/// Degrees to the east and to the north of `origin`, in its tangent plane; `None` a quarter turn away and further.
fn to_plane(origin: [f64; 2], [ra, dec]: [f64; 2]) -> Option<[f64; 2]> {
    let (sin0, cos0) = origin[1].to_radians().sin_cos();
    let (sin, cos) = dec.to_radians().sin_cos();
    let (sin_a, cos_a) = (ra - origin[0]).to_radians().sin_cos();
    let depth = sin0 * sin + cos0 * cos * cos_a;
    let plane = [cos * sin_a / depth, (cos0 * sin - sin0 * cos * cos_a) / depth];
    (depth > 0.0).then(|| plane.map(f64::to_degrees))
}

/// The position of a point of the tangent plane of `origin`, degrees to the east and to the north.
pub(in crate::survey) fn from_plane(origin: [f64; 2], [east, north]: [f64; 2]) -> [f64; 2] {
    let (east, north) = (east.to_radians(), north.to_radians());
    let (sin0, cos0) = origin[1].to_radians().sin_cos();
    let towards_pole = cos0 - north * sin0;
    let dec = (sin0 + north * cos0).atan2(east.hypot(towards_pole));
    let ra = origin[0] + east.atan2(towards_pole).to_degrees();
    [ra.rem_euclid(360.0), dec.to_degrees()]
}
