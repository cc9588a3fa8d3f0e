//! Floats that are stored as integers, with added noise (FITS standard 4.0, section 10.2).

use std::sync::OnceLock;

use super::FitsError;
use super::header::Header;
use super::tile_table::TileTable;

/// Numbers of the fixed random sequence.
const RANDOM: usize = 10_000;

/// The integer of an exact zero in SUBTRACTIVE_DITHER_2.
const ZERO: i64 = -2_147_483_646;

/// How integers become floats.
pub(super) struct Quantised {
    single_precision: bool,
    dither: Dither,
    /// ZDITHER0: where the first tile begins in the random sequence, from 1.
    seed: usize,
    /// ZSCALE, ZZERO and ZBLANK of the header, for tables without such columns.
    scale: Option<f64>,
    zero: Option<f64>,
    blank: Option<f64>,
}

#[derive(PartialEq)]
enum Dither {
    Off,
    On,
    ButNotOfZeros,
}

impl Quantised {
    /// `None` if the tiles of this type of image hold its own values.
    pub fn new(header: &Header, table: &TileTable, bitpix: i64) -> Result<Option<Quantised>, FitsError> {
        let (scale, zero) = (header.number("ZSCALE"), header.number("ZZERO"));
        let given = |column: &str, number: Option<f64>| table.has(column) || number.is_some();
        if bitpix > 0 || !given("ZSCALE", scale) || !given("ZZERO", zero) {
            return Ok(None);
        }
        let dither = match header.text("ZQUANTIZ") {
            Some("NONE") => return Ok(None),
            Some("SUBTRACTIVE_DITHER_1") => Dither::On,
            Some("SUBTRACTIVE_DITHER_2") => Dither::ButNotOfZeros,
            None | Some("NO_DITHER") => Dither::Off,
            Some(other) => return Err(FitsError::Compression { method: other.into() }),
        };
        let seed = match header.integer("ZDITHER0") {
            Some(seed @ 1..=10_000) => seed as usize,
            None if dither == Dither::Off => 1,
            _ => {
                return Err(FitsError::MissingKeyword {
                    keyword: "ZDITHER0".into(),
                });
            }
        };
        Ok(Some(Quantised {
            single_precision: bitpix == -32,
            dither,
            seed,
            scale,
            zero,
            blank: header.number("ZBLANK"),
        }))
    }

    /// The floats of a tile.
    pub fn floats(&self, tile: usize, integers: &[i64], table: &TileTable) -> Result<Vec<f64>, FitsError> {
        let number = |column, default| Ok::<_, FitsError>(table.number(column, tile)?.or(default));
        let scale = number("ZSCALE", self.scale)?.unwrap_or(f64::NAN);
        let zero = number("ZZERO", self.zero)?.unwrap_or(f64::NAN);
        let blank = number("ZBLANK", self.blank)?.map(|blank| blank as i64);
        let mut noise = Noise::new(tile % RANDOM + self.seed - 1);
        let float = |&integer: &i64| {
            let noise = if self.dither == Dither::Off { 0.5 } else { noise.next() };
            let value = match integer {
                _ if Some(integer) == blank => f64::NAN,
                ZERO if self.dither == Dither::ButNotOfZeros => 0.0,
                _ => (integer as f64 - noise + 0.5) * scale + zero,
            };
            if self.single_precision {
                f64::from(value as f32)
            } else {
                value
            }
        };
        Ok(integers.iter().map(float).collect())
    }
}

/// The random sequence as one tile uses it.
struct Noise {
    start: usize,
    next: usize,
}

impl Noise {
    fn new(start: usize) -> Noise {
        let start = start % RANDOM;
        Noise {
            start,
            next: (sequence()[start] * 500.0) as usize,
        }
    }

    fn next(&mut self) -> f64 {
        if self.next == RANDOM {
            *self = Noise::new(self.start + 1);
        }
        self.next += 1;
        f64::from(sequence()[self.next - 1])
    }
}

/// The standard's random numbers: those of Park & Miller 1988, Comm. ACM 31, 1192.
fn sequence() -> &'static [f32] {
    static SEQUENCE: OnceLock<Vec<f32>> = OnceLock::new();
    SEQUENCE.get_or_init(|| {
        let mut seed = 1u64;
        let next = |_| {
            seed = seed * 16807 % 2_147_483_647;
            (seed as f64 / 2_147_483_647.0) as f32
        };
        (0..RANDOM).map(next).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_sequence_is_that_of_the_standard() {
        // The seed after 10000 numbers is 1043618065 (FITS standard 4.0, appendix I).
        assert_eq!(sequence()[RANDOM - 1], (1043618065f64 / 2147483647.0) as f32);
        assert_eq!(sequence().len(), RANDOM);
    }
}
