use super::*;
use crate::survey::Error;
use crate::survey::error::tests::message;

fn catalogue(text: &str) -> Result<Catalogue> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cat.csv");
    std::fs::write(&path, text).unwrap();
    Catalogue::read(&path)
}

#[test]
fn columns_are_found_in_any_case_and_cells_trimmed() {
    let cat = catalogue("\u{feff}ID, Theta_E ,note\n# a comment\n7, 1.5 ,\"a, b\"\n8,,x\n").unwrap();
    assert_eq!(cat.columns, ["ID", "Theta_E", "note"]);
    assert_eq!(cat.find("theta_e"), Some(1));
    assert_eq!(cat.number(0, 1), 1.5);
    assert!(cat.number(1, 1).is_nan());
    assert_eq!(cat.text(0, 2), "a, b");
    let place = cat.place(1).to_string();
    assert!(place.ends_with("cat.csv line 4"), "{place}");
    assert_eq!(cat.rows_by_id(0).unwrap()["8"], 1);
}

#[test]
fn errors_name_the_file_the_columns_and_the_line() {
    let cat = catalogue("id,radius\n1,2\n1,3\n").unwrap();
    let missing = cat.column("theta_e").unwrap_err().to_string();
    assert!(missing.contains("cat.csv has no column 'theta_e'") && missing.contains("id, radius"));
    let twice = cat.rows_by_id(0).unwrap_err().to_string();
    assert!(
        twice.contains("line 3") && twice.contains("line 2") && twice.contains("id 1"),
        "{twice}"
    );
    assert!(catalogue("id,x\n").unwrap_err().to_string().contains("no rows"));
    let ragged = message(catalogue("id,x\n1,2\n3\n"));
    assert!(ragged.contains("cat.csv line 3: 1 value for 2 columns"), "{ragged}");
}

#[test]
fn whole_numbers_beyond_64_bits_make_their_column_text() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalogues");
    for file in ["binary.fits.gz", "snappy.parquet"] {
        let cat = Catalogue::read(&fixtures.join(file)).unwrap();
        let texts: Vec<usize> = (0..cat.columns.len())
            .filter(|&column| cat.described(column).column_type == ColumnType::Str)
            .collect();
        let is_text = |cell| matches!(cell, Cell::Str(_) | Cell::Null);
        assert!(
            texts
                .iter()
                .all(|&column| (0..cat.len()).all(|row| is_text(cat.cell(row, column)))),
            "{file}"
        );
        let column = cat.find("u64").expect("the fixtures have it");
        assert!(
            (0..cat.len()).any(|row| cat.cell(row, column) == Cell::Str("7".into())),
            "{file}"
        );
    }
}

#[test]
fn a_fits_table_is_read_as_it_was_written() {
    use crate::survey::table::TableWriter;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cat.fits");
    let columns = [
        Column::new("id", ColumnType::Str, "", "name of the object"),
        Column::new("z", ColumnType::F64, "", ""),
        Column::new("theta_e", ColumnType::F64, "arcsec", "Einstein radius"),
        Column {
            null: Some(i32::MIN.into()),
            ..Column::new("flags", ColumnType::I32, "", "bit mask")
        },
    ];
    let mut writer = TableWriter::create(&path, columns.to_vec()).unwrap();
    let rows = [
        [
            Cell::Str("007".into()),
            Cell::F64(0.1 + 0.2),
            Cell::F64(2.0),
            Cell::Int(-3),
        ],
        [Cell::Str("lens, 8".into()), Cell::Null, Cell::F64(f64::NAN), Cell::Null],
    ];
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap();
    let check = |path: &Path| {
        let cat = Catalogue::read(path).unwrap();
        assert_eq!((0..4).map(|i| cat.described(i)).collect::<Vec<_>>(), columns);
        let texts = |row| (0..4).map(|i| cat.text(row, i).to_string()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["007", "0.30000000000000004", "2.0", "-3"]);
        assert_eq!(texts(1), ["lens, 8", "", "", ""]);
        assert_eq!(cat.place(1).row, RowNumber::Row(2));
    };
    check(&path);
    let bytes = std::fs::read(&path).unwrap();
    for (content, expected) in [(&bytes[..2880], "no table"), (&bytes[..5770], "cut short")] {
        std::fs::write(&path, content).unwrap();
        let error = message(Catalogue::read(&path));
        assert!(error.contains("cat.fits") && error.contains(expected), "{error}");
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/catalogues")
        .join(name)
}

#[test]
fn ecsv_as_astropy_writes_it() {
    for name in ["spaces.ecsv", "commas.ecsv"] {
        let cat = Catalogue::read(&fixture(name)).unwrap();
        let texts = |column: &str| -> Vec<String> {
            let column = cat.column(column).unwrap();
            (0..cat.len()).map(|row| cat.text(row, column).into()).collect()
        };
        assert_eq!(texts("id"), ["5853498713190525696", "7", "-3"], "{name}");
        assert_eq!(texts("name"), ["007", "a, b", "café"], "{name}");
        let ra = cat.described(cat.column("ra").unwrap());
        assert_eq!(
            (ra.unit.as_str(), ra.description.as_str()),
            ("deg", "right ascension"),
            "{name}"
        );
        assert_eq!(cat.cell(1, cat.column("ra").unwrap()), Cell::Null, "{name}");
        assert_eq!(
            cat.described(cat.column("z").unwrap()).column_type,
            ColumnType::F32,
            "{name}"
        );
        let pair = Cell::Array(vec![Cell::F64(2.0), Cell::F64(3.0)]);
        assert_eq!(cat.cell(1, cat.column("mags").unwrap()), pair, "{name}");
        let list = Cell::Array(vec![Cell::Int(2), Cell::Int(3)]);
        assert_eq!(cat.cell(1, cat.column("lists").unwrap()), list, "{name}");
        assert_eq!(cat.position(0), Some((1.0, -1.0)), "{name}");
        assert!(cat.warnings.is_empty(), "{:?}", cat.warnings);
    }
}

#[test]
fn decimal_commas_are_points_in_what_is_passed_through() {
    let cat = catalogue("id;z;note\n12,10;1,25;a, b\n7;2;c\n").unwrap();
    let types: Vec<ColumnType> = (0..3).map(|column| cat.described(column).column_type).collect();
    assert_eq!(types, [ColumnType::F64, ColumnType::F64, ColumnType::Str]);
    assert_eq!((cat.text(0, 0), cat.cell(0, 1)), ("12,10", Cell::Str("1.25".into())));
    assert_eq!((cat.number(0, 1), cat.cell(0, 2)), (1.25, Cell::Str("a, b".into())));
}

#[test]
fn numbers_as_other_programs_write_them() {
    let cat = catalogue("id,x\n1,nan\n2,1.5D-3\n3,+2\n4,--\n5,inf\n").unwrap();
    let numbers: Vec<f64> = (0..5).map(|row| cat.number(row, 1)).collect();
    assert!(numbers[0].is_nan() && numbers[3].is_nan());
    assert_eq!([numbers[1], numbers[2], numbers[4]], [1.5e-3, 2.0, f64::INFINITY]);
}

#[test]
fn columns_of_the_same_name() {
    let cat = catalogue("id,z,z,w,w,q,Q\n1,2,3,4,4,5,6\n").unwrap();
    assert!(
        cat.warnings[0].ends_with("cat.csv has several columns of the same name: w, z"),
        "{:?}",
        cat.warnings
    );
    // Columns with the same values are one.
    assert_eq!(
        (
            cat.column("w").unwrap(),
            cat.column("q").unwrap(),
            cat.column("Q").unwrap()
        ),
        (3, 5, 6)
    );
    let message = cat.column("z").unwrap_err().to_string();
    assert!(message.contains("2 columns 'z', and their values differ"), "{message}");
    assert!(catalogue("ID,Id\n1,2\n").unwrap().column("id").is_err());
}

#[test]
fn a_column_that_is_left_out_is_an_error_only_if_it_is_asked_for() {
    let cat = Catalogue::read(&fixture("snappy.parquet")).unwrap();
    assert!(cat.warnings[0].contains("snappy.parquet: columns that cannot be read are left out: struct (it has"));
    let message = cat.column("Struct").unwrap_err().to_string();
    assert!(
        message.contains("snappy.parquet: the column 'struct' cannot be used"),
        "{message}"
    );
    let brotli = message_of(&fixture("brotli.parquet"));
    assert!(
        brotli.contains("brotli.parquet: the column 'id' cannot be used") && brotli.contains("BROTLI"),
        "{brotli}"
    );
}

fn message_of(path: &Path) -> String {
    match Catalogue::read_with(path, &["id"]) {
        Ok(cat) => cat.column("id").unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_extension_in_brackets() {
    let at = |extension: &str| PathBuf::from(format!("{}[{extension}]", fixture("ldac.fits.gz").display()));
    let cat = Catalogue::read(&at("LDAC_OBJECTS")).unwrap();
    assert_eq!(
        (cat.columns.join(" ").as_str(), cat.text(1, 0)),
        ("NUMBER theta_e", "12")
    );
    assert_eq!(cat.path, fixture("ldac.fits.gz"));
    assert!(message(Catalogue::read(&at("NONE"))).contains("it has: LDAC_IMHEAD, LDAC_OBJECTS, MORE"));
    let csv = PathBuf::from(format!("{}[1]", fixture("commas.ecsv").display()));
    assert!(message(Catalogue::read(&csv)).contains("has only one table; '[1]' cannot be chosen"));
}

#[test]
fn positions_in_any_unit() {
    let cases = [
        ("id,ra,dec\n1,150.5,-0.5\n", Some((150.5, -0.5))),
        ("id,RAJ2000,DEJ2000\n1,10 00 00,-00 30 00\n", Some((150.0, -0.5))),
        ("id;RA;Dec\n1;150,5;2,25\n", Some((150.5, 2.25))),
        ("id,ra,dec\n1,150.5,95\n", None),
        ("id,ra,dec\n1,-99,-99\n", None),
        ("id,ra,dec\n1,,2\n", None),
        ("id,ra\n1,2\n", None),
        (
            "# %ECSV 1.0\n# datatype:\n# - {name: ra, unit: hourangle}\n# - {name: dec, unit: rad}\nra dec\n10.5 0\n",
            Some((157.5, 0.0)),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(catalogue(text).unwrap().position(0), expected, "{text}");
    }
    let vot = Catalogue::read(&fixture("binary2.vot")).unwrap();
    assert_eq!(vot.positions(), None); // it has no declination
    assert_eq!(vot.described(2).ucd, "pos.eq.ra;meta.main");
}

/// Each byte string with bytes changed and cut off, by a generator of pseudorandom numbers.
fn damaged(bytes: &[u8], count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 88172645463325252u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    (0..count).map(move |i| {
        let mut bytes = bytes.to_vec();
        for _ in 0..=next() % 4 {
            let place = next() % bytes.len();
            bytes[place] = if next() % 2 == 0 {
                next() as u8
            } else {
                b"0123456789 'PQ\n<\""[next() % 17]
            };
        }
        if i % 3 == 0 {
            bytes.truncate(next() % bytes.len());
        }
        bytes
    })
}

#[test]
fn damaged_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cat");
    for name in [
        "binary.fits.gz",
        "ascii.fits.gz",
        "ldac.fits.gz",
        "tabledata.vot",
        "binary.vot",
        "binary2.vot",
        "spaces.ecsv",
        "commas.ecsv",
    ] {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        if fitsio_pure::gzip::is_gzip(&bytes) {
            bytes = fitsio_pure::gzip::decompress(&bytes).unwrap();
        }
        for content in damaged(&bytes, 300) {
            std::fs::write(&path, &content).unwrap();
            match Catalogue::read_with(&path, &["id"]) {
                Err(Error::Catalogue(error)) if matches!(*error, CatalogueError::Damaged { .. }) => {
                    panic!("{name}: {:?}", String::from_utf8_lossy(&content))
                }
                Err(_) => {}
                Ok(cat) => visit(&cat),
            }
        }
    }
}

#[test]
fn a_damaged_parquet_file_is_an_error_or_lacks_columns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cat");
    for content in damaged(&std::fs::read(fixture("zstd.parquet")).unwrap(), 200) {
        std::fs::write(&path, &content).unwrap();
        if let Ok(cat) = Catalogue::read(&path) {
            visit(&cat);
        }
    }
}

/// Asks for everything.
fn visit(cat: &Catalogue) {
    for column in 0..cat.columns.len() {
        let _ = cat.described(column);
        for row in 0..cat.len() {
            let _ = (cat.text(row, column), cat.number(row, column), cat.position(row));
        }
    }
}

#[test]
fn every_cell_fits_its_column() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalogues");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            continue;
        }
        let catalogue = Catalogue::read(&path).unwrap_or_else(|error| panic!("{error}"));
        for column in 0..catalogue.columns.len() {
            let column_type = catalogue.described(column).column_type;
            for row in 0..catalogue.len() {
                let cell = catalogue.cell(row, column);
                let name = &catalogue.columns[column];
                assert!(column_type.fits(&cell), "{}: {name}: {cell:?}", path.display());
            }
        }
    }
}
