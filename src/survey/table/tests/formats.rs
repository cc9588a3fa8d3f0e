//! Every type of column in every format.

use super::super::provenance::ModelFile;
use super::*;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Row;
use fitsio_pure::value::Value;

fn array(element: ColumnType, shape: Option<Vec<usize>>) -> ColumnType {
    let element = Box::new(element);
    ColumnType::Array { element, shape }
}

fn text(text: &str) -> Cell {
    Cell::Str(text.into())
}

/// The columns, each with its cells, as a file.
fn written(name: &str, provenance: Option<&Provenance>, columns: Vec<(Column, Vec<Cell>)>) -> (Vec<u8>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let (columns, cells): (Vec<Column>, Vec<Vec<Cell>>) = columns.into_iter().unzip();
    let mut writer = TableWriter::with_provenance(&path, columns, provenance).unwrap();
    for row in 0..cells[0].len() {
        let row: Vec<Cell> = cells.iter().map(|column| column[row].clone()).collect();
        writer.push(&row).unwrap();
    }
    let warnings = writer.finish().unwrap().warnings;
    (fs::read(path).unwrap(), warnings)
}

/// An unnamed file with this content.
fn file(bytes: &[u8]) -> fs::File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file
}

fn column(column_type: ColumnType) -> Column {
    Column::new("c", column_type, "", "")
}

/// The data of a FITS table with one column, TFORM, and TNULL.
fn fits(column: Column, cells: Vec<Cell>) -> (Vec<u8>, String, Option<i64>) {
    let (bytes, _) = written("out.fits", None, vec![(column, cells)]);
    let hdus = parse_fits(&bytes).unwrap();
    let table = hdus.get(1).unwrap();
    let card = |key: &str| {
        table
            .cards
            .iter()
            .find(|c| c.keyword_str() == key)
            .and_then(|c| c.value.clone())
    };
    let Some(Value::String(form)) = card("TFORM1") else {
        panic!()
    };
    let null = match card("TNULL1") {
        Some(Value::Integer(null)) => Some(null),
        _ => None,
    };
    let number = |key: &str| match card(key) {
        Some(Value::Integer(number)) => number as usize,
        _ => panic!("{key}"),
    };
    let length = number("NAXIS1") * number("NAXIS2") + number("PCOUNT");
    let start = bytes.len() - length.div_ceil(2880) * 2880;
    (bytes[start..start + length].to_vec(), form.trim().into(), null)
}

/// A column with two cells; its data, TFORM and TNULL.
type Case<'a> = (Column, [Cell; 2], &'a [u8], &'a str, Option<i64>);

#[test]
fn fits_types_and_their_unknown_values() {
    use ColumnType::*;
    let (int, null) = (Cell::Int, Cell::Null);
    let own = |column_type, value| Column {
        null: Some(value),
        ..column(column_type)
    };
    let cases: Vec<Case> = vec![
        (column(Bool), [Cell::Bool(true), null.clone()], b"T\0", "L", None),
        (column(U8), [int(0), int(255)], &[0, 255], "B", None),
        // All bytes are numbers: an unknown one needs more bits.
        (
            column(U8),
            [int(255), null.clone()],
            &[0, 255, 0x80, 0],
            "I",
            Some(-32768),
        ),
        (own(U8, 7), [int(255), null.clone()], &[255, 7], "B", Some(7)),
        (
            own(U8, -99),
            [int(255), null.clone()],
            &[0, 255, 0x80, 0],
            "I",
            Some(-32768),
        ),
        (
            column(I16),
            [int(-2), null.clone()],
            &[255, 254, 0x80, 0],
            "I",
            Some(-32768),
        ),
        (
            column(I16),
            [int(-32768), null.clone()],
            &[255, 255, 0x80, 0, 0x80, 0, 0, 0],
            "J",
            Some(-2147483648),
        ),
        (
            own(I16, -99),
            [int(-99), null.clone()],
            &[255, 157, 255, 157],
            "I",
            Some(-99),
        ),
        (
            column(I32),
            [int(1), int(-2147483648)],
            &[0, 0, 0, 1, 0x80, 0, 0, 0],
            "J",
            None,
        ),
        (
            column(I64),
            [int(1), null.clone()],
            &[0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0],
            "K",
            Some(i64::MIN),
        ),
        (
            column(F32),
            [Cell::F64(1.0), null.clone()],
            &[0x3f, 0x80, 0, 0, 0x7f, 0xc0, 0, 0],
            "E",
            None,
        ),
        (column(I16), [text("7"), text("x")], &[0, 7, 0x80, 0], "I", Some(-32768)),
        (column(Str), [text("ab"), text("")], b"ab  ", "2A", None),
        (column(Str), [text("ab"), null.clone()], b"ab\0\0", "2A", None),
    ];
    for (column, cells, data, form, null) in cases {
        let name = format!("{:?} {cells:?}", column.column_type);
        let found = fits(column, cells.to_vec());
        assert_eq!(found, (data.to_vec(), form.to_string(), null), "{name}");
    }
}

#[test]
fn fits_arrays_of_fixed_and_of_any_length() {
    let int = Cell::Int;
    let matrix = column(array(ColumnType::U8, Some(vec![2, 3])));
    let cells = vec![Cell::Array((1..=6).map(int).collect())];
    assert_eq!(fits(matrix, cells), (vec![1, 2, 3, 4, 5, 6], "6B".into(), None));
    let texts = column(array(ColumnType::Str, Some(vec![2])));
    let cells = vec![Cell::Array(vec![text("a"), text("bcd")]), Cell::Null];
    assert_eq!(fits(texts, cells), (b"a  bcd\0\0\0\0\0\0".to_vec(), "6A".into(), None));
    let list = column(array(ColumnType::I16, None));
    let cells = vec![Cell::Array(vec![int(1), int(2)]), Cell::Null, Cell::Array(vec![int(3)])];
    let descriptors = [2, 0, 0, 4, 1, 4u32].map(u32::to_be_bytes).concat();
    let heap = [0, 1, 0, 2, 0, 3];
    assert_eq!(
        fits(list, cells),
        ([&descriptors[..], &heap].concat(), "1PI(2)".into(), None)
    );
}

#[test]
fn fits_texts_that_are_not_ascii_stay_different_and_are_reported() {
    let ids = ["é", "e\u{301}", "\\u00e9", "a "].map(text).to_vec();
    let (bytes, warnings) = written("out.fits", None, vec![(column(ColumnType::Str), ids)]);
    let hdus = parse_fits(&bytes).unwrap();
    let BinaryColumnData::Ascii(found) = read_binary_column(&bytes, hdus.get(1).unwrap(), 0).unwrap() else {
        panic!()
    };
    let found: Vec<_> = found.iter().map(|t| t.trim_end().to_string()).collect();
    assert_eq!(found, ["\\u00e9", "e\\u0301", "\\u005cu00e9", "a\\u0020"]);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.contains("'c'") && warning.contains("4 of its texts") && warning.contains("\"é\""),
        "{warning}"
    );
}

fn provenance() -> Provenance {
    Provenance {
        command: Some("lensgpu infer 'é x'".into()),
        model: Some(ModelFile {
            path: "runs/model.safetensors".into(),
            sha256: "ab".repeat(32),
        }),
        notes: vec![("cosmology".into(), "flat".into())],
        ..Provenance::new("THETA_E")
    }
}

#[test]
fn fits_headers_have_the_provenance_and_describe_the_columns() {
    let theta_e = Column::new("theta_e", ColumnType::F64, "arcsec", "Einstein radius").shown("phys.angSize", "F10.4");
    let (bytes, _) = written("out.fits", Some(&provenance()), vec![(theta_e, vec![Cell::F64(1.0)])]);
    let header = String::from_utf8_lossy(&bytes);
    let cards: Vec<_> = (0..72).map(|i| header[80 * i..80 * (i + 1)].trim_end()).collect();
    for card in [
        "EXTNAME = 'THETA_E '           / name of the table",
        "MODEL   = 'model.safetensors'  / file of the model",
        "COMMENT cosmology: flat",
        "HISTORY lensgpu infer '\\u00e9 x'",
        "TTYPE1  = 'theta_e '           / Einstein radius",
        "TUNIT1  = 'arcsec  '",
        "TDISP1  = 'F10.4   '",
        "TUCD1   = 'phys.angSize'",
        "TCOMM1  = 'Einstein radius'",
    ] {
        assert!(cards.contains(&card), "{card}: {cards:#?}");
    }
    let sha = format!("MODELSHA= '{}'", "ab".repeat(32));
    assert!(cards.contains(&sha.as_str()));
    let date = cards.iter().find(|card| card.starts_with("DATE")).unwrap();
    assert!(
        date.contains('T') && !date.contains("Z'"),
        "FITS dates have no time zone: {date}"
    );
    assert!(cards.iter().any(|card| card.starts_with("CREATOR = 'lensgpu 0.")));
}

#[test]
fn csv_cells_are_read_back_as_they_were() {
    let texts = ["#1", " a ", "x,y", "\"q\"", "line\nbreak", "1.50", "é", ""];
    let numbers = texts.map(|_| Cell::F64(f64::from(0.1f32)));
    let columns = vec![
        (Column::new("#id", ColumnType::Str, "", ""), texts.map(text).to_vec()),
        (Column::new("f", ColumnType::F32, "", ""), numbers.to_vec()),
        (
            Column {
                null: Some(-99),
                ..Column::new("n", ColumnType::I64, "", "")
            },
            vec![Cell::Int(-99); 8],
        ),
        (Column::new("b", ColumnType::Bool, "", ""), vec![Cell::Bool(true); 8]),
        (Column::new("t", ColumnType::F64, "", ""), vec![text("1.50"); 8]),
    ];
    let (bytes, _) = written("out.csv", Some(&provenance()), columns);
    // Readers that drop comments, as this program does.
    let mut reader = ::csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(&bytes[..]);
    assert_eq!(reader.headers().unwrap(), ["#id", "f", "n", "b", "t"].as_slice());
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    for (row, text) in rows.iter().zip(texts) {
        assert_eq!(row, [text, "0.1", "", "true", "1.50"].as_slice());
    }
    assert_eq!(rows.len(), texts.len());
    assert!(
        String::from_utf8(bytes).unwrap().contains("\" a \""),
        "spaces at the ends are in quotes"
    );
    let (bytes, _) = written(
        "out.csv",
        None,
        vec![(column(ColumnType::Str), vec![Cell::Null, text("a")])],
    );
    assert_eq!(bytes, b"c\n\"\"\na\n", "an empty line would be no row");
}

#[test]
fn a_csv_file_may_have_an_ecsv_header() {
    let in_csv = Provenance {
        in_csv: true,
        ..provenance()
    };
    let columns = vec![
        (
            Column::new("theta_e", ColumnType::F32, "arcsec", "radius: \"E\""),
            vec![Cell::F64(1.5)],
        ),
        (Column::new("b", ColumnType::Bool, "", ""), vec![Cell::Bool(true)]),
    ];
    let (bytes, _) = written("out.csv", Some(&in_csv), columns);
    let csv = String::from_utf8(bytes).unwrap();
    for line in [
        "# %ECSV 1.0",
        "# - {name: \"theta_e\", unit: \"arcsec\", datatype: float32, description: \"radius: \\\"E\\\"\"}",
        "# - {name: \"b\", datatype: bool}",
        "#   \"model\": \"model.safetensors\"",
        "#   \"command\": \"lensgpu infer 'é x'\"",
    ] {
        assert!(csv.lines().any(|l| l == line), "{line}\n{csv}");
    }
    assert!(csv.ends_with("\ntheta_e,b\n1.5,True\n"), "{csv}");
}

#[test]
fn votables_have_types_units_and_valid_xml() {
    let columns = vec![
        (
            Column::new("a<b", ColumnType::I16, "", "x & \"y\"").shown("meta.id", ""),
            vec![Cell::Int(1), Cell::Null],
        ),
        (
            Column {
                null: Some(-99),
                ..Column::new("n", ColumnType::I32, "mag", "")
            },
            vec![Cell::Int(-99), Cell::Null],
        ),
        (Column::new("t", ColumnType::Str, "", ""), vec![text("<é>"), Cell::Null]),
        (
            Column::new("f", ColumnType::F64, "", ""),
            vec![Cell::F64(f64::INFINITY), Cell::F64(f64::NAN)],
        ),
        (
            Column::new("v", array(ColumnType::I16, Some(vec![2])), "", ""),
            vec![Cell::Array(vec![Cell::Int(1), Cell::Null]), Cell::Null],
        ),
        (
            Column::new("l", array(ColumnType::Bool, None), "", ""),
            vec![Cell::Array(vec![Cell::Bool(true), Cell::Null]), Cell::Null],
        ),
    ];
    let (bytes, _) = written("out.vot", Some(&provenance()), columns);
    let xml = String::from_utf8(bytes).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let all = |tag: &'static str| {
        document
            .descendants()
            .filter(move |n| n.tag_name().name() == tag)
            .collect::<Vec<_>>()
    };
    let fields: Vec<_> = all("FIELD")
        .iter()
        .map(|f| ["name", "datatype", "arraysize", "unit", "ucd"].map(|a| f.attribute(a)))
        .collect();
    assert_eq!(fields[0], [Some("a<b"), Some("short"), None, None, Some("meta.id")]);
    assert_eq!(fields[1], [Some("n"), Some("int"), None, Some("mag"), None]);
    assert_eq!(fields[4], [Some("v"), Some("short"), Some("2"), None, None]);
    assert_eq!(fields[5], [Some("l"), Some("boolean"), Some("*"), None, None]);
    assert_eq!(all("DESCRIPTION")[0].text(), Some("x & \"y\""));
    let nulls: Vec<_> = all("VALUES").iter().map(|v| v.attribute("null").unwrap()).collect();
    assert_eq!(nulls, ["-99", "-32768"]);
    let cells: Vec<_> = all("TD").iter().map(|td| td.text().unwrap_or("")).collect();
    assert_eq!(cells[..6], ["1", "-99", "<é>", "+Inf", "1 -32768", "T ?"]);
    assert_eq!(cells[6..], ["", "-99", "", "", "", ""]);
    assert!(
        all("INFO")
            .iter()
            .any(|info| info.attribute("value") == Some("lensgpu infer 'é x'"))
    );
}

#[test]
fn parquet_files_have_types_nulls_lists_and_metadata() {
    let columns = vec![
        (
            Column::new("id", ColumnType::Str, "", "name"),
            vec![text("é"), Cell::Null, text("")],
        ),
        (
            Column::new("u", ColumnType::U8, "", ""),
            vec![Cell::Int(255), Cell::Null, Cell::Int(0)],
        ),
        (
            Column {
                null: Some(-99),
                ..Column::new("n", ColumnType::I64, "", "")
            },
            vec![Cell::Int(i64::MAX), Cell::Int(-99), text("7")],
        ),
        (
            Column::new("f", ColumnType::F32, "mag", ""),
            vec![Cell::F64(0.5), Cell::F64(f64::NAN), Cell::Null],
        ),
        (
            Column::new("b", ColumnType::Bool, "", ""),
            vec![Cell::Bool(true), Cell::Null, Cell::Bool(false)],
        ),
        (
            Column::new("l", array(ColumnType::F64, None), "", ""),
            vec![
                Cell::Array(vec![Cell::F64(1.0), Cell::Null]),
                Cell::Null,
                Cell::Array(vec![]),
            ],
        ),
    ];
    let (bytes, _) = written("out.parquet", Some(&provenance()), columns);
    let reader = SerializedFileReader::new(file(&bytes)).unwrap();
    let rows: Vec<String> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row: Result<Row, _>| row.unwrap().to_string())
        .collect();
    assert_eq!(
        rows,
        [
            "{id: \"é\", u: 255, n: 9223372036854775807, f: 0.5, b: true, l: [1.0, null]}",
            "{id: null, u: null, n: null, f: null, b: null, l: null}",
            "{id: \"\", u: 0, n: 7, f: null, b: false, l: []}",
        ]
    );
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| {
        metadata
            .iter()
            .find(|kv| kv.key == key)
            .and_then(|kv| kv.value.clone())
            .unwrap()
    };
    assert_eq!(
        (value("model"), value("cosmology")),
        ("model.safetensors".into(), "flat".into())
    );
    let yaml: serde_json::Value = serde_json::from_str(&value("table_meta_yaml")).unwrap();
    assert_eq!(
        (&yaml["datatype"][3]["unit"], &yaml["datatype"][0]["description"]),
        (&"mag".into(), &"name".into())
    );
}
