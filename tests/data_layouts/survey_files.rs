//! Files as surveys distribute them: bands by name, masks and weights beside them, units.

use super::fits_file::{Hdu, image, map, write_fits};
use super::{bands, message, says, unlabelled};
use lensgpu::survey::{Cutout, Error, ImageFolder, ImageFolderOptions, PixelOptions};
use std::fs;
use tempfile::TempDir;

/// A folder with the file `a.fits`.
fn folder(primary: &[&str], extensions: &[Hdu]) -> (TempDir, ImageFolderOptions) {
    let dir = tempfile::tempdir().unwrap();
    write_fits(&dir.path().join("a.fits"), primary, extensions);
    let options = unlabelled(ImageFolderOptions {
        images: Some("{id}.fits".into()),
        ..ImageFolderOptions::new(dir.path())
    });
    (dir, options)
}

fn open(options: &ImageFolderOptions, names: &str) -> Result<(ImageFolder, Cutout), Error> {
    let folder = ImageFolder::open(&ImageFolderOptions {
        bands: if names.is_empty() { None } else { bands(names) },
        ..options.clone()
    })?;
    let cutout = folder.read(0)?;
    Ok((folder, cutout))
}

/// The first pixel of each band.
fn first(cutout: &Cutout) -> &[f32] {
    &cutout.pixels[..cutout.channels]
}

fn masked(cutout: &Cutout) -> Vec<usize> {
    (0..cutout.mask.len()).filter(|&at| cutout.mask[at]).collect()
}

#[test]
fn planes_of_a_cube_are_found_by_the_names_in_the_header() {
    for cards in [
        &["BANDS='rgi'"][..],
        &["BANDS='r,g,i'"],
        &["BAND0='r'", "BAND1='g'", "BAND2='i'"],
        &["FILTER1='r'", "FILTER2='g'", "FILTER3='i'"],
    ] {
        let (_dir, options) = folder(&[], &[image(cards, 3, 1.0)]);
        let (folder, cutout) = open(&options, "g,r,i").unwrap();
        assert_eq!(first(&cutout), [1001.0, 1.0, 2001.0], "{cards:?}");
        assert!(folder.warnings.is_empty(), "{:?}", folder.warnings);
        assert_eq!(open(&options, "i").unwrap().1.pixels[0], 2001.0, "a part of the bands");
        assert_eq!(open(&options, "").unwrap().0.bands, ["r", "g", "i"]);
        let error = message(open(&options, "g,r,z").unwrap_err());
        says(&error, &["a.fits", "no band z", "r, g, i", "g, r, z"]);
    }
}

#[test]
fn a_cube_without_names_is_taken_in_order_and_says_so() {
    let (_dir, options) = folder(&[], &[image(&[], 3, 1.0)]);
    let (folder, cutout) = open(&options, "g,r,i").unwrap();
    assert_eq!(first(&cutout), [1.0, 1001.0, 2001.0]);
    says(&folder.warnings[0], &["a.fits", "no names", "g, r, i"]);
    assert_eq!(open(&options, "").unwrap().0.bands, ["band1", "band2", "band3"]);
    says(
        &message(open(&options, "g,r").unwrap_err()),
        &["a.fits", "3 bands", "2 are needed: g, r"],
    );
}

#[test]
fn every_file_is_matched_by_its_own_names() {
    let (dir, options) = folder(&[], &[image(&["EXTNAME='g'"], 1, 1.0), image(&["EXTNAME='r'"], 1, 2.0)]);
    let other = [image(&["EXTNAME='R'"], 1, 2.0), image(&["EXTNAME='G'"], 1, 1.0)];
    write_fits(&dir.path().join("b.fits"), &[], &other);
    let folder = ImageFolder::open(&options).unwrap();
    assert_eq!(folder.bands, ["g", "r"]);
    for index in [0, 1] {
        assert_eq!(first(&folder.read(index).unwrap()), [1.0, 2.0]);
    }
}

#[test]
fn bands_are_named_by_filters_and_parts_of_names() {
    let decam = ["FILTER='g DECam SDSS c0001 4720.0 1520.0'"];
    let (_dir, options) = folder(&[], &[image(&decam, 1, 1.0)]);
    assert_eq!(open(&options, "g").unwrap().1.pixels[0], 1.0);
    says(&message(open(&options, "r").unwrap_err()), &["no band r", "g DECam"]);
    let hubble = [image(&["EXTNAME='SCI'"], 1, 1.0)];
    let (_dir, options) = folder(&["FILTER1='CLEAR1L'", "FILTER2='F814W'"], &hubble);
    assert_eq!(open(&options, "").unwrap().0.bands, ["F814W"]);
    let layers = ["LAYER='VIS'", "EXTNAME='FLUX'"];
    let nir = ["LAYER='NIR_Y'", "EXTNAME='FLUX'"];
    let (_dir, options) = folder(&[], &[image(&nir, 1, 1.0), image(&layers, 1, 2.0)]);
    let (folder, cutout) = open(&options, "VIS,NIR_Y").unwrap();
    assert_eq!(
        (first(&cutout), folder.preset.unwrap().name),
        (&[2.0, 1.0][..], "euclid")
    );
}

#[test]
fn a_filter_of_the_whole_file_is_not_that_of_every_named_extension() {
    let ri_g = [
        image(&["EXTNAME='R'"], 1, 2.0),
        image(&["EXTNAME='I'"], 1, 3.0),
        image(&["EXTNAME='G'"], 1, 1.0),
    ];
    let (_dir, options) = folder(&["FILTER='g'"], &ri_g);
    assert_eq!(first(&open(&options, "g,r,i").unwrap().1), [1.0, 2.0, 3.0]);
}

#[test]
fn a_file_named_for_its_object_has_an_unnamed_band() {
    let (dir, options) = folder(&[], &[image(&["EXTNAME='J1001'"], 1, 1.0)]);
    write_fits(&dir.path().join("b.fits"), &[], &[image(&["EXTNAME='J1002'"], 1, 2.0)]);
    let folder = ImageFolder::open(&options).unwrap();
    assert_eq!(folder.bands, ["band1"]);
    assert_eq!(folder.read(1).unwrap().pixels[0], 2.0);
}

#[test]
fn chips_with_one_name_are_told_apart_by_their_version() {
    let chips = [
        image(&["EXTNAME='SCI'", "EXTVER=1"], 1, 1.0),
        image(&["EXTNAME='SCI'", "EXTVER=2"], 1, 2.0),
    ];
    let (_dir, options) = folder(&[], &chips);
    says(
        &message(open(&options, "band1").unwrap_err()),
        &["SCI#1, SCI#2", "1 is needed"],
    );
    assert_eq!(open(&options, "band1=SCI#2").unwrap().1.pixels[0], 2.0);
}

#[test]
fn the_file_of_a_band_that_says_it_is_another_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    for (name, filter) in [("a_g", "FILTER='r'"), ("a_r", "FILTER='g'")] {
        write_fits(
            &dir.path().join(format!("{name}.fits")),
            &[],
            &[image(&[filter], 1, 1.0)],
        );
    }
    let options = unlabelled(ImageFolderOptions {
        images: Some("{id}_{band}.fits".into()),
        ..ImageFolderOptions::new(dir.path())
    });
    let (folder, _) = open(&options, "g,r").unwrap();
    says(&folder.warnings[0], &["a_g.fits", "taken as the band g", "it is r"]);
}

#[test]
fn usual_names_of_files_with_one_band_need_no_pattern() {
    for (text, ending) in [
        ("{id}_{band}", ".fits"),
        ("{id}-{band}", ".fits.fz"),
        ("{band}_{id}", ".fits.gz"),
        ("{band}-{id}", ".fit"),
        ("{band}/{id}", ".fits"),
        ("{band}/{id}_{band}", ".fits"),
        ("{band}/{band}_{id}", ".fits"),
        ("{band}/{band}-{id}", ".fits"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let pattern = format!("{text}{ending}");
        let write = |id: &str, band: &str, value: f32| {
            let file = dir.path().join(pattern.replace("{id}", id).replace("{band}", band));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            write_fits(&file, &[], &[image(&[], 1, value)]);
        };
        // The name of an object may look like that of a band.
        for id in ["a", "b_2-r"] {
            write(id, "g", 1.0);
            write(id, "r", 2.0);
        }
        let options = unlabelled(ImageFolderOptions::new(dir.path()));
        let (folder, cutout) = open(&options, "r,g").unwrap();
        let ids: Vec<&str> = folder.objects.iter().map(|object| object.id.as_str()).collect();
        assert_eq!(
            (ids, &cutout.pixels[..2]),
            (vec!["a", "b_2-r"], &[2.0, 1.0][..]),
            "{pattern}"
        );
        says(&folder.notes.join("\n"), &[&pattern]);
        // Without bands, and with names that can be read in two ways, the user has to say it.
        says(
            &message(ImageFolder::open(&options).unwrap_err()),
            &["no images in a layout"],
        );
        let other = match text {
            "{id}_{band}" => dir.path().join("a-g.fits"),
            _ => dir.path().join("a_g.fits"),
        };
        let second = other.to_str().unwrap().replace("g.fits", "r.fits");
        fs::copy(
            dir.path().join(pattern.replace("{id}", "a").replace("{band}", "g")),
            &other,
        )
        .unwrap();
        assert!(
            open(&options, "r,g").is_ok(),
            "{pattern}: no object has all bands by that name"
        );
        fs::copy(&other, second).unwrap();
        says(&message(open(&options, "r,g").unwrap_err()), &["no images in a layout"]);
    }
}

#[test]
fn auxiliary_images_are_no_bands_and_mask_pixels() {
    let nan = f32::NAN;
    // Name, usual value, other values and their places, places that are masked.
    type Auxiliary<'a> = (&'a [&'a str], &'a str, f32, &'a [(usize, f32)], &'a [usize]);
    let files: [Auxiliary; 7] = [
        (&["EXTNAME='WHT'"], "WHT", 1.0, &[(3, 0.0), (5, -1.0)], &[3, 5]),
        (&["EXTNAME='INVVAR'"], "INVVAR", 2.0, &[(0, 0.0), (1, nan)], &[0, 1]),
        (
            &["EXTNAME='RMS'"],
            "RMS",
            1.0,
            &[(2, 1e16), (4, 0.0), (6, nan)],
            &[2, 6],
        ),
        (&["EXTNAME='VARIANCE'"], "VARIANCE", 1.0, &[(7, f32::INFINITY)], &[7]),
        (&["EXTNAME='MASK'"], "MASK", 0.0, &[(8, 1.0), (9, 32.0)], &[8, 9]),
        (&["EXTNAME='SCI_PSF'"], "SCI_PSF", 0.0, &[], &[]),
        (&["EXTNAME='CTX'"], "CTX", 0.0, &[], &[]),
    ];
    for (cards, name, usual, others, expected) in files {
        let (_dir, options) = folder(&[], &[image(&["EXTNAME='SCI'"], 1, 1.0), map(cards, usual, others)]);
        let (folder, cutout) = open(&options, "").unwrap();
        assert_eq!((cutout.channels, &masked(&cutout)[..]), (1, expected), "{name}");
        says(&folder.warnings[0], &[name, "no bands", "a.fits", "SCI"]);
    }
    let kind = ["IMAGETYP='invvar'"];
    let (_dir, options) = folder(&[], &[image(&["BANDS='gr'"], 2, 1.0), image(&kind, 2, 0.0)]);
    assert_eq!(
        masked(&open(&options, "r,g").unwrap().1),
        [1],
        "plane by plane: only g has a weight of 0"
    );
    let (_dir, options) = folder(&[], &[map(&["EXTNAME='WHT'"], 1.0, &[])]);
    says(
        &message(open(&options, "").unwrap_err()),
        &["a.fits", "no image of flux", "WHT"],
    );
}

#[test]
fn an_auxiliary_image_of_many_axes_does_no_harm() {
    let groups = Hdu {
        cards: &["EXTNAME='GROUPS'"],
        axes: &[2, 2, 2, 2],
        pixels: vec![0.0; 16],
    };
    let (_dir, options) = folder(&[], &[groups, image(&["EXTNAME='SCI'"], 1, 1.0)]);
    assert_eq!(first(&open(&options, "").unwrap().1), [1.0]);
}

#[test]
fn each_band_has_the_mask_of_its_name_or_version() {
    let bgsub = |cards, first| image(cards, 1, first);
    let (_dir, options) = folder(
        &[],
        &[
            bgsub(&["EXTNAME='VIS_BGSUB'"], 1.0),
            map(&["EXTNAME='VIS_RMS'"], 1.0, &[(0, 1e16)]),
            bgsub(&["EXTNAME='NIR_Y_BGSUB'"], 2.0),
            map(&["EXTNAME='NIR_Y_RMS'"], 1.0, &[(1, 1e16)]),
            Hdu {
                cards: &["EXTNAME='NIR_Y_PSF'"],
                axes: &[3, 3],
                pixels: vec![0.1; 9],
            },
        ],
    );
    let (folder, cutout) = open(&options, "NIR_Y,VIS").unwrap();
    assert_eq!((folder.preset.unwrap().name, masked(&cutout)), ("euclid", vec![1, 2]));
    assert_eq!(open(&options, "").unwrap().0.bands, ["VIS", "NIR_Y"]);

    let (_dir, options) = folder_of_chips();
    assert_eq!(masked(&open(&options, "band1=SCI#2").unwrap().1), [5]);

    let small = Hdu {
        cards: &["EXTNAME='MASK'"],
        axes: &[2, 2],
        pixels: vec![0.0; 4],
    };
    let (_dir, options) = self::folder(&[], &[image(&[], 1, 1.0), small]);
    says(
        &message(open(&options, "").unwrap_err()),
        &["mask MASK has 2 x 2", "4 x 4"],
    );
}

fn folder_of_chips() -> (TempDir, ImageFolderOptions) {
    let chip = |sci, dq, first, at| [image(sci, 1, first), map(dq, 0.0, &[(at, 4.0)])];
    let one = chip(&["EXTNAME='SCI'", "EXTVER=1"], &["EXTNAME='DQ'", "EXTVER=1"], 1.0, 3);
    let two = chip(&["EXTNAME='SCI'", "EXTVER=2"], &["EXTNAME='DQ'", "EXTVER=2"], 2.0, 5);
    folder(&["TELESCOP='HST'"], &one.into_iter().chain(two).collect::<Vec<_>>())
}

#[test]
fn bits_of_masks_are_those_of_the_survey_or_the_user() {
    // DETECTED (bit 5) covers every source; it must not mask the lens.
    let planes = |cards| {
        let mask = map(cards, 32.0, &[(0, 2.0), (1, 256.0), (2, 4.0)]);
        folder(
            &[],
            &[
                image(&["EXTNAME='IMAGE'"], 1, 1.0),
                mask,
                map(&["EXTNAME='VARIANCE'"], 1.0, &[]),
            ],
        )
    };
    let (_dir, options) = planes(&["EXTNAME='MASK'"]);
    let (folder, cutout) = open(&options, "").unwrap();
    assert_eq!((folder.preset.unwrap().name, masked(&cutout)), ("hsc", vec![0, 1]));
    let renumbered = ["EXTNAME='MASK'", "MP_BAD=2", "MP_SAT=9", "MP_DETECTED=5"];
    let (_dir, options) = planes(&renumbered);
    assert_eq!(masked(&open(&options, "").unwrap().1), [2]);
    let chosen = ImageFolderOptions {
        pixels: PixelOptions {
            mask_bits: Some(32),
            ..PixelOptions::default()
        },
        ..options
    };
    assert_eq!(masked(&open(&chosen, "").unwrap().1).len(), 13);
}

#[test]
fn values_that_mean_no_value_depend_on_the_survey() {
    let zeros = || {
        map(
            &["BANDS='g'", "BAND0='g'"],
            100.0,
            &[(0, 0.0), (1, 0.0), (4, 0.0), (5, 0.0), (10, 0.0)],
        )
    };
    let (_dir, options) = folder(&[], &[zeros()]);
    let (folder, cutout) = open(&options, "g").unwrap();
    assert_eq!(
        (folder.preset.unwrap().name, masked(&cutout)),
        ("legacy", vec![0, 1, 4, 5])
    );
    let kept = ImageFolderOptions {
        pixels: PixelOptions {
            zero_is_missing: Some(false),
            mask_value: Some(100.0),
            ..PixelOptions::default()
        },
        ..options
    };
    assert_eq!(masked(&open(&kept, "g").unwrap().1).len(), 11, "those of 100");
}

#[test]
fn asinh_stacks_become_flux_or_are_refused() {
    let cards = ["BOFFSET=0.1", "BSOFTEN=0.5"];
    let (_dir, options) = folder(&[], &[map(&cards, 1.0857362, &[])]);
    let (folder, cutout) = open(&options, "").unwrap();
    let expected = 0.1 + 0.5 * (1f64.exp() - (-1f64).exp());
    assert!((f64::from(cutout.pixels[0]) - expected).abs() < 1e-6 && folder.preset.unwrap().name == "ps1");
    for (cards, missing) in [(["BOFFSET=0.1"], "BSOFTEN"), (["BSOFTEN=0.1"], "BOFFSET")] {
        let (_dir, options) = self::folder(&[], &[map(&cards, 1.0, &[])]);
        says(
            &message(open(&options, "").unwrap_err()),
            &["a.fits", "asinh", &format!("no {missing}")],
        );
    }
}

#[test]
fn zero_points_of_surveys_bring_fluxes_to_one_unit() {
    let in_njy = |primary: &[&str], cards: &[&str]| {
        let (_dir, options) = folder(primary, &[map(cards, 2.0, &[])]);
        let options = ImageFolderOptions {
            pixels: PixelOptions {
                flux_unit: Some("nJy".parse().unwrap()),
                ..PixelOptions::default()
            },
            ..options
        };
        open(&options, "").map(|(_, cutout)| f64::from(cutout.pixels[0]))
    };
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    let of = |zero_point: f64| 2.0 * 10f64.powf(0.4 * (31.4 - zero_point));
    close(in_njy(&[], &["MAGZERO=24.6", "LAYER='VIS'"]).unwrap(), of(24.6));
    close(in_njy(&["FLUXMAG0=63095734448.0194"], &[]).unwrap(), of(27.0));
    close(in_njy(&[], &["BUNIT='nanomaggy'"]).unwrap(), of(22.5));
    close(in_njy(&[], &["BANDS='g'", "BAND0='g'"]).unwrap(), of(22.5));
    let acs = -2.5 * 7.0834177e-20f64.log10() - 5.0 * 8.0448877e3f64.log10() - 2.408;
    assert!((acs - 25.94).abs() < 0.01, "the handbook gives 25.94 for F814W");
    let hubble = [
        "PHOTFLAM=7.0834177E-20",
        "PHOTPLAM=8.0448877E+03",
        "BUNIT='ELECTRONS/S'",
    ];
    close(in_njy(&[], &hubble).unwrap(), of(acs));
    let counts = [
        "PHOTFLAM=7.0834177E-20",
        "PHOTPLAM=8.0448877E+03",
        "BUNIT='ELECTRONS'",
        "EXPTIME=100.0",
    ];
    close(in_njy(&[], &counts).unwrap(), of(acs) / 100.0);
    close(
        in_njy(&["TELESCOP='JWST'"], &["BUNIT='MJy/sr'", "PIXAR_SR=2E-14"]).unwrap(),
        2.0 * 2e-14 * 1e15,
    );
    says(&message(in_njy(&[], &[]).unwrap_err()), &["a.fits", "no zero point"]);
}

#[test]
fn a_known_survey_needs_no_pattern() {
    let dir = tempfile::tempdir().unwrap();
    let cards = ["BANDS='gr'", "BAND0='g'", "BAND1='r'", "SURVEY='LegacySurvey'"];
    for name in ["a.fits", "b.fits"] {
        write_fits(&dir.path().join(name), &[], &[image(&cards, 2, 1.0)]);
    }
    let folder = ImageFolder::open(&unlabelled(ImageFolderOptions::new(dir.path()))).unwrap();
    assert_eq!(
        (folder.len(), &folder.bands[..]),
        (2, &["g".to_owned(), "r".to_owned()][..])
    );
    says(&folder.notes[0], &["legacy"]);
}

#[test]
fn positions_of_another_frame_are_converted_or_missing_with_a_warning() {
    let header = |frame: &'static str| {
        let wcs = [
            "CTYPE1='RA---TAN'",
            "CTYPE2='DEC--TAN'",
            "CRPIX1=2.5",
            "CRPIX2=2.5",
            "CRVAL1=150.0",
            "CRVAL2=2.0",
        ];
        let scale = ["CDELT1=-5E-5", "CDELT2=5E-5"];
        wcs.into_iter().chain(scale).chain([frame]).collect::<Vec<_>>()
    };
    let (_dir, options) = folder(&[], &[image(&header("RADESYS='ICRS'"), 1, 1.0)]);
    let (opened, cutout) = open(&options, "").unwrap();
    assert!((cutout.ra.unwrap() - 150.0).abs() < 1e-9 && opened.warnings.is_empty());
    let (_dir, options) = folder(&[], &[image(&header("RADESYS='FK4'"), 1, 1.0)]);
    let (opened, cutout) = open(&options, "").unwrap();
    assert!(cutout.ra.is_none() && cutout.pixel_scale.is_some());
    says(&opened.warnings[0], &["FK4", "not converted"]);
}

#[test]
fn pictures_have_three_bands_and_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    // The lowest row of a picture is the first of an image.
    let levels = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
    let file = std::fs::File::create(dir.path().join("a.png")).unwrap();
    let mut encoder = png::Encoder::new(file, 2, 2);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(levels.as_flattened()).unwrap();
    writer.finish().unwrap();
    let options = unlabelled(ImageFolderOptions {
        images: Some("{id}.png".into()),
        ..ImageFolderOptions::new(dir.path())
    });
    let (folder, cutout) = open(&options, "").unwrap();
    assert_eq!((folder.bands.join(","), folder.pixel_scale), ("R,G,B".into(), None));
    assert_eq!(first(&cutout), [7.0, 8.0, 9.0]);
    says(&folder.warnings[0], &["pictures", "stretched for display"]);
    assert_eq!(first(&open(&options, "i=R,r=G,g=B").unwrap().1), [7.0, 8.0, 9.0]);
    assert_eq!(first(&open(&options, "B,R").unwrap().1), [9.0, 7.0]);
    says(
        &message(open(&options, "g,r,i").unwrap_err()),
        &["a.png", "no band i", "R, G, B"],
    );
}
