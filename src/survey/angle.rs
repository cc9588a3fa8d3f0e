//! Angles on the sky, as texts: decimal numbers in any unit, or hours or degrees with minutes and seconds.

/// Which of the two coordinates an angle is. A right ascension with minutes and seconds is in hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinate {
    RightAscension,
    Declination,
}

/// `text` in degrees; `None` if it is not an angle. `unit` is that of decimal numbers, degrees if it is empty or
/// unknown; a right ascension with minutes and seconds is in degrees only if the unit says so.
///
/// Separators of hours or degrees, minutes and seconds are colons, spaces, or the letters and signs `h d m s ° ' "`.
pub(super) fn degrees(text: &str, coordinate: Coordinate, unit: &str) -> Option<f64> {
    let text = text.trim().replace(['\u{2212}', '\u{2013}'], "-");
    if let Ok(number) = text.parse::<f64>() {
        return Some(number * degrees_per(unit)).filter(|degrees| degrees.is_finite());
    }
    let (negative, size) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let lower = size.to_lowercase();
    let in_hours = match (lower.contains('h'), lower.contains(['d', '°'])) {
        (true, false) => true,
        (false, true) => false,
        (true, true) => return None,
        (false, false) => coordinate == Coordinate::RightAscension && !is_degree(unit),
    };
    let separators = [':', ' ', '\t', 'h', 'd', 'm', 's', '°', '\'', '"', '′', '″'];
    let parts: Vec<f64> = lower
        .split(separators)
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse()
                .ok()
                .filter(|_| part.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
        })
        .collect::<Option<_>>()?;
    let (whole, minutes, seconds) = match parts[..] {
        [whole, minutes] => (whole, minutes, 0.0),
        [whole, minutes, seconds] => (whole, minutes, seconds),
        // `12h` and `-5d` have no minutes.
        [whole] if lower.ends_with(['h', 'd', '°']) => (whole, 0.0, 0.0),
        _ => return None,
    };
    // Seconds may have been rounded to 60.
    if minutes > 60.0 || seconds > 60.0 {
        return None;
    }
    let size = (whole + minutes / 60.0 + seconds / 3600.0) * if in_hours { 15.0 } else { 1.0 };
    Some(if negative { -size } else { size })
}

/// Right ascension, from 0 to 360, and declination, degrees; `None` if they are no position on the sky.
pub(super) fn on_sphere(ra: f64, dec: f64) -> Option<(f64, f64)> {
    (ra.abs() <= 360.0 && dec.abs() <= 90.0).then(|| (ra.rem_euclid(360.0), dec))
}

/// Degrees per unit; 1 for an unknown one.
pub(super) fn degrees_per(unit: &str) -> f64 {
    match unit.trim().to_ascii_lowercase().as_str() {
        "hourangle" | "h" | "hr" | "hour" | "hours" => 15.0,
        "rad" | "radian" | "radians" => 1f64.to_degrees(),
        "arcmin" => 1.0 / 60.0,
        "arcsec" => 1.0 / 3600.0,
        "mas" => 1.0 / 3.6e6,
        _ => 1.0,
    }
}

fn is_degree(unit: &str) -> bool {
    ["deg", "degree", "degrees", "°"]
        .iter()
        .any(|degree| unit.trim().eq_ignore_ascii_case(degree))
}

#[cfg(test)]
mod tests {
    use super::Coordinate::{Declination, RightAscension};
    use super::*;

    #[test]
    fn texts_in_degrees() {
        let hours = (10.0 + 20.0 / 60.0 + 31.5 / 3600.0) * 15.0;
        let cases = [
            ("150.25", RightAscension, "", Some(150.25)),
            ("10.5", RightAscension, "hourangle", Some(157.5)),
            ("3600", Declination, "arcsec", Some(1.0)),
            ("10:20:31.5", RightAscension, "", Some(hours)),
            ("10 20 31.5", RightAscension, "hms", Some(hours)),
            ("10h20m31.5s", RightAscension, "deg", Some(hours)),
            ("10H 20M 31.5S", RightAscension, "", Some(hours)),
            ("10:20:31.5", RightAscension, "deg", Some(hours / 15.0)),
            ("10d20m31.5s", RightAscension, "", Some(hours / 15.0)),
            ("-00:30:00", Declination, "", Some(-0.5)),
            ("\u{2212}0 30 36", Declination, "deg", Some(-0.51)),
            ("+2°30'", Declination, "", Some(2.5)),
            ("-5d", Declination, "", Some(-5.0)),
            ("10:20:60.0", Declination, "", Some(10.35)),
            ("10:75:00", Declination, "", None),
            ("10:-20:31", Declination, "", None),
            ("nan", Declination, "", None),
            ("unknown", Declination, "", None),
            ("", Declination, "", None),
            ("1:2:3:4", Declination, "", None),
        ];
        for (text, coordinate, unit, expected) in cases {
            let found = degrees(text, coordinate, unit);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12 * expected.abs().max(1.0),
                (found, expected) => found == expected,
            };
            assert!(same, "{text}: {found:?}");
        }
        assert!((degrees("1", RightAscension, "rad").unwrap() - 57.295_779_513_082_32).abs() < 1e-12);
    }

    #[test]
    fn positions_on_the_sphere() {
        assert_eq!(on_sphere(-10.0, 5.0), Some((350.0, 5.0)));
        assert_eq!(on_sphere(360.0, -90.0), Some((0.0, -90.0)));
        assert_eq!(
            (on_sphere(10.0, 91.0), on_sphere(-999.0, 0.0), on_sphere(f64::NAN, 0.0)),
            (None, None, None)
        );
    }
}
