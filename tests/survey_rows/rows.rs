//! Which rows the output has, and in which order.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_rows_are_those_of_the_catalogue_in_its_order() {
    let images = Images::of(["a", "b", "c", "d"]);
    let catalogue = "id,z\nd,1\nmissing,2\nb,3\na,4\ngone,5\n";
    for extension in ["csv", "fits", "vot", "parquet"] {
        let found = inferred_as(images.with(catalogue), extension);
        assert_eq!(found.column("id"), ["d", "missing", "b", "a", "gone"], "{extension}");
        assert_eq!(found.column("z"), ["1", "2", "3", "4", "5"]);
        let flags = found.column("flags");
        assert_eq!((&flags[1][..], &flags[4][..]), (NO_IMAGE, NO_IMAGE));
        for empty in ["theta_e", "sigma", "q02_5", "q97_5", "ood_score", "mu_0", "var_1"] {
            let known: Vec<bool> = found.column(empty).iter().map(|cell| !cell.is_empty()).collect();
            assert_eq!(known[1..], [false, true, true, false], "{extension} {empty}");
        }
        says(
            &found.said,
            &["2 of 5 rows", "missing, gone", "1 of 4 images have no row", "c"],
        );
        assert_eq!((found.report.rows, found.report.objects), (5, 5));
        assert!(
            found.report.unread.is_empty(),
            "a row without an image is not unreadable"
        );
    }
    let alone = inferred(images.options());
    let of =
        |found: &Inferred, id: &str| found.rows().into_iter().find(|row| row["id"] == id).unwrap()["theta_e"].clone();
    let joined = inferred(images.with(catalogue));
    for id in ["a", "b", "d"] {
        assert_eq!(
            of(&alone, id),
            of(&joined, id),
            "each row has the prediction of its own image"
        );
    }
}

#[test]
fn images_without_a_row_follow_in_natural_order_if_asked_for() {
    let images = Images::of(["10", "9", "2", "b", "02", "a10", "a9"]);
    let options = |condition: Option<&str>| ImageFolderOptions {
        keep_unmatched: true,
        condition: condition.map(String::from),
        ..images.with("id,z\nb,1\nnone,2\n2,3\n")
    };
    let found = inferred_as(options(None), "fits");
    assert_eq!(found.column("id"), ["b", "none", "2", "02", "9", "10", "a9", "a10"]);
    assert_eq!(found.column("z")[2..4], ["3", ""]);
    // The image of a row that is not selected has a row.
    let found = inferred(options(Some("z < 3")));
    assert_eq!(found.column("id"), ["b", "none", "02", "9", "10", "a9", "a10"]);
    says(&found.said, &["1 of 2 rows", "5 of 7 images", "1 not selected"]);
}

#[test]
fn without_a_catalogue_files_are_in_natural_order() {
    let ids = [
        "10",
        "2",
        "002",
        "02",
        "1",
        "a10",
        "a2",
        "58534987131905256961",
        "58534987131905256960",
    ];
    let found = inferred(Images::of(ids).options()).column("id");
    let place = |id: &str| found.iter().position(|found| found == id).unwrap();
    for (before, after) in [
        ("1", "2"),
        ("2", "10"),
        ("02", "10"),
        ("a2", "a10"),
        ("10", "58534987131905256960"),
        ("58534987131905256960", "58534987131905256961"),
    ] {
        assert!(place(before) < place(after), "{before} {after}: {found:?}");
    }
    let mut backwards = ids;
    backwards.reverse();
    assert_eq!(
        inferred(Images::of(backwards).options()).column("id"),
        found,
        "ties are stable"
    );
}

#[test]
fn json_counts_rows_and_objects() {
    let images = Images::of(["1", "2", "3"]);
    images.write("targets.csv", "id,snr\n1,5\n9,50\n3,20\n2,30\n");
    images.write("broken.fits", "no image");
    for (more, expected) in [
        ("", (4, 4, 0)), // images alone, of which one is unreadable
        ("--catalogue {targets.csv}", (4, 4, 1)),
        ("--catalogue {targets.csv} --keep-unmatched", (5, 5, 1)),
        ("--catalogue {targets.csv} --where snr>10", (3, 3, 1)),
        ("--catalogue {targets.csv} --where snr>25 --keep-unmatched", (3, 3, 1)),
    ] {
        let ran = images.done(&format!(
            "infer MODEL {{}} --device cpu -o {{out.csv}} --no-sidecar --json {more}"
        ));
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let count = |value: &serde_json::Value| value.as_u64().unwrap();
        let found = (
            count(&json["rows"]),
            count(&json["objects"]),
            count(&json["flagged"]["no_image"]),
        );
        assert_eq!(found, expected, "{more}");
        assert_eq!(program::table(&images.path("out.csv")).1.len() as u64, found.0);
    }
}

#[test]
fn stopping_leaves_the_first_rows_and_another_run_continues() {
    let images = Images::of((0..20).map(|i| i.to_string()));
    // Among them what has no prediction.
    images.write("1.fits", "");
    images.write("17.fits", "");
    let catalogue = (0..20).rev().map(|i| format!("{i},{}\n", 0.1 * f64::from(i)));
    let source = images.with(&format!("id,theta_e\nnone,1\n{}", catalogue.collect::<String>()));
    let out = images.path("out.csv");
    let options = |resume| InferOptions {
        images: source.clone(),
        output: out.clone(),
        provenance: None,
        member_columns: true,
        truth: Some("theta_e".into()),
        passes: Passes {
            batch: 2,
            all_views: false,
        },
        resume,
        shard: None,
    };
    let whole = infer(&MODEL.1, &Device::Cpu, &options(false), &ignore_events).unwrap();
    let expected = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let options = options(true);
    let report = infer(&MODEL.1, &Device::Cpu, &options, &|event| match event {
        Event::Advanced { done: 3.., .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .unwrap();
    assert!((3..20).contains(&report.rows), "{}", report.rows);
    assert_eq!(report.objects, 21);
    assert!(
        !out.exists(),
        "only a complete catalogue has the name that was asked for"
    );
    assert_eq!(report.output, images.path("out.partial.csv"));
    let ids: Vec<String> = program::table(&report.output)
        .1
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    let in_order = ["none".to_string()]
        .into_iter()
        .chain((0..20).rev().map(|i| i.to_string()));
    assert!(ids.iter().cloned().eq(in_order.take(report.rows)), "{ids:?}");

    let computed = AtomicUsize::new(0);
    let report = infer(&MODEL.1, &Device::Cpu, &options, &|event| {
        if let Event::Advanced { .. } = event {
            computed.fetch_add(1, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(computed.into_inner(), 21 - ids.len());
    assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    assert_eq!(
        (report.rows, report.flagged, report.metrics),
        (21, whole.flagged, whole.metrics)
    );
    assert!(!images.path("out.partial.csv").exists() && !images.path("out.csv.unfinished").exists());
}

#[test]
fn positions_are_kept_where_any_object_has_one() {
    let images = Images::of(["a", "b", "c", "d"]);
    let [h, w, _] = SHAPE;
    images.write("c.fits", fits(&vec![1.0; h * w], w, 0.2, (30.0, -20.0)));
    images.write("d.fits", "");
    let found = inferred(images.options());
    assert_eq!(found.column("ra"), ["", "", "30.0", ""], "of the headers alone");

    // The catalogue comes first, the header where it has none; an object needs no readable image for it.
    let catalogue = "id,RA,DEC\nc,10.5,-5\nb,,\nnone,7.25,1\nd,8,2\na,400,2\n";
    let found = inferred(images.with(catalogue));
    assert_eq!(found.column("ra"), ["10.5", "", "7.25", "8.0", ""]);
    assert_eq!(found.column("dec"), ["-5.0", "", "1.0", "2.0", ""]);
    let found = inferred(images.with("id,ra,dec\nb,1,2\nc,,\n"));
    assert_eq!(
        (&found.column("ra")[..], found.column("dec").len()),
        (&["1.0", "30.0"].map(String::from)[..], 2)
    );
}

#[test]
fn columns_of_positions_in_other_words_are_not_lost() {
    let images = Images::of(["a", "b"]);
    let found = inferred(images.with("id,RAJ2000,DEJ2000\na,10:00:00,+02:00:00.0\nb,11:30:00,-3:00:00\n"));
    assert_eq!(found.column("ra"), ["150.0", "172.5"]);
    assert_eq!(found.column("RAJ2000"), ["10:00:00", "11:30:00"]);
    let found = inferred(images.with("id,ra,dec\na,10h00m00s,2d\nb,11h30m,-3d\n"));
    assert_eq!(found.column("ra"), ["150.0", "172.5"]);
    assert_eq!(found.column("ra_cat"), ["10h00m00s", "11h30m"]);
    let found = inferred(images.with("id,RA,Dec,z\na,150.10,2,1\nb,,,2\n"));
    let names = found.table().columns.join(",");
    assert!(!names.contains("_cat") && names.ends_with(",z"), "{names}");
}

#[test]
fn a_stack_takes_the_rows_of_its_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    common::write_stack(dir.path(), &rings(4, 5, SHAPE), SHAPE);
    let options = |text: &str, condition: Option<&str>| {
        fs::write(dir.path().join("catalogue.csv"), text).unwrap();
        ImageFolderOptions {
            require_labels: false,
            condition: condition.map(String::from),
            ..ImageFolderOptions::new(dir.path())
        }
    };
    let all = inferred(options("id,z\n007,1\n7,2\n1e5,3\nx y,4\n", None));
    assert_eq!(all.column("id"), ["007", "7", "1e5", "x y"]);
    let some = inferred(options("id,z\n007,1\n7,2\n1e5,3\nx y,4\n", Some("z in (2, 4)")));
    assert_eq!(some.column("id"), ["7", "x y"]);
    assert_eq!(some.column("theta_e")[1], all.column("theta_e")[3]);
    says(&refused(options("id,z\n1,1\n2,2\n", None)), &["4 images", "2 rows"]);
}
