use super::*;
use crate::survey::error::tests::message;
use crate::survey::table::{Column, TableWriter};
use std::fs;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalogues")
}

/// The table in windows of `most` rows must be what it is in memory.
#[track_caller]
fn compare(path: &Path, most: usize) {
    let what = format!("{}, {most} rows at a time", path.display());
    let whole = Catalogue::read_with(path, &["id"]).unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let streamed = StreamedTable::open(path, &["id"]).unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let header = streamed.header();
    assert_eq!(
        (streamed.len(), &header.columns),
        (whole.len(), &whole.columns),
        "{what}"
    );
    assert_eq!(
        (&header.notes, &header.warnings),
        (&whole.notes, &whole.warnings),
        "{what}"
    );
    assert_eq!(header.left_out, whole.left_out, "{what}");
    assert_eq!(header.is_described(), whole.is_described(), "{what}");
    assert_eq!(header.positions(), whole.positions(), "{what}");
    for column in 0..whole.columns.len() {
        assert_eq!(header.described(column), whole.described(column), "{what}");
    }
    let all = vec![true; whole.columns.len()];
    for first in [0, 1, whole.len() / 2, whole.len() - 1] {
        let mut at = first;
        for window in streamed.windows_of(most, first, &all) {
            let window = window.unwrap();
            if matches!(streamed.source, Origin::Whole { .. }) {
                at = 0;
            } else {
                assert!(window.len() <= most && window.first_row() == at, "{what}");
            }
            for row in 0..window.len() {
                assert_eq!(window.place(row), whole.place(at), "{what}");
                assert_eq!(
                    format!("{:?}", window.position(row)),
                    format!("{:?}", whole.position(at)),
                    "{what}"
                );
                for column in 0..whole.columns.len() {
                    assert_eq!(window.text(row, column), whole.text(at, column), "{what}");
                    let (one, other) = (window.number(row, column), whole.number(at, column));
                    assert_eq!(one.to_bits(), other.to_bits(), "{what}");
                    let cells = (window.cell(row, column), whole.cell(at, column));
                    assert_eq!(format!("{:?}", cells.0), format!("{:?}", cells.1), "{what}");
                }
                at += 1;
            }
        }
        assert_eq!(at, whole.len(), "{what} from {first}");
    }
}

#[test]
fn windows_of_every_format_have_the_rows_of_the_table_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut names: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|ending| ending != "py"));
    names.retain(|path| !path.ends_with("brotli.parquet"));
    assert!(names.len() > 10);
    for path in names {
        for most in [1, 2, 100] {
            compare(&path, most);
        }
        // Unpacked, it is read in windows.
        if path.extension().is_some_and(|ending| ending == "gz") {
            let unpacked = folder.path().join(path.file_stem().unwrap());
            fs::write(&unpacked, unpack(&path)).unwrap();
            for most in [1, 2, 100] {
                compare(&unpacked, most);
            }
        }
    }
}

fn unpack(path: &Path) -> Vec<u8> {
    fitsio_pure::gzip::decompress(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn texts_have_the_types_commas_and_lines_of_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.csv");
    for text in [
        "id,ra,dec,note\n7,1.5,2,\"a, b\"\n# c\n\n8,,3,x\n9,2,1e5,\n",
        "id;z;note\n12.10;1,25;a\n007;-2,5;\n\n;;\n",
        // The separator at the end of the lines is none; the third column of the other is used in the last row.
        "id,z,\n1,2,\n3,4\n",
        "id,z,\n1,2,\n3,4,x\n",
        "id z\n1 \"a b\"\n2 c\n",
        "#Column\tRAJ2000\t(F10.6)\n\nid\tRAJ2000\n \tdeg\n--\t-------\n1\t150.1\n-\t150.2\n",
        "sep=;\nid;z\n1;2,5\n",
        "# id theta_e\n1 2\n3 4\n",
        "id,z\n1,caf\u{e9}\n",
        "id,n\n1,2\n2,3000000000\n3,0.5\n4,\n",
        "id,ID,x\n1,1,2\n3,3,4\n",
    ] {
        fs::write(&path, text).unwrap();
        (1..4).for_each(|most| compare(&path, most));
    }
    fs::write(&path, b"id,note\n1,a\n2,caf\xE9\n").unwrap();
    compare(&path, 1);
}

#[test]
fn errors_are_those_of_the_table_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.csv");
    let long = format!("id,z\n{}3\n", "1,2\n".repeat(300_000));
    for text in ["id,z\n", "id,z\n1,2\n# c\n3\n4,5\n", "1,2\n3,4\n", "<html>", &long] {
        fs::write(&path, text).unwrap();
        let (whole, streamed) = (
            message(Catalogue::read(&path)),
            message(StreamedTable::open(&path, &[])),
        );
        assert_eq!(whole, streamed);
    }
    let streamed = |text: &str| {
        fs::write(&path, text).unwrap();
        StreamedTable::open(&path, &[]).unwrap()
    };
    let table = streamed("id,ID,x\n1,1,2\n3,4,4\n");
    assert!(table.head.column("Id").is_err() && table.head.column("x").is_ok());
    assert!(streamed("id,ID,x\n1,1,2\n3,3,4\n").head.column("Id").is_ok());
    // Cut short after it was opened.
    let path = folder.path().join("cut.fits");
    fs::write(&path, unpack(&fixtures().join("binary.fits.gz"))).unwrap();
    let table = StreamedTable::open(&path, &[]).unwrap();
    fs::write(&path, "").unwrap();
    let read = table.windows(0, &vec![true; table.head.columns.len()]).next().unwrap();
    assert!(read.unwrap_err().to_string().contains("cut.fits"));
}

#[test]
fn a_long_table_is_never_held_whole() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 100_000;
    for name in ["a.csv", "a.parquet", "a.fits"] {
        let path = folder.path().join(name);
        let columns = [
            ("id", ColumnType::I64),
            ("ra", ColumnType::F64),
            ("name", ColumnType::Str),
        ];
        let columns = columns.map(|(name, column_type)| Column::new(name, column_type, "", ""));
        let mut writer = TableWriter::create(&path, columns.to_vec()).unwrap();
        for row in 0..rows {
            let name = Cell::Str(format!("object {row}"));
            writer
                .push(&[Cell::Int(row as i64), Cell::F64(row as f64 / 7.0), name])
                .unwrap();
        }
        writer.finish().unwrap();
        let table = StreamedTable::open(&path, &[]).unwrap();
        assert_eq!((table.len(), table.head.len()), (rows, 0), "{name}");
        let lengths = |first| -> Vec<usize> {
            let windows = table.windows(first, &[true; 3]);
            windows.map(|window| window.unwrap().rows.count()).collect()
        };
        for first in [0, 60_001] {
            let lengths = lengths(first);
            assert!(lengths.iter().all(|&length| length <= MOST_ROWS), "{name}: {lengths:?}");
            assert_eq!(lengths.iter().sum::<usize>(), rows - first, "{name}");
        }
        // Of a column that is not needed nothing is held, if the format has columns.
        let window = table.windows(0, &table.only([0])).next().unwrap().unwrap();
        if let Rows::Cells(cells) = &window.rows {
            assert_eq!(
                cells.columns.iter().map(Vec::len).collect::<Vec<_>>(),
                [MOST_ROWS, 0, 0]
            );
        }
        // A reader that is dropped ends its thread.
        let table = Arc::new(table);
        assert!(table.clone().windows_ahead(0).next().unwrap().unwrap().len() <= MOST_ROWS);
        while Arc::strong_count(&table) > 1 {
            thread::yield_now();
        }
    }
}
