//! Advice on images and catalogues that cannot be used.

use super::{catalogue, files};
use crate::survey::{
    BandsError, ColumnRole, Error, FitsError, FolderError, NpyError, SelectionError, SplitError, TableError,
    TabularError, TilesError,
};

/// What to do about the images or the catalogue.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Files(error) => return files::advice(error),
        Error::Folder(error) => return folder(error),
        Error::Selection(error) => return selection(error),
        Error::Catalogue(error) => return catalogue::advice(error).map(str::to_string),
        Error::Fits { source, .. } => return fits(source),
        Error::Bands { source, .. } => return bands(source),
        Error::Npy { source, .. } => return npy(source),
        Error::Object { source, .. } => return advice(source),
        Error::TooSmall { .. } => "Give a smaller --crop when training.",
        Error::SizeDiffers { .. } => "Use the central N x N pixels of each image with --crop N.",
        Error::Split(SplitError::TooFewRows { hold_out: 1.., .. }) => "Lower --hold-out.",
        Error::Panicked { .. } => "Download or copy the file again; other programs may be able to read it.",
        Error::Table(error) => return table(error),
        Error::Tiles(error) => return tiles(error).map(str::to_string),
        Error::Tabular(error) => return tabular(error).map(str::to_string),
        Error::Picture { .. }
        | Error::UnusableRow { .. }
        | Error::Split(_)
        | Error::Stretch(_)
        | Error::ListFolder { .. }
        | Error::Psf { .. }
        | Error::NoImage
        | Error::ReaderThread => return None,
    };
    Some(advice.into())
}

fn folder(error: &FolderError) -> Option<String> {
    let advice = match error {
        FolderError::FluxScale { .. } => "Give --flux-scale a positive number.",
        FolderError::PixelScale { .. } => "Give --pixel-scale a positive number, in arcsec.",
        FolderError::ZeroCrop => "Give --crop at least 1.",
        FolderError::NotAFolder { .. } => "Give the folder that contains it.",
        FolderError::PresetAndPattern { .. } => "Give either --images or --preset.",
        FolderError::SeveralPresets { .. } => "Choose one with --preset.",
        FolderError::SeveralFiles { extension: "csv", .. } => "Name one with --catalogue.",
        FolderError::SeveralFiles { .. } => "Keep one of them in the folder.",
        FolderError::Empty { .. } | FolderError::NotRecognised { .. } => {
            "Needed are the files of the Lens Finding Challenge (Public/Band1/imageSDSS_R-ID.fits or \
             Public/imageEUC_VIS-ID.fits), images.npy, or a pattern of the file names, for instance \
             --images '{id}_{band}.fits' --bands g,r,i."
        }
        FolderError::PatternNeedsBands { .. } => "Name the bands, for instance with --bands g,r,i.",
        FolderError::BandIsPath { .. } => "Give names without slashes with --bands.",
        FolderError::BandCount { .. } => "Name as many bands with --bands as the images have.",
        FolderError::UnknownBand { .. } => "Name the bands with --bands.",
        FolderError::NoMatch { .. } => "Give the pattern of the file names with --images.",
        FolderError::PatternWithoutId { .. } | FolderError::PatternRepeatsId { .. } => {
            "Correct the pattern given with --images."
        }
        FolderError::UnknownPreset { .. } => "Choose one of them with --preset.",
        FolderError::Bands(error) => return bands(error),
        FolderError::Open { .. } => return None,
    };
    Some(advice.into())
}

fn bands(error: &BandsError) -> Option<String> {
    let advice = match error {
        BandsError::EmptyName { .. } => "Write for instance --bands g,r,i or --bands g=HSC-G,r=HSC-R.",
        BandsError::TwoChannels { .. } => "Name each band once with --bands.",
        BandsError::NotTheModels { .. } | BandsError::Missing { .. } => {
            "Say which band of the files stands for which band of the model with --bands MODEL=FILE,..., for instance \
             --bands g=HSC-G,r=HSC-R."
        }
        BandsError::NoFlux { .. } | BandsError::Ambiguous { .. } | BandsError::Count { .. } => {
            "Choose the images that are the bands by their names with --bands, for instance --bands SCI#1."
        }
        BandsError::UnknownUnit { .. } => "Give --flux-unit one of them.",
        BandsError::NoZeroPoint => "Leave out --flux-unit, and scale the fluxes with --flux-scale.",
        BandsError::MaskSize { .. } | BandsError::NoMask | BandsError::AsinhScale { .. } => return None,
    };
    Some(advice.into())
}

fn selection(error: &SelectionError) -> Option<String> {
    let advice = match error {
        SelectionError::NoCatalogue { .. } => "Name the catalogue with --catalogue.",
        SelectionError::Column { role, .. } => match role {
            ColumnRole::Id => "Name the column of the ids with --id-column.",
            ColumnRole::Label => "Name the column of the label with --label.",
            ColumnRole::Criterion => "Name a catalogue that has this column with --catalogue.",
        },
        SelectionError::NoImages { .. } => "Give the pattern of the file names with --images.",
        SelectionError::Ids(error) => return catalogue::advice(error).map(str::to_string),
        SelectionError::Filter(_) | SelectionError::NothingSelected { .. } => {
            "Correct the condition given with --where, for instance --where 'is_lens == 1 and snr > 10'."
        }
        SelectionError::NothingMatches { .. } => {
            "Name the column that has the ids of the file names with --id-column, or correct the pattern of the file \
             names given with --images."
        }
        SelectionError::BadLabel { column, .. } => {
            return Some(format!(
                "To leave out rows without a label, give --where '{column} > 0'."
            ));
        }
        SelectionError::BadValue { column, .. } => {
            return Some(format!(
                "To leave out rows without a label, give --where '{column} is not null', or --missing drop."
            ));
        }
        SelectionError::NoImage { .. }
        | SelectionError::MissingBand { .. }
        | SelectionError::NothingUsable { .. }
        | SelectionError::StackLength { .. } => return None,
    };
    Some(advice.into())
}

fn tabular(error: &TabularError) -> Option<&'static str> {
    Some(match error {
        TabularError::OnlyForImages { .. } => "Leave the option out.",
        TabularError::NoLabel { .. } => "Name it with --label.",
        TabularError::LabelIsFeature { .. }
        | TabularError::NoFeatures { .. }
        | TabularError::NotANumber { .. }
        | TabularError::Constant { .. } => "Name the columns to use with --features.",
        TabularError::NoValue { .. } => "Choose what is done with such rows with --missing mean or --missing drop.",
        TabularError::FewRows { .. } => "Use fewer columns with --features, or add rows.",
        TabularError::Infinite { .. } => return None,
    })
}

fn tiles(error: &TilesError) -> Option<&'static str> {
    Some(match error {
        TilesError::NoTile { .. } | TilesError::MissingBand { .. } => {
            "Correct the pattern given with --tiles, or name the bands of the files with --bands."
        }
        TilesError::Scale { .. } => "Give the stamps another scale with --pixel-scale.",
        TilesError::NoTable => "Name it with --positions.",
        TilesError::NoPositions { .. } => "Name them with --sky-columns RA,DEC or --pixel-columns X,Y.",
        TilesError::PixelsOfWhichTile { .. } => {
            "Give one tile, or positions on the sky, whose columns --sky-columns RA,DEC names."
        }
        TilesError::NothingInside { .. } => {
            "See whether these are the tiles of the table; --sky-columns RA,DEC names other columns."
        }
        TilesError::Apart { .. } | TilesError::NoPlace { .. } => return None,
    })
}

fn table(error: &TableError) -> Option<String> {
    let advice = match error {
        TableError::SidecarTaken { .. } => "Move that file, choose another output, or give --no-sidecar.",
        TableError::TooManyColumns { .. } => "Choose an output that ends in .csv, .vot or .parquet.",
        TableError::NoPosition { .. } => "Choose an output that ends in .parquet or .csv.",
        TableError::Extension { .. } | TableError::RowLength { .. } | TableError::CellType { .. } => return None,
    };
    Some(advice.into())
}

fn fits(error: &FitsError) -> Option<String> {
    let advice = match error {
        FitsError::Gzip(_)
        | FitsError::Empty
        | FitsError::CutInHeader { .. }
        | FitsError::CutInData { .. }
        | FitsError::NoEnd { .. }
        | FitsError::MissingKeyword { .. }
        | FitsError::Tiles(_)
        | FitsError::Bomb { .. }
        | FitsError::Decoder { .. }
        | FitsError::DamagedHeader { .. } => "Download or copy the file again.",
        FitsError::Io(_)
        | FitsError::Format(_)
        | FitsError::NotFits
        | FitsError::NotANumber { .. }
        | FitsError::ZeroScale
        | FitsError::Compression { .. }
        | FitsError::ImageSize { .. }
        | FitsError::Axes { .. }
        | FitsError::PixelCount { .. }
        | FitsError::NoSky { .. }
        | FitsError::NoImage => return None,
    };
    Some(advice.into())
}

fn npy(error: &NpyError) -> Option<String> {
    match error {
        NpyError::CutShort { .. } => Some("Copy the file again.".into()),
        NpyError::Io(_)
        | NpyError::Header(_)
        | NpyError::Shape { .. }
        | NpyError::ChannelsFirst { .. }
        | NpyError::Archive(_)
        | NpyError::Arrays { .. }
        | NpyError::Objects
        | NpyError::FortranOrder
        | NpyError::Records
        | NpyError::NumberType { .. }
        | NpyError::Image { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{ImageFolder, ImageFolderOptions};
    use std::fs;

    fn advice_on(options: &ImageFolderOptions) -> String {
        advice(&ImageFolder::open(options).unwrap_err()).unwrap_or_default()
    }

    #[test]
    fn folders_and_options_that_do_not_fit_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = ImageFolderOptions::new(dir.path());
        assert!(advice_on(&options).contains("--images"));
        options.images = Some("{id}_{band}.fits".into());
        assert!(advice_on(&options).contains("--bands"));
        options.bands = Some(vec!["g".into()]);
        assert!(advice_on(&options).contains("--catalogue"));
        options.flux_scale = f64::NAN;
        assert!(advice_on(&options).contains("--flux-scale"));
    }

    #[test]
    fn columns_that_the_catalogue_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = ImageFolderOptions::new(dir.path());
        options.images = Some("{id}_{band}.fits".into());
        options.bands = Some(vec!["g".into()]);
        for (header, flag) in [("id,radius", "--label"), ("name,theta_e", "--id-column")] {
            fs::write(dir.path().join("cat.csv"), format!("{header}\na,1\n")).unwrap();
            assert!(advice_on(&options).contains(flag), "{header}");
        }
        fs::write(dir.path().join("dog.csv"), "").unwrap();
        assert!(advice_on(&options).contains("--catalogue"));
    }

    #[test]
    fn advice_on_an_object_is_that_on_its_image() {
        let image = Error::SizeDiffers {
            path: "a.fits".into(),
            found: [3, 3],
            expected: [4, 4],
        };
        let object = Error::Object {
            id: "a".into(),
            source: Box::new(image),
        };
        assert!(advice(&object).unwrap().contains("--crop N"));
    }
}
