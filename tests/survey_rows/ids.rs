//! Ids are text: written as they are read, and joined without a guess.

use super::*;
use lensgpu::survey::table::ColumnType;

/// Ids of images and catalogue, and whether a FITS table has them as integers.
const SETS: [(&[&str], bool); 9] = [
    (&["3000000001", "3000000002"], true),
    (&["5853498713190525696", "5853498713190525697"], true),
    (&["-7", "0", "12"], true),
    (&["58534987131905256960", "1"], false),
    (&["12.10", "12.1", "1e5", "100000"], false),
    (&["007", "07", "7"], false),
    (&["a b", "a  b", "SDSS J1430+4105"], false),
    (&["é", "ü1", "星"], false),
    (&["nan", "NaN", "inf", "true"], false),
];

fn catalogue_of(ids: &[&str]) -> String {
    let rows: String = ids.iter().enumerate().map(|(z, id)| format!("{id},{z}\n")).collect();
    format!("id,z\n{rows}")
}

#[test]
fn ids_are_written_as_they_are_read_and_read_back() {
    for (ids, integers) in SETS {
        let images = Images::of(ids.iter().copied());
        for with_catalogue in [true, false] {
            let options = || match with_catalogue {
                true => images.with(&catalogue_of(ids)),
                false => images.options(),
            };
            let csv = inferred(options());
            let (mut found, mut expected): (Vec<_>, Vec<_>) =
                (csv.column("id"), ids.iter().map(|id| id.to_string()).collect());
            if !with_catalogue {
                found.sort();
                expected.sort();
            }
            assert_eq!(found, expected);

            let fits = inferred_as(options(), "fits");
            let kind = fits.table().described(0).column_type;
            assert_eq!(kind == ColumnType::I64, integers, "{ids:?}: {kind:?}");
            assert_eq!(kind == ColumnType::Str, !integers, "{ids:?}: {kind:?}");
            let ascii = ids.iter().all(|id| id.is_ascii());
            assert_eq!(fits.said.contains("FITS cannot hold"), !ascii, "{}", fits.said);
            if ascii {
                assert_eq!(fits.column("id"), csv.column("id"));
            }

            // Either table is a catalogue for the same images.
            for table in [&csv, &fits] {
                let again = inferred(ImageFolderOptions {
                    catalogue: Some(table.file.clone()),
                    ..images.options()
                });
                assert_eq!(again.column("theta_e"), csv.column("theta_e"), "{ids:?}");
                assert!(!again.said.contains("no image"), "{}", again.said);
            }
        }
    }
}

#[test]
fn both_unicode_normal_forms_match_and_stay_as_they_are() {
    let (composed, decomposed) = ("S\u{e3}o", "Sa\u{303}o");
    for (file, row) in [(decomposed, composed), (composed, decomposed)] {
        let images = Images::of([file, "b"]);
        let found = inferred(images.with(&catalogue_of(&["b", row])));
        assert_eq!(found.column("id"), ["b", row]);
        assert!(!found.said.contains("no image"), "{}", found.said);
    }
}

#[test]
fn different_ids_stay_different_in_fits() {
    let ids = ["e\u{301}", "\u{e9}", "\\u00e9"];
    let images = Images::of(ids);
    let mut found = inferred_as(images.with(&catalogue_of(&ids)), "fits").column("id");
    found.dedup();
    assert_eq!(found.len(), 3);
}

#[test]
fn integers_match_file_names_with_leading_zeros() {
    let images = Images::of(["0007", "0010", "0011"]);
    let found = inferred(images.with("id,z\n10,1\n7,2\n"));
    assert_eq!(found.column("id"), ["10", "7"]);
    assert!(found.column("theta_e").iter().all(|theta_e| !theta_e.is_empty()));
    says(&found.said, &["1 of 3 images have no row", "0011"]);

    let integers = Column::new("id", ColumnType::I32, "", "");
    let table = write_table(
        &images.path("cat.fit.fits"),
        vec![integers],
        &[vec![Cell::Int(11)], vec![Cell::Int(7)]],
    );
    let options = ImageFolderOptions {
        catalogue: Some(table),
        ..images.options()
    };
    assert_eq!(
        inferred_as(options, "fits").table().described(0).column_type,
        ColumnType::I64
    );
}

#[test]
fn a_join_is_never_guessed() {
    for (images, rows) in [
        (&["7", "1"][..], "id\n007\n1\n"),        // the catalogue's zeros mean something
        (&["007", "07", "1"], "id\n7\n1\n"),      // either could be meant
        (&["12.10", "1"], "id\n12.1\n1\n"),       // a number in other words
        (&["100000", "1"], "id\n1e5\n1\n"),       // the same
        (&["A", "1"], "id\na\n1\n"),              // another case
        (&["e\u{301}", "e", "1"], "id\né1\n1\n"), // a longer name
        (&["3000000001", "1"], "id\n3000000000\n1\n"),
        (&["5853498713190525696", "1"], "id\n5853498713190525697\n1\n"),
    ] {
        let found = inferred(Images::of(images.iter().copied()).with(rows));
        assert_eq!(found.column("flags")[0], NO_IMAGE, "{images:?}");
        says(&found.said, &["1 of 2 rows", "have no image"]);
    }
}

#[test]
fn when_nothing_matches_both_sides_are_shown() {
    let images = Images::of(["lens_1", "lens_2"]);
    let error = refused(images.with("id,z\n1.0,1\n2.0,2\n"));
    says(
        &error,
        &["no row", "targets.csv", "column 'id'", "1.0, 2.0", "lens_1, lens_2"],
    );
    images.fails(
        "infer MODEL {} --device cpu -o {out.csv} --catalogue {targets.csv}",
        &["lens_1", "--id-column", "--images"],
    );
    images.write("targets.csv", "id,theta_e\n1,1\n2,2\n");
    for command in [
        "evaluate MODEL {} -o {report}",
        "calibrate MODEL {} -o {new.safetensors}",
    ] {
        images.fails(&format!("{command} --device cpu"), &["lens_1", "--id-column", "1, 2"]);
    }
    assert!(!images.path("out.csv").exists() && !images.path("report").exists());
}

#[test]
fn long_lists_of_names_are_not_printed() {
    let images = Images::of(["x"]);
    let rows: String = (0..4000).map(|i| format!("object{i},1\n")).collect();
    let error = refused(images.with(&format!("id,z\n{rows}")));
    assert!(error.len() < 400, "{error}");
    says(&error, &["object0, object1, object2 and 3997 more"]);
    let found = inferred(images.with(&format!("id,z\n{rows}x,1\n")));
    assert!(found.said.len() < 600, "{}", found.said);
    says(&found.said, &["4000 of 4001 rows"]);
    let names: Vec<String> = (0..2000).map(|i| format!("c{i}")).collect();
    let error = refused(images.with(&format!("{}\n{}\n", names.join(","), vec!["1"; 2000].join(","))));
    assert!(error.len() < 600, "{error}");
    says(&error, &["no column 'id'", "c0, c1", "1980 more"]);
}
