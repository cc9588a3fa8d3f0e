//! A model remembers how its images are stored and its catalogue is read.

use super::*;

/// A folder with 12 x 14 images of two bands, named `im-ID_BAND.fits`, and a catalogue with columns of its own.
fn two_bands(count: usize, bands: [&str; 2]) -> Images {
    let images = Images::of([""; 0]);
    let ids: Vec<String> = (0..count).map(|i| format!("o{i}")).collect();
    for (i, id) in ids.iter().enumerate() {
        for (b, band) in bands.iter().enumerate() {
            let lens = rings(1, (2 * i + b) as u64, [14, 14, 1]);
            let name = format!("im-{id}_{band}.fits");
            images.write(&name, fits(&lens.images, 14, 0.2, (i as f64, 0.0)));
        }
    }
    let row = |(i, id): (usize, &String)| format!("{id},{},{i}\n", 0.6 + 0.05 * i as f64);
    let rows: String = ids.iter().enumerate().map(row).collect();
    images.write("catalogue.csv", format!("name,R_E,id\n{rows}"));
    images.write("tiny.toml", TINY);
    images
}

const TRAIN: &str = "train {} --device cpu --members 1 --epochs 1 --batch 4 --calibration 0";

/// A model trained with every option of the layout.
fn trained() -> Images {
    let images = two_bands(24, ["g", "r"]);
    images.done(&format!(
        "{TRAIN} --images im-{{id}}_{{band}}.fits --bands g,r --crop 12 --id-column name --label R_E --network {{tiny.toml}} \
         -o {{run}}"
    ));
    images
}

#[test]
fn no_option_is_needed_again() {
    let first = trained();
    let model = first.path("run/model.safetensors").display().to_string();
    let info = program::done(&format!("info {model}"));
    says(
        &info,
        &[
            "im-{id}_{band}.fits",
            "column of the ids: name",
            "column of the label: R_E",
            "12x12x2",
        ],
    );

    let second = two_bands(22, ["g", "r"]);
    second.done(&format!(
        "infer {model} {{}} --device cpu -o {{out.csv}} --catalogue {{catalogue.csv}} --truth R_E"
    ));
    let (columns, rows) = program::table(&second.path("out.csv"));
    assert_eq!((rows.len(), rows[21]["id"].as_str()), (22, "o21"));
    assert!(columns.contains(&"id_cat".into()) && rows.iter().all(|row| !row["theta_e"].is_empty()));
    second.done(&format!("evaluate {model} {{}} --device cpu -o {{report}}"));
    second.done(&format!(
        "calibrate {model} {{}} --device cpu -o {{calibrated.safetensors}}"
    ));
    second.done(&format!("{TRAIN} --from {model} -o {{tuned}}"));
    // Each of the new models remembers the same.
    for model in ["calibrated.safetensors", "tuned/model.safetensors"] {
        let path = second.path(model);
        let of = |path: &Path| Model::read(path).unwrap().about.images;
        assert_eq!(of(&path), of(&first.path("run/model.safetensors")), "{model}");
        second.done(&format!(
            "infer {} {{}} --device cpu --no-sidecar -o {{again.csv}}",
            path.display()
        ));
        assert_eq!(program::table(&second.path("again.csv")).1.len(), 22);
    }
}

#[test]
fn names_of_bands_in_the_files_are_remembered() {
    let first = two_bands(24, ["HSC-G", "HSC-R"]);
    let bands = "--bands g=HSC-G,r=HSC-R";
    first.done(&format!(
        "{TRAIN} --images im-{{id}}_{{band}}.fits {bands} --crop 12 --id-column name --label R_E --network {{tiny.toml}} \
         -o {{run}}"
    ));
    let model = first.path("run/model.safetensors").display().to_string();
    says(&program::done(&format!("info {model}")), &["g=HSC-G, r=HSC-R"]);
    let infer = format!("infer {model} {{}} --device cpu --no-sidecar --catalogue {{catalogue.csv}} -o {{out.csv}}");
    let predictions = |images: &Images, more: &str| -> Vec<String> {
        images.done(&format!("{infer} {more}"));
        let (_, rows) = program::table(&images.path("out.csv"));
        rows.iter().map(|row| row["theta_e"].clone()).collect()
    };
    let expected = predictions(&first, bands);
    assert_eq!(predictions(&first, ""), expected);
    first.done(&format!("evaluate {model} {{}} --device cpu -o {{report}}"));
    first.done(&format!("{TRAIN} --from {model} -o {{tuned}}"));
    let of = |path: &str| Model::read(first.path(path)).unwrap().about.images;
    assert_eq!(of("tuned/model.safetensors"), of("run/model.safetensors"));
    // Another folder may have the names of the model, or names of its own.
    assert_eq!(predictions(&two_bands(24, ["g", "r"]), ""), expected);
    let other = two_bands(24, ["G1", "R1"]);
    other.fails(&infer, &["im-ID_g.fits", "--images"]);
    assert_eq!(predictions(&other, "--bands g=G1,r=R1"), expected);
}

#[test]
fn what_is_given_comes_first_and_other_catalogues_are_read_as_usual() {
    let first = trained();
    let model = first.path("run/model.safetensors").display().to_string();
    let second = two_bands(4, ["g", "r"]);
    let infer = format!("infer {model} {{}} --device cpu --no-sidecar -o {{out.csv}} --catalogue {{targets.csv}}");
    let ids = || -> Vec<String> {
        program::table(&second.path("out.csv"))
            .1
            .iter()
            .map(|row| row["id"].clone())
            .collect()
    };
    second.write("targets.csv", "object,name,x\no1,p,1\no3,q,2\n");
    second.done(&format!("{infer} --id-column object"));
    assert_eq!(ids(), ["o1", "o3"]);
    // The catalogue has no column of the remembered name.
    second.write("targets.csv", "id,x\no2,1\no1,2\n");
    second.done(&infer);
    assert_eq!(ids(), ["o2", "o1"]);
    second.write("catalogue.csv", format!("id,theta_e\n{}", "o1,1\no2,1.5\n"));
    second.done(&format!("evaluate {model} {{}} --device cpu -o {{report}}"));
    second.write("targets.csv", "label,x\no2,1\n");
    second.fails(&infer, &["column of the ids", "label, x", "--id-column"]);
}

#[test]
fn another_layout_is_detected_with_a_note() {
    let file = model_file();
    let infer = format!("infer {file} {{}} --device cpu --no-sidecar -o {{out.csv}}");
    let stack = Images::of([""; 0]);
    common::write_stack(&stack.path(""), &rings(4, 5, SHAPE), SHAPE);
    let ran = stack.done(&infer);
    says(&ran.stderr, &["{id}.fits", "a stack"]);

    let zipped = Images::of(["a", "b"]);
    for id in ["a", "b"] {
        fs::rename(zipped.path(&format!("{id}.fits")), zipped.path(&format!("{id}.fit"))).unwrap();
    }
    let ran = zipped.done(&infer);
    says(
        &ran.stderr,
        &["no file has a name like", "({id}.fits)", "the images are {id}.fit\n"],
    );
    assert_eq!(program::table(&zipped.path("out.csv")).1[1]["id"], "b");

    let empty = Images::of([""; 0]);
    empty.write("readme.txt", "");
    empty.fails(&infer, &["{id}.fits", "--images"]);
    // A given pattern is no guess.
    zipped.fails(
        &format!("{infer} --images {{id}}_x.fits"),
        &["'{id}_x.fits'", "--images"],
    );
}

#[test]
fn a_preset_is_remembered() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/lfc1_ground")
        .display()
        .to_string();
    let model = {
        let mut model = MODEL.1.clone();
        model.about.images.as_mut().unwrap().preset = Some("lfc1-ground".into());
        model.about.images.as_mut().unwrap().pattern = None;
        model
    };
    let like = model.image_folder(&ImageFolderOptions::new(data)).unwrap();
    assert_eq!(like.like.unwrap().preset.as_deref(), Some("lfc1-ground"));
}
