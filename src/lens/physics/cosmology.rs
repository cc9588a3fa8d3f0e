//! Distances in a universe with matter, a cosmological constant and curvature (Hogg 1999, arXiv:astro-ph/9905116).
//!
//! Radiation and massive neutrinos are neglected; `docs/cosmology.md` gives the differences from Planck 2018. Distances
//! agree with astropy's `LambdaCDM(Tcmb0=0)` to 1e-10, including curved universes, up to redshift 10.

use super::Error;
use super::quadrature::integrate;
use super::units::SPEED_OF_LIGHT;
use std::f64::consts::PI;

/// A cosmology with the expansion rate H(z)^2 = H0^2 (omega_m (1+z)^3 + omega_k (1+z)^2 + omega_lambda), where
/// omega_k = 1 - omega_m - omega_lambda.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosmology {
    omega_m: f64,
    omega_lambda: f64,
    h0: f64,
}

/// Planck 2018 (arXiv:1807.06209, table 2, TT,TE,EE+lowE+lensing+BAO): omega_m = 0.3111, flat, H0 = 67.66 km/s/Mpc.
impl Default for Cosmology {
    fn default() -> Self {
        Cosmology {
            omega_m: 0.3111,
            omega_lambda: 0.6889,
            h0: 67.66,
        }
    }
}

/// The angular diameter distances, in Mpc, of a lens and a source behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// From the observer to the lens.
    pub lens: f64,
    /// From the observer to the source.
    pub source: f64,
    /// From the lens to the source.
    pub lens_source: f64,
}

impl Cosmology {
    /// A cosmology with the densities `omega_m` and `omega_lambda` today, in units of the critical density, and the Hubble
    /// constant `h0` in km/s/Mpc.
    ///
    /// # Errors
    /// [`Error::Parameter`] for values that are not finite, a negative `omega_m`, or an `h0` that is not positive.
    /// [`Error::NoBigBang`] if H(z)^2 falls to 0 at some redshift.
    pub fn new(omega_m: f64, omega_lambda: f64, h0: f64) -> Result<Cosmology, Error> {
        let require = |name, value: f64, ok: bool, allowed| match value.is_finite() && ok {
            true => Ok(()),
            false => Err(Error::Parameter { name, value, allowed }),
        };
        require("omega_m", omega_m, omega_m >= 0.0, "a finite number of 0 or more")?;
        require("omega_lambda", omega_lambda, true, "a finite number")?;
        require("H0", h0, h0 > 0.0, "a finite number above 0, in km/s/Mpc")?;
        let cosmology = Cosmology {
            omega_m,
            omega_lambda,
            h0,
        };
        if cosmology.smallest_expansion() <= 1e-9 {
            return Err(Error::NoBigBang { omega_m, omega_lambda });
        }
        Ok(cosmology)
    }

    /// A flat cosmology: omega_lambda = 1 - omega_m.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn flat(omega_m: f64, h0: f64) -> Result<Cosmology, Error> {
        Cosmology::new(omega_m, 1.0 - omega_m, h0)
    }

    /// Matter density today, in units of the critical density.
    pub fn omega_m(&self) -> f64 {
        self.omega_m
    }

    /// Density of the cosmological constant, in units of the critical density.
    pub fn omega_lambda(&self) -> f64 {
        self.omega_lambda
    }

    /// Hubble constant, km/s/Mpc.
    pub fn h0(&self) -> f64 {
        self.h0
    }

    /// Curvature density: positive in an open universe. A value below 1e-12, which rounding may leave, counts as 0.
    pub fn omega_k(&self) -> f64 {
        let omega_k = 1.0 - self.omega_m - self.omega_lambda;
        if omega_k.abs() < 1e-12 { 0.0 } else { omega_k }
    }

    /// c / H0, Mpc.
    fn hubble_distance(&self) -> f64 {
        SPEED_OF_LIGHT / self.h0
    }

    /// Line-of-sight comoving distance to redshift `z`, Mpc (Hogg eq. 15).
    ///
    /// # Errors
    /// [`Error::Redshift`] for a redshift that is negative or not finite.
    pub fn comoving_distance(&self, z: f64) -> Result<f64, Error> {
        check_redshift(z)?;
        Ok(self.hubble_distance() * self.path(0.0, z))
    }

    /// Transverse comoving distance to redshift `z`, Mpc (Hogg eq. 16).
    ///
    /// # Errors
    /// Those of [`comoving_distance`](Self::comoving_distance); [`Error::BeyondAntipode`] for a redshift beyond the
    /// antipode of a closed universe.
    pub fn transverse_comoving_distance(&self, z: f64) -> Result<f64, Error> {
        check_redshift(z)?;
        self.transverse(self.path(0.0, z), z)
    }

    /// Angular diameter distance to redshift `z`, Mpc (Hogg eq. 18).
    ///
    /// # Errors
    /// Those of [`transverse_comoving_distance`](Self::transverse_comoving_distance).
    pub fn angular_diameter_distance(&self, z: f64) -> Result<f64, Error> {
        Ok(self.transverse_comoving_distance(z)? / (1.0 + z))
    }

    /// Angular diameter distance from redshift `z1` to `z2`, Mpc.
    ///
    /// It follows from the comoving distance between the two redshifts, and so holds for any curvature; Hogg's eq. 19 is
    /// the same for open universes only.
    ///
    /// # Errors
    /// Those of [`transverse_comoving_distance`](Self::transverse_comoving_distance); [`Error::SourceInFront`] if `z2` is
    /// below `z1`.
    pub fn angular_diameter_distance_between(&self, z1: f64, z2: f64) -> Result<f64, Error> {
        check_redshift(z1)?;
        check_redshift(z2)?;
        if z2 < z1 {
            return Err(Error::SourceInFront {
                z_lens: z1,
                z_source: z2,
            });
        }
        Ok(self.transverse(self.path(z1, z2), z2)? / (1.0 + z2))
    }

    /// The three distances of a lens at redshift `z_lens` > 0 and a source behind it.
    ///
    /// # Errors
    /// [`Error::Redshift`] for redshifts that are negative or not finite, [`Error::LensAtZero`], [`Error::SourceInFront`]
    /// for a source that is not behind the lens, and [`Error::BeyondAntipode`].
    pub fn distances(&self, z_lens: f64, z_source: f64) -> Result<Distances, Error> {
        check_redshift(z_lens)?;
        check_redshift(z_source)?;
        if z_lens == 0.0 {
            return Err(Error::LensAtZero);
        }
        if z_source <= z_lens {
            return Err(Error::SourceInFront { z_lens, z_source });
        }
        let (lens, between) = (self.path(0.0, z_lens), self.path(z_lens, z_source));
        Ok(Distances {
            lens: self.transverse(lens, z_lens)? / (1.0 + z_lens),
            source: self.transverse(lens + between, z_source)? / (1.0 + z_source),
            lens_source: self.transverse(between, z_source)? / (1.0 + z_source),
        })
    }

    /// The smallest (H(z) / H0)^2 at redshifts of 0 and more.
    fn smallest_expansion(&self) -> f64 {
        let (omega_m, omega_k) = (self.omega_m, self.omega_k());
        if omega_m == 0.0 {
            // omega_k x^2 + omega_lambda with x = 1 + z: unbounded below if omega_k < 0.
            return if omega_k < 0.0 { f64::NEG_INFINITY } else { 1.0 };
        }
        let x = (-2.0 * omega_k / (3.0 * omega_m)).max(1.0);
        x * x * (omega_m * x + omega_k) + self.omega_lambda
    }

    /// Integral of H0 / H(z) dz from `z1` to `z2`: the comoving distance in units of c / H0.
    ///
    /// With s = (1+z)^(-1/2) it is the integral of 2 ds / sqrt(omega_m + omega_k s^2 + omega_lambda s^6), which is smooth
    /// at any redshift.
    fn path(&self, z1: f64, z2: f64) -> f64 {
        let (omega_m, omega_k, omega_lambda) = (self.omega_m, self.omega_k(), self.omega_lambda);
        let integrand = |s: f64| {
            let s2 = s * s;
            2.0 / (omega_m + s2 * (omega_k + s2 * s2 * omega_lambda)).sqrt()
        };
        let (root1, root2) = ((1.0 + z1).sqrt(), (1.0 + z2).sqrt());
        // Equal to 1/root1 - 1/root2, without the cancellation if z1 and z2 are close.
        let length = (z2 - z1) / (root1 * root2 * (root1 + root2));
        integrate(&integrand, 1.0 / root2, length, 30)
    }

    /// Transverse comoving distance, Mpc, for the comoving distance `path` in units of c / H0 to redshift `z`.
    fn transverse(&self, path: f64, z: f64) -> Result<f64, Error> {
        let root = self.omega_k().abs().sqrt();
        let curved = match self.omega_k() {
            0.0 => path,
            omega_k if omega_k > 0.0 => (root * path).sinh() / root,
            _ if root * path >= PI => {
                return Err(Error::BeyondAntipode {
                    z,
                    omega_m: self.omega_m,
                    omega_lambda: self.omega_lambda,
                });
            }
            _ => (root * path).sin() / root,
        };
        Ok(self.hubble_distance() * curved)
    }
}

fn check_redshift(z: f64) -> Result<(), Error> {
    match z.is_finite() && z >= 0.0 {
        true => Ok(()),
        false => Err(Error::Redshift { z }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(result: Result<T, Error>) -> String {
        result.err().expect("an error").to_string()
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
        assert!(
            (found / expected - 1.0).abs() <= tolerance,
            "{what}: {found} is not {expected}"
        );
    }

    #[test]
    fn distances_agree_with_astropy() {
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
    fn distances_agree_with_closed_forms() {
        let einstein_de_sitter = Cosmology::flat(1.0, 70.0).unwrap();
        let milne = Cosmology::new(0.0, 0.0, 70.0).unwrap();
        for z in [1e-9, 1e-3, 0.7, 10.0, 1100.0, 1e9] {
            let hubble = SPEED_OF_LIGHT / 70.0;
            // Equal to 2 (1 - (1+z)^(-1/2)), without the cancellation at small z.
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
    fn the_distance_from_lens_to_source_agrees_with_hogg_and_is_accurate_for_close_pairs() {
        // Hogg's eq. 19 in an open universe; then nearly equal redshifts, where a difference of distances would cancel.
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
    fn impossible_cosmologies_are_errors() {
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
    fn impossible_redshifts_are_errors() {
        let cosmology = Cosmology::default();
        assert!(message(cosmology.comoving_distance(-0.1)).contains("redshift is -0.1"));
        assert!(message(cosmology.angular_diameter_distance(f64::NAN)).contains("redshift is NaN"));
        let front = message(cosmology.angular_diameter_distance_between(1.0, 0.5));
        assert!(
            front.contains("not behind the lens") && front.contains("0.5"),
            "{front}"
        );
        assert!(message(cosmology.distances(0.0, 0.5)).contains("redshift 0"));
        assert!(message(cosmology.distances(0.5, 0.5)).contains("not behind the lens"));
        let closed = Cosmology::new(0.3, 1.6, 70.0).unwrap();
        assert!(message(closed.distances(0.5, 10.0)).contains("antipode"));
        assert!(closed.comoving_distance(10.0).is_ok());
    }
}
