//! Numbers that are too large: labels are refused before training, and no output has an infinity or NaN without a flag.

use super::bounded;
use super::common::program::{Folder, done, table};
use super::common::says;
use std::fs;

const TRAIN: &str =
    "train {stack} --network {tiny.toml} --members 1 --epochs 2 --shift 0 --device cpu --quiet -o {run}";

#[test]
fn labels_are_checked_before_training() {
    let folder = Folder::new();
    let good = fs::read_to_string(folder.path("stack/catalogue.csv")).unwrap();
    let line = good.lines().nth(4).unwrap().to_string();
    for label in ["nan", "inf", "-inf", "-1", "0", "1e300", "1e-300", "x", ""] {
        folder.write("stack/catalogue.csv", good.replace(&line, &format!("3,{label}")));
        for command in [
            TRAIN,
            "evaluate MODEL {stack} --device cpu -o {report}",
            "calibrate MODEL {stack} --device cpu -o {c}",
        ] {
            let ran = bounded(&folder, &command.replace("MODEL", "euclid-vis"));
            assert_eq!(ran.code, Some(1), "{label}: {}", ran.stderr);
            if command == TRAIN {
                says(&ran.stderr, &["catalogue.csv line 5", "object 3", "'theta_e'"]);
            }
        }
        assert!(!folder.path("run").exists() && !folder.path("report").exists() && !folder.path("c").exists());
    }
    // The label of a table may be negative, but its square must be a number.
    let rows: String = (0..60).map(|i| format!("{},{}\n", i % 7, i)).collect();
    for label in ["nan", "inf", "1e200", "1e-200"] {
        folder.write("table.csv", format!("x,y\n{rows}1,{label}\n"));
        let ran = bounded(
            &folder,
            "train {table.csv} --label y --members 1 --epochs 1 --device cpu -o {run}",
        );
        assert_eq!(ran.code, Some(1), "{label}: {}", ran.stderr);
        says(&ran.stderr, &["table.csv line 62", "column 'y'"]);
    }
    assert!(!folder.path("run").exists());
}

#[test]
fn masses_of_impossible_radii_and_redshifts_have_a_flag() {
    let folder = Folder::new();
    let quantiles = |q: f64| {
        [0.8, 0.9, 1.0, 1.1, 1.2]
            .map(|factor| (q * factor).to_string())
            .join(",")
    };
    let mut rows = String::from("id,theta_e,q02_5,q16,q50,q84,q97_5,z_lens,z_source,z_error\n");
    let numbers = [1.0, 1e300, 1e155, -1.0, 0.0, f64::NAN, f64::INFINITY, 1e-300, 648_000.0];
    let redshifts = [0.5, 1e300, 1e5, -1.0, 0.0, f64::NAN, f64::INFINITY, 1e-300];
    for theta_e in numbers {
        rows += &format!("t,{theta_e},{},0.5,1.5,0.01\n", quantiles(theta_e));
    }
    for z in redshifts {
        rows += &format!("l,1,{},{z},1.5,0.01\n", quantiles(1.0));
        rows += &format!("s,1,{},0.3,{z},0.01\n", quantiles(1.0));
        rows += &format!("e,1,{},0.3,1.5,{z}\n", quantiles(1.0));
    }
    folder.write("in.csv", rows);
    for errors in ["", "--z-lens-error z_error --z-source-error z_error --samples 200"] {
        let line = format!("mass {{in.csv}} --z-lens z_lens --z-source z_source {errors} -o {{out.csv}}");
        let ran = bounded(&folder, &line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let (columns, rows) = table(&folder.path("out.csv"));
        let new: Vec<&String> = columns.iter().skip_while(|name| *name != "log10_mass_e").collect();
        assert_eq!(rows.len(), numbers.len() + 3 * redshifts.len());
        for row in &rows {
            let finite = |name: &&String| row[*name].parse::<f64>().is_ok_and(f64::is_finite);
            assert!(row["mass_flags"] != "0" || new.iter().all(finite), "{row:?}");
            let infinite = |name: &&String| row[*name].parse::<f64>().is_ok_and(f64::is_infinite);
            assert!(!new.iter().any(infinite), "{row:?}");
        }
        assert_eq!(rows[0]["mass_flags"], "0");
    }
}

#[test]
fn images_and_features_of_any_size_give_finite_numbers_or_a_flag() {
    let folder = Folder::new();
    done(&folder.line(TRAIN));
    // The stack once more, with pixels that are as large as they can be.
    fs::create_dir(folder.path("huge")).unwrap();
    let bytes = fs::read(folder.path("stack/images.npy")).unwrap();
    let start = bytes.len() - 40 * 12 * 12 * 2 * 4;
    let mut huge = bytes[..start].to_vec();
    for (i, pixel) in bytes[start..].as_chunks::<4>().0.iter().enumerate() {
        let flux = f32::from_le_bytes(*pixel);
        let factor = [1e38f32, 1e-38, 1e20, f32::INFINITY, -1e38][i / 288 % 5];
        huge.extend((flux * factor).to_le_bytes());
    }
    fs::write(folder.path("huge/images.npy"), huge).unwrap();
    let ran = bounded(
        &folder,
        "infer {run/model.safetensors} {huge} --device cpu --quiet -o {out.csv}",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (_, rows) = table(&folder.path("out.csv"));
    assert_eq!(rows.len(), 40);
    for row in rows {
        let finite = |(_, text): (&String, &String)| text.parse::<f64>().is_ok_and(f64::is_finite);
        assert!(row["flags"] != "0" || row.iter().all(finite), "{row:?}");
    }
}

#[test]
fn simulate_refuses_what_it_would_ignore() {
    let folder = Folder::new();
    for option in [
        "--preset des",
        "--images ID.fits",
        "--features a,b",
        "--missing drop",
        "--label theta_e",
        "--catalogue {x.csv}",
        "--id-column id",
        "--where z>1",
        "--flux-scale 2",
        "--pixel-scale 0.2",
        "--mask-value 100",
        "--mask-bits 1",
        "--zero-is-missing",
        "--flux-unit nJy",
        "--folds 3",
    ] {
        let ran = bounded(
            &folder,
            &format!("train --simulate des {option} --device cpu -o {{run}}"),
        );
        assert_eq!(ran.code, Some(2), "{option}: {}", ran.stderr);
        says(&ran.stderr, &["cannot be used with"]);
    }
    assert!(!folder.path("run").exists());
}
