//! The bits of the column `mass_flags`.

pub(super) const NO_THETA_E: i32 = 1;
pub(super) const NO_REDSHIFT: i32 = 2;
pub(super) const BAD_REDSHIFT: i32 = 4;
pub(super) const SOURCE_IN_FRONT: i32 = 8;
pub(super) const NO_DISTANCE: i32 = 16;
pub(super) const THETA_E_CUT: i32 = 32;
pub(super) const REDSHIFT_CUT: i32 = 64;
pub(super) const NO_REDSHIFT_ERROR: i32 = 128;

/// A larger fraction that was cut off is flagged.
pub(super) const MAX_CUT: f64 = 0.01;

/// One bit of the column `mass_flags`.
pub struct MassFlag {
    /// Its value.
    pub bit: i32,
    /// Its name.
    pub name: &'static str,
    /// What it says about a row.
    pub meaning: &'static str,
}

/// Every bit, in increasing order. The meaning of a bit never changes.
pub const MASS_FLAGS: [MassFlag; 8] = [
    MassFlag {
        bit: NO_THETA_E,
        name: "no_theta_e",
        meaning: "theta_e or its distribution is missing, not positive or above 180 degrees: no mass",
    },
    MassFlag {
        bit: NO_REDSHIFT,
        name: "no_redshift",
        meaning: "a redshift is missing or not a number: no mass",
    },
    MassFlag {
        bit: BAD_REDSHIFT,
        name: "bad_redshift",
        meaning: "a redshift is not positive, or above 10,000: no mass",
    },
    MassFlag {
        bit: SOURCE_IN_FRONT,
        name: "source_in_front",
        meaning: "the source is not behind the lens: no mass",
    },
    MassFlag {
        bit: NO_DISTANCE,
        name: "no_distance",
        meaning: "the source lies beyond the antipode of a closed universe: no mass",
    },
    MassFlag {
        bit: THETA_E_CUT,
        name: "theta_e_cut",
        meaning: "more than 1 % of the distribution of theta_e was below 0 and was cut off",
    },
    MassFlag {
        bit: REDSHIFT_CUT,
        name: "redshift_cut",
        meaning: "more than 1 % of the drawn redshifts were impossible and were discarded",
    },
    MassFlag {
        bit: NO_REDSHIFT_ERROR,
        name: "no_redshift_error",
        meaning: "the error of a redshift is missing or negative: the redshift is taken as exact",
    },
];
