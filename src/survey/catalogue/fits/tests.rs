use super::*;
use crate::survey::catalogue::content::text_of;
use crate::survey::table::{Cell, ColumnType};
use std::path::Path;

/// A table of `tests/data/catalogues`, unpacked.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/catalogues")
        .join(name);
    fitsio_pure::gzip::decompress(&std::fs::read(path).unwrap()).unwrap()
}

fn content(bytes: Vec<u8>) -> Content {
    read(bytes, &["id"], None, "a.fits").unwrap()
}

fn cell(content: &Content, name: &str, row: usize) -> Cell {
    let Rows::Fits(rows) = &content.rows else { panic!() };
    rows.cell(
        row,
        content
            .names
            .iter()
            .position(|n| n == name)
            .unwrap_or_else(|| panic!("{name}")),
    )
}

fn cells(content: &Content, name: &str) -> Vec<Cell> {
    (0..content.rows.count()).map(|row| cell(content, name, row)).collect()
}

fn column<'a>(content: &'a Content, name: &str) -> &'a Column {
    content.described.iter().find(|column| column.name == name).unwrap()
}

fn texts(content: &Content, name: &str) -> Vec<String> {
    let column_type = &column(content, name).column_type;
    cells(content, name)
        .iter()
        .map(|cell| text_of(cell, column_type))
        .collect()
}

fn array(element: ColumnType, shape: &[usize]) -> ColumnType {
    ColumnType::Array {
        element: Box::new(element),
        shape: (!shape.is_empty()).then(|| shape.to_vec()),
    }
}

#[test]
fn every_type_of_a_binary_table_has_the_values_that_astropy_wrote() {
    use ColumnType::{Bool, F32, F64, I16, I32, I64, Str, U8};
    let content = content(fixture("binary.fits.gz"));
    let expected: [(&str, ColumnType, [&str; 3]); 21] = [
        ("id", I64, ["5853498713190525696", "7", "-3"]),
        ("flag", Bool, ["true", "false", "true"]),
        (
            "bits",
            array(Bool, &[11]),
            ["[true, ", "[false, true, ", "[false, false, true, "],
        ),
        ("byte", U8, ["0", "255", ""]),
        ("signed", I16, ["-128", "0", "127"]),
        ("short", I16, ["1", "-2", ""]),
        ("u16", I32, ["0", "40000", "65535"]),
        ("col8", I32, ["1", "-2", "3"]),
        ("u32", I64, ["0", "3000000000", "7"]),
        ("u64", Str, ["0", "18446744073709551615", "7"]),
        ("scaled", F64, ["10.5", "9.5", "12.0"]),
        ("float", F32, ["0.1", "", "1e-30"]),
        ("double", F64, ["0.30000000000000004", "", "inf"]),
        ("text", Str, ["007", "a b", ""]),
        ("texts", array(Str, &[2]), ["[a, bcd]", "[, x]", "[y, ]"]),
        ("vector", array(F32, &[4]), ["[0.0, 1.0, 2.0, 3.0]", "[4.0, ", "[8.0, "]),
        ("matrix", array(I16, &[3, 2]), ["[0, 1, 2, 3, 4, 5]", "[6, ", "[12, "]),
        ("complex", array(F32, &[2]), ["[1.0, 2.0]", "[0.0, 0.0]", "[0.0, -1.0]"]),
        ("list", array(F32, &[]), ["[1.5]", "[]", "[2.0, 3.0]"]),
        ("words", Str, ["x", "longer", ""]),
        ("long_list", array(I32, &[]), ["[1]", "[2, 3]", "[]"]),
    ];
    assert_eq!(content.names, expected.each_ref().map(|(name, ..)| *name));
    for (name, column_type, values) in expected {
        assert_eq!(column(&content, name).column_type, column_type, "{name}");
        for (found, expected) in texts(&content, name).iter().zip(values) {
            let part = if expected.ends_with(", ") {
                &found[..expected.len()]
            } else {
                found
            };
            // Minus zero is zero.
            assert_eq!(part.replace("-0.0", "0.0"), expected, "{name}");
        }
    }
    let double = column(&content, "double");
    assert_eq!((double.unit.as_str(), double.ucd.as_str()), ("arcsec", "phys.angSize"));
    assert_eq!(
        (double.description.as_str(), column(&content, "float").display.as_str()),
        ("Einstein radius", "F10.4")
    );
    assert_eq!(
        (column(&content, "byte").null, column(&content, "short").null),
        (Some(99), Some(-32768))
    );
    assert_eq!(
        content.left_out,
        [LeftOut {
            name: "empty".into(),
            reason: "it has no values".into()
        }]
    );
    assert!(content.warnings[0].contains("complex"), "{:?}", content.warnings);
}

#[test]
fn an_ascii_table() {
    let content = content(fixture("ascii.fits.gz"));
    for (name, column_type, values) in [
        ("id", ColumnType::I64, ["5853498713190525696", "7", "-3"]),
        ("name", ColumnType::Str, ["a b", "007", "c"]),
        ("z", ColumnType::F64, ["0.5", "1.25", "-2.0"]),
        ("flux", ColumnType::F64, ["1e-20", "2.5", "3.0"]),
        ("n", ColumnType::I32, ["1", "", "3"]),
    ] {
        assert_eq!(column(&content, name).column_type, column_type, "{name}");
        assert_eq!(texts(&content, name), values, "{name}");
    }
    assert_eq!(column(&content, "z").unit, "none");
}

#[test]
fn a_table_that_is_not_the_first() {
    let named = |wanted: &[&str], extension| read(fixture("ldac.fits.gz"), wanted, extension, "a.fits");
    let content = named(&["number", "theta_e"], None).unwrap();
    assert_eq!(texts(&content, "theta_e"), ["1.5", "2.5"]);
    assert_eq!(content.notes, ["a.fits: the table is extension LDAC_OBJECTS"]);
    for extension in ["ldac_objects", "3"] {
        assert_eq!(
            named(&[], Some(extension)).unwrap().names,
            ["NUMBER", "theta_e"],
            "{extension}"
        );
    }
    let content = named(&["id"], None).unwrap();
    assert_eq!((content.names[0].as_str(), content.rows.count()), ("x", 5));
    assert!(
        content.notes[0].contains("most rows") && content.notes[0].contains("LDAC_OBJECTS"),
        "{:?}",
        content.notes
    );
    let header = named(&[], Some("LDAC_IMHEAD")).unwrap();
    assert_eq!(texts(&header, "Field Header Card"), ["[SIMPLE  = T, END]"]);
    let missing = named(&[], Some("IMG")).unwrap_err().to_string();
    assert!(
        missing.contains("no table 'IMG'; it has: LDAC_IMHEAD, LDAC_OBJECTS, MORE"),
        "{missing}"
    );
}

/// A file with one table of the given header lines and data.
fn file(xtension: &str, lines: &[&str], data: &[u8]) -> Vec<u8> {
    let block = |lines: &[&str]| {
        let cards: String = lines.iter().map(|line| format!("{line:<80}")).collect();
        let mut bytes: Vec<u8> = cards.chars().map(|c| c as u8).collect();
        bytes.resize(bytes.len().next_multiple_of(2880), b' ');
        bytes
    };
    let mut bytes = block(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"]);
    let first = format!("XTENSION= '{xtension}'");
    let mut all = vec![first.as_str(), "BITPIX  = 8", "NAXIS   = 2"];
    all.extend(lines);
    all.push("END");
    bytes.extend(block(&all));
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

#[test]
fn headers_with_characters_that_are_not_ascii() {
    let lines = [
        "NAXIS1  = 6",
        "NAXIS2  = 1",
        "TFIELDS = 2",
        "TFORM1  = '1J\u{c2}'",
        "TTYPE1  = 'id'",
        "TFORM2  = '2A'",
        "TTYPE2  = 'naïve'",
        "COMMENT café",
    ];
    let content = content(file("BINTABLE", &lines, b"\0\0\x01\0\xe9 "));
    assert_eq!(content.names, ["id", "na?ve"]);
    assert_eq!(
        (texts(&content, "id"), texts(&content, "na?ve")),
        (vec!["256".into()], vec!["é".into()])
    );
}

#[test]
fn columns_that_cannot_be_read_cost_themselves_only() {
    let lines = [
        "NAXIS1  = 16",
        "NAXIS2  = 1",
        "PCOUNT  = 2",
        "TFIELDS = 4",
        "TFORM1  = '1I'",
        "TTYPE1  = 'id'",
        "TFORM2  = '1Z'",
        "TTYPE2  = 'odd'",
        "TFORM3  = '1PE'",
        "TTYPE3  = 'list'",
        "TFORM4  = '1I'",
        "TTYPE4  = 'last'",
    ];
    let data = b"\0\x07????\0\0\0\x02\0\0\0\0\0\x09..";
    let content = content(file("BINTABLE", &lines, data));
    assert_eq!(
        (texts(&content, "id"), texts(&content, "last")),
        (vec!["7".into()], vec!["9".into()])
    );
    let left_out: Vec<&str> = content.left_out.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(left_out, ["odd", "list"]);
    assert!(content.left_out[0].reason.contains("'1Z' is unknown"));
    assert!(content.left_out[1].reason.contains("heap"));
}

#[test]
fn a_gap_between_table_and_heap() {
    let lines = [
        "NAXIS1  = 10",
        "NAXIS2  = 1",
        "PCOUNT  = 7",
        "THEAP   = 13",
        "TFIELDS = 2",
        "TFORM1  = '1I'",
        "TTYPE1  = 'id'",
        "TFORM2  = '1PI(2)'",
        "TTYPE2  = 'list'",
    ];
    let content = content(file("BINTABLE", &lines, b"\0\x07\0\0\0\x02\0\0\0\0gap\0\x01\0\x02"));
    assert_eq!(texts(&content, "list"), ["[1, 2]"]);
}

#[test]
fn files_that_cannot_be_read() {
    let message = |bytes: Vec<u8>| read(bytes, &[], None, "a.fits").unwrap_err().to_string();
    let bytes = fixture("binary.fits.gz");
    assert!(message(bytes[..2880].to_vec()).contains("no table"));
    assert!(message(bytes[..4000].to_vec()).contains("ends inside a header"));
    let table = read(bytes.clone(), &[], None, "a").unwrap().rows.count();
    assert_eq!(table, 3);
    assert!(message(bytes[..bytes.len() - 2800].to_vec()).contains("cut short: "));
    let compressed = ["NAXIS1  = 8", "NAXIS2  = 0", "ZTABLE  = T", "EXTNAME = 'CAT'"];
    assert!(message(file("BINTABLE", &compressed, b"")).contains("CAT is compressed (ZTABLE)"));
    let huge = ["NAXIS1  = 4000000000000", "NAXIS2  = 9000000000000", "TFIELDS = 0"];
    assert!(message(file("BINTABLE", &huge, b"")).contains("more data than a file can have"));
    let negative = ["NAXIS1  = 8", "NAXIS2  = -3"];
    assert!(message(file("BINTABLE", &negative, b"")).contains("NAXIS2 is -3"));
    for fields in [-1, 1000, 1_i64 << 40] {
        let fields = format!("TFIELDS = {fields}");
        let table = file("BINTABLE", &["NAXIS1  = 8", "NAXIS2  = 1", &fields], &[0; 8]);
        assert!(message(table).contains(&fields.replace(" = ", " is ")));
    }
    // A table whose rows have no bytes has none.
    let no_bytes = [
        "NAXIS1  = 0",
        "NAXIS2  = 999999999999999",
        "TFIELDS = 1",
        "TFORM1  = '0A'",
    ];
    assert_eq!(content(file("BINTABLE", &no_bytes, b"")).rows.count(), 0);
}
