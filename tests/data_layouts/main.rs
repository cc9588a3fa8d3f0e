//! Folders as users have them: the files of the Lens Finding Challenge, files by a pattern, cubes, extensions, stacks; and
//! the messages if something is wrong with them.

mod bad_input;
mod fits_file;
mod survey_files;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lensgpu::survey::reader::{read_all, stream};
use lensgpu::survey::{Audit, Cutout, Error, ImageFolder, ImageFolderOptions, Object, Preset};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// For training from the folder of this name in `tests/data`.
fn challenge(name: &str) -> ImageFolderOptions {
    ImageFolderOptions::new(data(name))
}

fn unlabelled(options: ImageFolderOptions) -> ImageFolderOptions {
    ImageFolderOptions {
        require_labels: false,
        ..options
    }
}

fn bands(names: &str) -> Option<Vec<String>> {
    Some(names.split(',').map(String::from).collect())
}

/// A copy of a folder, to be damaged.
fn copy(name: &str) -> TempDir {
    fn tree(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                tree(&entry.path(), &target)
            } else {
                fs::copy(entry.path(), target).map(|_| ()).unwrap()
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    tree(&data(name), dir.path());
    dir
}

/// Objects `a` and `b` in g and r (12 x 10), and a catalogue.
fn plain() -> (TempDir, ImageFolderOptions) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a_g", "a_r", "b_g", "b_r"] {
        let from = if name.ends_with('g') {
            "gzip.fits.fz"
        } else {
            "rice.fits.fz"
        };
        fs::copy(data("fits").join(from), dir.path().join(format!("{name}.fits"))).unwrap();
    }
    fs::write(dir.path().join("cat.csv"), "id,theta_e,z\na,1.5,0.3\nb,0.8,0.5\n").unwrap();
    let mut options = ImageFolderOptions::new(dir.path());
    options.images = Some("{id}_{band}.fits".into());
    options.bands = bands("g,r");
    (dir, options)
}

fn write(dir: &TempDir, name: &str, text: &str) {
    fs::write(dir.path().join(name), text).unwrap();
}

/// The error with all its causes, as the command line prints it.
fn message(error: Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn error(options: &ImageFolderOptions) -> String {
    message(ImageFolder::open(options).expect_err("an error"))
}

/// The warnings about these images of the folder.
fn audit(folder: &ImageFolder, cutouts: &[Cutout]) -> Vec<String> {
    let mut audit = Audit::new(&folder.bands, folder.pixel_scale);
    cutouts.iter().for_each(|cutout| audit.observe(cutout));
    audit.warnings()
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[test]
fn ground_based_images_are_used_if_they_exist() {
    let source = ImageFolder::open(&challenge("lfc1_ground")).unwrap();
    assert_eq!(source.preset.unwrap().name, "lfc1-ground");
    assert_eq!(
        (source.bands.join(""), source.height, source.width),
        ("RIG".into(), 55, 55)
    );
    assert_eq!(
        (source.pixel_scale, source.label.as_deref()),
        (Some(0.2), Some("theta_e_crit"))
    );
    let ids: Vec<_> = source.objects.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["100003", "100026"]);
    assert_eq!(
        source.dropped.to_string(),
        "2 of 6 rows used; dropped: 3 not a lens, 1 without an image"
    );

    let cutout = source.read(0).unwrap();
    // 206264.806 sqrt(1.76e-11 / pi)
    assert!(
        (cutout.theta_e.unwrap() - 0.488210).abs() < 1e-5,
        "{:?}",
        cutout.theta_e
    );
    assert!((cutout.pixel_scale.unwrap() - 0.2).abs() < 1e-6);
    let (ra, dec) = (cutout.ra.unwrap(), cutout.dec.unwrap());
    assert!((ra - 0.00114609447113884f64.to_degrees()).abs() < 1e-12);
    assert!((dec - 0.000792667464885561f64.to_degrees()).abs() < 1e-12);
    assert!(cutout.pixels.iter().all(|p| p.is_finite()) && cutout.repeated_bands.is_none());
    // The central pixel of 101 x 101, from the file's own bytes.
    let bytes = fs::read(data("lfc1_ground/Public/Band2/imageSDSS_I-100003.fits")).unwrap();
    let at = 2880 + 4 * (50 * 101 + 50);
    let centre = f32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(cutout.pixels[3 * (27 * 55 + 27) + 1], centre);
    assert!(source.warnings.is_empty() && audit(&source, &[cutout]).is_empty());
}

#[test]
fn space_based_images_are_not_cropped() {
    let source = ImageFolder::open(&challenge("lfc1_space")).unwrap();
    assert_eq!(
        (source.bands.join(""), source.height, source.pixel_scale),
        ("VIS".into(), 101, Some(0.1))
    );
    assert_eq!(
        source.dropped.to_string(),
        "1 of 6 rows used; dropped: 2 not a lens, 3 without an image"
    );
    let cutout = source.read(0).unwrap();
    assert!(
        (cutout.theta_e.unwrap() - 4.416268).abs() < 1e-5,
        "{:?}",
        cutout.theta_e
    );
    assert!((cutout.pixel_scale.unwrap() - 0.1).abs() < 1e-6);
    assert!(
        (cutout.ra.unwrap() - 359.991378).abs() < 1e-6,
        "a negative RA is wrapped: {:?}",
        cutout.ra
    );
    // 4.42" is more than 0.8 of the half width, 5.05".
    says(
        &source.warnings[0],
        &["1 of 1 Einstein radii are larger than 0.8 of", "beyond the cutout"],
    );
}

#[test]
fn masked_pixels_and_repeated_bands_are_found() {
    let mut options = unlabelled(challenge("lfc1_ground"));
    (options.bands, options.crop) = (bands("U"), Some(101));
    let source = ImageFolder::open(&options).unwrap();
    let cutout = source.read(0).unwrap();
    let masked = cutout.mask.iter().filter(|&&m| m).count();
    assert_eq!(masked, 49);
    assert!(cutout.pixels.iter().all(|&p| p != 100.0));
    assert_eq!(cutout.masked_fraction, 49.0 / 10201.0);

    let source = ImageFolder::open(&unlabelled(challenge("lfc1_ground"))).unwrap();
    let ids: Vec<_> = source.objects.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(
        ids,
        ["100003", "100013", "100026"],
        "without labels every image is an object"
    );
    let cutouts = read_all(&source, &[0, 1, 2], |_| Ok::<(), Error>(())).unwrap();
    assert!(cutouts[1].repeated_bands.is_some() && cutouts[1].theta_e.is_none());
    let warnings = audit(&source, &cutouts);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    says(
        &warnings[0],
        &["1 of 3 images have the same pixels in two bands", "100013"],
    );
}

#[test]
fn users_may_name_the_folder_public_and_any_preset_or_label() {
    let mut options = challenge("lfc1_ground/Public");
    assert_eq!(ImageFolder::open(&options).unwrap().len(), 2);
    options = challenge("lfc1_ground");
    options.preset = Some(Preset::by_name("lfc1-ground").unwrap());
    options.label = Some("flux_lensed_image_in_sigma".into());
    let source = ImageFolder::open(&options).unwrap();
    assert_eq!(
        source.objects[0].theta_e,
        Some(18815.4),
        "a label named by the user is used unchanged"
    );
    options.bands = bands("R,Z");
    says(&error(&options), &["lfc1-ground", "'Z'", "R, I, G, U"]);
    options.images = Some("{id}.fits".into());
    says(&error(&options), &["preset lfc1-ground has its own file names"]);
    options = challenge("lfc1_ground");
    options.preset = Some(Preset::by_name("lfc1-space").unwrap());
    says(&error(&options), &["no row of", "without an image"]);
}

#[test]
fn a_pixel_scale_that_differs_from_the_presets_is_a_warning() {
    let dir = copy("lfc1_space");
    let path = dir.path().join("Public/imageEUC_VIS-100003.fits");
    let bytes = fs::read(&path).unwrap();
    let header = String::from_utf8(bytes[..2880].to_vec())
        .unwrap()
        .replace("2.7777774714293E-05", "2.9000000000000E-05");
    fs::write(&path, [header.as_bytes(), &bytes[2880..]].concat()).unwrap();
    let source = ImageFolder::open(&ImageFolderOptions::new(dir.path())).unwrap();
    let warnings = audit(&source, &[source.read(0).unwrap()]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    says(&warnings[0], &["another pixel scale", "0.1044", "0.1000", "100003"]);
}

#[test]
fn files_by_a_pattern_may_be_compressed_and_positions_come_from_the_catalogue() {
    let (dir, mut options) = plain();
    let source = ImageFolder::open(&options).unwrap();
    assert_eq!((source.len(), source.height, source.width), (2, 10, 12));
    assert!((source.pixel_scale.unwrap() - 0.263).abs() < 1e-9, "from the header");
    let cutout = source.read(1).unwrap();
    assert_eq!(
        (cutout.id.as_str(), cutout.theta_e, cutout.channels),
        ("b", Some(0.8), 2)
    );
    assert_eq!(cutout.pixels[2 * 13..2 * 13 + 2], [1021.0, 1021.0]);
    assert!((cutout.ra.unwrap() - 150.5).abs() < 1e-9);

    write(&dir, "cat.csv", "Name,R_E,ra,DEC\na,1.5,10.25,-5\nb,0.8,,\n");
    (options.id_column, options.label) = (Some("Name".into()), Some("R_E".into()));
    (options.crop, options.flux_scale, options.pixel_scale) = (Some(5), 1e-3, Some(0.3));
    let source = ImageFolder::open(&options).unwrap();
    assert_eq!(
        (source.height, source.pixel_scale, source.label.as_deref()),
        (5, Some(0.3), Some("R_E"))
    );
    let cutout = source.read(0).unwrap();
    assert_eq!((cutout.ra, cutout.dec), (Some(10.25), Some(-5.0)));
    assert!(
        (source.read(1).unwrap().ra.unwrap() - 150.5).abs() < 1e-9,
        "an empty cell falls back to the header"
    );
    // Rows 2 to 6 and columns 3 to 7 of 10 x 12.
    assert_eq!(cutout.pixels[0], 1.043);
    assert_eq!(cutout.pixels[2 * 24], 1.127);
}

#[test]
fn cubes_and_extensions_hold_all_bands_of_an_object() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cube", "mef", "unnamed"] {
        fs::copy(
            data("fits").join(format!("{name}.fits")),
            dir.path().join(format!("{name}_7.fits")),
        )
        .unwrap();
    }
    write(&dir, "cat.csv", "id,theta_e\n7,1.0\n");
    let mut options = ImageFolderOptions::new(dir.path());
    options.images = Some("cube_{id}.fits".into());
    let source = ImageFolder::open(&options).unwrap();
    assert_eq!(source.bands, ["band1", "band2", "band3"]);
    let cutout = source.read(0).unwrap();
    assert_eq!(
        cutout.pixels[..6],
        [1000.0, 100.0, 3000.0, 1001.0, 2001.0, 0.0],
        "NaN is masked, and 100.0 is a flux"
    );
    assert_eq!(cutout.mask[..6], [false, false, false, false, false, true]);

    options.images = Some("mef_{id}.fits".into());
    assert_eq!(ImageFolder::open(&options).unwrap().bands, ["R", "G", "I"]);
    options.bands = bands("g,r,i");
    let cutout = ImageFolder::open(&options).unwrap().read(0).unwrap();
    assert_eq!(cutout.pixels[..3], [1000.0, 2000.0, 3000.0]);
    assert!(
        (cutout.ra.unwrap() - 150.5).abs() < 1e-9,
        "from the extension that has it"
    );

    options.images = Some("unnamed_{id}.fits".into());
    says(&error(&options), &["unnamed_7.fits", "2 bands", "g, r, i"]);
    options.bands = bands("g,r");
    assert_eq!(
        ImageFolder::open(&options).unwrap().read(0).unwrap().pixels[..2],
        [1000.0, 2000.0]
    );
}

fn save_stack(path: &Path, shape: &[u64], values: impl Iterator<Item = f32>) {
    use npyz::WriterBuilder;
    let file = fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(file)
        .begin_nd()
        .unwrap();
    writer.extend(values).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_stack_takes_its_rows_in_order() {
    let dir = tempfile::tempdir().unwrap();
    save_stack(
        &dir.path().join("images.npy"),
        &[3, 6, 6, 2],
        (0..216).map(|i| i as f32),
    );
    let mut options = ImageFolderOptions::new(dir.path());
    says(&error(&options), &["no .csv catalogue"]);
    assert_eq!(
        ImageFolder::open(&unlabelled(options.clone())).unwrap().objects[2].id,
        "2"
    );

    write(&dir, "catalogue.csv", "id,theta_e\nx,1\ny,2\nz,3\n");
    write(&dir, "notes.csv", "anything\n1\n");
    options.crop = Some(4);
    let source = ImageFolder::open(&options).unwrap();
    let cutout = source.read(1).unwrap();
    assert_eq!(
        (cutout.id.as_str(), cutout.theta_e, cutout.pixels[0]),
        ("y", Some(2.0), (72 + 2 * (6 + 1)) as f32)
    );
    assert_eq!(cutout.masked_fraction, 0.0, "100 is a flux");
    // The value 100 is at row 2, column 2 of the image, in the first channel.
    options.pixels.mask_value = Some(100.0);
    let cutout = ImageFolder::open(&options).unwrap().read(1).unwrap();
    assert_eq!(cutout.mask.iter().position(|&m| m), Some(2 * (4 + 1)));
    assert_eq!(cutout.masked_fraction, 1.0 / 32.0);
    let source = ImageFolder::open(&unlabelled(options.clone())).unwrap();
    assert_eq!((source.objects[2].id.as_str(), source.objects[2].row), ("z", Some(2)));

    write(&dir, "catalogue.csv", "id,theta_e\nx,1\ny,2\n");
    says(
        &error(&options),
        &["images.npy has 3 images", "catalogue.csv has 2 rows"],
    );
    options.bands = bands("g,r,i");
    says(&error(&options), &["images.npy", "2 channels", "g, r, i"]);
}

#[test]
fn without_labels_the_objects_are_the_rows_of_the_catalogue() {
    let (dir, mut options) = plain();
    options = unlabelled(options);
    let source = ImageFolder::open(&options).unwrap();
    assert!(source.catalogue.is_none() && source.len() == 2 && source.label.is_none());
    write(&dir, "more.csv", "id,z\nnowhere,0.7\nb,0.5\n");
    options.catalogue = Some(dir.path().join("more.csv"));
    let rows = |source: &ImageFolder| -> Vec<_> {
        let object = |o: &Object| (o.id.clone(), o.row, o.has_image());
        source.objects.iter().map(object).collect()
    };
    let source = ImageFolder::open(&options).unwrap();
    let of_catalogue = [("nowhere".into(), Some(0), false), ("b".into(), Some(1), true)];
    assert_eq!(rows(&source), of_catalogue);
    assert_eq!(source.catalogue.as_ref().unwrap().text(1, 1), "0.5");
    says(&source.warnings[0], &["1 of 2 rows", "more.csv", "no image", "nowhere"]);
    says(
        &source.warnings[1],
        &["1 of 2 images", "no row", "more.csv", "for example a"],
    );
    options.keep_unmatched = true;
    let source = ImageFolder::open(&options).unwrap();
    assert_eq!(rows(&source)[2..], [("a".into(), None, true)]);
}

#[test]
fn the_stream_keeps_the_order_returns_errors_and_can_be_dropped() {
    let dir = tempfile::tempdir().unwrap();
    save_stack(
        &dir.path().join("images.npy"),
        &[50, 4, 4, 1],
        (0..800).map(|i| (i / 16) as f32),
    );
    let source = Arc::new(ImageFolder::open(&unlabelled(ImageFolderOptions::new(dir.path()))).unwrap());
    let indices: Vec<usize> = (0..50).rev().collect();
    for ahead in [0, 1, 3, 64] {
        let seen: Vec<_> = stream(source.clone(), indices.clone(), ahead)
            .map(|(index, cutout)| (index, cutout.unwrap().pixels[15]))
            .collect();
        assert_eq!(
            seen,
            indices.iter().map(|&i| (i, i as f32)).collect::<Vec<_>>(),
            "{ahead}"
        );
    }
    drop(stream(source.clone(), indices.clone(), 2));
    assert_eq!(stream(source.clone(), Vec::new(), 2).count(), 0);
    let calls = AtomicUsize::new(0);
    let all = read_all(&source, &indices, |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        Ok::<(), Error>(())
    })
    .unwrap();
    assert_eq!((all.len(), all[0].id.as_str(), calls.into_inner()), (50, "49", 50));
    let stopped = read_all(&source, &indices, |_| anyhow::bail!("no more")).unwrap_err();
    assert_eq!(stopped.to_string(), "no more");

    let path = dir.path().join("images.npy");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(fs::metadata(&path).unwrap().len() - 64 * 10).unwrap();
    let good = stream(source, (0..50).collect(), 4)
        .filter(|(_, cutout)| cutout.is_ok())
        .count();
    assert_eq!(good, 40, "each damaged image is one error, and the others are read");
}
