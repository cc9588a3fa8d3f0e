use super::super::provenance::Provenance;
use super::super::{Cell, Column, ColumnType, TableWriter, partial, remove};
use super::*;
use crate::survey::Catalogue;
use std::path::Path;

fn columns(more: &[&str]) -> Vec<Column> {
    let number = |name: &str| Column::new(name, ColumnType::F64, "deg", "");
    let mut columns = vec![
        Column::new("id", ColumnType::I64, "", ""),
        number("ra").shown("pos.eq.ra;meta.main", ""),
        number("dec").shown("pos.eq.dec;meta.main", ""),
    ];
    columns.extend(more.iter().map(|name| Column::new(*name, ColumnType::I64, "", "")));
    columns
}

/// Positions all over the sky, and many around one place.
fn sky(count: usize) -> Vec<(f64, f64)> {
    let at = |i: usize| match i % 2 {
        0 => (
            (i * 7919 % 3600) as f64 / 10.0,
            (i * 104_729 % 1790) as f64 / 10.0 - 89.0,
        ),
        _ => (150.0 + i as f64 * 1e-5, 2.0 + (i % 97) as f64 * 1e-4),
    };
    (0..count).map(at).collect()
}

/// The rows of all partitions: the pixel, the row's own pixel and its id.
fn rows(folder: &Path) -> Vec<(Pixel, i64, i64)> {
    let list = fs::read_to_string(folder.join("partition_info.csv")).unwrap();
    let mut all = Vec::new();
    for line in list.lines().skip(1) {
        let (order, number) = line.split_once(',').unwrap();
        let pixel = Pixel::new(order.parse().unwrap(), number.parse().unwrap()).unwrap();
        let (below, name) = pixel.place();
        let catalogue = Catalogue::read(&folder.join(below).join(format!("{name}.parquet"))).unwrap();
        let column = |name| catalogue.find(name).unwrap();
        let number = |row, column| catalogue.whole_number(row, column).unwrap();
        let (healpix, id) = (column(HEALPIX_29), column("id"));
        all.extend((0..catalogue.len()).map(|row| (pixel, number(row, healpix), number(row, id))));
    }
    all
}

#[test]
fn rows_are_partitioned_by_the_sky_and_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.hats");
    let position = position(&columns(&[])).unwrap();
    let folder = NewFolder::staged(&path).unwrap();
    let mut table = HatsTable::new(folder, "out".into(), &columns(&[]), position, None, None).unwrap();
    table.most_rows = 500;
    let sky = sky(5000);
    for (id, &(ra, dec)) in sky.iter().enumerate() {
        let row = [Cell::Int(id as i64), Cell::F64(ra), Cell::F64(dec)];
        table.push(&row.iter().collect::<Vec<_>>()).unwrap();
    }
    let unknown = [Cell::Int(-1), Cell::Null, Cell::F64(f64::NAN)];
    table.push(&unknown.iter().collect::<Vec<_>>()).unwrap();
    assert!(!path.exists(), "nothing appears before it is complete");
    let complete = Box::new(table).complete(0).unwrap();
    assert!(
        complete.warnings[0].contains("1 rows without a position"),
        "{:?}",
        complete.warnings
    );
    let Content::Folder(folder) = complete.content else {
        panic!()
    };
    folder.keep().unwrap();

    let rows = rows(&path);
    assert_eq!(rows.len(), 5000);
    let mut ids: Vec<i64> = rows.iter().map(|row| row.2).collect();
    ids.sort_unstable();
    assert!(ids.iter().enumerate().all(|(at, id)| at as i64 == *id));
    let mut counts = std::collections::BTreeMap::new();
    for (pixel, healpix, id) in &rows {
        let (ra, dec) = sky[*id as usize];
        assert_eq!(*healpix as u64, healpix_29(ra, dec));
        assert!(pixel.contains(*healpix as u64));
        *counts.entry(*pixel).or_insert(0) += 1;
    }
    assert!(counts.values().all(|&count| count <= 500), "{counts:?}");
    assert!(counts.keys().any(|pixel| pixel.order > 5) && counts.keys().any(|pixel| pixel.order < 3));
    assert!(rows.is_sorted_by_key(|row| row.1), "in the order of the sky");
    let mut found: Vec<String> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(
        found,
        ["dataset", "hats.properties", "partition_info.csv", "properties"]
    );
    let properties = fs::read_to_string(path.join("hats.properties")).unwrap();
    for line in [
        "hats_nrows=5000",
        "hats_col_ra=ra",
        "hats_col_healpix=_healpix_29",
        "dataproduct_type=object",
    ] {
        assert!(properties.lines().any(|found| found == line), "{properties}");
    }
}

#[test]
fn rows_with_pixels_keep_the_partitions_that_they_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.hats");
    let given = [(0, 4), (1, 20), (1, 21), (0, 11)].map(|(order, number)| Pixel::new(order, number).unwrap());
    let write = |order: &[usize]| {
        let mut writer = TableWriter::partitioned(&path, columns(&[HEALPIX_29]), None, Some(&given))?;
        for (id, &place) in order.iter().enumerate() {
            // The position is another one: that of the input counts.
            let row = [Cell::Int(id as i64), Cell::F64(1.0), Cell::F64(2.0)];
            let healpix = Cell::Int((given[place].first() + (100 - id as u64)) as i64);
            writer.push(&[&row[..], &[healpix]].concat())?;
        }
        writer.finish()
    };
    write(&[0, 0, 2, 2, 2, 3]).unwrap();
    let rows = rows(&path);
    // A partition without rows is left out; rows are sorted in each.
    let found: Vec<(Pixel, i64)> = rows.iter().map(|row| (row.0, row.2)).collect();
    let expected = [(0, 1), (0, 0), (2, 4), (2, 3), (2, 2), (3, 5)];
    assert_eq!(found, expected.map(|(place, id)| (given[place], id)));
    // Existing catalogues are never replaced, nor mixed.
    assert!(write(&[0]).unwrap_err().to_string().contains("not empty"));
    remove(&path);
    let error = write(&[0, 2, 0]).unwrap_err();
    let error = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default()
        + &error.to_string();
    assert!(error.contains("writing failed"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_catalogue_that_is_not_complete_has_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.hats/");
    let provenance = Provenance::new("T");
    for ids in [1, 2] {
        let mut writer = TableWriter::with_provenance(&path, columns(&[]), Some(&provenance)).unwrap();
        for id in 0..ids {
            writer
                .push(&[Cell::Int(id), Cell::F64(10.0), Cell::F64(-20.0)])
                .unwrap();
        }
        let written = writer.finish_partial().unwrap();
        assert_eq!(written.path, dir.path().join("out.partial.hats"));
        assert_eq!(rows(&written.path).len() as i64, ids);
    }
    assert!(!path.exists());
    remove(&partial(&path));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let none = TableWriter::create(&path, columns(&[])).unwrap().finish();
    assert!(none.is_err() && !path.exists());
    let error = TableWriter::create(&path, columns(&[])[..1].to_vec())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("right ascension"), "{error}");
}
