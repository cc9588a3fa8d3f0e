//! Advice on catalogues that cannot be read.

use crate::survey::{CatalogueError, FitsTableError, HatsError, VoTableError};

/// What to do about a catalogue.
pub fn advice(error: &CatalogueError) -> Option<&'static str> {
    match error {
        CatalogueError::Fits { source, .. } => fits(source),
        CatalogueError::VoTable { source, .. } => votable(source),
        CatalogueError::Hats(error) => hats(error),
        CatalogueError::OtherColumns { .. } => Some("All files of a HATS catalogue must have the same columns."),
        CatalogueError::Gzip { .. } | CatalogueError::Parquet { .. } | CatalogueError::Damaged { .. } => {
            Some("Download or copy the file again.")
        }
        CatalogueError::Format { .. } => Some("Save it as CSV or FITS, for instance with TOPCAT or astropy."),
        CatalogueError::NotThisFormat { .. } => Some("Download the file again, or correct its extension."),
        CatalogueError::NoExtensions { .. } => Some("Give the name of the file alone with --catalogue."),
        CatalogueError::RowLength { .. } => {
            Some("Correct the line; a text that contains the separator must be in double quotes.")
        }
        CatalogueError::NoHeader { .. } => Some("Add a first line with the names of the columns, such as id,theta_e."),
        CatalogueError::AmbiguousColumn { .. } => Some("Rename all but one of them."),
        CatalogueError::UnusableColumn { .. } => Some("Name another column, or save the catalogue as CSV."),
        CatalogueError::EmptyId { .. } | CatalogueError::RepeatedId { .. } => {
            Some("Correct the ids, or name another column with --id-column.")
        }
        CatalogueError::NoRows { .. } => Some("Give a catalogue with a row per object."),
        // Only the caller knows what the column was for.
        CatalogueError::NoColumn { .. } | CatalogueError::Open { .. } | CatalogueError::Csv { .. } => None,
    }
}

fn fits(error: &FitsTableError) -> Option<&'static str> {
    match error {
        FitsTableError::Read(_) => None,
        FitsTableError::CutInHeader
        | FitsTableError::CutInData { .. }
        | FitsTableError::Header(_)
        | FitsTableError::DamagedKeyword { .. }
        | FitsTableError::TooLarge => Some("Download or copy the file again."),
        FitsTableError::NoTable => Some("Name the catalogue, not an image, with --catalogue."),
        FitsTableError::Compressed { .. } => Some("Unpack it with funpack."),
        FitsTableError::NoExtension { .. } => Some("Name one of them, as in --catalogue 'file.fits[NAME]'."),
    }
}

fn hats(error: &HatsError) -> Option<&'static str> {
    match error {
        HatsError::NotHats { .. } => {
            Some("Name a table, or the folder of a HATS catalogue, the one with hats.properties and dataset/.")
        }
        HatsError::Kind { .. } => Some("Name the catalogue of the objects."),
        HatsError::Missing { .. } | HatsError::NoPartition { .. } | HatsError::Partitions { .. } => {
            Some("Download or copy the catalogue again.")
        }
        HatsError::Elsewhere { .. } => Some("Make the catalogue again, for instance with hats-import or LSDB."),
        HatsError::Read { .. } => None,
    }
}

fn votable(error: &VoTableError) -> Option<&'static str> {
    match error {
        VoTableError::Xml(_)
        | VoTableError::Base64(_)
        | VoTableError::Gzip(_)
        | VoTableError::CutInRow { .. }
        | VoTableError::RowLength { .. } => Some("Download or copy the file again."),
        VoTableError::Data { .. } | VoTableError::DataType { .. } => {
            Some("Save it as CSV or FITS, for instance with TOPCAT or astropy.")
        }
        VoTableError::NoExtension { .. } => Some("Name one of them, as in --catalogue 'file.vot[NAME]'."),
        VoTableError::NoTable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Catalogue, Error};
    use std::fs;

    #[test]
    fn advice_on_files_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let html = b"<html>Not found</html>";
        let headless = b"1,2\n3,4\n";
        let cut = b"SIMPLE  =                    T";
        let cases: [(&str, &[u8], &str); 5] = [
            ("a.fits", b"id,z\n1,2\n", "extension"),
            ("b.csv", html, "CSV or FITS"),
            ("c.csv", headless, "first line"),
            ("d.fits", cut, "copy the file again"),
            ("e.csv", b"id,z\n1,2,3\n", "double quotes"),
        ];
        for (name, content, expected) in cases {
            fs::write(dir.path().join(name), content).unwrap();
            let Err(Error::Catalogue(error)) = Catalogue::read(&dir.path().join(name)) else {
                panic!("{name}")
            };
            assert!(advice(&error).unwrap().contains(expected), "{name}: {error}");
        }
    }
}
