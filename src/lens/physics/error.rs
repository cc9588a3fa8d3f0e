//! Cosmologies and redshifts without distances.

/// A cosmology that is impossible, or redshifts between which it has no distance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter of the cosmology is not finite or out of range.
    #[error("{name} is {value}; it must be {allowed}")]
    Parameter {
        /// `omega_m`, `omega_lambda` or `H0`.
        name: &'static str,
        /// As given; H0 in km/s/Mpc.
        value: f64,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// H(z)^2 falls to 0 at some redshift: the universe bounced there, so there is nothing at larger redshifts.
    #[error("omega_m {omega_m} with omega_lambda {omega_lambda} has no big bang: H(z)^2 falls to 0 at some redshift")]
    NoBigBang {
        /// Matter density today, in units of the critical density.
        omega_m: f64,
        /// Density of the cosmological constant, in units of the critical density.
        omega_lambda: f64,
    },
    /// A redshift is not finite or negative.
    #[error("the redshift is {z}; it must be a finite number of 0 or more")]
    Redshift {
        /// As given.
        z: f64,
    },
    /// A lens at redshift 0 has no Einstein radius.
    #[error("the lens has redshift 0; it must be above 0")]
    LensAtZero,
    /// The source must lie behind the lens.
    #[error("the source is not behind the lens: its redshift is {z_source}, that of the lens {z_lens}")]
    SourceInFront {
        /// Redshift of the lens.
        z_lens: f64,
        /// Redshift of the source.
        z_source: f64,
    },
    /// The redshift lies beyond the antipode of a closed universe, where distances decrease again.
    #[error(
        "redshift {z} lies beyond the antipode of this closed universe (omega_m {omega_m}, omega_lambda {omega_lambda})"
    )]
    BeyondAntipode {
        /// Redshift of the source.
        z: f64,
        /// Matter density today, in units of the critical density.
        omega_m: f64,
        /// Density of the cosmological constant, in units of the critical density.
        omega_lambda: f64,
    },
}
