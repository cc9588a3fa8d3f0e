//! Distances in a universe of matter, a cosmological constant and curvature (Hogg 1999, arXiv astro-ph/9905116).
//!
//! No radiation and no massive neutrinos: `docs/cosmology.md` says how far that is from Planck 2018. Distances agree
//! with astropy's `LambdaCDM(Tcmb0=0)` to 1e-10, curved universes and redshifts up to 10 included.

use super::units::SPEED_OF_LIGHT;
use anyhow::{Result, ensure};
use std::f64::consts::PI;

/// H(z)^2 = H0^2 (omega_m (1+z)^3 + omega_k (1+z)^2 + omega_lambda), with omega_k = 1 - omega_m - omega_lambda.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosmology {
    omega_m: f64,
    omega_lambda: f64,
    h0: f64,
}

/// Planck 2018 (arXiv 1807.06209, table 2, TT,TE,EE+lowE+lensing+BAO): omega_m 0.3111, flat, H0 67.66 km/s/Mpc.
impl Default for Cosmology {
    fn default() -> Self {
        Cosmology {
            omega_m: 0.3111,
            omega_lambda: 0.6889,
            h0: 67.66,
        }
    }
}

/// A lens and a source behind it, by their angular diameter distances in Mpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// Observer to lens.
    pub lens: f64,
    /// Observer to source.
    pub source: f64,
    /// Lens to source.
    pub lens_source: f64,
}

impl Cosmology {
    /// `h0` in km/s/Mpc.
    ///
    /// # Errors
    /// Values that are not finite, `omega_m` below 0, `h0` not above 0; and a universe in which H(z)^2 falls to 0 at
    /// some redshift: it has turned around there, so it had no big bang and nothing is seen from beyond.
    pub fn new(omega_m: f64, omega_lambda: f64, h0: f64) -> Result<Cosmology> {
        ensure!(
            omega_m.is_finite() && omega_m >= 0.0,
            "omega_m is {omega_m}: it must be a number from 0"
        );
        ensure!(
            omega_lambda.is_finite(),
            "omega_lambda is {omega_lambda}: it must be a number"
        );
        ensure!(
            h0.is_finite() && h0 > 0.0,
            "H0 is {h0} km/s/Mpc: it must be a number above 0"
        );
        let cosmology = Cosmology {
            omega_m,
            omega_lambda,
            h0,
        };
        ensure!(
            cosmology.smallest_expansion() > 1e-9,
            "omega_m {omega_m} with omega_lambda {omega_lambda} has no big bang: going back in time H(z)^2 falls to 0"
        );
        Ok(cosmology)
    }

    /// Without curvature.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn flat(omega_m: f64, h0: f64) -> Result<Cosmology> {
        Cosmology::new(omega_m, 1.0 - omega_m, h0)
    }

    pub fn omega_m(&self) -> f64 {
        self.omega_m
    }

    pub fn omega_lambda(&self) -> f64 {
        self.omega_lambda
    }

    /// H0, km/s/Mpc.
    pub fn h0(&self) -> f64 {
        self.h0
    }

    /// Curvature: positive in an open universe. What is left of 1 by rounding counts as flat.
    pub fn omega_k(&self) -> f64 {
        let omega_k = 1.0 - self.omega_m - self.omega_lambda;
        if omega_k.abs() < 1e-12 { 0.0 } else { omega_k }
    }

    /// c / H0, Mpc.
    pub fn hubble_distance(&self) -> f64 {
        SPEED_OF_LIGHT / self.h0
    }

    /// Line-of-sight comoving distance, Mpc (Hogg eq. 15).
    ///
    /// # Errors
    /// A redshift that is negative or not finite.
    pub fn comoving_distance(&self, z: f64) -> Result<f64> {
        check_redshift(z)?;
        Ok(self.hubble_distance() * self.path(0.0, z))
    }

    /// Transverse comoving distance, Mpc (Hogg eq. 16).
    ///
    /// # Errors
    /// Those of [`comoving_distance`](Self::comoving_distance); in a closed universe, a redshift beyond the antipode,
    /// where distances turn around.
    pub fn transverse_comoving_distance(&self, z: f64) -> Result<f64> {
        check_redshift(z)?;
        self.transverse(self.path(0.0, z), z)
    }

    /// Angular diameter distance, Mpc (Hogg eq. 18).
    ///
    /// # Errors
    /// Those of [`transverse_comoving_distance`](Self::transverse_comoving_distance).
    pub fn angular_diameter_distance(&self, z: f64) -> Result<f64> {
        Ok(self.transverse_comoving_distance(z)? / (1.0 + z))
    }

    /// Angular diameter distance from redshift `z1` to `z2`, Mpc.
    ///
    /// Hogg's eq. 19 is the addition theorem of sinh and holds for an open universe only; this is its meaning in
    /// either: the curved distance of the comoving path between the two.
    ///
    /// # Errors
    /// Those of [`transverse_comoving_distance`](Self::transverse_comoving_distance); `z2` below `z1`.
    pub fn angular_diameter_distance_between(&self, z1: f64, z2: f64) -> Result<f64> {
        check_redshift(z1)?;
        check_redshift(z2)?;
        ensure!(
            z1 <= z2,
            "the source is in front of the lens: its redshift is {z2}, the lens's {z1}"
        );
        Ok(self.transverse(self.path(z1, z2), z2)? / (1.0 + z2))
    }

    /// The three distances of a lens at redshift `z_lens` > 0 and a source behind it.
    ///
    /// # Errors
    /// Redshifts that are not finite, a lens not above 0, a source not behind the lens; in a closed universe, a source
    /// beyond the antipode.
    pub fn distances(&self, z_lens: f64, z_source: f64) -> Result<Distances> {
        check_redshift(z_lens)?;
        check_redshift(z_source)?;
        ensure!(z_lens > 0.0, "the lens has redshift 0: it must be above 0");
        ensure!(
            z_source > z_lens,
            "the source is not behind the lens: its redshift is {z_source}, the lens's {z_lens}"
        );
        let (lens, between) = (self.path(0.0, z_lens), self.path(z_lens, z_source));
        Ok(Distances {
            lens: self.transverse(lens, z_lens)? / (1.0 + z_lens),
            source: self.transverse(lens + between, z_source)? / (1.0 + z_source),
            lens_source: self.transverse(between, z_source)? / (1.0 + z_source),
        })
    }

    /// The smallest (H(z) / H0)^2 from today back to the big bang.
    fn smallest_expansion(&self) -> f64 {
        let (omega_m, omega_k) = (self.omega_m, self.omega_k());
        if omega_m == 0.0 {
            // omega_k x^2 + omega_lambda with x = 1 + z from 1: without end where omega_k < 0
            return if omega_k < 0.0 { f64::NEG_INFINITY } else { 1.0 };
        }
        let x = (-2.0 * omega_k / (3.0 * omega_m)).max(1.0);
        x * x * (omega_m * x + omega_k) + self.omega_lambda
    }

    /// Integral of H0 / H(z) dz from `z1` to `z2`.
    ///
    /// With s = (1+z)^(-1/2) it is that of 2 ds / sqrt(omega_m + omega_k s^2 + omega_lambda s^6): smooth up to any
    /// redshift.
    fn path(&self, z1: f64, z2: f64) -> f64 {
        let (omega_m, omega_k, omega_lambda) = (self.omega_m, self.omega_k(), self.omega_lambda);
        let integrand = |s: f64| {
            let s2 = s * s;
            2.0 / (omega_m + s2 * (omega_k + s2 * s2 * omega_lambda)).sqrt()
        };
        let (root1, root2) = ((1.0 + z1).sqrt(), (1.0 + z2).sqrt());
        // 1/root1 - 1/root2, which would lose its digits where z1 and z2 are close
        let length = (z2 - z1) / (root1 * root2 * (root1 + root2));
        integrate(&integrand, 1.0 / root2, length, 30)
    }

    /// Transverse comoving distance, Mpc, of a comoving path in units of c / H0 that ends at redshift `z`.
    fn transverse(&self, path: f64, z: f64) -> Result<f64> {
        let root = self.omega_k().abs().sqrt();
        let curved = match self.omega_k() {
            0.0 => path,
            omega_k if omega_k > 0.0 => (root * path).sinh() / root,
            _ => {
                ensure!(
                    root * path < PI,
                    "redshift {z} lies beyond the antipode of this closed universe (omega_m {}, omega_lambda {})",
                    self.omega_m,
                    self.omega_lambda
                );
                (root * path).sin() / root
            }
        };
        Ok(self.hubble_distance() * curved)
    }
}

fn check_redshift(z: f64) -> Result<()> {
    ensure!(
        z.is_finite() && z >= 0.0,
        "the redshift is {z}: it must be a number from 0"
    );
    Ok(())
}

/// Integral of `f` from `start` over `length`: Gauss-Kronrod with 7 and 15 nodes (Piessens et al. 1983, QUADPACK),
/// halved up to `halvings` times until the two agree to 1e-9. The 15 nodes, which count, are then far better.
fn integrate(f: &impl Fn(f64) -> f64, start: f64, length: f64, halvings: u32) -> f64 {
    /// Node, Kronrod's weight, Gauss's weight.
    #[rustfmt::skip]
    const NODES: [(f64, f64, f64); 7] = [
        (0.991_455_371_120_812_6, 0.022_935_322_010_529_224, 0.0),
        (0.949_107_912_342_758_5, 0.063_092_092_629_978_55, 0.129_484_966_168_869_7),
        (0.864_864_423_359_769_1, 0.104_790_010_322_250_18, 0.0),
        (0.741_531_185_599_394_4, 0.140_653_259_715_525_92, 0.279_705_391_489_276_64),
        (0.586_087_235_467_691_1, 0.169_004_726_639_267_9, 0.0),
        (0.405_845_151_377_397_2, 0.190_350_578_064_785_4, 0.381_830_050_505_118_9),
        (0.207_784_955_007_898_47, 0.204_432_940_075_298_9, 0.0),
    ];
    let half = 0.5 * length;
    let middle = f(start + half);
    let (mut kronrod, mut gauss) = (0.209_482_141_084_727_82 * middle, 0.417_959_183_673_469_4 * middle);
    for (node, weight, weight_gauss) in NODES {
        let pair = f(start + half * (1.0 - node)) + f(start + half * (1.0 + node));
        kronrod += weight * pair;
        gauss += weight_gauss * pair;
    }
    if halvings == 0 || (kronrod - gauss).abs() <= 1e-9 * kronrod.abs() {
        return half * kronrod;
    }
    integrate(f, start, half, halvings - 1) + integrate(f, start + half, half, halvings - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(result: Result<T>) -> String {
        format!("{:#}", result.err().expect("an error"))
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
        assert!(
            (found / expected - 1.0).abs() <= tolerance,
            "{what}: {found} is not {expected}"
        );
    }

    #[test]
    fn distances_are_those_of_astropy() {
        let recorded = include_str!("../../../tests/data/cosmology.csv");
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(recorded.as_bytes());
        let (mut rows, mut worst) = (0, 0.0f64);
        for record in reader.records() {
            let record = record.unwrap();
            let n: Vec<f64> = record.iter().map(|cell| cell.parse().unwrap()).collect();
            let cosmology = Cosmology::new(n[0], n[1], n[2]).unwrap();
            let (z1, z2) = (n[3], n[4]);
            let found = [
                cosmology.comoving_distance(z2).unwrap(),
                cosmology.transverse_comoving_distance(z2).unwrap(),
                cosmology.angular_diameter_distance(z2).unwrap(),
                cosmology.angular_diameter_distance_between(z1, z2).unwrap(),
            ];
            for (found, expected) in found.iter().zip(&n[5..]) {
                assert_close(*found, *expected, 1e-9, &format!("{record:?}"));
                worst = worst.max((found / expected - 1.0).abs());
            }
            if z1 > 0.0 {
                let lens = cosmology.angular_diameter_distance(z1).unwrap();
                let three = cosmology.distances(z1, z2).unwrap();
                assert_close(three.lens, lens, 1e-12, "lens");
                assert_close(three.source, n[7], 1e-9, "source");
                assert_close(three.lens_source, n[8], 1e-9, "lens to source");
            }
            rows += 1;
        }
        assert_eq!(rows, 123);
        println!("largest relative difference: {worst:.1e}");
    }

    #[test]
    fn distances_known_in_closed_form() {
        let einstein_de_sitter = Cosmology::flat(1.0, 70.0).unwrap();
        let milne = Cosmology::new(0.0, 0.0, 70.0).unwrap();
        for z in [1e-9, 1e-3, 0.7, 10.0, 1100.0, 1e9] {
            let hubble = SPEED_OF_LIGHT / 70.0;
            // 2 (1 - (1+z)^(-1/2)), written so that it keeps its digits
            let root = f64::sqrt(1.0 + z);
            let expected = 2.0 * z / (root * (root + 1.0));
            assert_close(
                einstein_de_sitter.comoving_distance(z).unwrap(),
                hubble * expected,
                1e-12,
                "EdS",
            );
            assert_close(milne.comoving_distance(z).unwrap(), hubble * z.ln_1p(), 1e-9, "Milne");
            let expected = hubble * z * (1.0 + z / 2.0) / (1.0 + z);
            assert_close(milne.transverse_comoving_distance(z).unwrap(), expected, 1e-8, "Milne");
        }
        assert_eq!(Cosmology::default().comoving_distance(0.0).unwrap(), 0.0);
    }

    #[test]
    fn the_way_on_from_the_lens_is_the_rest_of_the_way() {
        // Hogg's eq. 19, where it holds, and nearly equal redshifts, whose difference of distances has lost its digits.
        let open = Cosmology::new(0.3, 0.2, 70.0).unwrap();
        let transverse = |z| open.transverse_comoving_distance(z).unwrap() / open.hubble_distance();
        let (a, b) = (transverse(0.6), transverse(2.5));
        let term = |d: f64| (1.0 + open.omega_k() * d * d).sqrt();
        let expected = open.hubble_distance() / 3.5 * (b * term(a) - a * term(b));
        let found = open.angular_diameter_distance_between(0.6, 2.5).unwrap();
        assert_close(found, expected, 1e-12, "eq. 19");
        let cosmology = Cosmology::default();
        let expansion = (0.3111f64 * 8.0 + 0.6889).sqrt();
        let found = cosmology.angular_diameter_distance_between(1.0, 1.0 + 1e-9).unwrap();
        assert_close(
            found,
            cosmology.hubble_distance() * 1e-9 / expansion / 2.0,
            1e-6,
            "close pair",
        );
        assert_eq!(cosmology.angular_diameter_distance_between(1.0, 1.0).unwrap(), 0.0);
    }

    #[test]
    fn impossible_cosmologies_are_refused() {
        assert!(message(Cosmology::new(-0.1, 0.7, 70.0)).contains("omega_m is -0.1"));
        assert!(message(Cosmology::new(0.3, f64::NAN, 70.0)).contains("omega_lambda is NaN"));
        assert!(message(Cosmology::new(0.3, 0.7, 0.0)).contains("H0 is 0"));
        for (omega_m, omega_lambda) in [(0.3, 1.8), (0.0, 1.1), (0.01, 1.5), (1e-9, 3.0)] {
            assert!(message(Cosmology::new(omega_m, omega_lambda, 70.0)).contains("no big bang"));
        }
        for (omega_m, omega_lambda) in [(0.3, 1.7), (0.0, 1.0), (0.0, -2.0), (5.0, 0.0), (0.3, 0.7)] {
            let cosmology = Cosmology::new(omega_m, omega_lambda, 70.0).unwrap();
            assert!(cosmology.comoving_distance(1000.0).unwrap().is_finite());
        }
    }

    #[test]
    fn impossible_redshifts_are_refused() {
        let cosmology = Cosmology::default();
        assert!(message(cosmology.comoving_distance(-0.1)).contains("redshift is -0.1"));
        assert!(message(cosmology.angular_diameter_distance(f64::NAN)).contains("redshift is NaN"));
        let front = message(cosmology.angular_diameter_distance_between(1.0, 0.5));
        assert!(
            front.contains("in front of the lens") && front.contains("0.5"),
            "{front}"
        );
        assert!(message(cosmology.distances(0.0, 0.5)).contains("redshift 0"));
        assert!(message(cosmology.distances(0.5, 0.5)).contains("not behind the lens"));
        let closed = Cosmology::new(0.3, 1.6, 70.0).unwrap();
        assert!(message(closed.distances(0.5, 10.0)).contains("antipode"));
        assert!(closed.comoving_distance(10.0).is_ok());
    }
}
