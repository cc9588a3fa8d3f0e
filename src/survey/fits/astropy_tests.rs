//! Pixels and positions against those that astropy reads: `tests/data/fits/astropy`, written by the script there.

use std::path::{Path, PathBuf};

use super::header::tests::header;
use super::{Astrometry, FitsError, FitsFile};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits/astropy")
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-7 * b.abs()
}

#[test]
fn pixels_are_those_that_astropy_reads() {
    let mut expected = FitsFile::open(&folder().join("expected.fits.gz")).unwrap();
    assert!(expected.images.len() > 30);
    for index in 0..expected.images.len() {
        let name = expected.images[index].name.clone().unwrap();
        let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let same = |path: &PathBuf| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .eq_ignore_ascii_case(&format!("{name}.fits.gz"))
        };
        let path = files
            .into_iter()
            .find(same)
            .unwrap_or_else(|| panic!("no file for {name}"));
        let right = expected.image(index).unwrap();
        let mut file = FitsFile::open(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(file.images.len(), 1, "{name}");
        let image = file.image(0).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((image.width, image.height), (14, 11), "{name}");
        assert_eq!(image.values.len(), right.values.len(), "{name}");
        for (at, (&value, &right)) in image.values.iter().zip(&right.values).enumerate() {
            assert!(close(value, right), "{name}: pixel {at} is {value}, not {right}");
        }
    }
}

#[test]
fn positions_and_scales_are_those_of_astropy() {
    let text = std::fs::read_to_string(folder().join("positions.json")).unwrap();
    let data: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = data["positions"].as_object().unwrap();
    assert!(cases.len() > 30);
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let lines: Vec<&str> = case["header"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|l| l.as_str())
            .collect();
        let astrometry = Astrometry::of_image(&header(&lines), [1, 2], 14, 11);
        let (ra, dec) = astrometry.ra_dec.unwrap_or((f64::NAN, f64::NAN));
        let right = [&case["ra"], &case["dec"], &case["scale"]].map(|v| v.as_f64().unwrap());
        // FK5 differs from ICRS by up to 0.03", and so do the two definitions of galactic coordinates.
        let fk5 = name.starts_with("fk5") || name == "galactic";
        let tolerance = if fk5 { 1e-5 } else { 1e-6 };
        let apart = [(ra - right[0]) * dec.to_radians().cos(), dec - right[1]];
        let scale = astrometry.pixel_scale.unwrap_or(f64::NAN) / right[2] - 1.0;
        if !(apart.iter().all(|d| d.abs() < tolerance) && scale.abs() < 1e-6) {
            wrong.push(format!(
                "{name}: {ra} {dec} {:?} instead of {right:?}",
                astrometry.pixel_scale
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A damaged file is an error or an image, never a panic, and no memory is taken for what its header claims.
#[test]
fn damaged_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.fits");
    let mut random = 12345u64;
    let mut next = move |below: usize| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) as usize % below.max(1)
    };
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        if !fitsio_pure::gzip::is_gzip(&bytes) || file.ends_with("expected.fits.gz") {
            continue;
        }
        let whole = fitsio_pure::gzip::decompress(&bytes).unwrap();
        for round in 0..36 {
            let mut bytes = whole.clone();
            match round % 6 {
                0 => bytes.truncate(next(whole.len())),
                1 => (0..20).for_each(|_| bytes[next(whole.len())] ^= 1 << next(8)),
                2 => (0..5).for_each(|_| bytes[next(whole.len())] = next(256) as u8),
                // A digit of a header becomes another one.
                3 => (0..8).for_each(|_| {
                    let at = next(whole.len());
                    if let Some(digit) = bytes[at..].iter_mut().find(|b| b.is_ascii_digit()) {
                        *digit = b'0' + next(10) as u8;
                    }
                }),
                // A card is overwritten by another one.
                4 => {
                    let (from, to) = (next(whole.len() / 80), next(whole.len() / 80));
                    bytes.copy_within(from * 80..from * 80 + 80, to * 80);
                }
                // Some value becomes huge.
                _ => {
                    let at = next(whole.len() / 80) * 80;
                    bytes[at + 10..at + 30].copy_from_slice(
                        format!("{:>20}", (next(1 << 30) as u64 * 7_000_000_007) >> next(60)).as_bytes(),
                    );
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            let Ok(mut damaged) = FitsFile::open(&path) else {
                continue;
            };
            for index in 0..damaged.images.len() {
                let size = damaged.images[index].width * damaged.images[index].height;
                match damaged.image(index) {
                    Ok(image) => assert!(image.values.len() >= size),
                    Err(FitsError::Io(error)) => panic!("{}: {error}", file.display()),
                    Err(_) => {}
                }
            }
        }
    }
}
