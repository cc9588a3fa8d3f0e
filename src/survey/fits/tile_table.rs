//! The binary table of a tile-compressed image: one tile per row.

use super::FitsError;
use super::header::Header;

/// The table's rows and its heap.
pub(super) struct TileTable<'a> {
    data: &'a [u8],
    heap: &'a [u8],
    row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// Bytes from the start of a row.
    offset: usize,
    kind: u8,
    /// Of an array: the kind of its elements.
    element: u8,
}

/// As one with the format `0P`.
const NO_VALUES: FitsError = FitsError::Tiles("a column of tiles has no values");

impl<'a> TileTable<'a> {
    pub fn new(bytes: &'a [u8], header: &Header) -> Result<TileTable<'a>, FitsError> {
        let count = |key: &str| {
            let number = header.integer(key).and_then(|n| usize::try_from(n).ok());
            number.ok_or_else(|| FitsError::MissingKeyword { keyword: key.into() })
        };
        let (row_bytes, rows, fields) = (count("NAXIS1")?, count("NAXIS2")?, count("TFIELDS")?);
        let end = row_bytes.checked_mul(rows);
        // The heap may begin after a gap.
        let heap = match header.entry("THEAP") {
            Some(_) => Some(count("THEAP")?),
            None => end,
        };
        let (Some(data), Some(heap)) = (end.and_then(|n| bytes.get(..n)), heap.and_then(|n| bytes.get(n..))) else {
            return Err(FitsError::Tiles("its table is longer than its data"));
        };
        let (mut columns, mut offset) = (Vec::new(), 0usize);
        for number in 1..=fields.min(999) {
            let keyword = format!("TFORM{number}");
            let format = header.text(&keyword).unwrap_or_default();
            let Some((width, kind, element)) = parse_format(format) else {
                return Err(FitsError::MissingKeyword { keyword });
            };
            let name = header.text(&format!("TTYPE{number}")).unwrap_or_default();
            columns.push(Column {
                name: name.to_ascii_uppercase(),
                offset,
                kind,
                element,
            });
            offset = offset.saturating_add(width);
        }
        if offset > row_bytes {
            return Err(FitsError::Tiles("its columns are wider than its table"));
        }
        Ok(TileTable {
            data,
            heap,
            row_bytes,
            rows,
            columns,
        })
    }

    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column)
    }

    fn cell(&self, column: &str, row: usize) -> Option<(&Column, &[u8])> {
        let column = self.columns.iter().find(|c| c.name == column)?;
        Some((column, self.data.get(row * self.row_bytes + column.offset..)?))
    }

    /// The array of a row, as bytes; `None` without such a column.
    pub fn bytes(&self, column: &str, row: usize) -> Result<Option<&'a [u8]>, FitsError> {
        let Some((column, cell)) = self.cell(column, row) else {
            return Ok(None);
        };
        let half = match column.kind {
            b'P' => 4,
            b'Q' => 8,
            _ => return Err(FitsError::Tiles("a column of tiles holds no arrays")),
        };
        let Some(descriptor) = cell.get(..2 * half) else {
            return Err(NO_VALUES);
        };
        let word = |bytes: &[u8]| bytes.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        let (count, start) = (word(&descriptor[..half]), word(&descriptor[half..]));
        let length = count.checked_mul(width(column.element) as u64);
        let range = length.and_then(|n| Some(start as usize..start.checked_add(n)? as usize));
        let found = range.and_then(|range| self.heap.get(range));
        found.map(Some).ok_or(FitsError::Tiles("a tile lies outside its data"))
    }

    /// The number of a row; `None` without such a column.
    pub fn number(&self, column: &str, row: usize) -> Result<Option<f64>, FitsError> {
        let Some((column, cell)) = self.cell(column, row) else {
            return Ok(None);
        };
        macro_rules! number {
            ($t:ty) => {
                <$t>::from_be_bytes(*cell.first_chunk().ok_or(NO_VALUES)?) as f64
            };
        }
        Ok(Some(match column.kind {
            b'B' => number!(u8),
            b'I' => number!(i16),
            b'J' => number!(i32),
            b'K' => number!(i64),
            b'E' => number!(f32),
            b'D' => number!(f64),
            _ => return Err(FitsError::Tiles("a column of numbers has another type")),
        }))
    }
}

/// Width in bytes, type and element type of TFORM. Characters after them are ignored, as in astropy.
fn parse_format(text: &str) -> Option<(usize, u8, u8)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let repeat: usize = if digits == 0 { 1 } else { text[..digits].parse().ok()? };
    let mut letters = text[digits..].bytes();
    let kind = letters.next()?;
    let width = match kind {
        b'X' => repeat.div_ceil(8),
        b'P' | b'Q' => repeat.min(1) * width(kind),
        _ => repeat.checked_mul(width(kind))?,
    };
    let element = letters.next().unwrap_or(b'B');
    let is_known = |kind| self::width(kind) > 0;
    let is_array = matches!(kind, b'P' | b'Q');
    (is_known(kind) && (!is_array || is_known(element))).then_some((width, kind, element))
}

/// Bytes of one value of a type, or 0 if there is no such type.
fn width(kind: u8) -> usize {
    match kind {
        b'L' | b'B' | b'A' | b'X' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' | b'P' => 8,
        b'M' | b'Q' => 16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_with_stray_characters() {
        assert_eq!(parse_format("1PB(512)"), Some((8, b'P', b'B')));
        assert_eq!(parse_format("QI"), Some((16, b'Q', b'I')));
        assert_eq!(parse_format("1D?"), Some((8, b'D', b'?')));
        assert_eq!(parse_format("12X"), Some((2, b'X', b'B')));
        assert_eq!(parse_format("3E"), Some((12, b'E', b'B')));
        assert_eq!(
            (parse_format("?D"), parse_format(""), parse_format("7")),
            (None, None, None)
        );
        // Tiles of a type that does not exist would have no bytes, and be missing.
        assert_eq!((parse_format("1P?(9)"), parse_format("1QZ")), (None, None));
    }
}
