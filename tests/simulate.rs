//! `lensgpu simulate` from end to end: the files it writes, reproducibility, the physics and point spread functions of
//! the population file, and that a failure leaves nothing behind.

#![cfg(unix)] // a small disk to fill

mod common;

use common::program::{Folder, Ran, done, lensgpu, ran};
use common::{POPULATION, fits, says};
use std::collections::HashMap;
use std::f64::consts::PI;
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

/// Runs a command that must fail and leave nothing beside `out`; returns its error message.
fn fail(out: &Path, arguments: &str) -> String {
    fail_with(1, out, arguments)
}

fn fail_with(code: i32, out: &Path, arguments: &str) -> String {
    let before = names(out.parent().unwrap());
    let output = simulate(out, arguments);
    assert_eq!(
        output.status.code(),
        Some(code),
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
fn the_layout_of_the_challenge() {
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

    // Masked pixels, 100 in the files of the challenge, are NaN.
    let out = dir.path().join("masked");
    succeed(&out, "--count 60 --preset lfc1-ground --stack");
    let bytes = fs::read(out.join("images.npy")).unwrap();
    let pixels = &bytes[bytes.len() - 4 * 60 * 101 * 101 * 4..];
    let values = || {
        pixels
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
    };
    let masked = values().filter(|value| value.is_nan()).count();
    assert!((100..values().count() / 20).contains(&masked), "{masked}");
    assert!(!values().any(|value| value == 100.0));
}

#[test]
fn impossible_simulations_are_errors_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert!(fail_with(2, &out, "--count 3 --preset lfc2").contains("the presets are lfc1-ground, lfc1-space"));
    says(
        &fail(&out, "--count 0 --preset lsst"),
        &["must be at least 1", "--count 1 or more"],
    );
    let preset = include_str!("../assets/presets/euclid.toml");
    let file = dir.path().join("mine.toml");
    let with = |from: &str, to: &str| {
        assert!(preset.contains(from), "{from}");
        fs::write(&file, preset.replacen(from, to, 1)).unwrap();
        fail(&out, &format!("--count 3 --population {}", file.display()))
    };
    fs::write(&file, "").unwrap();
    says(
        &with("pixel_scale = 0.1", "pixel_scale = -0.1"),
        &["mine.toml", "pixel_scale = -0.1; allowed is 0.001 to 60"],
    );
    says(
        &with("ellipticity = 0.01", "ellipticity = 1"),
        &["psf.ellipticity = 1; allowed is 0 to 0.5"],
    );
    assert!(with("beta = 3.0", "beta = 0.9").contains("the total light diverges"));
    assert!(with("lens_share", "lens_shares").contains("lens_shares"));
    says(&with("size = ", "size = = "), &["mine.toml", "line 2"]);
    says(
        &fail(
            &out,
            &format!("--count 3 --population {}/none.toml", dir.path().display()),
        ),
        &["cannot read the population", "none.toml"],
    );
    // More arc pixels than the image has, which is found out during the simulation.
    let preset = include_str!("../assets/presets/lenstronomy-check.toml");
    fs::write(&file, preset.replace("min_arc_pixels = 20", "min_arc_pixels = 9000")).unwrap();
    says(
        &fail(&out, &format!("--count 3 --population {}", file.display())),
        &["2000 lenses in a row", "min_arc_pixels = 9000"],
    );
}

/// A folder with the tests' population, modified.
fn population(changes: &[(&str, &str)]) -> Folder {
    let f = Folder::new();
    let text = changes.iter().fold(POPULATION.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    f.write("population.toml", text);
    f
}

fn numbers(row: &HashMap<String, String>, columns: [&str; 4]) -> [f64; 4] {
    columns.map(|name| row[name].parse().unwrap())
}

/// D_LS / D_S in the default cosmology, flat: comoving distances by Simpson's rule.
fn distance_ratio(z_lens: f64, z_source: f64) -> f64 {
    let distance = |z: f64| {
        let f = |z: f64| 1.0 / (0.3111 * (1.0 + z).powi(3) + 0.6889).sqrt();
        let h = z / 1000.0;
        let pair = |k: u32| {
            let z = 2.0 * h * f64::from(k);
            h / 3.0 * (f(z) + 4.0 * f(z + h) + f(z + 2.0 * h))
        };
        (0..500).map(pair).sum::<f64>()
    };
    1.0 - distance(z_lens) / distance(z_source)
}

#[test]
fn radii_follow_from_dispersions_and_redshifts_and_mass_recovers_the_dispersions() {
    let physics = "theta_e = { sigma_v = { normal = [220, 40], within = [150, 350] }, z_lens = { uniform = [0.1, 1] }, \
                   z_source = { uniform = [0.5, 3] }, radius_within = [0.4, 1.5] }";
    let f = population(&[("theta_e = { uniform = [0.3, 1.2] }", physics)]);
    done(&f.line("simulate {out} --count 40 --population {population.toml} --device cpu"));
    let (_, truth) = common::program::table(&f.path("out/truth.csv"));
    assert_eq!(truth.len(), 40);
    let mut radii = String::from("id,theta_e,q02_5,q16,q50,q84,q97_5,z_lens,z_source\n");
    for row in &truth {
        let [theta_e, sigma_v, z_lens, z_source] = numbers(row, ["theta_e", "sigma_v", "z_lens", "z_source"]);
        let ratio = distance_ratio(z_lens, z_source);
        let expected = 4.0 * PI * (sigma_v / 299_792.458).powi(2) * ratio * 180.0 * 3600.0 / PI;
        assert!((theta_e / expected - 1.0).abs() < 1e-9, "{theta_e} is not {expected}");
        assert!((150.0..=350.0).contains(&sigma_v) && (0.4..=1.5).contains(&theta_e) && z_lens < z_source);
        radii += &format!("{}{}", row["ID"], format!(",{theta_e}").repeat(6));
        radii += &format!(",{z_lens},{z_source}\n");
    }
    f.write("radii.csv", radii);
    done(&f.line("mass {radii.csv} --z-lens z_lens --z-source z_source -o {masses.csv}"));
    let (_, masses) = common::program::table(&f.path("masses.csv"));
    for (row, truth) in masses.iter().zip(&truth) {
        let [found, drawn] = [&row["sigma_v_sis"], &truth["sigma_v"]].map(|v| v.parse::<f64>().unwrap());
        assert!((found / drawn - 1.0).abs() < 1e-9, "{found} km/s is not {drawn}");
    }
}

const GAUSSIAN: &str = "psf = { kind = \"gaussian\", fwhm = 0.4 }";
const FROM_G: &str = "psf = { kind = \"image\", file = \"kernels/g.fits\" }";
const FROM_R: &str = "psf = { kind = \"image\", file = \"kernels/r.fits\" }";

/// Point sources of 10^7 electrons per band at the centre of images of 21 x 21 pixels, without lensing.
fn points() -> Folder {
    let f = population(&[
        (GAUSSIAN, FROM_G),
        (GAUSSIAN, FROM_R),
        ("lens_share = 1.0", "lens_share = 0.0"),
        ("axis_ratio = { uniform = [0.7, 1] }", "axis_ratio = 1"),
        ("centre = 0.05", "centre = 0"),
        ("flux = 100", "flux = 1e6"),
        ("arcsec = 0.2", "arcsec = 0.01"),
        ("index = 1", "index = 0.5"),
    ]);
    fs::create_dir(f.path("kernels")).unwrap();
    f
}

#[test]
fn a_point_source_becomes_the_kernel_in_the_file_of_its_band() {
    let f = points();
    // All values differ, so that a rotated or shifted kernel shows; the other, smaller kernel leaves a point unchanged.
    let ramp: Vec<f32> = (1..=25).map(|k| (k * k) as f32).collect();
    let delta = [0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0];
    f.write("kernels/g.fits", fits(&ramp, 5, 0.2, (0.0, 0.0)));
    f.write("kernels/r.fits", fits(&delta, 3, 0.2, (0.0, 0.0)));
    let at = |k: usize| (k % 21, k / 21);
    let ramp_at = |(x, y): (usize, usize)| match ((8..13).contains(&x), (8..13).contains(&y)) {
        (true, true) => f64::from(ramp[(y - 8) * 5 + x - 8] / ramp.iter().sum::<f32>()),
        _ => 0.0,
    };
    let delta_at = |place| f64::from(u8::from(place == (10, 10)));
    for device in ["cpu", "software"] {
        let line = "simulate {DEVICE} --count 2 --population {population.toml} --stack --device DEVICE";
        done(&f.line(&line.replace("DEVICE", device)));
        let bytes = fs::read(f.path(device).join("images.npy")).unwrap();
        let images: Vec<f32> = npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap();
        assert_eq!(images.len(), 2 * 21 * 21 * 2);
        for (k, values) in images.chunks_exact(2).enumerate() {
            let place = at(k % (21 * 21));
            let bands = [(0.5, 100.0, ramp_at(place)), (2.0, 400.0, delta_at(place))];
            for (value, (electron, sky, fraction)) in values.iter().zip(bands) {
                let (found, expected) = (f64::from(*value) / electron, 1e7 * fraction);
                let sigma = (expected + sky).sqrt();
                assert!(
                    (found - expected).abs() < 5.0 * sigma,
                    "{device}, {place:?}: {found} electrons are not {expected} +- {sigma}"
                );
            }
        }
    }
}

#[test]
fn impossible_kernels_are_errors_with_the_key_and_the_allowed_values() {
    let f = points();
    let simulate = f.line("simulate {out} --count 2 --population {population.toml} --device cpu");
    let refused = |parts: &[&str]| {
        let Ran { code, stderr, .. } = lensgpu(&simulate);
        assert_eq!(code, Some(1), "{stderr}");
        says(&stderr, &["bands.G.psf.file", &f.shown("kernels/g.fits")]);
        says(&stderr, parts);
        assert!(!f.path("out").exists());
    };
    refused(&[]); // The file is missing.
    let odd = "it must be square, with an odd side of at most 49";
    let summed = "all values must be finite, and their sum positive";
    let nan = [0.0, 1.0, 0.0, 1.0, f32::NAN, 1.0, 0.0, 1.0, 0.0];
    for (pixels, width, parts) in [
        (&[1.0; 16][..], 4, ["has 4 x 4 pixels", odd]),
        (&[1.0; 51 * 51], 51, ["has 51 x 51 pixels", odd]),
        (&[1.0; 15], 5, ["has 3 x 5 pixels", odd]),
        (&[0.0; 9], 3, ["its sum is 0", summed]),
        (&[-1.0; 9], 3, ["its sum is -9", summed]),
        (&nan, 3, ["its sum is NaN", summed]),
    ] {
        f.write("kernels/g.fits", fits(pixels, width, 0.2, (0.0, 0.0)));
        refused(&parts);
    }
    let one = fs::read_to_string(f.path("population.toml"))
        .unwrap()
        .replace(FROM_R, GAUSSIAN);
    f.write("population.toml", one);
    says(
        &lensgpu(&simulate).stderr,
        &["1 of 2 bands have kind = \"image\"", "allowed is all or none"],
    );
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    let f = population(&[]);
    fs::create_dir(f.path("disk")).unwrap();
    let simulate = |more: &str| {
        f.line(&format!(
            "simulate --count 40 --population {{population.toml}} --device cpu {more}"
        ))
    };
    let lines = ["{disk/out}", "{disk/out} --stack", "{out} --preview {disk/sheet.png}"].map(simulate);
    let told = |(ran, left): (Ran, Vec<String>)| {
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        says(&ran.stderr, &[&f.shown("disk"), "writing failed", "is the disk full?"]);
        assert!(left.is_empty(), "{left:?}");
    };
    // The limit of file sizes is a few kilobytes.
    let limited = r#"trap "" XFSZ; ulimit -f 4; exec "$0" "$@""#;
    for line in &lines[..2] {
        let mut command = Command::new("sh");
        command.args(["-c", limited, env!("CARGO_BIN_EXE_lensgpu")]);
        told((ran(command.args(line.split_whitespace())), f.list("disk")));
    }
    let Some(disk) = f.small_disk("disk", "16k") else {
        return;
    };
    let filled = lines.map(|line| (lensgpu(&line), f.list("disk")));
    drop(disk);
    filled.into_iter().for_each(told);
    assert!(!f.path("out").exists());
}
