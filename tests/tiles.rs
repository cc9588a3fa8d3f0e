//! Stamps cut out of tiles: against astropy's `Cutout2D` and `reproject`, recorded by tests/data/tiles/make.py, and from
//! the command line.

mod common;

use common::program::{Folder, Running, SHAPE, done, fails, program, ran, table};
use common::{fits, says, write_stack};
use lensgpu::survey::{Cutout, ImageFolder, ImageFolderOptions, PositionColumns, TileOptions};
use lensgpu::train::Examples;
use std::fs;
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiles")
}

/// Tiles in the folder of recorded cases.
fn options(pattern: &str, positions: &str, bands: &[&str], size: usize, scale: Option<f64>) -> ImageFolderOptions {
    ImageFolderOptions {
        bands: Some(bands.iter().map(|band| band.to_string()).collect()),
        catalogue: Some(data().join(positions)),
        require_labels: false,
        tiles: Some(TileOptions {
            pattern: pattern.into(),
            masks: None,
            weights: None,
            columns: None,
            size: [size, size],
            pixel_scale: scale,
        }),
        ..ImageFolderOptions::new(data())
    }
}

/// Those of all objects that are in a tile.
fn stamps(options: &ImageFolderOptions) -> Vec<Cutout> {
    let folder = ImageFolder::open(options).unwrap_or_else(|error| panic!("{error:#}"));
    let with_image = (0..folder.len()).filter(|&at| folder.objects[at].has_image());
    with_image.map(|at| folder.read(at).unwrap()).collect()
}

fn expected(name: &str) -> Vec<f64> {
    let bytes = fs::read(data().join(name)).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// Of the brightest pixels, which have 200. The distortions of these tiles are larger than those of surveys, and change
/// within a pixel.
const ONE_PART_IN_4000: f64 = 0.05;

/// The stamps must have these values within `tolerance`, and be masked where they are NaN.
#[track_caller]
fn compare(what: &str, stamps: &[Cutout], expected: &[f64], tolerance: f64) {
    let found = stamps.iter().flat_map(|stamp| stamp.pixels.iter().zip(&stamp.mask));
    let found: Vec<(f32, bool)> = found.map(|(&value, &masked)| (value, masked)).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(
        expected.iter().filter(|v| v.is_finite()).count() > expected.len() / 4,
        "{what}"
    );
    for (at, ((value, masked), wanted)) in found.into_iter().zip(expected).enumerate() {
        assert_eq!(
            masked,
            wanted.is_nan(),
            "{what}: pixel {at}: {value}, expected {wanted}"
        );
        let difference = (f64::from(value) - wanted).abs();
        assert!(
            masked || difference <= tolerance,
            "{what}: pixel {at}: {value}, expected {wanted}"
        );
    }
}

const CASES: [&str; 6] = ["tan", "rotated", "sip", "tpv", "wrap", "pole"];

#[test]
fn stamps_of_the_tiles_own_pixels_are_those_of_astropy() {
    for name in CASES {
        for size in [11, 10] {
            let (tile, positions) = (format!("{name}.fits"), format!("{name}.csv"));
            let options = options(&tile, &positions, &["g"], size, None);
            compare(
                name,
                &stamps(&options),
                &expected(&format!("{name}_own_{size}.npy")),
                0.0,
            );
        }
    }
}

#[test]
fn a_scale_within_one_percent_is_the_tiles_own() {
    let scaled = |scale| stamps(&options("tan.fits", "tan.csv", &["g"], 11, Some(scale)));
    compare("2.019", &scaled(2.019), &expected("tan_own_11.npy"), 0.0);
    assert!((scaled(2.019)[0].pixel_scale.unwrap() - 2.0).abs() < 1e-4);
    assert_eq!(scaled(2.03)[0].pixel_scale, Some(2.03));
}

#[test]
fn resampled_stamps_are_those_of_reproject() {
    for name in CASES {
        for scale in [2.5, 1.7] {
            let options = options(&format!("{name}.fits"), &format!("{name}.csv"), &["g"], 11, Some(scale));
            let what = format!("{name}, {scale} arcsec per pixel");
            compare(
                &what,
                &stamps(&options),
                &expected(&format!("{name}_{scale}.npy")),
                ONE_PART_IN_4000,
            );
        }
    }
}

#[test]
fn another_band_is_resampled_to_the_pixels_of_the_first() {
    let options = options("bands_{band}.fits", "bands.csv", &["g", "r"], 11, Some(2.0));
    compare("bands", &stamps(&options), &expected("bands.npy"), ONE_PART_IN_4000);
}

#[test]
fn the_flux_of_a_source_is_conserved() {
    let folder = options("source.fits", "source.csv", &["g"], 23, Some(2.5));
    let sum: f64 = stamps(&folder)[0].pixels.iter().map(|&v| f64::from(v)).sum();
    let adaptive: f64 = expected("source_adaptive.npy").iter().sum();
    assert!((sum / adaptive - 1.0).abs() < 1e-4, "{sum} {adaptive}");
}

#[test]
fn masks_and_weights_mask_pixels_of_the_tile() {
    let own = options("masked.fits", "tan.csv", &["g"], 11, None);
    compare("own pixels", &stamps(&own), &expected("masked_own_11.npy"), 0.0);
    let resampled = options("masked.fits", "tan.csv", &["g"], 11, Some(2.5));
    compare(
        "resampled",
        &stamps(&resampled),
        &expected("masked_2.5.npy"),
        ONE_PART_IN_4000,
    );
}

/// One image in two files: bits in an extension that says so, and weights in a plain image.
#[test]
fn masks_and_weights_may_be_in_files_beside_the_tile() {
    const BLOCK: usize = 2880;
    let folder = Folder::new();
    fs::copy(data().join("tan.fits"), folder.path("a_g.fits")).unwrap();
    // A block of the empty image, six of the flux, six of the mask.
    let all = fs::read(data().join("masked.fits")).unwrap();
    folder.write("a.mask.fits", [&all[..BLOCK], &all[7 * BLOCK..13 * BLOCK]].concat());
    let weight = |at: usize| {
        if at / 62 >= 30 && (20..24).contains(&(at % 62)) {
            0.0
        } else {
            1.0
        }
    };
    let weights: Vec<f32> = (0..54 * 62).map(weight).collect();
    folder.write("a_g.weight.fits", fits(&weights, 62, 2.0, (150.0, -30.0)));
    let beside = |masks: &str, weights: &str| {
        let options = options("{tile}_{band}.fits", "tan.csv", &["g"], 11, None);
        let tiles = options.tiles.clone().map(|tiles| TileOptions {
            masks: Some(masks.into()),
            weights: Some(weights.into()),
            ..tiles
        });
        ImageFolderOptions {
            dir: folder.path(""),
            tiles,
            ..options
        }
    };
    let both = beside("{tile}.mask.fits", "{tile}_{band}.weight.fits");
    compare("beside", &stamps(&both), &expected("masked_own_11.npy"), 0.0);

    let refused = |masks: &str, parts: &[&str]| {
        let error = ImageFolder::open(&beside(masks, "{tile}_{band}.weight.fits")).unwrap_err();
        says(&format!("{:#}", anyhow::Error::from(error)), parts);
    };
    folder.write("small.fits", fits(&[1.0; 12], 4, 2.0, (150.0, -30.0)));
    refused("small.fits", &["small.fits", "4 x 3 pixels", "62 x 54"]);
    refused("{tile}.none.fits", &["the tile a has no file", "a.none.fits"]);
}

#[test]
fn a_compressed_tile_gives_the_same_stamps() {
    let packed = options("packed.fits.fz", "tan.csv", &["g"], 11, None);
    compare("packed", &stamps(&packed), &expected("tan_own_11.npy"), 0.0);
}

#[test]
fn positions_may_be_pixels_and_columns_may_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let with = |table: &str, columns: Option<PositionColumns>| {
        let path = folder.path().join("cat.csv");
        fs::write(&path, table).unwrap();
        let mut options = options("tan.fits", "tan.csv", &["g"], 11, None);
        options.catalogue = Some(path);
        options.tiles.as_mut().unwrap().columns = columns;
        stamps(&options)
    };
    let names = |a: &str, b: &str| [a.to_string(), b.to_string()];
    let wanted = &expected("tan_own_11.npy")[..2 * 121];
    let pixels = with("id,x,y\na,30.2,25.4\nb,20.49,30.51\n", None);
    compare("x, y", &pixels, wanted, 0.0);
    // The tile is centred on ra 150, dec -30.
    assert!((pixels[0].ra.unwrap() - 150.0).abs() < 0.01 && (pixels[0].dec.unwrap() + 30.0).abs() < 0.01);
    let from_1 = with("id,X_IMAGE,Y_IMAGE\na,31.2,26.4\nb,21.49,31.51\n", None);
    compare("SExtractor", &from_1, wanted, 0.0);
    let named = Some(PositionColumns::Pixels(names("col", "row")));
    compare(
        "named",
        &with("id,ra,dec,col,row\na,1,2,30.2,25.4\nb,3,4,20.49,30.51\n", named),
        wanted,
        0.0,
    );
    let (a, b) = (pixels[0].ra.unwrap(), pixels[0].dec.unwrap());
    let sky = Some(PositionColumns::Sky(names("lens_ra", "lens_dec")));
    let one = with(&format!("id,ra,dec,lens_ra,lens_dec\na,1,2,{a},{b}\n"), sky);
    compare("named on the sky", &one, &wanted[..121], 0.0);
}

#[test]
fn a_position_goes_to_the_tile_in_which_it_lies_deepest() {
    // tan.fits around ra 150 and two others elsewhere; a copy of it further east, of which half overlaps.
    let folder = tempfile::tempdir().unwrap();
    let shifted = replaced(
        &data().join("tan.fits"),
        "CRPIX1  =                 31.5",
        "CRPIX1  =                 61.5",
    );
    fs::write(folder.path().join("t2.fits"), shifted).unwrap();
    fs::copy(data().join("tan.fits"), folder.path().join("t1.fits")).unwrap();
    fs::copy(data().join("pole.fits"), folder.path().join("t10.fits")).unwrap();
    let mut tiles = options("t{tile}.fits", "tan.csv", &["g"], 11, None);
    tiles.dir = folder.path().into();
    let open = ImageFolder::open(&tiles).unwrap();
    let files: Vec<String> = (0..4)
        .map(|at| {
            open.files(&open.objects[at])[0]
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .into()
        })
        .collect();
    // t2.fits has its left edge at x = -30 of t1.fits, and its right one at 31.5.
    assert_eq!(files, ["t1.fits", "t1.fits", "t2.fits", "t1.fits"]);
}

/// A file with another text in place of one that must be there.
fn replaced(path: &Path, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from} in {}", path.display()));
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |options: &ImageFolderOptions, parts: &[&str]| {
        let error = ImageFolder::open(options).map(drop).expect_err("refused");
        says(&format!("{:#}", anyhow::Error::from(error)), parts);
    };
    let edited = |from: &str, to: &str| {
        fs::write(
            folder.path().join("tile.fits"),
            replaced(&data().join("tan.fits"), from, to),
        )
        .unwrap();
        ImageFolderOptions {
            dir: folder.path().into(),
            ..options("tile.fits", "tan.csv", &["g"], 11, None)
        }
    };
    refused(
        &edited("RA---TAN", "RA---TNX"),
        &["tile.fits", "the projection TNX is not known", "TPV"],
    );
    refused(&edited("RA---TAN", "RA---AIT"), &["AIT"]);
    refused(&edited("CRVAL1", "XRVAL1"), &["tile.fits", "CRVAL"]);
    refused(&edited("'ICRS    '", "'FK4     '"), &["FK5"]);
    refused(&edited("RADESYS = 'ICRS    '", "CPDIS1  = 'LOOKUP  '"), &["CPDIS1"]);
    refused(
        &options("pole.fits", "tan.csv", &["g"], 11, None),
        &["none of the 4 positions", "tan.csv", "dec 89.99"],
    );
    refused(
        &options("tan.fits", "tan.csv", &["g"], 11, Some(0.1)),
        &["tan.fits", "2.0000 arcsec", "0.1000"],
    );
    refused(
        &options("bands_{band}.fits", "tan.csv", &["g", "z"], 11, None),
        &["has no file", "bands_z.fits"],
    );
    refused(
        &options("no_{band}.fits", "tan.csv", &["g"], 11, None),
        &["no file in", "no_{band}.fits"],
    );
    refused(
        &options("tan.fits", "../catalogues/make.py", &["g"], 11, None),
        &["make.py"],
    );
    let table = folder.path().join("cat.csv");
    fs::write(&table, "id,z\na,1\n").unwrap();
    let other_table = |pattern: &str, bands: &[&str]| ImageFolderOptions {
        catalogue: Some(table.clone()),
        ..options(pattern, "tan.csv", bands, 11, None)
    };
    refused(
        &other_table("tan.fits", &["g"]),
        &["cat.csv has no columns of positions", "id", "z"],
    );
    fs::write(&table, "id,x,y\na,1,2\n").unwrap();
    refused(
        &other_table("bands_{tile}.fits", &["g"]),
        &["positions in pixels", "2 tiles"],
    );
    for (band, tile) in [("g", "tan.fits"), ("r", "wrap.fits")] {
        fs::copy(data().join(tile), folder.path().join(format!("apart_{band}.fits"))).unwrap();
    }
    let apart = ImageFolderOptions {
        dir: folder.path().into(),
        ..options("apart_{band}.fits", "tan.csv", &["g", "r"], 11, None)
    };
    refused(&apart, &["the bands g and r", "do not overlap"]);
}

/// A model of 12 x 12 pixels in two bands without a pixel scale, and tiles with positions; then what `infer` says of them.
#[test]
fn infer_on_tiles_is_infer_on_the_same_stamps_and_no_row_is_lost() {
    let f = Folder::new();
    done(&f.line("train {stack} --network {tiny.toml} --device cpu --members 2 --batch 8 --epochs 2 -o {run}"));
    // Outside all tiles, without a position, at an edge; and repeated positions with other ids.
    let mut positions = fs::read_to_string(data().join("bands.csv")).unwrap();
    positions += "far,10.0,20.0\nunknown,,\n";
    let tile = fs::read_to_string(data().join("bands.csv")).unwrap();
    positions += &tile.lines().nth(1).unwrap().replace("bands-0", "again");
    f.write("cat.csv", &positions);
    let tiles = data().join("bands_{band}.fits").display().to_string();
    let infer_tiles = |tiles: &str, output: &str, more: &[&str]| {
        let (model, cat) = (f.shown("run/model.safetensors"), f.shown("cat.csv"));
        let mut args = vec!["infer", &model, "--tiles", tiles, "--positions", &cat, "--bands", "g,r"];
        args.extend(["--device", "cpu", "-o", output]);
        args.extend(more);
        ran(&mut program(&args))
    };
    let infer = |output: &str, more: &[&str]| infer_tiles(&tiles, &f.shown(output), more);
    let said = infer("out.csv", &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    says(
        &said.stderr,
        &["2 of 5 positions of", "outside all tiles", "far, unknown"],
    );
    let (_, rows) = table(&f.path("out.csv"));
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, ["bands-0", "bands-1", "far", "unknown", "again"]);
    for (row, flagged) in rows.iter().zip([false, false, true, true, false]) {
        let flags: i32 = row["flags"].parse().unwrap();
        assert_eq!(
            (flags & 512 != 0, row["theta_e"].is_empty()),
            (flagged, flagged),
            "{row:?}"
        );
    }
    assert_eq!(
        (rows[0]["ra"].as_str(), rows[2]["ra"].as_str()),
        (tile.lines().nth(1).unwrap().split(',').nth(1).unwrap(), "10.0")
    );

    // The same stamps as a stack.
    let stamps = stamps(&ImageFolderOptions {
        catalogue: Some(f.path("cat.csv")),
        ..options("bands_{band}.fits", "bands.csv", &["g", "r"], 12, None)
    });
    fs::create_dir(f.path("cut")).unwrap();
    let images: Vec<f32> = stamps
        .iter()
        .flat_map(|stamp| {
            stamp
                .pixels
                .iter()
                .zip(&stamp.mask)
                .map(|(&v, &m)| if m { f32::NAN } else { v })
        })
        .collect();
    let labels = vec![1.0; 3];
    write_stack(&f.path("cut"), &Examples { images, labels }, SHAPE);
    done(&f.line("infer {run/model.safetensors} {cut} --device cpu -o {stack.csv}"));
    let (_, of_stack) = table(&f.path("stack.csv"));
    for (one, other) in of_stack.iter().zip([&rows[0], &rows[1], &rows[4]]) {
        assert_eq!((&one["theta_e"], &one["sigma"]), (&other["theta_e"], &other["sigma"]));
    }

    let usage = |args: &[&str], parts: &[&str]| {
        let ran = ran(&mut program(args));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        says(&ran.stderr, parts);
    };
    let (model, output) = (f.shown("run/model.safetensors"), f.shown("x.csv"));
    usage(&["infer", &model, "--tiles", "t.fits", "-o", &output], &["--positions"]);
    usage(&["infer", &model, "-o", &output], &["DIR"]);
    usage(
        &[
            "infer",
            &model,
            "--tiles",
            "t.fits",
            "--positions",
            "a",
            "--sky-columns",
            "ra",
            "-o",
            &output,
        ],
        &["ra,dec"],
    );
    for name in ["bands_g.fits", "bands_r.fits"] {
        fs::copy(data().join(name), f.path(name)).unwrap();
    }
    let tile = f.shown("bands_g.fits");
    let onto = infer_tiles(&f.shown("bands_{band}.fits"), &tile, &[]);
    says(&onto.stderr, &["bands_g.fits", "is read by this command"]);
    assert!(fs::read(&tile).unwrap() == fs::read(data().join("bands_g.fits")).unwrap());
    let missing = infer("x.csv", &["--sky-columns", "RA2,dec"]);
    assert_eq!(missing.code, Some(1));
    says(&missing.stderr, &["cat.csv", "RA2"]);
}

/// A folder with a tiny model of 12 x 12 pixels in two bands, and a table of more positions than a window of rows has; and a
/// command for them.
fn many_positions(rows: usize) -> Folder {
    let f = Folder::new();
    done(&f.line("train {stack} --network {tiny.toml} --device cpu --members 2 --batch 8 --epochs 1 -o {run}"));
    let inside = fs::read_to_string(data().join("bands.csv")).unwrap();
    let places: Vec<[f64; 2]> = inside
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            [cells[1], cells[2]].map(|cell| cell.parse().unwrap())
        })
        .collect();
    // Some are outside all tiles, and some have no position.
    let mut table = String::from("id,ra,dec,z,note\n");
    for row in 0..rows {
        let [ra, dec] = places[row % places.len()];
        let (ra, dec) = match row % 1000 {
            7 => (String::new(), String::new()),
            8 => ("10.0".into(), "20.0".into()),
            _ => (format!("{:?}", ra + row as f64 * 1e-9), format!("{dec:?}")),
        };
        let note = if row == rows - 1 { "7.5" } else { "" };
        table += &format!("a{row},{ra},{dec},{},{note}\n", row % 5);
    }
    f.write("cat.csv", table);
    f
}

/// Runs `infer` on the tile of the recorded bands with this table and more arguments.
fn infer_many(f: &Folder, table: &str, output: &str, more: &[&str]) -> String {
    let tiles = data().join("bands_{band}.fits").display().to_string();
    let (model, table, output) = (f.shown("run/model.safetensors"), f.shown(table), f.shown(output));
    let mut args = vec![
        "infer",
        &model,
        "--tiles",
        &tiles,
        "--positions",
        &table,
        "--bands",
        "g,r",
    ];
    args.extend(["--device", "cpu", "-o", &output]);
    args.extend(more);
    let ran = ran(&mut program(&args));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn tables_that_are_read_in_windows_give_the_rows_of_tables_in_memory() {
    let rows = 8192 + 800;
    let f = many_positions(rows);
    let said = infer_many(&f, "cat.csv", "out.csv", &[]);
    says(
        &said,
        &["18 of 8992 positions of", "for example a7, a8, a1007 and 15 more"],
    );
    let (columns, found) = table(&f.path("out.csv"));
    // Each row is that of the same position in a table that is held in memory.
    let in_memory = ImageFolder::open(&ImageFolderOptions {
        catalogue: Some(f.path("cat.csv")),
        ..options("bands_{band}.fits", "bands.csv", &["g", "r"], 12, None)
    })
    .unwrap();
    assert_eq!((in_memory.len(), found.len()), (rows, rows));
    for (row, object) in found.iter().zip(&in_memory.objects) {
        let flags: i32 = row["flags"].parse().unwrap();
        assert_eq!(
            (row["id"].as_str(), flags & 512 == 0),
            (object.id.as_str(), object.has_image())
        );
    }
    let catalogue = in_memory.catalogue.as_ref().unwrap();
    for name in ["ra", "dec", "z", "note"] {
        let column = catalogue.find(name).unwrap();
        assert!(columns.iter().any(|found| found == name));
        for (at, row) in found.iter().enumerate() {
            // The position that is written is a number.
            let same = match row[name].parse::<f64>() {
                Ok(value) => value == catalogue.number(at, column),
                Err(_) => row[name] == catalogue.text(at, column),
            };
            assert!(same, "{name} of row {at}: {}", row[name]);
        }
    }

    // Shards, conditions, and other formats, across the windows.
    for shard in 1..=3 {
        let (output, shard) = (format!("part{shard}.csv"), format!("{shard}/3"));
        infer_many(&f, "cat.csv", &output, &["--shard", &shard]);
    }
    done(&f.line("merge {part1.csv} {part3.csv} {part2.csv} -o {merged.csv}"));
    let same = |one: &str, other: &str| {
        let read = |name: &str| fs::read_to_string(f.path(name)).unwrap();
        assert!(read(one) == read(other), "{one} and {other} differ");
    };
    same("merged.csv", "out.csv");
    infer_many(&f, "cat.csv", "some.csv", &["--where", "z == 3 and note is null"]);
    let (_, some) = table(&f.path("some.csv"));
    let wanted: Vec<_> = found
        .iter()
        .filter(|row| row["z"] == "3" && row["note"].is_empty())
        .collect();
    assert!(some.len() > 1000 && some.iter().collect::<Vec<_>>() == wanted);
    for format in ["parquet", "fits"] {
        let (converted, output) = (format!("cat.{format}"), format!("from_{format}.csv"));
        convert(&f.path("cat.csv"), &f.path(&converted));
        infer_many(&f, &converted, &output, &[]);
        same(&output, "out.csv");
    }

    // An id that is used twice, more than a window apart.
    let mut twice = fs::read_to_string(f.path("cat.csv")).unwrap();
    twice += "a5,1,2,3,\n";
    f.write("twice.csv", &twice);
    let tiles = data().join("bands_{band}.fits").display().to_string();
    let line =
        f.line("infer {run/model.safetensors} --positions {twice.csv} --bands g,r --device cpu -o {x.csv} --tiles");
    fails(
        1,
        &format!("{line} {tiles}"),
        &["twice.csv line 8994", "the id a5", "line 7"],
    );
}

/// Writes a table in another format.
fn convert(from: &Path, to: &Path) {
    use lensgpu::survey::Catalogue;
    use lensgpu::survey::table::{Cell, TableWriter};
    let catalogue = Catalogue::read(from).unwrap();
    let columns = 0..catalogue.columns.len();
    let described = columns.clone().map(|column| catalogue.described(column)).collect();
    let mut writer = TableWriter::create(to, described).unwrap();
    for row in 0..catalogue.len() {
        let cells: Vec<Cell> = columns.clone().map(|column| catalogue.cell(row, column)).collect();
        writer.push(&cells).unwrap();
    }
    writer.finish().unwrap();
}

/// Rows by their ids.
fn by_id(mut rows: Vec<std::collections::HashMap<String, String>>) -> Vec<std::collections::HashMap<String, String>> {
    rows.sort_by(|a, b| a["id"].cmp(&b["id"]));
    rows
}

#[test]
fn hats_catalogues_are_read_and_written_and_resumed() {
    let f = many_positions(300);
    infer_many(&f, "cat.csv", "out.csv", &[]);
    let (_, expected) = table(&f.path("out.csv"));
    let with_position: Vec<_> = expected.iter().filter(|row| !row["ra"].is_empty()).cloned().collect();
    assert_eq!(with_position.len(), 299);
    let said = infer_many(&f, "cat.csv", "out.hats", &[]);
    says(&said, &["1 rows without a position are left out"]);
    let list = fs::read_to_string(f.path("out.hats/partition_info.csv")).unwrap();
    assert!(list.starts_with("Norder,Npix\n0,"), "{list}");
    assert!(f.path("out.hats.json").is_file() && f.path("out.hats/dataset/_metadata").is_file());

    // Read again, it gives the same partitions and predictions.
    infer_many(&f, "out.hats", "again.hats", &[]);
    assert_eq!(
        fs::read_to_string(f.path("again.hats/partition_info.csv")).unwrap(),
        list
    );
    infer_many(&f, "again.hats", "again.csv", &[]);
    let (columns, again) = table(&f.path("again.csv"));
    assert!(columns.iter().any(|column| column == "_healpix_29"));
    let pixels: Vec<u64> = again.iter().map(|row| row["_healpix_29"].parse().unwrap()).collect();
    assert!(pixels.is_sorted());
    for (one, other) in by_id(again).iter().zip(by_id(with_position)) {
        for column in ["id", "ra", "dec", "theta_e", "sigma", "flags", "z", "note"] {
            assert_eq!(one[column], other[column], "{column} of {}", one["id"]);
        }
    }

    // A catalogue in the way; a folder that is none; an input that would be replaced; rows in the wrong partition.
    let tiles = data().join("bands_{band}.fits").display().to_string();
    let refused = |positions: &str, output: &str, parts: &[&str]| {
        let line = f.line(&format!(
            "infer {{run/model.safetensors}} --positions {{{positions}}} --bands g,r --device cpu -o {{{output}}} --tiles"
        ));
        fails(1, &format!("{line} {tiles}"), parts);
    };
    refused("cat.csv", "out.hats", &["out.hats is not empty"]);
    let shard = f.line("infer {run/model.safetensors} {stack} --shard 1/2 -o {part.hats}");
    fails(2, &shard, &["shards cannot be HATS catalogues", ".parquet"]);
    let shards = ["1/2", "2/2"].map(|shard| {
        let output = format!("part{}.parquet", &shard[..1]);
        infer_many(&f, "cat.csv", &output, &["--shard", shard]);
        f.shown(&output)
    });
    done(&f.line(&format!("merge {} -o {{merged.hats}}", shards.join(" "))));
    assert_eq!(
        fs::read_to_string(f.path("merged.hats/partition_info.csv")).unwrap(),
        list
    );
    refused("out.hats", "out.hats", &["out.hats", "is read by this command"]);
    refused("run", "x.csv", &["run is a folder without hats.properties", "dataset/"]);
    let dataset = f.path("again.hats/dataset");
    fs::rename(dataset.join("Norder=0"), dataset.join("gone")).unwrap();
    refused("again.hats", "x.csv", &["Npix=", "does not exist", "again"]);
    let info = f.path("again.hats/partition_info.csv");
    fs::write(&info, "Norder,Npix\n0,12\n").unwrap();
    refused("again.hats", "x.csv", &["partition_info.csv", "no pixel 12 of order 0"]);
    fs::rename(dataset.join("gone"), dataset.join("Norder=0")).unwrap();
    let file = list.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_string();
    let other = if file == "3" { "4" } else { "3" };
    let at = |number: &str| dataset.join(format!("Norder=0/Dir=0/Npix={number}.parquet"));
    fs::copy(at(&file), at(other)).unwrap();
    fs::write(&info, format!("Norder,Npix\n0,{other}\n")).unwrap();
    refused(
        "again.hats",
        "x.csv",
        &[&format!("row 1 of {}", at(other).display()), "another partition"],
    );

    // Stopped, and resumed.
    let line =
        f.line("infer {run/model.safetensors} --positions {cat.csv} --bands g,r --device cpu --batch 1 -o {late.hats}");
    let line = format!("{line} --tiles {tiles}");
    let mut running = Running::new(&line);
    running.until_longer(&f.path("late.hats.unfinished"), 1);
    running.interrupt();
    let (status, _, stderr) = running.end();
    if !status.success() {
        says(&stderr, &["late.partial.hats"]);
        assert!(!f.path("late.hats").exists() && f.path("late.partial.hats/hats.properties").is_file());
    }
    let _ = fs::remove_dir_all(f.path("late.hats"));
    done(&format!("{line} --resume"));
    assert!(!f.path("late.partial.hats").exists() && !f.path("late.hats.unfinished").exists());
    infer_many(&f, "late.hats", "late.csv", &[]);
    let (_, late) = table(&f.path("late.csv"));
    assert_eq!(late.len(), 299);
}
