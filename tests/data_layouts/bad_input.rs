//! Error messages for unusable folders, files and catalogues.

use super::*;

#[test]
fn unusable_folders_files_and_catalogues_are_named() {
    let empty = tempfile::tempdir().unwrap();
    says(&error(&ImageFolderOptions::new(empty.path())), &["is empty"]);
    says(
        &error(&ImageFolderOptions::new(empty.path().join("nowhere"))),
        &["nowhere"],
    );
    write(&empty, "readme.txt", "x");
    says(
        &error(&ImageFolderOptions::new(empty.path())),
        &["no images in a layout"],
    );
    says(
        &error(&ImageFolderOptions::new(empty.path().join("readme.txt"))),
        &["readme.txt has no rows"],
    );
    write(&empty, "image.npy", "x");
    says(
        &error(&ImageFolderOptions::new(empty.path().join("image.npy"))),
        &["is a file"],
    );

    let (dir, options) = plain();
    write(&dir, "cat.csv", "id,radius\na,1.5\n");
    says(
        &error(&options),
        &["column of the label", "cat.csv", "no column 'theta_e'", "id, radius"],
    );
    write(&dir, "cat.csv", "object,theta_e\na,1.5\n");
    says(&error(&options), &["column of the ids", "cat.csv", "no column 'id'"]);
    for label in ["nan", "", "inf", "-1", "none"] {
        write(&dir, "cat.csv", &format!("id,theta_e\nb,1.0\na,{label}\n"));
        says(
            &error(&options),
            &["cat.csv line 3", "object a", "'theta_e'", &format!("'{label}'")],
        );
    }
    write(&dir, "cat.csv", "id,theta_e\na,1\nb,2\na,3\n");
    says(&error(&options), &["cat.csv line 4", "id a", "line 2"]);
    write(&dir, "cat.csv", "id,theta_e\na,1\nq,2\nr,2\n");
    says(
        &error(&options),
        &["cat.csv line 3", "object q has no image", "1 more", "q_g.fits"],
    );
    write(&dir, "cat.csv", "id,theta_e\na,1\nb,2\n");
    write(&dir, "dog.csv", "id,theta_e\na,1\n");
    says(&error(&options), &["several .csv", "cat.csv, dog.csv"]);
    fs::remove_file(dir.path().join("dog.csv")).unwrap();
    fs::remove_file(dir.path().join("b_r.fits")).unwrap();
    says(&error(&options), &["object b", "b_r.fits is missing"]);
    // In inference it costs one row.
    let folder = ImageFolder::open(&unlabelled(options.clone())).unwrap();
    assert!(folder.len() == 2 && folder.read(0).is_ok());
    says(&message(folder.read(1).unwrap_err()), &["object b", "b_r.fits"]);
    let nothing = ImageFolderOptions {
        images: Some("{id}-{band}.fits".into()),
        ..options.clone()
    };
    says(&error(&nothing), &["cat.csv line 2", "a-g.fits"]);
    says(&error(&unlabelled(nothing)), &["has no images", "ID-g.fits"]);
    says(
        &error(&ImageFolderOptions {
            flux_scale: f64::NAN,
            ..options.clone()
        }),
        &["flux scale is NaN"],
    );
    says(
        &error(&ImageFolderOptions { bands: None, ..options }),
        &["{id}_{band}.fits", "no bands are named"],
    );
}

#[test]
fn images_that_are_too_small_or_truncated_are_errors_when_read() {
    let (dir, mut options) = plain();
    options.crop = Some(11);
    let read =
        |options: &ImageFolderOptions, index| message(ImageFolder::open(options).unwrap().read(index).unwrap_err());
    says(&read(&options, 0), &["object a", "a_g.fits", "12 x 10", "11 x 11"]);
    options.crop = None;
    fs::copy(
        data("lfc1_space/Public/imageEUC_VIS-100003.fits"),
        dir.path().join("b_r.fits"),
    )
    .unwrap();
    says(&read(&options, 1), &["object b", "b_r.fits", "101 x 101", "12 x 10"]);
    let whole = fs::read(data("fits/unnamed.fits")).unwrap();
    fs::write(dir.path().join("a_r.fits"), &whole[..3000]).unwrap();
    says(
        &read(&options, 0),
        &["object a", "a_r.fits: it is cut short: 360 bytes are missing"],
    );
}

#[test]
fn a_nan_label_is_an_error_for_a_lens_and_not_for_a_non_lens() {
    let dir = copy("lfc1_ground");
    let header = "ID,is_lens,Einstein_area,numb_pix_lensed_image\n";
    let options = ImageFolderOptions::new(dir.path());
    write(
        &dir,
        "classifications.csv",
        &format!("{header}100003,1,1e-10,20\n100013,0,nan,0\n100026,1,nan,19\n"),
    );
    let source = ImageFolder::open(&options).unwrap();
    says(
        &source.dropped.to_string(),
        &["1 of 3", "1 not a lens", "1 with fewer than 20 lensed pixels"],
    );
    write(
        &dir,
        "classifications.csv",
        &format!("{header}100003,1,1e-10,20\n100026,1,nan,30\n"),
    );
    says(
        &error(&options),
        &["classifications.csv line 3", "100026", "Einstein_area", "'nan'"],
    );
    write(
        &dir,
        "classifications.csv",
        "ID,is_lens,Einstein_area\n100003,1,1e-10\n",
    );
    says(
        &error(&options),
        &["no column 'numb_pix_lensed_image'", "ID, is_lens, Einstein_area"],
    );
    write(
        &dir,
        "classifications.csv",
        &format!("{header}100003,0,1e-10,20\n5,1,1e-10,20\n"),
    );
    says(&error(&options), &["no row of", "1 not a lens", "1 without an image"]);
}
