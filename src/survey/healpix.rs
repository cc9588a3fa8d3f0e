//! Pixels of the HEALPix tessellation in the nested scheme (Gorski et al. 2005, ApJ 622, 759), by which HATS catalogues
//! are partitioned.

use std::f64::consts::FRAC_PI_2;

/// The column of a HATS catalogue with the pixel of order 29 that a row lies in.
pub(super) const HEALPIX_29: &str = "_healpix_29";
/// The order of the pixels in that column, the highest whose numbers have 64 bits.
pub(super) const ORDER_29: u8 = 29;

/// A pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pixel {
    /// Its order, 0 to 29: there are 12 * 4^order pixels.
    pub order: u8,
    /// Its number in the nested scheme.
    pub number: u64,
}

impl Pixel {
    /// The pixel of this order and number, if there is one.
    pub fn new(order: u8, number: u64) -> Option<Pixel> {
        (order <= ORDER_29 && number < 12 << (2 * order)).then_some(Pixel { order, number })
    }

    /// The pixels of order 0.
    pub(super) fn all() -> impl Iterator<Item = Pixel> {
        (0..12).map(|number| Pixel { order: 0, number })
    }

    /// The four pixels of the next order in it.
    pub(super) fn children(self) -> [Pixel; 4] {
        [0, 1, 2, 3].map(|child| Pixel {
            order: self.order + 1,
            number: 4 * self.number + child,
        })
    }

    /// Whether a pixel of order 29 is in it.
    pub(super) fn contains(self, healpix_29: u64) -> bool {
        healpix_29 >> (2 * (ORDER_29 - self.order)) == self.number
    }

    /// The first pixel of order 29 in it: pixels sorted by it are in the order of the sky.
    pub(super) fn first(self) -> u64 {
        self.number << (2 * (ORDER_29 - self.order))
    }

    /// The folder and the name of its partition, below the folder of a HATS catalogue.
    pub(super) fn place(self) -> (String, String) {
        let Pixel { order, number } = self;
        let folder = format!("dataset/Norder={order}/Dir={}", number / 10_000 * 10_000);
        (folder, format!("Npix={number}"))
    }
}

/// The pixel of order 29 that a position lies in; right ascension and declination in degrees, which must be on the sphere.
pub(super) fn healpix_29(ra: f64, dec: f64) -> u64 {
    let nside = 1u64 << ORDER_29;
    let scale = nside as f64;
    let z = dec.to_radians().sin();
    // In units of 90 degrees.
    let phi = (ra.to_radians() / FRAC_PI_2).rem_euclid(4.0);
    let (face, x, y) = if z.abs() <= 2.0 / 3.0 {
        // Numbers of the lines along both diagonals.
        let (a, b) = (scale * (0.5 + phi), scale * z * 0.75);
        let (rising, falling) = ((a - b) as u64, (a + b) as u64);
        let face = match (rising >> ORDER_29, falling >> ORDER_29) {
            (one, other) if one == other => (one % 4) + 4,
            (one, other) if one < other => one,
            (_, other) => other + 8,
        };
        (face, falling % nside, nside - 1 - rising % nside)
    } else {
        let quarter = (phi as u64).min(3);
        let along = phi - quarter as f64;
        // sqrt(3 (1 - |z|)), without the loss of digits at the poles.
        let across = scale * dec.to_radians().cos() / ((1.0 + z.abs()) / 3.0).sqrt();
        let line = |part: f64| ((part * across) as u64).min(nside - 1);
        let (rising, falling) = (line(along), line(1.0 - along));
        match z > 0.0 {
            true => (quarter, nside - 1 - falling, nside - 1 - rising),
            false => (quarter + 8, rising, falling),
        }
    };
    (face << (2 * ORDER_29)) + spread(x) + (spread(y) << 1)
}

/// The bits of a number below 2^32 at every other place.
fn spread(number: u64) -> u64 {
    let steps = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    steps
        .iter()
        .fold(number, |bits, (shift, mask)| (bits | bits << shift) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `cdshealpix.nested.lonlat_to_healpix` (Python, version 0.9) at depth 29. A
    /// position on the border of pixels may belong to either.
    const RECORDED: &[(f64, f64, u64)] = &[
        (0.0, 90.0, 288230376151711743),
        (0.0, -90.0, 2305843009213693952),
        (359.99999, 45.1, 963021928077283432),
        (45.0, 41.0, 72004804377824256),
        (44.9, 42.5, 216212725539766206),
        (150.1, 2.2, 1918129809776324852),
        (266.4, -29.0, 2028741010432736142),
        (90.3, 89.9999999, 576460752303423486),
        (200.7, -89.99999, 2882303761517126596),
        (10.0, 41.81, 190675479601388940),
        (10.0, -41.82, 2496518478135620067),
        (315.2, -60.0, 3227963288294850840),
        (-10.0, 5.0, 1330471070048126321),
        (339.500198, 1.298153, 1327350378987207824),
        (351.447734, -56.963974, 3249354746260960103),
        (218.6481, -14.301645, 3149550096395025421),
        (288.684435, -40.612841, 3357304448646732918),
        (313.788699, 5.041818, 867440840860373436),
        (324.797429, -2.618925, 1337072724971737920),
        (154.97866, 35.302514, 376320365898117208),
        (354.29508, -15.102606, 1197928078180750807),
        (348.815833, 59.098647, 1005321129957809244),
        (63.969331, 12.574169, 1652117138221369444),
        (253.751308, 62.326356, 815372927006629841),
        (239.63667, -47.156052, 2992322821579619140),
        (179.232336, -0.731133, 1801367761797239763),
        (180.081428, 66.51502, 840672251676002653),
        (125.977464, -33.535786, 2771941693833771952),
        (187.951321, 16.400023, 1966924377135530676),
        (338.078539, 9.440983, 1358555030175103893),
        (96.420021, 59.266026, 502368176330698575),
        (177.021102, 20.585315, 1988126665360413108),
        (171.374008, -34.474538, 2699692245393962850),
        (249.318736, 32.76952, 662422975109750840),
        (68.683862, -4.598221, 1600639888763440707),
        (130.253422, -41.188647, 2762650525291033317),
        (79.686598, 67.67059, 242227561030568962),
        (318.320299, -13.616166, 3442800289915520215),
        (266.210368, -66.357273, 2906401359625172469),
        (329.420592, 4.263399, 1347944910409648864),
        (295.296409, -26.623352, 3383370250321385605),
        (135.404573, -17.692753, 2864520174176733519),
        (350.07828, -8.11036, 1315342685680542884),
        (179.889387, 65.777331, 432300820626488174),
        (325.150412, -12.12112, 3422282185348201482),
        (110.648851, 37.886254, 449842310730226863),
        (38.689772, -12.452031, 2585702884199418965),
        (315.516174, 56.645508, 1094610742831430609),
        (84.051457, -57.411413, 2383084119130579794),
        (283.581899, 14.096522, 2253563912654650361),
        (85.501734, 0.675326, 1609733775100184355),
        (25.71056, 23.589097, 145363668464693786),
        (189.621164, 24.160601, 1979663525018557451),
    ];

    #[test]
    fn pixels_are_those_of_cdshealpix() {
        for &(ra, dec, pixel) in RECORDED {
            assert_eq!(healpix_29(ra, dec), pixel, "{ra} {dec}");
        }
    }

    #[test]
    fn a_pixel_has_its_children_and_no_others() {
        let pixel = healpix_29(150.1, 2.2);
        let mut at = Pixel::all().find(|base| base.contains(pixel)).unwrap();
        for order in 1..=ORDER_29 {
            let inside: Vec<Pixel> = at
                .children()
                .into_iter()
                .filter(|child| child.contains(pixel))
                .collect();
            assert_eq!(inside.len(), 1);
            at = inside[0];
            assert_eq!(at.order, order);
        }
        assert_eq!((at.first(), at.number), (pixel, pixel));
        assert_eq!(Pixel::new(1, 47).map(|p| p.place().1), Some("Npix=47".into()));
        assert!(Pixel::new(1, 48).is_none() && Pixel::new(30, 0).is_none());
        let (folder, name) = Pixel::new(8, 123_456).unwrap().place();
        assert_eq!(
            (folder.as_str(), name.as_str()),
            ("dataset/Norder=8/Dir=120000", "Npix=123456")
        );
    }
}
