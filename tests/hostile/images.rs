//! Images that claim more than they have: each costs one row.

use super::bounded;
use super::common::program::{Folder, table};
use super::common::rings;
use super::inputs;
use super::peak::peak;
use flate2::Compression;
use flate2::write::GzEncoder;
use lensgpu::flags;
use lensgpu::survey::{self, Cutout, ImageFolder, ImageFolderOptions};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A Rice-compressed image of 12 x 10 pixels, one tile per row.
fn rice() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits/rice.fits.fz")).unwrap()
}

/// The file with another value of the last card of this keyword.
fn with(mut bytes: Vec<u8>, key: &str, value: &str) -> Vec<u8> {
    let begin = format!("{key:8}=").into_bytes();
    let mut cards = (0..bytes.len())
        .step_by(80)
        .filter(|&at| bytes[at..].starts_with(&begin));
    let at = cards.next_back().unwrap_or_else(|| panic!("no card {key}"));
    bytes[at..at + 80].copy_from_slice(format!("{:80}", format!("{key:8}= {value:>20}")).as_bytes());
    bytes
}

/// Where the last header's card END is.
fn end(bytes: &[u8]) -> usize {
    let card = format!("{:80}", "END").into_bytes();
    let mut cards = (0..bytes.len()).step_by(80);
    cards.rfind(|&at| bytes[at..].starts_with(&card)).unwrap()
}

/// The header with END replaced by these cards, in place of blank ones.
fn and(mut bytes: Vec<u8>, cards: &[(&str, &str)]) -> Vec<u8> {
    let at = end(&bytes);
    for (i, (key, value)) in cards.iter().enumerate() {
        let card = format!("{:80}", format!("{key:8}= {value:>20}"));
        bytes[at + 80 * i..][..80].copy_from_slice(card.as_bytes());
    }
    bytes[at + 80 * cards.len()..][..80].copy_from_slice(format!("{:80}", "END").as_bytes());
    bytes
}

fn gzipped(length: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..length >> 20).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.finish().unwrap()
}

/// A plain image of bytes, whose header says that it is larger.
fn claims(width: &str, height: &str) -> Vec<u8> {
    let header = [
        ("SIMPLE", "T"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", width),
        ("NAXIS2", height),
    ];
    let mut bytes: Vec<u8> = header
        .iter()
        .flat_map(|(key, value)| format!("{:80}", format!("{key:8}= {value:>20}")).into_bytes())
        .collect();
    bytes.extend(format!("{:80}", "END").bytes());
    bytes.resize(5760, b' ');
    bytes
}

/// What is wrong, and the file.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let huge = |side: &str| {
        ["ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2"]
            .iter()
            .fold(rice(), |bytes, key| with(bytes, key, side))
    };
    let block = |size: &str| with(rice(), "ZVAL1", size);
    let bomb = [gzipped(1 << 30), gzipped(1 << 30)].concat();
    let tile_bomb = {
        // A tile of one pixel that unpacks to 64 MiB, as often as there are rows.
        let mut bytes = with(rice(), "ZCMPTYPE", "'GZIP_1'");
        let tile = gzipped(64 << 20);
        let start = bytes.len() - 2880;
        bytes.truncate(start);
        bytes.extend(tile);
        bytes.resize(bytes.len().next_multiple_of(2880), 0);
        bytes
    };
    vec![
        ("blocks of 0 pixels", block("0")),
        ("blocks of -1 pixel", block("-1")),
        ("blocks of 2^31 pixels", block("2147483648")),
        ("30000 x 30000 pixels in one tile", huge("30000")),
        ("2^31 x 2^31 pixels", huge("2147483648")),
        ("tiles of one pixel in 2^29 pixels", {
            let bytes = with(with(rice(), "ZNAXIS1", "536870912"), "ZNAXIS2", "1");
            with(with(bytes, "ZTILE1", "1"), "NAXIS2", "9223372036854775807")
        }),
        ("a row of the table has no bytes", {
            let bytes = with(with(rice(), "NAXIS1", "0"), "NAXIS2", "9223372036854775807");
            with(bytes, "TFORM1", "'0PB(9)'")
        }),
        (
            "a format of 2^64 - 1 values",
            with(rice(), "TFORM1", "'18446744073709551615PB'"),
        ),
        ("a format that is no letter", with(rice(), "TFORM1", "'1\u{7f}'")),
        ("-1 columns", with(rice(), "TFIELDS", "-1")),
        ("2^40 columns", with(rice(), "TFIELDS", "1099511627776")),
        ("999 axes", with(rice(), "ZNAXIS", "999")),
        (
            "BZERO of 1e300",
            and(rice(), &[("BZERO", "1e300"), ("BSCALE", "1e300")]),
        ),
        ("an unknown width", with(rice(), "ZBITPIX", "12")),
        (
            "a heap behind the end",
            and(rice(), &[("THEAP", "9223372036854775807")]),
        ),
        ("a plain image of 30000 x 30000 pixels", claims("30000", "30000")),
        (
            "a plain image of 2^62 x 2^62 pixels",
            claims("4611686018427387904", "4611686018427387904"),
        ),
        ("a gzip file of 2 GiB", bomb),
        ("a tile that unpacks to 64 MiB", tile_bomb),
        ("a PNG of 30000 x 30000 pixels", png_claims()),
    ]
}

/// The begin of a PNG; it is given the name of a FITS file.
fn png_claims() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(30000u32.to_be_bytes());
    bytes.extend(30000u32.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    bytes
}

#[test]
fn each_costs_one_row_in_bounded_time_and_memory() {
    let folder = Folder::new();
    fs::create_dir(folder.path("images")).unwrap();
    let lenses = rings(30, 1, [10, 12, 1]);
    let healthy = |i: usize| super::common::fits(&lenses.images[i * 120..][..120], 12, 0.2, (150.0, 2.0));
    for i in 0..30 {
        fs::write(folder.path("images").join(format!("healthy{i:02}.fits")), healthy(i)).unwrap();
    }
    let labels: String = (0..30)
        .map(|i| format!("healthy{i:02},{}\n", lenses.labels[i]))
        .collect();
    folder.write("labels.csv", format!("id,theta_e\n{labels}"));
    let train = "train {images} --images ID.fits --catalogue {labels.csv} --network {tiny.toml} --members 1 --epochs 1 \
                 --shift 0 --device cpu --quiet -o {run}";
    assert_eq!(bounded(&folder, train).code, Some(0));

    let hostile = hostile();
    for (i, (_, bytes)) in hostile.iter().enumerate() {
        fs::write(folder.path("images").join(format!("hostile{i:02}.fits")), bytes).unwrap();
    }
    let line = "infer {run/model.safetensors} {images} --images ID.fits --device cpu --quiet -o {out.csv}";
    let ran = bounded(&folder, line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (_, rows) = table(&folder.path("out.csv"));
    assert_eq!(rows.len(), 30 + hostile.len());
    for row in &rows {
        let flags: i32 = row["flags"].parse().unwrap();
        match row["id"].strip_prefix("hostile") {
            None => assert!(flags & flags::READ_ERROR == 0 && !row["theta_e"].is_empty(), "{row:?}"),
            Some(number) => {
                let what = hostile[number.parse::<usize>().unwrap()].0;
                assert!(flags != 0, "{what}: {row:?}");
            }
        }
    }
}

#[test]
fn none_needs_more_memory_than_a_small_file_may() {
    for (what, bytes) in hostile() {
        let (_, memory) = peak(|| inputs::fits_image(&bytes));
        assert!(memory < super::MOST_MEMORY, "{what}: {memory} bytes");
    }
}

#[test]
fn missing_tiles_are_masked() {
    let whole = read(&rice()).unwrap();
    assert_eq!(whole.masked_fraction, 0.0);
    // The heap stays where it was.
    let heap: usize = number(&rice(), "PCOUNT") + 6 * number(&rice(), "NAXIS1");
    let cut = with(with(rice(), "NAXIS2", "4"), "PCOUNT", &heap.to_string());
    let missing = and(cut, &[("THEAP", &(10 * number(&rice(), "NAXIS1")).to_string())]);
    // The descriptors of the last six tiles say that they are empty.
    let empty = without_tiles(4..10);
    for (what, bytes) in [("missing", missing), ("empty", empty)] {
        let cut = read(&bytes).unwrap();
        assert!(
            (cut.masked_fraction - 0.6).abs() < 1e-6,
            "{what}: {}",
            cut.masked_fraction
        );
        assert_ne!(flags::masked(cut.masked_fraction), 0, "a mask of this size has a flag");
        assert_eq!(cut.pixels[..48], whole.pixels[..48], "{what}");
    }
}

/// Neither an image of which hardly anything is left nor one whose tiles have a type that does not exist is one that is
/// masked.
#[test]
fn what_has_hardly_any_tiles_is_damaged() {
    let unknown = with(rice(), "TFORM1", "'1P?(9)'");
    for (bytes, problem) in [
        (without_tiles(0..10), "more than nine tenths of its tiles are missing"),
        (unknown, "TFORM1"),
    ] {
        let error = anyhow::Error::from(read(&bytes).map(|_| ()).unwrap_err());
        assert!(format!("{error:#}").contains(problem), "{error:#}");
    }
}

/// The only image of a folder.
fn read(bytes: &[u8]) -> Result<Cutout, survey::Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.fits"), bytes).unwrap();
    let options = ImageFolderOptions {
        images: Some("{id}.fits".into()),
        require_labels: false,
        ..ImageFolderOptions::new(folder.path())
    };
    ImageFolder::open(&options)?.read(0)
}

/// Whose descriptors of these of its ten tiles say that they are empty.
fn without_tiles(tiles: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = rice();
    let row = number(&bytes, "NAXIS1");
    let header = end(&bytes) + 80;
    bytes[header.next_multiple_of(2880)..][tiles.start * row..tiles.end * row].fill(0);
    bytes
}

/// The last number with this keyword.
fn number(bytes: &[u8], key: &str) -> usize {
    let begin = format!("{key:8}=").into_bytes();
    let mut cards = (0..bytes.len())
        .step_by(80)
        .filter(|&at| bytes[at..].starts_with(&begin));
    let card = &bytes[cards.next_back().unwrap()..][10..30];
    String::from_utf8_lossy(card).trim().parse().unwrap()
}
