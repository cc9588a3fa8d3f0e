//! What a format cannot hold is renamed, left out or refused, and said so before the first row.

use super::*;

fn array(element: ColumnType, shape: Option<Vec<usize>>) -> ColumnType {
    let element = Box::new(element);
    ColumnType::Array { element, shape }
}

#[test]
fn more_than_999_columns_are_refused_in_fits_only() {
    let dir = tempfile::tempdir().unwrap();
    let columns = |n: usize| {
        (0..n)
            .map(|i| Column::new(format!("c{i}"), ColumnType::F64, "", ""))
            .collect::<Vec<_>>()
    };
    let fits = dir.path().join("out.fits");
    let error = message(TableWriter::create(&fits, columns(1000)));
    for part in ["out.fits", "1000 columns", "at most 999", "CSV, VOTable and Parquet"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(TableWriter::create(&fits, columns(999)).is_ok());
    for name in ["out.csv", "out.vot", "out.parquet"] {
        assert!(
            TableWriter::create(&dir.path().join(name), columns(1000)).is_ok(),
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn columns_that_are_renamed_or_left_out_are_told_before_the_first_row() {
    let dir = tempfile::tempdir().unwrap();
    let columns = vec![
        Column::new("id", ColumnType::Str, "", ""),
        Column::new("Unnamed: 0", ColumnType::I32, "", ""),
        Column::new("vector", array(ColumnType::F32, Some(vec![2])), "", ""),
        Column::new("names", array(ColumnType::Str, None), "", ""),
        Column::new("ID", ColumnType::F64, "", ""),
    ];
    let cell = |text: &str| Cell::Str(text.into());
    let row = [
        cell("a"),
        Cell::Int(1),
        Cell::Array(vec![Cell::F64(1.0), Cell::F64(2.0)]),
        Cell::Array(vec![cell("b")]),
        Cell::F64(3.0),
    ];
    let written = |name: &str| {
        let mut writer = TableWriter::create(&dir.path().join(name), columns.clone()).unwrap();
        let warnings = writer.warnings().join("; ");
        writer.push(&row).unwrap();
        let names: Vec<_> = writer.finish().unwrap().columns.into_iter().map(|c| c.name).collect();
        (warnings, names)
    };
    let (warnings, names) = written("out.csv");
    assert_eq!(names, ["id", "Unnamed: 0", "ID"]);
    assert!(
        warnings.ends_with("CSV cannot hold their arrays: vector, names"),
        "{warnings}"
    );
    let text = fs::read_to_string(dir.path().join("out.csv")).unwrap();
    assert_eq!(text, "id,Unnamed: 0,ID\na,1,3.0\n");
    let (warnings, names) = written("out.fits");
    assert_eq!(names, ["id", "unnamed_0", "vector", "ID_4"]);
    assert!(
        warnings.contains("'Unnamed: 0' -> 'unnamed_0', 'ID' -> 'ID_4'"),
        "{warnings}"
    );
    assert!(warnings.ends_with("FITS cannot hold their arrays: names"), "{warnings}");
    let (warnings, names) = written("out.parquet");
    assert_eq!((warnings.as_str(), names.len()), ("", 5));
}

#[test]
fn values_that_the_type_of_a_column_cannot_hold_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vector = array(ColumnType::I16, Some(vec![2]));
    let int = Cell::Int;
    for (column_type, cell) in [
        (ColumnType::U8, int(256)),
        (ColumnType::U8, int(-1)),
        (ColumnType::I16, int(40_000)),
        (ColumnType::I32, int(3_000_000_000)),
        (ColumnType::Bool, int(1)),
        (ColumnType::F64, int(1)),
        (ColumnType::Str, Cell::Bool(true)),
        (vector.clone(), int(1)),
        (vector.clone(), Cell::Str("1".into())),
        (vector.clone(), Cell::Array(vec![int(1); 3])),
        (vector, Cell::Array(vec![int(40_000)])),
    ] {
        let column = Column::new("c", column_type, "", "");
        let mut writer = TableWriter::create(&dir.path().join("out.fits"), vec![column]).unwrap();
        let error = writer.push(std::slice::from_ref(&cell)).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("'c'"), "{cell:?}: {error}");
    }
}
