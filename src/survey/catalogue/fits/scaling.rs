//! TSCAL, TZERO and TNULL: from stored to physical values.

use super::hdu::{integer, number};
use crate::survey::table::{Cell, ColumnType};
use fitsio_pure::header::Card;

/// How stored numbers become physical ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scaling {
    /// A whole number is added: 2^15, 2^31, 2^63 for unsigned integers, -128 for signed bytes, and 0.
    Offset(i128),
    /// `zero + scale * stored`.
    Linear { scale: f64, zero: f64 },
}

impl Scaling {
    /// That of column `n`, counted from 1.
    pub fn of(cards: &[Card], n: usize) -> Scaling {
        let scale = number(cards, &format!("TSCAL{n}"))
            .filter(|&scale| scale != 0.0)
            .unwrap_or(1.0);
        let zero = number(cards, &format!("TZERO{n}")).unwrap_or(0.0);
        match scale == 1.0 && zero.fract() == 0.0 && zero.abs() <= 2f64.powi(63) {
            true => Scaling::Offset(zero as i128),
            false => Scaling::Linear { scale, zero },
        }
    }

    /// The type of whole numbers stored in the range `from..=to`. Beyond 64 bits they still are I64 here.
    pub fn whole_type(self, from: i64, to: i64) -> ColumnType {
        let Scaling::Offset(offset) = self else {
            return ColumnType::F64;
        };
        let (from, to) = (i128::from(from) + offset, i128::from(to) + offset);
        let within = |low: i64, high: i64| i128::from(low) <= from && to <= i128::from(high);
        match () {
            () if within(0, u8::MAX.into()) => ColumnType::U8,
            () if within(i16::MIN.into(), i16::MAX.into()) => ColumnType::I16,
            () if within(i32::MIN.into(), i32::MAX.into()) => ColumnType::I32,
            () => ColumnType::I64,
        }
    }

    /// A stored whole number; text if it is beyond 64 bits.
    pub fn whole(self, stored: i64) -> Cell {
        match self {
            Scaling::Offset(offset) => {
                let value = i128::from(stored) + offset;
                i64::try_from(value).map_or_else(|_| Cell::Str(value.to_string()), Cell::Int)
            }
            Scaling::Linear { scale, zero } => Cell::F64(zero + scale * stored as f64),
        }
    }

    pub fn real(self, stored: f64) -> Cell {
        Cell::F64(match self {
            Scaling::Offset(0) => stored,
            Scaling::Offset(offset) => stored + offset as f64,
            Scaling::Linear { scale, zero } => zero + scale * stored,
        })
    }
}

/// TNULL of column `n`, counted from 1, as it is stored.
pub(super) fn null(cards: &[Card], n: usize) -> Option<i64> {
    integer(cards, &format!("TNULL{n}"))
}
