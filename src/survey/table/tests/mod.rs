//! Tests of the writer, in all formats.

mod formats;
mod limits;

use super::super::error::tests::message;
use super::*;
use fitsio_pure::bintable::{BinaryColumnData, parse_binary_table_columns, read_binary_column};
use fitsio_pure::hdu::parse_fits;
use std::fs;

fn columns() -> Vec<Column> {
    vec![
        Column::new("id", ColumnType::Str, "", "name of the object"),
        Column::new("ra", ColumnType::F64, "deg", ""),
        Column::new("theta_e", ColumnType::F64, "arcsec", "Einstein radius"),
        Column::new("flags", ColumnType::I32, "", "bit mask"),
    ]
}

fn rows() -> [Vec<Cell>; 3] {
    let text = |s: &str| Cell::Str(s.into());
    [
        vec![text("a"), Cell::F64(150.1163213), Cell::F64(0.1 + 0.2), Cell::Int(-3)],
        vec![text("lens, \"7\""), Cell::Null, Cell::F64(f64::NAN), Cell::Int(128)],
        vec![Cell::Null, Cell::F64(1e-12), Cell::F64(2.0), Cell::Null],
    ]
}

fn written(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let mut writer = TableWriter::create(&path, columns()).unwrap();
    rows().iter().for_each(|row| writer.push(row).unwrap());
    assert!(!path.exists());
    assert_eq!(writer.warnings(), [""; 0]);
    let written = writer.finish().unwrap();
    assert_eq!((written.rows, written.warnings.len()), (3, 0));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    (dir, path)
}

#[test]
fn a_csv_file_has_the_exact_values() {
    let (_dir, path) = written("out.csv");
    let expected = "id,ra,theta_e,flags\n\
                    a,150.1163213,0.30000000000000004,-3\n\
                    \"lens, \"\"7\"\"\",,,128\n\
                    ,1e-12,2.0,\n";
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn a_fits_table_has_the_exact_values() {
    let (_dir, path) = written("out.FITS");
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len() % 2880, 0);
    let hdus = parse_fits(&bytes).unwrap();
    let table = hdus.get(1).unwrap();
    let names: Vec<_> = parse_binary_table_columns(&table.cards, 4)
        .unwrap()
        .into_iter()
        .map(|c| c.name)
        .collect();
    assert_eq!(names, ["id", "ra", "theta_e", "flags"].map(|n| Some(n.to_string())));
    let column = |i| read_binary_column(&bytes, table, i).unwrap();
    let BinaryColumnData::Ascii(id) = column(0) else {
        panic!()
    };
    assert_eq!(
        id.iter().map(|s| s.trim_end_matches(['\0', ' '])).collect::<Vec<_>>(),
        ["a", "lens, \"7\"", ""]
    );
    let BinaryColumnData::Double(ra) = column(1) else {
        panic!()
    };
    assert!(ra[0] == 150.1163213 && ra[1].is_nan() && ra[2] == 1e-12);
    let BinaryColumnData::Double(theta_e) = column(2) else {
        panic!()
    };
    assert!(theta_e[0] == 0.1 + 0.2 && theta_e[1].is_nan() && theta_e[2] == 2.0);
    assert_eq!(column(3), BinaryColumnData::Int(vec![-3, 128, i32::MIN]));
    let card = |key: &str| {
        table
            .cards
            .iter()
            .find(|c| c.keyword_str() == key)
            .and_then(|c| c.value.clone())
    };
    let text = |s: &str| Some(fitsio_pure::value::Value::String(s.into()));
    assert_eq!(
        (card("TUNIT2"), card("TUNIT3"), card("TUNIT1")),
        (text("deg"), text("arcsec"), None)
    );
    assert_eq!(card("TCOMM3"), text("Einstein radius"));
    assert_eq!(
        card("TNULL4"),
        Some(fitsio_pure::value::Value::Integer(i32::MIN as i64))
    );
}

#[test]
fn a_table_may_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["empty.csv", "empty.fits", "empty.vot", "empty.parquet"] {
        let path = dir.path().join(name);
        assert_eq!(TableWriter::create(&path, columns()).unwrap().finish().unwrap().rows, 0);
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("empty.csv")).unwrap(),
        "id,ra,theta_e,flags\n"
    );
    assert!(parse_fits(&fs::read(dir.path().join("empty.fits")).unwrap()).is_ok());
}

#[test]
fn an_abandoned_table_leaves_the_old_file_and_nothing_else() {
    for name in ["out.csv", "out.fits", "out.vot", "out.parquet"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, "old").unwrap();
        let mut writer = TableWriter::create(&path, columns()).unwrap();
        writer.push(&rows()[0]).unwrap();
        drop(writer);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_path_that_cannot_be_written_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str| message(TableWriter::create(&dir.path().join(name), columns()));
    for name in ["out.hdf5", "out", "out.fits.gz"] {
        let message = refused(name);
        assert!(
            message.contains(name) && message.contains(".csv, .fits, .vot, .parquet or .hats"),
            "{message}"
        );
    }
    fs::create_dir(dir.path().join("folder.csv")).unwrap();
    assert!(refused("folder.csv").contains("is a folder"));
    assert!(refused("missing/out.csv").contains("create it first"));
    let protected = dir.path().join("protected.fits");
    fs::write(&protected, "old").unwrap();
    let mut permissions = fs::metadata(&protected).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&protected, permissions).unwrap();
    assert!(refused("protected.fits").contains("write protected"));
    assert_eq!(fs::read_to_string(&protected).unwrap(), "old");
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(&dir.path().join("out.csv"), columns()).unwrap();
    let short = writer.push(&rows()[0][..3]).unwrap_err().to_string();
    assert!(short.contains("row 1: 3 values for 4 columns"), "{short}");
    let wrong = [Cell::F64(1.0), Cell::Null, Cell::Null, Cell::Null];
    let wrong = writer.push(&wrong).unwrap_err().to_string();
    assert!(wrong.contains("'id'"), "{wrong}");
}
