//! Files that are no images, and images without a value.

use super::*;
use lensgpu::{Predictor, flags};

const TRAIN: &str = "train {} --images {id}.fits --network {tiny.toml} --members 1 --epochs 1 --batch 4 --calibration 0 \
                     -o {run} --device cpu";

/// Twenty images with labels, and the network.
fn images() -> Images {
    let images = Images::of((10..30).map(|i| i.to_string()));
    images.label("id,theta_e", "");
    images.write("tiny.toml", TINY);
    images
}

/// A file damaged in the way of this number.
fn damaged(whole: &[u8], way: usize) -> Vec<u8> {
    let replaced = |from: &str, to: &str| {
        let text: String = whole.iter().map(|&byte| char::from(byte)).collect();
        text.replacen(from, to, 1).chars().map(|c| c as u8).collect()
    };
    match way % 7 {
        0 => vec![],
        1 => whole[..100].to_vec(),
        2 => whole[..2880].to_vec(),
        3 => whole[..2880 + 100].to_vec(),
        4 => vec![0xa5; 4000],
        5 => replaced("NAXIS1  =", "NAXIX1  ="),
        _ => replaced("NAXIS1  =                   12", "NAXIS1  =           9999999999"),
    }
}

#[test]
fn hidden_files_are_no_images_catalogues_or_stacks() {
    let images = images();
    for name in [
        "._10.fits",
        ".fits",
        ".10.fits",
        ".DS_Store",
        ".hidden.csv",
        "._catalogue.csv",
        "._images.npy",
    ] {
        images.write(name, b"\0\x05\x16\x07");
    }
    fs::create_dir(images.path("folder.fits")).unwrap();
    std::os::unix::fs::symlink(images.path("folder.fits"), images.path("link.fits")).unwrap();
    let found = inferred(images.options());
    assert_eq!((found.report.rows, found.report.unread.len()), (20, 0));
    images.done(TRAIN);
    let stack = Images::of([""; 0]);
    common::write_stack(&stack.path(""), &rings(3, 5, SHAPE), SHAPE);
    for name in ["._images.npy", "._catalogue.csv", ".a.npy"] {
        stack.write(name, b"\0\x05\x16\x07");
    }
    let options = ImageFolderOptions {
        images: None,
        ..stack.options()
    };
    assert_eq!(inferred(options).column("id"), ["0", "1", "2"]);
}

#[test]
fn a_damaged_file_costs_one_row_and_is_named() {
    let images = images();
    let whole = fs::read(images.path("10.fits")).unwrap();
    let before = inferred(images.options()).column("theta_e");
    // The first 14 of 20, in every way twice.
    for way in 0..14 {
        images.write(&format!("{}.fits", 10 + way), damaged(&whole, way));
    }
    let found = inferred(images.options());
    let flags = found.column("flags");
    assert!(flags[..14].iter().all(|flags| flags == "128"), "{flags:?}");
    assert_eq!(found.column("theta_e")[14..], before[14..]);
    assert_eq!(found.report.unread.len(), 14);
    says(&found.said, &["object 10", "10.fits", "and 9 more"]);
    assert!(!found.said.contains("29.fits"));

    for way in 0..7 {
        let images = self::images();
        images.write("17.fits", damaged(&whole, way));
        images.fails(TRAIN, &["object 17", "17.fits"]);
        images.fails("evaluate MODEL {} -o {report} --device cpu", &["17.fits"]);
        assert!(!images.path("run/model.safetensors").exists() && !images.path("report").exists());
    }
}

#[test]
fn an_error_is_no_reason_to_write_a_table_without_predictions() {
    let images = Images::of(["a", "b"]);
    for id in ["a", "b"] {
        images.write(&format!("{id}.fits"), "no image");
    }
    images.fails(
        "infer MODEL {} --device cpu -o {out.csv}",
        &["a.fits", "not a FITS file"],
    );
    assert!(!images.path("out.csv").exists() && !images.path("out.csv.json").exists());
}

#[test]
fn a_table_among_the_images_is_no_image() {
    let images = images();
    let string = |name: &str| Column::new(name, lensgpu::survey::table::ColumnType::Str, "", "");
    let rows: Vec<Vec<Cell>> = images
        .ids
        .iter()
        .map(|id| vec![Cell::Str(id.clone()), Cell::Str("1.5".into())])
        .collect();
    for name in ["targets.fits", "other.fits"] {
        write_table(&images.path(name), vec![string("id"), string("theta_e")], &rows);
    }
    let found = inferred(images.options());
    assert_eq!(
        (found.report.rows, found.report.objects, found.report.tables.len()),
        (20, 20, 2)
    );
    says(&found.said, &["tables among the images are left out: other, targets"]);
    assert!(found.report.unread.is_empty());
    let ran = images.done("infer MODEL {} --device cpu -o {out.csv} --json");
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["objects"], &json["rows"]), (&20.into(), &20.into()));

    for keep_unmatched in [false, true] {
        let found = inferred(ImageFolderOptions {
            catalogue: Some(images.path("targets.fits")),
            keep_unmatched,
            ..images.options()
        });
        assert_eq!(found.report.rows, 20);
        assert!(!found.said.contains("other"), "{}", found.said);
    }
    images.done(&format!("{TRAIN} --catalogue {{targets.fits}}"));
}

#[test]
fn a_masked_image_has_no_radius_and_no_quantile_is_negative() {
    let images = Images::of((0..40).map(|i| i.to_string()));
    let size = SHAPE.iter().product::<usize>();
    let nothing = vec![f32::NAN; size];
    images.write("7.fits", without_position(&nothing));
    let expected = (flags::MASKED | flags::NO_PREDICTION).to_string();
    for extension in ["csv", "fits"] {
        let found = inferred_as(images.options(), extension);
        assert_eq!(found.column("flags")[7], expected);
        for name in [
            "theta_e",
            "sigma",
            "q02_5",
            "q50",
            "q97_5",
            "ood_score",
            "mu_0",
            "var_1",
        ] {
            let column = found.column(name);
            assert!(column[7].is_empty(), "{name}");
            assert_eq!(column.iter().filter(|cell| cell.is_empty()).count(), 1, "{name}");
        }
        for name in ["q02_5", "q16", "q50", "q84", "q97_5"] {
            let values = found.column(name);
            let values = values
                .iter()
                .filter(|value| !value.is_empty())
                .map(|value| value.parse::<f64>().unwrap());
            assert!(values.into_iter().all(|value| value >= 0.0), "{name}");
        }
        says(&found.said, &["object 7", "masked"]);
    }
    // All of them: a table of flags, and no claim that the files could not be read.
    let all = Images::of(["a", "b"]);
    for id in ["a", "b"] {
        all.write(&format!("{id}.fits"), without_position(&nothing));
    }
    let found = inferred(all.options());
    assert_eq!(found.column("flags"), [&expected[..]; 2]);
    assert!(!found.said.contains("could be read"), "{}", found.said);

    let mut predictor = Predictor::new(MODEL.1.clone(), &Device::Cpu).unwrap();
    let mut pixels = rings(40, 9, SHAPE).images;
    pixels[3 * size..4 * size].fill(f32::NAN);
    let predictions = predictor.predict(&pixels).unwrap();
    assert!(predictions[3].prediction.theta_e.is_nan() && predictions[3].flags.to_string() == expected);
    for (i, image) in predictions.iter().enumerate().filter(|(i, _)| *i != 3) {
        assert!(image.prediction.quantiles.iter().all(|&q| q >= 0.0), "{i}");
    }
}

#[test]
fn held_out_tables_have_no_negative_quantile() {
    let images = Images::of((0..40).map(|i| i.to_string()));
    images.label("id,theta_e", "");
    images.write("tiny.toml", TINY);
    images.done(&TRAIN.replace("--calibration 0", "--calibration 0 --hold-out 20"));
    let (columns, rows) = program::table(&images.path("run/held_out.csv"));
    let quantiles: Vec<&String> = columns.iter().filter(|name| name.starts_with('q')).collect();
    assert_eq!((quantiles.len(), rows.len()), (5, 20));
    for row in &rows {
        assert!(
            quantiles.iter().all(|name| row[*name].parse::<f64>().unwrap() >= 0.0),
            "{row:?}"
        );
    }
}
