//! Inputs that are no regular files: nothing waits for a FIFO, or reads a device without an end.

use super::bounded;
use super::common::program::{Folder, done};
use super::common::{POPULATION, says};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn every_input_that_is_a_fifo_a_device_or_a_socket_is_refused() {
    let folder = Folder::new();
    done(
        &folder
            .line("train {stack} --network {tiny.toml} --members 1 --epochs 1 --shift 0 --device cpu --quiet -o {run}"),
    );
    for name in ["fifo", "fifo.csv", "fifo.fits", "fifo.toml", "fifo.npy"] {
        fifo(&folder.path(name));
    }
    symlink("/dev/zero", folder.path("zero")).unwrap();
    symlink("/dev/zero", folder.path("zero.toml")).unwrap();
    let _socket = UnixListener::bind(folder.path("socket")).unwrap();
    fs::create_dir(folder.path("psf")).unwrap();
    fifo(&folder.path("psf/psf.fits"));
    let psf = POPULATION.replacen(
        r#"psf = { kind = "gaussian", fwhm = 0.4 }"#,
        r#"psf = { kind = "image", file = "psf.fits" }"#,
        2,
    );
    folder.write("psf/population.toml", psf);
    fs::create_dir(folder.path("fifo_run")).unwrap();
    fifo(&folder.path("fifo_run/run.toml"));
    let train = "train {stack} --members 1 --epochs 1 --device cpu -o {new}";
    let refused = [
        ("infer {fifo} {stack} --device cpu -o {out.csv}", "a FIFO"),
        ("infer {zero} {stack} --device cpu -o {out.csv}", "a device"),
        ("infer {socket} {stack} --device cpu -o {out.csv}", "a socket"),
        ("info {fifo}", "a FIFO"),
        (
            "infer {run/model.safetensors} {stack} --catalogue {fifo.csv} --device cpu -o {out.csv}",
            "a FIFO",
        ),
        (
            "infer {run/model.safetensors} {stack} --catalogue {zero} --device cpu -o {out.csv}",
            "a device",
        ),
        (
            "infer {run/model.safetensors} {fifo.npy} --device cpu -o {out.csv}",
            "is a file",
        ),
        (&format!("{train} --network {{fifo.toml}}"), "a FIFO"),
        (&format!("{train} --network {{zero.toml}}"), "a device"),
        (&format!("{train} --from {{fifo}}"), "a FIFO"),
        (&format!("{train} --catalogue {{fifo.csv}}"), "a FIFO"),
        ("train --simulate {fifo.toml} --device cpu -o {new}", "a FIFO"),
        (
            "simulate {sim} --population {fifo.toml} --count 1 --device cpu",
            "a FIFO",
        ),
        (
            "simulate {sim} --population {psf/population.toml} --count 1 --device cpu",
            "a FIFO",
        ),
        ("train --resume {fifo_run} --device cpu", "a FIFO"),
        (
            "evaluate {run/model.safetensors} {stack} --log {fifo.csv} --device cpu -o {report}",
            "a FIFO",
        ),
        ("mass {fifo.csv} --z-lens z --z-source z -o {out.csv}", "a FIFO"),
        ("population {fifo.csv} --prior none -o {out}", "a FIFO"),
        ("fit {fifo.csv} --label y -o {out}", "a FIFO"),
    ];
    for (line, what) in refused {
        let ran = bounded(&folder, line);
        assert!(matches!(ran.code, Some(1 | 2)), "{line}: {:?} {}", ran.code, ran.stderr);
        says(&ran.stderr, &["error: ", what]);
    }
    for name in ["out.csv", "new", "sim", "report", "out"] {
        assert!(!folder.path(name).exists(), "{name}");
    }
}

#[test]
fn a_fifo_among_the_images_costs_one_row() {
    let folder = Folder::new();
    fs::create_dir(folder.path("images")).unwrap();
    let lenses = super::common::rings(20, 1, [12, 12, 1]);
    for (i, image) in lenses.images.chunks(144).enumerate() {
        let bytes = super::common::fits(image, 12, 0.2, (150.0, 2.0));
        fs::write(folder.path(&format!("images/{i:02}.fits")), bytes).unwrap();
    }
    let labels: String = (0..20).map(|i| format!("{i:02},{}\n", lenses.labels[i])).collect();
    folder.write("labels.csv", format!("id,theta_e\n{labels}"));
    let train = "train {images} --images ID.fits --catalogue {labels.csv} --network {tiny.toml} --members 1 --epochs 1 \
                 --shift 0 --device cpu --quiet -o {run}";
    assert_eq!(bounded(&folder, train).code, Some(0));
    // The first in the order of the names, from which the layout is detected.
    fifo(&folder.path("images/-a.fits"));
    fifo(&folder.path("images/zz.fits"));
    let _socket = UnixListener::bind(folder.path("images/socket.fits")).unwrap();
    symlink("/dev/zero", folder.path("images/zero.fits")).unwrap();
    let ran = bounded(
        &folder,
        "infer {run/model.safetensors} {images} --images ID.fits --device cpu -o {out.csv}",
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    says(&ran.stderr, &["it is a FIFO", "it is a socket", "it is a device"]);
    let (_, rows) = super::common::program::table(&folder.path("out.csv"));
    let predicted = rows.iter().filter(|row| !row["theta_e"].is_empty()).count();
    assert_eq!((rows.len(), predicted), (24, 20));
    let detected = bounded(
        &folder,
        "infer {run/model.safetensors} {images} --device cpu --quiet -o {detected.csv}",
    );
    assert_eq!(detected.code, Some(0), "{}", detected.stderr);
}
