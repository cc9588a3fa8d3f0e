//! The position and pixel scale of an image, from its FITS header.

use fitsio_pure::header::Card;
use fitsio_pure::value::Value;

/// Position and pixel scale; `None` if the header lacks them or has implausible ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::survey) struct Astrometry {
    /// Right ascension and declination of the image's centre, degrees, J2000.
    pub ra_dec: Option<(f64, f64)>,
    /// Arcsec per pixel.
    pub pixel_scale: Option<f64>,
}

impl Astrometry {
    /// `width`, `height`: the image's size in pixels.
    pub fn from_cards(cards: &[Card], width: usize, height: usize) -> Self {
        let matrix = matrix(cards);
        Astrometry {
            ra_dec: centre(cards, matrix, width, height).or_else(|| keywords(cards)),
            // A header without a real WCS has CDELT = 1, which would be 1 degree per pixel.
            pixel_scale: matrix
                .map(|m| determinant(m).abs().sqrt() * 3600.0)
                .filter(|s| (1e-3..=60.0).contains(s)),
        }
    }

    /// Fills in what is missing here from `other`.
    pub fn or(self, other: Astrometry) -> Astrometry {
        Astrometry {
            ra_dec: self.ra_dec.or(other.ra_dec),
            pixel_scale: self.pixel_scale.or(other.pixel_scale),
        }
    }
}

/// Degrees on the sky per pixel: CD, or CDELT with PC or CROTA2 (Greisen & Calabretta 2002, A&A 395, 1061).
fn matrix(cards: &[Card]) -> Option<[[f64; 2]; 2]> {
    let get = |key| number(cards, key);
    let unit = match text(cards, "CUNIT1").unwrap_or("deg").to_ascii_lowercase().as_str() {
        "arcsec" => 1.0 / 3600.0,
        "arcmin" => 1.0 / 60.0,
        "rad" => 1f64.to_degrees(),
        _ => 1.0,
    };
    let or_zero = |key| get(key).unwrap_or(0.0) * unit;
    let cd = [
        [or_zero("CD1_1"), or_zero("CD1_2")],
        [or_zero("CD2_1"), or_zero("CD2_2")],
    ];
    if determinant(cd) != 0.0 {
        return Some(cd);
    }
    let (dx, dy) = (get("CDELT1")? * unit, get("CDELT2")? * unit);
    let pc = |key, otherwise| get(key).unwrap_or(otherwise);
    let (sin, cos) = get("CROTA2").unwrap_or(0.0).to_radians().sin_cos();
    let m = if get("PC1_1").is_some() {
        [
            [dx * pc("PC1_1", 1.0), dx * pc("PC1_2", 0.0)],
            [dy * pc("PC2_1", 0.0), dy * pc("PC2_2", 1.0)],
        ]
    } else {
        [[dx * cos, -dy * sin], [dx * sin, dy * cos]]
    };
    (determinant(m) != 0.0).then_some(m)
}

fn determinant(m: [[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

/// The image's centre by the gnomonic projection (Calabretta & Greisen 2002, A&A 395, 1077). It is exact for TAN, and
/// close enough for other projections if the reference pixel is inside the image.
fn centre(cards: &[Card], matrix: Option<[[f64; 2]; 2]>, width: usize, height: usize) -> Option<(f64, f64)> {
    let m = matrix?;
    let (ctype1, ctype2) = (text(cards, "CTYPE1")?, text(cards, "CTYPE2")?);
    let (ra0, dec0) = (number(cards, "CRVAL1")?, number(cards, "CRVAL2")?);
    let (px, py) = (number(cards, "CRPIX1")?, number(cards, "CRPIX2")?);
    // Simulations write (0, 0) if they have no position.
    if !ctype1.starts_with("RA") || !ctype2.starts_with("DEC") || (ra0 == 0.0 && dec0 == 0.0) {
        return None;
    }
    let inside = (0.5..width as f64 + 0.5).contains(&px) && (0.5..height as f64 + 0.5).contains(&py);
    if !ctype1.contains("TAN") && !inside {
        return None;
    }
    let (dx, dy) = ((width as f64 + 1.0) / 2.0 - px, (height as f64 + 1.0) / 2.0 - py);
    let xi = (m[0][0] * dx + m[0][1] * dy).to_radians();
    let eta = (m[1][0] * dx + m[1][1] * dy).to_radians();
    let (sin, cos) = dec0.to_radians().sin_cos();
    let away = cos - eta * sin;
    let ra = ra0 + xi.atan2(away).to_degrees();
    let dec = (sin + eta * cos).atan2(xi.hypot(away)).to_degrees();
    on_sphere(ra, dec)
}

/// The keywords RA and DEC: in degrees, in radians if the comment says so, or as `hh:mm:ss` and `dd:mm:ss`.
fn keywords(cards: &[Card]) -> Option<(f64, f64)> {
    let angle = |key, degrees_per_unit: f64| {
        let card = cards.iter().find(|c| c.keyword_str() == key)?;
        let radians = card
            .comment
            .as_deref()
            .is_some_and(|c| c.to_ascii_lowercase().contains("radian"));
        match &card.value {
            Some(Value::String(s)) if s.contains([':', ' ']) => Some(sexagesimal(s)? * degrees_per_unit),
            Some(Value::String(s)) => s.trim().parse().ok(),
            _ => number(cards, key).map(|v| if radians { v.to_degrees() } else { v }),
        }
    };
    on_sphere(angle("RA", 15.0)?, angle("DEC", 1.0)?)
}

fn sexagesimal(text: &str) -> Option<f64> {
    let parts: Vec<f64> = text
        .split([':', ' '])
        .filter(|p| !p.is_empty())
        .map(|p| p.trim_start_matches(['+', '-']).parse())
        .collect::<Result<_, _>>()
        .ok()?;
    let size = match parts[..] {
        [units, minutes, seconds] => units + minutes / 60.0 + seconds / 3600.0,
        _ => return None,
    };
    Some(if text.trim_start().starts_with('-') {
        -size
    } else {
        size
    })
}

fn on_sphere(ra: f64, dec: f64) -> Option<(f64, f64)> {
    (ra.is_finite() && dec.abs() <= 90.0).then(|| (ra.rem_euclid(360.0), dec))
}

fn number(cards: &[Card], key: &str) -> Option<f64> {
    cards
        .iter()
        .find(|c| c.keyword_str() == key)
        .and_then(|c| match c.value {
            Some(Value::Float(v)) => Some(v),
            Some(Value::Integer(v)) => Some(v as f64),
            _ => None,
        })
}

/// The value of a text keyword, without padding.
pub(super) fn text<'a>(cards: &'a [Card], key: &str) -> Option<&'a str> {
    cards
        .iter()
        .find(|c| c.keyword_str() == key)
        .and_then(|c| match &c.value {
            Some(Value::String(s)) => Some(s.trim()),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitsio_pure::header::parse_card;

    fn cards(lines: &[&str]) -> Vec<Card> {
        lines
            .iter()
            .map(|l| parse_card(format!("{l:<80}").as_bytes().try_into().unwrap()).unwrap())
            .collect()
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
        assert_eq!(Astrometry::from_cards(&cards(&lines), 101, 101).ra_dec, None);
        lines.extend([
            "RA      = -0.000150482144998736 / radians",
            "DEC     = 0.00161476056465329 / radians",
        ]);
        let astrometry = Astrometry::from_cards(&cards(&lines), 101, 101);
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
        let (ra, dec) = Astrometry::from_cards(&cards(&lines), 101, 101).ra_dec.unwrap();
        assert!((ra - 150.0).abs() < 1e-12 && (dec - 60.0).abs() < 1e-12);
        // 500 pixels of 0.2" to the west at declination 60: 100" / cos(60) in RA.
        let (ra, dec) = Astrometry::from_cards(&cards(&lines), 1101, 101).ra_dec.unwrap();
        assert!((ra - (150.0 - 200.0 / 3600.0)).abs() < 1e-5, "{ra}");
        assert!((dec - 60.0).abs() < 2e-5, "{dec}");
    }

    #[test]
    fn sexagesimal_angles_other_units_and_implausible_scales() {
        let astrometry = |lines: &[&str]| Astrometry::from_cards(&cards(lines), 11, 11);
        let (ra, dec) = astrometry(&["RA      = '05:30:00.0'", "DEC     = '-00:30:00'"])
            .ra_dec
            .unwrap();
        assert!((ra - 82.5).abs() < 1e-12 && (dec + 0.5).abs() < 1e-12);
        assert_eq!(astrometry(&["CDELT1  = 1.0", "CDELT2  = 1.0"]).pixel_scale, None);
        let arcsec = astrometry(&["CDELT1  = -0.262", "CDELT2  = 0.262", "CUNIT1  = 'arcsec'"])
            .pixel_scale
            .unwrap();
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
