//! ECSV: separated values whose header, in comments, gives the columns' types, units and descriptions in YAML
//! (<https://github.com/astropy/astropy-APEs/blob/main/APE6.rst>). The subset of YAML that astropy writes is read.

use super::records::{Separator, records};
use super::rows::TextRows;
use crate::survey::catalogue::CatalogueError;
use crate::survey::catalogue::content::{Content, Rows};
use crate::survey::table::{Cell, Column, ColumnType};
use serde_json::Value;
use std::path::Path;

/// How the file begins.
pub(super) const MARK: &str = "# %ECSV";

/// The header.
pub(super) struct Header {
    separator: Separator,
    columns: Vec<Column>,
}

impl Header {
    /// The header, if the text is ECSV and its header is complete.
    pub fn parse(text: &str) -> Option<Header> {
        if !text.starts_with(MARK) {
            return None;
        }
        let comments = text.lines().map_while(|line| line.strip_prefix('#'));
        let lines: Vec<&str> = comments.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let delimiter = lines.iter().find_map(|line| line.strip_prefix("delimiter:"));
        Some(Header {
            separator: match delimiter.map(unquoted).as_deref() {
                Some(",") => Separator::Comma,
                Some(";") => Separator::Semicolon,
                Some("|") => Separator::Pipe,
                Some("\t" | "\\t") => Separator::Tab,
                _ => Separator::Spaces,
            },
            columns: described_columns(&lines)?,
        })
    }

    /// The rows below the header, whose first line names the columns.
    pub fn read(self, text: &str, path: &Path) -> Result<Content, CatalogueError> {
        let csv_error = |source| CatalogueError::Csv {
            path: path.into(),
            source,
        };
        let mut records = records(text, self.separator, usize::MAX).map_err(csv_error)?;
        let mut columns = self.columns;
        let mut names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        if !records.is_empty() {
            records.remove(0);
        }
        let rows = TextRows::new(&mut names, records, self.separator, path)?;
        for (i, column) in columns.iter_mut().enumerate() {
            let text = |row| rows.text(row, i);
            // Whole numbers above those of 64 bits with a sign stay text.
            if column.column_type == ColumnType::I64 && (0..rows.len()).any(|row| beyond_i64(text(row))) {
                column.column_type = ColumnType::Str;
            }
        }
        Ok(Content::new(columns, Rows::Texts(rows)))
    }
}

fn beyond_i64(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| i64::try_from(number).is_err())
}

/// The columns under the key `datatype` of a YAML header.
pub(in super::super) fn described_columns(lines: &[&str]) -> Option<Vec<Column>> {
    let start = lines.iter().position(|line| line.trim_end() == "datatype:")? + 1;
    let mut items: Vec<String> = Vec::new();
    for line in &lines[start..] {
        match (line.strip_prefix("- ").or(line.strip_prefix("  - ")), items.last_mut()) {
            (Some(item), _) => items.push(item.into()),
            (None, Some(item)) if line.starts_with(' ') => {
                item.push('\n');
                item.push_str(line);
            }
            _ => break,
        }
    }
    let columns: Vec<Column> = items.iter().map(|item| column(item)).collect::<Option<_>>()?;
    (!columns.is_empty()).then_some(columns)
}

fn column(item: &str) -> Option<Column> {
    let pairs = match item.trim().strip_prefix('{') {
        Some(flow) => flow_pairs(flow),
        None => block_pairs(item),
    };
    let get = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let column_type = column_type(get("datatype").unwrap_or("string"), get("subtype"));
    let text = |key| get(key).unwrap_or("");
    Some(Column::new(
        get("name").filter(|name| !name.is_empty())?,
        column_type,
        text("unit"),
        text("description"),
    ))
}

fn column_type(datatype: &str, subtype: Option<&str>) -> ColumnType {
    if let Some((element, shape)) = subtype.and_then(|subtype| subtype.strip_suffix(']')?.split_once('[')) {
        let axes: Result<Vec<usize>, _> = shape.split(',').map(|n| n.trim().parse()).collect();
        return ColumnType::Array {
            element: Box::new(column_type(element, None)),
            // The slowest axis comes first in ECSV, and the fastest in FITS.
            shape: axes.ok().map(|axes| axes.into_iter().rev().collect()),
        };
    }
    match datatype {
        "bool" => ColumnType::Bool,
        "uint8" => ColumnType::U8,
        "int8" | "int16" => ColumnType::I16,
        "uint16" | "int32" => ColumnType::I32,
        "uint32" | "int64" | "uint64" => ColumnType::I64,
        "float16" | "float32" => ColumnType::F32,
        "float64" | "float128" => ColumnType::F64,
        // Complex numbers and objects stay text.
        _ => ColumnType::Str,
    }
}

/// The pairs of a flow mapping `{key: value, ...}`, without its first brace.
fn flow_pairs(flow: &str) -> Vec<(String, String)> {
    let (mut pairs, mut depth, mut quote, mut part) = (Vec::new(), 0usize, None, String::new());
    let mut push = |part: &mut String| {
        let text = std::mem::take(part);
        pairs.extend(
            text.split_once(':')
                .map(|(key, value)| (unquoted(key), unquoted(value))),
        );
    };
    let mut previous = '\0';
    for c in flow.chars() {
        match (quote, c) {
            (Some(q), _) if c == q && previous != '\\' => quote = None,
            (Some(_), _) => {}
            // An apostrophe inside a plain word is a letter; two of them inside a quoted text are one.
            (None, '\'' | '"') if previous.is_whitespace() || previous == c || "\0{[,:".contains(previous) => {
                quote = Some(c)
            }
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}') if depth == 0 => break,
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                push(&mut part);
                previous = c;
                continue;
            }
            (None, _) => {}
        }
        part.push(c);
        previous = c;
    }
    push(&mut part);
    pairs
}

/// The pairs of a block mapping, one per line; deeper lines continue a value.
fn block_pairs(block: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        let indent = line.len() - line.trim_start().len();
        match (line.split_once(':'), pairs.last_mut()) {
            (Some((key, value)), _) if indent <= 4 => pairs.push((unquoted(key), value.trim().into())),
            (_, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (_, None) => {}
        }
    }
    pairs.into_iter().map(|(key, value)| (key, unquoted(&value))).collect()
}

/// A YAML scalar: its quotes and line breaks are resolved.
fn unquoted(text: &str) -> String {
    let words = || text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim();
    if let Some(inside) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        return match inside.contains('\n') {
            true => words().trim_matches('\'').replace("''", "'"),
            false => inside.replace("''", "'"),
        };
    }
    if text.starts_with('"') {
        // Double quotes are those of JSON, but a line break, escaped or not, is a space.
        let one_line = text.replace("\\\n", "");
        let one_line: Vec<&str> = one_line
            .lines()
            .map(|line| line.trim_start().trim_start_matches("\\ "))
            .collect();
        if let Ok(text) = serde_json::from_str(&one_line.join(" ")) {
            return text;
        }
    }
    words()
}

/// A text that holds an array, as JSON, of `element`s; `Null` if it does not.
pub(in super::super) fn array(text: &str, element: &ColumnType) -> Cell {
    fn flatten(value: &Value, element: &ColumnType, into: &mut Vec<Cell>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| flatten(value, element, into)),
            Value::Null | Value::Object(_) => into.push(Cell::Null),
            Value::Bool(value) => into.push(Cell::Bool(*value)),
            Value::Number(number) => into.push(element.cell(&number.to_string())),
            Value::String(text) => into.push(element.cell(text)),
        }
    }
    // Python's JSON writes NaN and Infinity, which JSON lacks.
    let json = text
        .replace("NaN", "null")
        .replace("-Infinity", "\"-inf\"")
        .replace("Infinity", "\"inf\"");
    match serde_json::from_str(&json) {
        Ok(value @ Value::Array(_)) => {
            let mut cells = Vec::new();
            flatten(&value, element, &mut cells);
            Cell::Array(cells)
        }
        _ => Cell::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# - {name: id, datatype: int64, description: 'the object''s id, unique'}
# - {name: ra, unit: deg, datatype: float64, format: '10.5f', description: a
#     long text}
# - {name: mags, datatype: string, subtype: 'float32[2,3]', unit: mag, meta: !!omap [{a: 1}, {b: 2}]}
# -
#   name: x
# meta: {comments: [a, b]}
";

    #[test]
    fn types_units_and_descriptions() {
        let text = HEADER.replace(
            "# -\n#   name: x\n",
            "# - name: ok\n#   datatype: bool\n#   unit: \"\"\n",
        );
        let text = text + "id,ra,mags,ok\n5853498713190525696,12.10,\"[[1.5,2,3],[4,NaN,6]]\",True\n";
        let header = Header::parse(&text).unwrap();
        assert_eq!(header.separator, Separator::Comma);
        let mags = ColumnType::Array {
            element: Box::new(ColumnType::F32),
            shape: Some(vec![3, 2]),
        };
        let expected = [
            Column::new("id", ColumnType::I64, "", "the object's id, unique"),
            Column::new("ra", ColumnType::F64, "deg", "a long text"),
            Column::new("mags", mags, "mag", ""),
            Column::new("ok", ColumnType::Bool, "", ""),
        ];
        assert_eq!(header.columns, expected);
        let content = header.read(&text, Path::new("a.ecsv")).unwrap();
        let Rows::Texts(rows) = &content.rows else { panic!() };
        assert_eq!(
            (rows.text(0, 0), rows.text(0, 1), rows.text(0, 3)),
            ("5853498713190525696", "12.10", "True")
        );
        let Cell::Array(values) = array(rows.text(0, 2), &ColumnType::F32) else {
            panic!()
        };
        assert_eq!(
            (values.len(), &values[0], &values[4]),
            (6, &Cell::F64(1.5), &Cell::Null)
        );
    }

    #[test]
    fn a_damaged_header_is_none() {
        for text in [
            "id,z\n1,2\n",
            "# %ECSV 1.0\n# ---\nid z\n1 2\n",
            "# %ECSV 1.0\n# datatype:\n# - {unit: deg}\nx\n",
            "# %ECSV 1.0\n# datatype:\n# - {name: id}\n# - {name: ''}\nid x\n1 2\n",
            "# %ECSV 1.0\n# datatype:\n# - {name: id}\n# - {name: \nid x\n1 2\n",
        ] {
            assert!(Header::parse(text).is_none(), "{text}");
        }
    }
}
