//! From the plane of an image to the sphere: projections (Calabretta & Greisen 2002, A&A 395, 1077) and distortions.

use super::header::Header;

/// How the plane is a map of the sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Projection {
    /// TAN, SIN, ARC, STG or ZEA: around the reference point, at this distance from the plane's origin.
    Zenithal {
        kind: Zenithal,
        /// LONPOLE, if the header has it, degrees.
        pole: Option<f64>,
    },
    /// CAR: longitude and latitude themselves, if the reference point is on the equator.
    Cartesian,
    /// Another one, which is nearly TAN close to the reference point.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Zenithal {
    Tan,
    Sin,
    Arc,
    Stg,
    Zea,
}

impl Projection {
    /// `kind`: CTYPE of the longitude.
    pub fn new(header: &Header, kind: &str) -> Projection {
        let zenithal = match code(kind) {
            "TAN" | "TPV" => Zenithal::Tan,
            // With parameters, SIN is another projection.
            "SIN" if !header.has_any("PV2_") => Zenithal::Sin,
            "ARC" => Zenithal::Arc,
            "STG" => Zenithal::Stg,
            "ZEA" => Zenithal::Zea,
            "CAR" => return Projection::Cartesian,
            _ => return Projection::Other,
        };
        Projection::Zenithal {
            kind: zenithal,
            pole: header.number("LONPOLE"),
        }
    }

    /// Longitude and latitude of a point of the plane, all in degrees; `None` where there is none, or where it is not
    /// known. `origin`: those of the reference point; `inside`: whether that is inside the image.
    pub fn to_sphere(self, x: f64, y: f64, origin: (f64, f64), inside: bool) -> Option<(f64, f64)> {
        let (kind, pole) = match self {
            Projection::Zenithal { kind, pole } => (kind, pole),
            Projection::Cartesian if origin.1 == 0.0 => return Some((origin.0 + x, y)),
            Projection::Cartesian | Projection::Other if inside => (Zenithal::Tan, None),
            Projection::Cartesian | Projection::Other => return None,
        };
        let radius = x.hypot(y).to_radians();
        // The distance from the reference point.
        let distance = match kind {
            Zenithal::Tan => radius.atan(),
            Zenithal::Sin => radius.asin(),
            Zenithal::Arc => radius,
            Zenithal::Stg => 2.0 * (radius / 2.0).atan(),
            Zenithal::Zea => 2.0 * (radius / 2.0).asin(),
        };
        // Its direction, from north through east: LONPOLE is 180 degrees, or 0 at the pole, unless it is given.
        let default = if origin.1 >= 90.0 { 0.0 } else { 180.0 };
        let turned = (180.0 - pole.unwrap_or(default)).to_radians();
        let direction = x.atan2(y) - turned;
        let (sin, cos) = distance.sin_cos();
        let (sin0, cos0) = origin.1.to_radians().sin_cos();
        let latitude = (cos * sin0 + sin * cos0 * direction.cos()).clamp(-1.0, 1.0).asin();
        let longitude = (sin * direction.sin()).atan2(cos * cos0 - sin * sin0 * direction.cos());
        Some((origin.0 + longitude.to_degrees(), latitude.to_degrees())).filter(|p| p.0.is_finite() && p.1.is_finite())
    }
}

/// The projection of `RA---TAN-SIP` is TAN.
pub(super) fn code(kind: &str) -> &str {
    kind.get(5..8).unwrap_or_default()
}

/// Deviations from the linear part.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Distortion {
    None,
    /// Polynomials of the pixels (Shupe et al. 2005, ASP Conf. Ser. 347, 491): coefficient of u^p v^q.
    Sip([Vec<(i32, i32, f64)>; 2]),
    /// Polynomials of the plane (TPV, of SCAMP): PV of longitude and latitude, by number.
    Tpv([Vec<f64>; 2]),
}

impl Distortion {
    /// `kind`: CTYPE of the longitude; `world`: the axes of longitude and latitude.
    pub fn new(header: &Header, kind: &str, world: [usize; 2]) -> Distortion {
        if header.entry("A_ORDER").is_some() {
            let terms = |stem: &str| {
                let powers = (0..=9).flat_map(|p| (0..=9 - p).map(move |q| (p, q)));
                powers
                    .filter_map(|(p, q)| Some((p, q, header.number(&format!("{stem}_{p}_{q}"))?)))
                    .collect()
            };
            return Distortion::Sip([terms("A"), terms("B")]);
        }
        let pv = |axis: usize, k: usize| header.number(&format!("PV{axis}_{k}"));
        // SCAMP wrote the same polynomials with TAN, which has no parameters of its own beyond the fourth.
        let scamp = code(kind) == "TAN" && world.iter().any(|&axis| (5..40).any(|k| pv(axis, k).is_some()));
        if code(kind) != "TPV" && !scamp {
            return Distortion::None;
        }
        let terms = |axis| {
            (0..40)
                .map(|k| pv(axis, k).unwrap_or(f64::from(u8::from(k == 1))))
                .collect()
        };
        Distortion::Tpv(world.map(terms))
    }

    /// `pixel`: distance from the reference pixel.
    pub fn of_pixels(&self, [u, v]: [f64; 2]) -> [f64; 2] {
        match self {
            Distortion::Sip([a, b]) => {
                let sum = |terms: &[(i32, i32, f64)]| -> f64 {
                    terms
                        .iter()
                        .map(|(p, q, factor)| factor * u.powi(*p) * v.powi(*q))
                        .sum()
                };
                [u + sum(a), v + sum(b)]
            }
            Distortion::None | Distortion::Tpv(_) => [u, v],
        }
    }

    /// `plane`: degrees from the reference point.
    pub fn of_plane(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        match self {
            Distortion::Tpv([longitude, latitude]) => [tpv(longitude, x, y), tpv(latitude, y, x)],
            Distortion::None | Distortion::Sip(_) => [x, y],
        }
    }
}

/// The terms are 1, x, y, r, then for each order n: x^n, x^(n-1) y, ..., y^n and, for odd n, r^n.
fn tpv(factors: &[f64], x: f64, y: f64) -> f64 {
    let r = x.hypot(y);
    let terms = (0..=7).flat_map(|n: i32| {
        let powers = (0..=n).map(move |q| x.powi(n - q) * y.powi(q));
        powers.chain((n % 2 == 1).then(|| r.powi(n)))
    });
    factors.iter().zip(terms).map(|(factor, term)| factor * term).sum()
}
