//! `lensgpu simulate` from end to end: what it writes, that a seed decides all of it, and that a failure leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn simulate(out: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lensgpu"))
        .arg("simulate")
        .arg(out)
        .args(arguments.split_whitespace())
        .args(["--device", "cpu"])
        .output()
        .unwrap()
}

fn succeed(out: &Path, arguments: &str) {
    let output = simulate(out, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Fails, leaves nothing beside `out`, and returns what was said.
fn fail(out: &Path, arguments: &str) -> String {
    let before = names(out.parent().unwrap());
    let output = simulate(out, arguments);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(names(out.parent().unwrap()), before);
    String::from_utf8(output.stderr).unwrap()
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
}

fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(String::from).collect();
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(String::from).collect());
    (header, rows.collect())
}

#[test]
fn the_challenges_folder() {
    let dir = tempfile::tempdir().unwrap();
    let [first, again, more] = ["first", "again", "more"].map(|name| dir.path().join(name));
    let sheet = dir.path().join("sheet.png");
    succeed(
        &first,
        &format!("--count 5 --preset lfc1-ground --seed 3 --preview {}", sheet.display()),
    );
    succeed(&again, "--count 5 --preset lfc1-ground --seed 3");
    succeed(&more, "--count 9 --preset lfc1-ground --seed 3");
    assert_eq!(names(dir.path()).len(), 4, "no leftovers");
    assert!(fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));

    let (header, rows) = table(&first.join("classifications.csv"));
    assert_eq!(
        header.join(","),
        "ID,is_lens,Einstein_area,numb_pix_lensed_image,flux_lensed_image_in_sigma"
    );
    assert_eq!((rows.len(), rows[0][0].as_str()), (5, "100000"));
    let (header, truth) = table(&first.join("truth.csv"));
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    for (row, truth) in rows.iter().zip(&truth) {
        let number = |name: &str| truth[column(name)].parse::<f64>().unwrap();
        let area: f64 = row[2].parse().unwrap();
        let radius = 206_264.806_247 * (area / std::f64::consts::PI).sqrt();
        assert!((radius / number("theta_e_crit") - 1.0).abs() < 1e-6);
        assert!((number("theta_e_crit") / number("theta_e") - 1.0).abs() < 0.15);
        assert_eq!(row[1], truth[column("is_lens")]);
        for name in ["slope", "shear1", "lens_radius", "lens_flux_U", "sky_R", "fwhm_G"] {
            assert!(number(name).is_finite(), "{name}");
        }
    }
    for (band, file) in [
        (1, "imageSDSS_R"),
        (2, "imageSDSS_I"),
        (3, "imageSDSS_G"),
        (4, "imageSDSS_U"),
    ] {
        for id in 100_000..100_005 {
            let file = format!("Public/Band{band}/{file}-{id}.fits");
            let bytes = fs::read(first.join(&file)).unwrap();
            assert!(bytes.starts_with(b"SIMPLE  =") && bytes.len() % 2880 == 0, "{file}");
            assert!(bytes == fs::read(again.join(&file)).unwrap() && bytes == fs::read(more.join(&file)).unwrap());
        }
    }
}

#[test]
fn a_stack() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("stack");
    fs::create_dir(&out).unwrap();
    succeed(&out, "--count 4 --preset lenstronomy-check --stack");
    let (header, rows) = table(&out.join("catalogue.csv"));
    assert_eq!((header[0].as_str(), rows.len()), ("id", 4));
    let bytes = fs::read(out.join("images.npy")).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY"));
    let floats: &[u8] = &bytes[bytes.len() - 4 * 4 * 55 * 55 * 3..];
    let finite = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap()).is_finite();
    assert!(floats.chunks_exact(4).all(finite));
    assert_eq!(names(&out).len(), 2);
    assert!(fail(&out, "--count 4 --preset lenstronomy-check").contains("is not empty"));
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert!(fail(&out, "--count 3 --preset lfc2").contains("there are: lfc1-ground, lfc1-space"));
    assert!(fail(&out, "--count 0 --preset lsst").contains("allowed is 1 or more"));
    let preset = include_str!("../assets/presets/euclid.toml");
    let file = dir.path().join("mine.toml");
    let with = |from: &str, to: &str| {
        assert!(preset.contains(from), "{from}");
        fs::write(&file, preset.replacen(from, to, 1)).unwrap();
        fail(&out, &format!("--count 3 --population {}", file.display()))
    };
    fs::write(&file, "").unwrap();
    let says = with("pixel_scale = 0.1", "pixel_scale = -0.1");
    assert!(
        says.contains("mine.toml") && says.contains("pixel_scale = -0.1; allowed is 0.001 to 60"),
        "{says}"
    );
    let says = with("ellipticity = 0.01", "ellipticity = 1");
    assert!(
        says.contains("ellipticity = 1 can be anything from 1 to 1; allowed is 0 to 0.5"),
        "{says}"
    );
    assert!(with("beta = 3.0", "beta = 0.9").contains("no finite sum"));
    assert!(with("lens_share", "lens_shares").contains("lens_shares"));
    // More arc pixels than there are: found out while it runs.
    let preset = include_str!("../assets/presets/lenstronomy-check.toml");
    fs::write(&file, preset.replace("min_arc_pixels = 20", "min_arc_pixels = 9000")).unwrap();
    let says = fail(&out, &format!("--count 3 --population {}", file.display()));
    assert!(
        says.contains("2000 lenses in a row") && says.contains("min_arc_pixels = 9000"),
        "{says}"
    );
}
