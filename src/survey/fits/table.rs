//! Reading the first binary table of a FITS file, as text.

use super::FitsError;
use crate::survey::table::{Column, ColumnType};
use csv::StringRecord;
use fitsio_pure::bintable::{
    BinaryColumnData, BinaryColumnType, apply_column_scaling, extract_column_scaling, parse_binary_table_columns,
    read_binary_column,
};
use fitsio_pure::hdu::{Hdu, HduInfo, parse_fits};
use fitsio_pure::value::Value;

/// The columns and rows of the file `bytes`. Numbers have as many digits as are needed to recover the same value; a
/// missing value (NaN, TNULL) is an empty text.
///
/// # Errors
/// No binary table, a damaged one, and a column with several values per row.
pub(in crate::survey) fn read(bytes: &[u8]) -> Result<(Vec<Column>, Vec<StringRecord>), FitsError> {
    let file = parse_fits(bytes).map_err(FitsError::Damaged)?;
    let table = file
        .iter()
        .find_map(|hdu| match hdu.info {
            HduInfo::BinaryTable { naxis2, tfields, .. } => Some((hdu, naxis2, tfields)),
            _ => None,
        })
        .ok_or(FitsError::NoTable)?;
    let (hdu, rows, fields) = table;
    let descriptors = parse_binary_table_columns(&hdu.cards, fields)?;
    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for (i, descriptor) in descriptors.iter().enumerate() {
        let name = descriptor.name.clone().unwrap_or(format!("col{}", i + 1));
        let column = || name.clone();
        if descriptor.col_type != BinaryColumnType::Ascii && descriptor.repeat != 1 {
            return Err(FitsError::VectorColumn {
                column: column(),
                values: descriptor.repeat,
            });
        }
        let data = read_binary_column(bytes, hdu, i).map_err(|source| FitsError::DamagedColumn {
            column: column(),
            source,
        })?;
        let (column_type, texts) = texts(data, hdu, i + 1).ok_or_else(|| FitsError::ColumnType { column: column() })?;
        if texts.len() != rows {
            return Err(FitsError::ColumnRows {
                column: column(),
                found: texts.len(),
                expected: rows,
            });
        }
        columns.push(Column::new(
            name.trim(),
            column_type,
            &text(hdu, "TUNIT", i + 1),
            &text(hdu, "TCOMM", i + 1),
        ));
        cells.push(texts);
    }
    let row = |row: usize| cells.iter().map(|column| column[row].as_str()).collect();
    Ok((columns, (0..rows).map(row).collect()))
}

/// A column, `number` counted from 1, as texts; `None` if it holds neither numbers nor texts.
fn texts(data: BinaryColumnData, hdu: &Hdu, number: usize) -> Option<(ColumnType, Vec<String>)> {
    use BinaryColumnData::{Ascii, Byte, Double, Float, Int, Logical, Long, Short};
    let whole: Vec<i64> = match data {
        Ascii(texts) => {
            let texts = texts.iter().map(|t| t.trim_end_matches(['\0', ' ']).to_string());
            return Some((ColumnType::Str, texts.collect()));
        }
        Logical(values) => return Some((ColumnType::Str, values.iter().map(bool::to_string).collect())),
        Float(_) | Double(_) => return Some((ColumnType::F64, floats(data, hdu, number))),
        Byte(values) => values.into_iter().map(i64::from).collect(),
        Short(values) => values.into_iter().map(i64::from).collect(),
        Int(values) => values.into_iter().map(i64::from).collect(),
        Long(values) => values,
        _ => return None,
    };
    let null = match card(hdu, "TNULL", number) {
        Some(Value::Integer(null)) => Some(*null),
        _ => None,
    };
    let (scale, zero) = extract_column_scaling(&hdu.cards, number);
    let texts: Vec<String> = whole
        .into_iter()
        .map(|value| match value {
            value if Some(value) == null => String::new(),
            // Unsigned integers are stored with an offset of 2^15, 2^31 or 2^63.
            value if scale == 1.0 && zero.fract() == 0.0 => (i128::from(value) + zero as i128).to_string(),
            value => format!("{:?}", zero + scale * value as f64),
        })
        .collect();
    Some((ColumnType::of_texts(texts.iter().map(String::as_str)), texts))
}

fn floats(data: BinaryColumnData, hdu: &Hdu, number: usize) -> Vec<String> {
    let text = |nan: bool, text: String| if nan { String::new() } else { text };
    match (data, extract_column_scaling(&hdu.cards, number)) {
        // 0.1 in single precision is written as 0.1, not as 0.10000000149011612.
        (BinaryColumnData::Float(values), (1.0, 0.0)) => {
            values.iter().map(|v| text(v.is_nan(), format!("{v:?}"))).collect()
        }
        (data, (scale, zero)) => apply_column_scaling(&data, scale, zero)
            .iter()
            .map(|v| text(v.is_nan(), format!("{v:?}")))
            .collect(),
    }
}

fn card<'a>(hdu: &'a Hdu, key: &str, number: usize) -> Option<&'a Value> {
    let key = format!("{key}{number}");
    let card = hdu.cards.iter().find(|card| card.keyword_str() == key)?;
    card.value.as_ref()
}

fn text(hdu: &Hdu, key: &str, number: usize) -> String {
    match card(hdu, key, number) {
        Some(Value::String(text)) => text.trim_end().to_string(),
        _ => String::new(),
    }
}
