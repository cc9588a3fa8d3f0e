//! What counts as a true radius: neither sentinels nor the numbers of non-lenses.

use super::*;

/// Ten objects.
fn images() -> Images {
    Images::of(('a'..='j').map(String::from))
}

fn scored(images: &Images, catalogue: &str, truth: &str) -> (usize, usize, String) {
    let found = try_infer(images.with(catalogue), "csv", Some(truth)).unwrap();
    let n = found.report.metrics.map_or(0, |metrics| metrics.n);
    assert_eq!(n, found.report.scored.len());
    (n, found.report.without_truth, found.said)
}

#[test]
fn sentinels_are_no_truth() {
    let images = images();
    let values = ["1.5", "-99", "0", "", "nan", "--", "inf", "-inf", "N/A", "2e0"];
    let rows: String = images
        .ids
        .iter()
        .zip(values)
        .map(|(id, value)| format!("{id},{value}\n"))
        .collect();
    let (n, without, said) = scored(&images, &format!("id,r\n{rows}"), "r");
    assert_eq!((n, without), (2, 8));
    says(&said, &["8 of 10 rows have no true value", "not a positive number"]);

    let cells = [1.5, -99.0, 0.0, f64::NAN, f64::INFINITY];
    let rows: Vec<Vec<Cell>> = images
        .ids
        .iter()
        .zip(cells)
        .map(|(id, r)| vec![Cell::Str(id.clone()), Cell::F64(r)])
        .collect();
    let columns = ["id", "r"].map(|name| {
        let kind = if name == "id" {
            lensgpu::survey::table::ColumnType::Str
        } else {
            lensgpu::survey::table::ColumnType::F64
        };
        Column::new(name, kind, "", "")
    });
    let options = ImageFolderOptions {
        catalogue: Some(write_table(&images.path("r.fits"), columns.into(), &rows)),
        ..images.options()
    };
    let found = try_infer(options, "csv", Some("r")).unwrap();
    assert_eq!((found.report.scored.len(), found.report.without_truth), (1, 4));
    says(
        &refused(ImageFolderOptions {
            condition: Some("r > 99".into()),
            ..images.with("id,r\na,1\n")
        }),
        &["none of the 1 rows", "r > 99"],
    );
}

#[test]
fn nothing_is_scored_if_no_row_has_a_truth() {
    let images = images();
    let found = try_infer(images.with("id,r\na,-99\nb,0\n"), "csv", Some("r")).unwrap();
    assert!(found.report.metrics.is_none() && found.report.without_truth == 2);
    let error = try_infer(images.with("id,r\na,1\n"), "csv", Some("radius"))
        .err()
        .unwrap();
    says(&error, &["radius", "id, r"]);
}

/// Values of `is_lens` that mean a lens, and others.
const LENSES: [&str; 6] = ["1", "true", "T", "TRUE", "1.0", "t"];
const OTHERS: [&str; 4] = ["0", "false", "F", "0.0"];

#[test]
fn non_lenses_have_no_truth_whatever_the_words() {
    let images = images();
    for name in ["is_lens", "IS_LENS", "Is_Lens"] {
        let values = LENSES.iter().chain(&OTHERS);
        let rows: String = images
            .ids
            .iter()
            .zip(values)
            .map(|(id, lens)| format!("{id},1.2,{lens}\n"))
            .collect();
        let (n, without, said) = scored(&images, &format!("id,r,{name}\n{rows}"), "r");
        assert_eq!((n, without), (LENSES.len(), OTHERS.len()), "{name}");
        says(&said, &["4 of 10 rows", "not a lens"]);
    }
    // What is neither is no lens for certain.
    assert_eq!(
        scored(&images, "id,r,is_lens\na,1,1\nb,1,\nc,1,maybe\nd,1,2\n", "r").0,
        1
    );
}

#[test]
fn commands_leave_out_non_lenses_and_say_so() {
    let images = Images::of((0..40).map(|i| i.to_string()));
    let row = |(i, id): (usize, &String)| {
        let lens = if i % 2 == 0 { LENSES[i % 6] } else { OTHERS[i % 4] };
        // The radius of a non-lens is no label, and not even a number.
        let radius = if i % 2 == 0 { "1.1" } else { "-99" };
        format!("{id},{radius},{lens}\n")
    };
    let rows: String = images.ids.iter().enumerate().map(row).collect();
    images.write("catalogue.csv", format!("id,theta_e,IS_LENS\n{rows}"));
    images.write("tiny.toml", TINY);
    let train = "train {} --images {id}.fits --network {tiny.toml} --members 1 --epochs 1 --batch 4 --calibration 0 \
                 -o {run} --device cpu";
    for line in [
        train,
        "evaluate MODEL {} -o {report} --device cpu",
        "calibrate MODEL {} -o {calibrated.safetensors} --device cpu",
    ] {
        let ran = images.done(line);
        says(&ran.stderr, &["20 of 40 rows used; dropped: 20 not a lens"]);
    }
    let model = Model::read(images.path("run/model.safetensors")).unwrap();
    assert_eq!(model.about.training.rows, 20);
    images.write("catalogue.csv", "id,theta_e,is_lens\n1,1,0\n2,1,F\n");
    images.fails(&train.replace("run}", "run2}"), &["no row of", "2 not a lens"]);
}

#[test]
fn simulated_non_lenses_are_not_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(
        path("half.toml"),
        common::POPULATION.replace("lens_share = 1.0", "lens_share = 0.5"),
    )
    .unwrap();
    fs::write(path("tiny.toml"), TINY).unwrap();
    let [half, stack, run, tiny] = ["half.toml", "stack", "run", "tiny.toml"].map(path);
    done(&format!(
        "simulate {stack} --population {half} --count 60 --stack --seed 3 --device cpu"
    ));
    let (_, rows) = program::table(&dir.path().join("stack/catalogue.csv"));
    let lenses = rows.iter().filter(|row| row["is_lens"] == "1").count();
    assert!((10..50).contains(&lenses), "{lenses}");
    let line = format!(
        "train {stack} --network {tiny} --members 1 --epochs 1 --batch 4 --calibration 0 -o {run} --device cpu"
    );
    let ran = program::lensgpu(&line);
    says(
        &ran.stderr,
        &[
            &format!("{lenses} of 60 rows used"),
            &format!("{} not a lens", 60 - lenses),
        ],
    );
    assert_eq!(
        Model::read(format!("{run}/model.safetensors"))
            .unwrap()
            .about
            .training
            .rows,
        lenses
    );
}

#[test]
fn a_row_to_train_on_needs_a_label_and_an_image() {
    let images = Images::of(["a", "b", "c"]);
    for label in ["-99", "0", "", "nan", "--", "inf"] {
        images.write("catalogue.csv", format!("id,theta_e\na,1\nb,{label}\nc,2\n"));
        images.fails(
            "evaluate MODEL {} -o {report} --device cpu",
            &[
                "catalogue.csv line 3",
                "object b",
                "'theta_e'",
                &format!("'{label}'"),
                "--where 'theta_e > 0'",
            ],
        );
        assert!(!images.path("report").exists());
    }
    images.write("catalogue.csv", "id,theta_e\na,1\nz,2\n");
    images.fails(
        "evaluate MODEL {} -o {report} --device cpu",
        &["catalogue.csv line 3", "object z has no image", "z.fits"],
    );
}
