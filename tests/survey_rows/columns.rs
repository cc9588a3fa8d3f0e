//! Columns of the catalogue that are passed through.

use super::*;
use lensgpu::mass::{MassOptions, add_masses};
use lensgpu::survey::table::ColumnType::{self, Bool, F32, F64, I16, I32, I64, Str, U8};

#[test]
fn texts_stay_as_they_are_in_csv_and_have_types_in_fits() {
    let images = Images::of(["a", "b"]);
    let catalogue = "num,id,price,exponent,big,date,empty,Theta_E,FLAGS,sigma,ok\n\
                     007,a,1.50,1e3,3000000001,2020-01-01,,0.10,x,nan,T\n\
                     010,b,2,-99,7,\"a, \"\"b\"\"\",,,y,0.30,F\n";
    let csv = inferred(images.with(catalogue));
    for (name, texts) in [
        ("num", ["007", "010"]),
        ("price", ["1.50", "2"]),
        ("exponent", ["1e3", "-99"]),
        ("date", ["2020-01-01", "a, \"b\""]),
        ("empty", ["", ""]),
        ("Theta_E_cat", ["0.10", ""]),
        ("FLAGS_cat", ["x", "y"]),
        ("sigma_cat", ["nan", "0.30"]),
        ("ok", ["T", "F"]),
    ] {
        assert_eq!(csv.column(name), texts, "{name}");
    }
    let table = inferred_as(images.with(catalogue), "fits").table();
    let types: Vec<(String, ColumnType)> = (0..table.columns.len())
        .map(|column| (table.columns[column].clone(), table.described(column).column_type))
        .skip_while(|(name, _)| name != "num")
        .collect();
    let expected = [
        ("num", Str),
        ("price", F64),
        ("exponent", F64),
        ("big", I64),
        ("date", Str),
        ("empty", Str),
        ("Theta_E_cat", F64),
        ("FLAGS_cat", Str),
        ("sigma_cat", F64),
        ("ok", Str),
    ];
    assert_eq!(types, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn another_id_column_keeps_the_column_called_id() {
    let images = Images::of(["a", "b"]);
    let options = ImageFolderOptions {
        id_column: Some("name".into()),
        ..images.with("ID,name,id_cat\n9,b,x\n8,a,y\n")
    };
    let found = inferred(options);
    assert_eq!(
        (found.column("id"), found.column("ID_cat")),
        (vec!["b".into(), "a".into()], vec!["9".into(), "8".into()])
    );
    assert_eq!(found.column("id_cat_cat"), ["x", "y"]);
}

/// Columns of every type, with all that FITS can say about them.
fn typed() -> (Vec<Column>, Vec<Vec<Cell>>) {
    let array = |element: ColumnType, shape: &[usize]| ColumnType::Array {
        element: Box::new(element),
        shape: Some(shape.to_vec()),
    };
    let null = |column: Column| Column {
        null: Some(-1),
        ..column
    };
    let columns = vec![
        Column::new("flux", F32, "mJy", "total flux").shown("phot.flux", "F8.2"),
        null(Column::new("n", I16, "ct", "")),
        Column::new("level", U8, "", ""),
        null(Column::new("count", I32, "", "how often")),
        null(Column::new("source_id", I64, "", "").shown("meta.id", "")),
        Column::new("ok", Bool, "", ""),
        Column::new("vec", array(F32, &[3]), "mag", "magnitudes").shown("phot.mag", ""),
        Column::new("mat", array(I64, &[2, 2]), "", ""),
        Column::new("id", Str, "", ""),
    ];
    let f = |values: &[f64]| Cell::Array(values.iter().map(|&v| Cell::F64(v)).collect());
    let i = |values: &[i64]| Cell::Array(values.iter().map(|&v| Cell::Int(v)).collect());
    let row = |flux, n, count, source, ok, vec: &[f64], id: &str| {
        vec![
            flux,
            n,
            Cell::Int(255),
            count,
            source,
            ok,
            f(vec),
            i(&[1, 2, 3, i64::MAX]),
            Cell::Str(id.into()),
        ]
    };
    let rows = vec![
        row(
            Cell::F64(1.5),
            Cell::Int(3),
            Cell::Null,
            Cell::Int(5853498713190525697),
            Cell::Bool(true),
            &[1.0, 2.0, 3.0],
            "b",
        ),
        row(
            Cell::Null,
            Cell::Null,
            Cell::Int(7),
            Cell::Null,
            Cell::Bool(false),
            &[4.0, 5.0, 6.5],
            "a",
        ),
    ];
    (columns, rows)
}

/// A cell, where NaN is unknown.
fn known(cell: Cell) -> Cell {
    match cell {
        Cell::F64(number) if number.is_nan() => Cell::Null,
        cell => cell,
    }
}

#[test]
fn typed_columns_pass_through_fits_with_all_that_is_said_of_them() {
    let images = Images::of(["a", "b"]);
    let (columns, rows) = typed();
    let catalogue = write_table(&images.path("targets.fits"), columns.clone(), &rows);
    let options = || ImageFolderOptions {
        catalogue: Some(catalogue.clone()),
        ..images.options()
    };
    let found = inferred_as(options(), "fits");
    let table = found.table();
    for (place, column) in columns.iter().enumerate().filter(|(_, column)| column.name != "id") {
        let at = table.column(&column.name).unwrap();
        assert_eq!(table.described(at), *column);
        for (row, cells) in rows.iter().enumerate() {
            assert_eq!(known(table.cell(row, at)), cells[place], "{} {row}", column.name);
        }
    }
    let csv = inferred(options());
    says(&csv.said, &["CSV cannot hold their arrays", "vec, mat"]);
    assert!(csv.table().find("vec").is_none());
    assert_eq!(csv.column("source_id"), ["5853498713190525697", ""]);
    assert_eq!(csv.column("flux"), ["1.5", ""]);
}

#[test]
fn catalogues_of_every_format_pass_through_every_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalogues");
    let mut tables = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            continue;
        }
        let catalogue = Catalogue::read_with(&path, &["id"]).unwrap_or_else(|error| panic!("{error}"));
        let Some(id) = catalogue.find("id") else { continue };
        let ids: Vec<&str> = (0..catalogue.len()).map(|row| catalogue.text(row, id)).collect();
        let images = Images::of(ids.iter().copied());
        tables += 1;
        for extension in ["csv", "fits", "vot", "parquet"] {
            let options = ImageFolderOptions {
                catalogue: Some(path.clone()),
                ..images.options()
            };
            let found = try_infer(options, extension, None);
            let found = found.unwrap_or_else(|error| panic!("{} to {extension}: {error}", path.display()));
            assert_eq!(found.column("id"), ids, "{} to {extension}", path.display());
            let unknown = found.column("theta_e").iter().any(String::is_empty);
            assert!(!unknown, "{} to {extension}", path.display());
            if let Some(name) = catalogue.columns.iter().find(|name| *name == "u64") {
                assert_eq!(found.column(name), ["0", "18446744073709551615", "7"], "{extension}");
            }
        }
    }
    assert!(tables >= 10, "{tables}");
}

#[test]
fn masses_are_added_to_typed_columns() {
    let images = Images::of(["a", "b"]);
    let (mut columns, mut rows) = typed();
    columns.extend(["z_l", "z_s"].map(|name| Column::new(name, F64, "", "redshift")));
    rows.iter_mut()
        .for_each(|row| row.extend([Cell::F64(0.3), Cell::F64(1.5)]));
    let options = ImageFolderOptions {
        catalogue: Some(write_table(&images.path("targets.fits"), columns, &rows)),
        ..images.options()
    };
    let before = inferred_as(options, "fits");
    let output = images.path("masses.fits");
    let options = MassOptions {
        catalogue: before.file.clone(),
        output: output.clone(),
        provenance: None,
        z_lens: "z_l".into(),
        z_source: "z_s".into(),
        z_lens_error: None,
        z_source_error: None,
        id: None,
        from_quantiles: false,
        cosmology: lensgpu::Cosmology::default(),
        samples: 1000,
        seed: 1,
    };
    assert_eq!(add_masses(&options, &ignore_events).unwrap().rows, 2);
    let (before, after) = (before.table(), Catalogue::read(&output).unwrap());
    assert!(after.columns.len() > before.columns.len());
    for column in 0..before.columns.len() {
        assert_eq!(after.described(column), before.described(column));
        for row in 0..2 {
            assert_eq!(
                known(after.cell(row, column)),
                known(before.cell(row, column)),
                "{}",
                before.columns[column]
            );
        }
    }
}
