use super::*;
use crate::survey::catalogue::content::text_of;
use std::path::Path;

fn fixture(name: &str) -> Content {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/catalogues")
        .join(name);
    read(File::open(path).unwrap()).unwrap()
}

fn column(content: &Content, name: &str) -> (ColumnType, Vec<String>) {
    let place = content
        .names
        .iter()
        .position(|n| n == name)
        .unwrap_or_else(|| panic!("{name}"));
    let Rows::Cells(rows) = &content.rows else { panic!() };
    let column_type = content.described[place].column_type.clone();
    let texts = rows.columns[place]
        .iter()
        .map(|cell| text_of(cell, &column_type))
        .collect();
    (column_type, texts)
}

#[test]
fn every_type_has_the_values_that_pyarrow_wrote() {
    use ColumnType::{Bool, F32, F64, I16, I32, I64, Str, U8};
    let content = fixture("snappy.parquet");
    let array = |element, shape: Option<usize>| ColumnType::Array {
        element: Box::new(element),
        shape: shape.map(|n| vec![n]),
    };
    for (name, column_type, values) in [
        ("id", I64, ["5853498713190525696", "7", "-3"]),
        ("name", Str, ["007", "a, b", "café"]),
        ("ok", Bool, ["true", "false", "true"]),
        ("u64", Str, ["0", "18446744073709551615", "7"]),
        ("u32", I64, ["0", "3000000000", ""]),
        ("byte", U8, ["1", "2", "255"]),
        ("short", I16, ["1", "", "-3"]),
        ("float", F32, ["0.1", "", "2.0"]),
        ("double", F64, ["0.30000000000000004", "", ""]),
        ("decimal", Str, ["12.10", "0.05", ""]),
        (
            "when",
            Str,
            ["2024-01-02T03:04:05.000600", "", "1999-01-01T00:00:00.000000"],
        ),
        (
            "nanos",
            Str,
            ["1970-01-01T00:00:00.000000001", "", "2023-11-14T22:13:20.123456789"],
        ),
        ("day", Str, ["2024-02-29", "", ""]),
        ("list", array(I32, None), ["[1, 2]", "[]", "[3, ]"]),
        ("pair", array(F64, Some(2)), ["[1.5, 2.0]", "[3.0, 4.0]", "[5.0, 6.0]"]),
        ("bytes", Str, ["a", "b", ""]),
        ("nothing", F64, ["", "", ""]),
    ] {
        let (found_type, found) = column(&content, name);
        assert_eq!(
            (found_type, found.as_slice()),
            (column_type, &values.map(String::from)[..]),
            "{name}"
        );
    }
    assert_eq!(content.left_out.len(), 1);
    assert_eq!(content.left_out[0].name, "struct");
}

#[test]
fn compressions_and_what_astropy_stores_about_columns() {
    for name in ["zstd.parquet", "gzip.parquet", "lz4.parquet", "none.parquet"] {
        assert_eq!(column(&fixture(name), "name").1, ["007", "a, b", "café"], "{name}");
    }
    let brotli = fixture("brotli.parquet");
    assert!(
        brotli.left_out.iter().all(|column| column.reason.contains("BROTLI")),
        "{:?}",
        brotli.left_out
    );
    let content = fixture("astropy.parquet");
    let ra = &content.described[1];
    assert_eq!((ra.unit.as_str(), ra.description.as_str()), ("deg", "right ascension"));
}
