use super::*;
use crate::survey::catalogue::content::text_of;
use crate::survey::table::ColumnType;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/catalogues")
        .join(name);
    std::fs::read(path).unwrap()
}

fn texts(content: &Content, name: &str) -> Vec<String> {
    let place = content
        .names
        .iter()
        .position(|n| n == name)
        .unwrap_or_else(|| panic!("{name}"));
    let Rows::Cells(rows) = &content.rows else { panic!() };
    let column_type = &content.described[place].column_type;
    rows.columns[place]
        .iter()
        .map(|cell| text_of(cell, column_type))
        .collect()
}

#[test]
fn each_serialization_has_the_values_that_astropy_wrote() {
    for name in ["tabledata.vot", "binary.vot", "binary2.vot"] {
        let content = read(fixture(name), &["id"], None, name).unwrap();
        for (column, values) in [
            ("id", ["5853498713190525696", "7", "-3"]),
            ("name", ["007", "a, b", "café"]),
            ("ra", ["150.5", "", "10.0"]),
            ("z", ["0.1", "", "2.0"]),
            ("ok", ["true", "false", "true"]),
            ("mags", ["[0.0, 1.0]", "[2.0, 3.0]", "[4.0, 5.0]"]),
            ("byte", ["1", "2", "255"]),
        ] {
            assert_eq!(texts(&content, column), values, "{name}: {column}");
        }
        if name != "binary.vot" {
            assert_eq!(texts(&content, "n"), ["1", "2", ""], "{name}");
        }
        let ra = &content.described[2];
        let found = (ra.unit.as_str(), ra.ucd.as_str(), ra.description.as_str());
        assert_eq!(found, ("deg", "pos.eq.ra;meta.main", "right ascension"), "{name}");
    }
}

fn parse(fields: &str, data: &str) -> Result<Content, String> {
    let text = format!("<VOTABLE><RESOURCE><TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>");
    read(text.into_bytes(), &["id"], None, "a.vot").map_err(|error| error.to_string())
}

#[test]
fn fields_and_cells_of_tabledata() {
    let fields = "<FIELD ID='id' datatype='long'><VALUES null='-1'/></FIELD>\
        <FIELD name='hex' datatype='int'/>\
        <FIELD name='bits' datatype='bit' arraysize='3'/>\
        <FIELD name='words' datatype='char' arraysize='2x*'/>\
        <FIELD name='z' datatype='doubleComplex'/>\
        <FIELD name='m' datatype='int' arraysize='2x2'/>\
        <FIELD name='odd' datatype='quaternion'/>\
        <FIELD name='c' datatype='char'/>";
    let row = |id: &str| {
        format!(
            "<TR><TD>{id}</TD><TD>0xFF</TD><TD>101</TD><TD>a bc</TD><TD>1 -2</TD><TD>1 2 3 4</TD><TD>?</TD><TD>&lt;</TD></TR>"
        )
    };
    let content = parse(fields, &format!("<TABLEDATA>{}{}</TABLEDATA>", row("5"), row("-1"))).unwrap();
    assert_eq!(texts(&content, "id"), ["5", ""]);
    let first = |name: &str| texts(&content, name).swap_remove(0);
    let found = ["hex", "bits", "words", "z", "m", "c"].map(first);
    assert_eq!(
        found,
        [
            "255",
            "[true, false, true]",
            "[a, bc]",
            "[1.0, -2.0]",
            "[1, 2, 3, 4]",
            "<"
        ]
    );
    let shape = |i: usize| match &content.described[i].column_type {
        ColumnType::Array { shape, .. } => shape.clone(),
        _ => panic!(),
    };
    assert_eq!((shape(3), shape(4), shape(5)), (None, Some(vec![2]), Some(vec![2, 2])));
    assert_eq!(content.described[0].null, Some(-1));
    assert_eq!(content.left_out[0].name, "odd");
}

#[test]
fn the_table_with_the_columns_in_any_namespace_and_encoding() {
    let table = |name: &str, column: &str, value: &str| {
        let field = format!("<v:FIELD name='{column}' datatype='char' arraysize='*'/>");
        let data = format!("<v:DATA><v:TABLEDATA><v:TR><v:TD>{value}</v:TD></v:TR></v:TABLEDATA></v:DATA>");
        format!("<v:RESOURCE><v:TABLE name='{name}'>{field}{data}</v:TABLE></v:RESOURCE>")
    };
    let text = format!(
        "<?xml version='1.0' encoding='ISO-8859-1'?><v:VOTABLE xmlns:v='http://www.ivoa.net/xml/VOTable/v1.1'>{}{}</v:VOTABLE>",
        table("notes", "note", "a"),
        table("lenses", "ID", "caf\u{e9}")
    );
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let content = read(latin.clone(), &["id"], None, "a.vot").unwrap();
    assert_eq!(texts(&content, "ID"), ["café"]);
    assert_eq!(content.notes, ["a.vot: the table is extension lenses"]);
    assert_eq!(
        read(latin.clone(), &["id"], Some("1"), "a.vot").unwrap().names,
        ["note"]
    );
    let missing = read(latin, &["id"], Some("x"), "a.vot").unwrap_err().to_string();
    assert!(missing.contains("notes, lenses"), "{missing}");
}

#[test]
fn binary_data_of_variable_length() {
    let fields = "<FIELD name='id' datatype='char' arraysize='*'/><FIELD name='v' datatype='short' arraysize='2x*'/>";
    let data = b"\0\0\0\x02ab\0\0\0\x02\0\x01\0\x02\0\x03\xff\xff";
    let stream = |bytes: &[u8]| {
        format!(
            "<BINARY><STREAM encoding='base64'>\n{}\n</STREAM></BINARY>",
            BASE64_STANDARD.encode(bytes)
        )
    };
    let content = parse(fields, &stream(data)).unwrap();
    assert_eq!(
        (texts(&content, "id"), texts(&content, "v")),
        (vec!["ab".into()], vec!["[1, 2, 3, -1]".into()])
    );
    assert!(parse(fields, &stream(&data[..9])).unwrap_err().contains("row 1"));
    assert!(
        parse(fields, &stream(b"\xff\xff\xff\xff"))
            .unwrap_err()
            .contains("row 1")
    );
    let elsewhere = "<BINARY><STREAM href='http://x/data'/></BINARY>";
    assert!(parse(fields, elsewhere).unwrap_err().contains("in another file"));
    assert!(parse(fields, "<FITS><STREAM/></FITS>").unwrap_err().contains("FITS"));
    assert!(
        parse(fields, "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>")
            .unwrap_err()
            .contains("1 values for 2")
    );
}
