//! Finds the plane of each band in a file.

use super::choice::BandChoice;
use super::error::BandsError;
use super::names::PlaneNames;
use super::role::{Role, role, words};
use crate::survey::fits::ImageHdu;

/// A plane of flux in a file.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::survey) struct FluxPlane {
    /// The place of its image among the images of the file.
    pub image: usize,
    /// Its place in the image.
    pub plane: usize,
    pub(super) names: PlaneNames,
}

/// The planes of flux, and the names of the images that are not flux.
pub(super) fn flux_planes(images: &[ImageHdu]) -> Result<(Vec<FluxPlane>, Vec<String>), BandsError> {
    let is_flux = |image: &ImageHdu| role(image).0 == Role::Flux;
    let count = images.iter().filter(|image| is_flux(image)).count();
    let (mut planes, mut others) = (Vec::new(), Vec::new());
    for (at, image) in images.iter().enumerate() {
        if !is_flux(image) {
            others.push(image.name.clone().unwrap_or_else(|| format!("image {}", at + 1)));
            continue;
        }
        let names = match image.planes {
            1 => vec![PlaneNames::of_image(image, count == 1)],
            _ => PlaneNames::of_cube(image),
        };
        planes.extend(names.into_iter().enumerate().map(|(plane, names)| FluxPlane {
            image: at,
            plane,
            names,
        }));
    }
    number_repeated(&mut planes, images);
    match planes.is_empty() {
        true => Err(BandsError::NoFlux { found: others }),
        false => Ok((planes, others)),
    }
}

/// Extensions with the same name, as the chips of a camera, are told apart by their EXTVER: `SCI#2`.
fn number_repeated(planes: &mut [FluxPlane], images: &[ImageHdu]) {
    let labels: Vec<Option<String>> = planes
        .iter()
        .map(|plane| plane.names.label().map(str::to_owned))
        .collect();
    for (i, plane) in planes.iter_mut().enumerate() {
        let Some(label) = &labels[i] else { continue };
        let repeated = labels.iter().filter(|other| other.as_ref() == Some(label)).count() > 1;
        let version = images[plane.image].keywords.number("EXTVER");
        if repeated && let Some(version) = version {
            plane.names.all.insert(0, format!("{label}#{version}"));
        }
    }
}

/// The band names of a file whose planes all have one, and each a different one.
pub(super) fn band_names(planes: &[FluxPlane]) -> Option<Vec<String>> {
    let sure = |plane: &FluxPlane| plane.names.label().filter(|_| plane.names.sure).map(str::to_owned);
    let names: Vec<String> = planes.iter().map(sure).collect::<Option<_>>()?;
    let distinct = (1..names.len()).all(|i| !names[..i].contains(&names[i]));
    distinct.then_some(names)
}

/// What to say of how the bands were found, beside the planes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::survey) enum Remark {
    /// Bands that were found by a part of their name: the band, and its name in the file.
    ByPart(Vec<(String, String)>),
    /// The planes have no names, and were taken in order.
    InOrder,
}

/// The plane of each band: by name, or in order if the planes (or the bands) have no names and are as many.
pub(super) fn find_bands<'a>(
    bands: &[BandChoice],
    planes: &'a [FluxPlane],
) -> Result<(Vec<&'a FluxPlane>, Option<Remark>), BandsError> {
    let mut by_part = Vec::new();
    let mut found: Vec<Option<&FluxPlane>> = Vec::new();
    for band in bands {
        let plane = match by_name(&band.file, planes)? {
            Some(plane) => Some(plane),
            None => by_part_of_name(&band.file, planes)?.inspect(|plane| {
                by_part.push((band.name.clone(), plane.names.label().unwrap_or_default().to_owned()));
            }),
        };
        found.push(plane);
    }
    if let Some(all) = found.iter().copied().collect::<Option<Vec<_>>>() {
        if let Some(twice) = (1..all.len()).find(|&i| all[..i].contains(&all[i])) {
            return Err(BandsError::Ambiguous {
                name: bands[twice].file.clone(),
                found: labels(&[all[twice]]),
            });
        }
        return Ok((all, (!by_part.is_empty()).then_some(Remark::ByPart(by_part))));
    }
    let expected = || bands.iter().map(|band| band.file.clone()).collect();
    let labels = || labels(&planes.iter().collect::<Vec<_>>());
    let unnamed_bands = bands.iter().enumerate().all(|(i, band)| band.is_unnamed(i));
    let unnamed_planes = planes.iter().all(|plane| !plane.names.sure);
    let nothing_found = found.iter().all(Option::is_none);
    if !(nothing_found && (unnamed_bands || unnamed_planes)) {
        let missing = bands.iter().zip(&found).filter(|(_, plane)| plane.is_none());
        return Err(BandsError::Missing {
            missing: missing.map(|(band, _)| band.file.clone()).collect(),
            expected: expected(),
            found: labels(),
        });
    }
    if planes.len() != bands.len() {
        return Err(BandsError::Count {
            expected: expected(),
            found: labels(),
        });
    }
    let remark = (!unnamed_bands && planes.len() > 1).then_some(Remark::InOrder);
    Ok((planes.iter().collect(), remark))
}

/// The band of a file that holds only this one, whatever it is called there; of several the one with its name.
pub(super) fn find_only<'a>(band: &BandChoice, planes: &'a [FluxPlane]) -> Result<&'a FluxPlane, BandsError> {
    match planes {
        [plane] => Ok(plane),
        _ => find_bands(std::slice::from_ref(band), planes).map(|(found, _)| found[0]),
    }
}

/// Whether a name in a header is that of a band, or has it as a part.
pub(super) fn is_called(name: &str, band: &str) -> bool {
    name.eq_ignore_ascii_case(band) || words(name).iter().any(|word| word.eq_ignore_ascii_case(band))
}

fn labels(planes: &[&FluxPlane]) -> Vec<String> {
    planes
        .iter()
        .map(|plane| plane.names.label().unwrap_or_default().to_owned())
        .collect()
}

/// The plane with this name. The case of letters matters only if it tells two planes apart.
fn by_name<'a>(band: &str, planes: &'a [FluxPlane]) -> Result<Option<&'a FluxPlane>, BandsError> {
    for same in [|a: &str, b: &str| a == b, |a: &str, b: &str| a.eq_ignore_ascii_case(b)] {
        let named = |plane: &&FluxPlane| plane.names.all.iter().any(|name| same(name, band));
        if let found @ Some(_) = only(band, planes.iter().filter(named).collect())? {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The plane with a name of which the band's name is a part: `g` of `HSC-G`, `DECAM_g` or `g DECam SDSS c0001`.
fn by_part_of_name<'a>(band: &str, planes: &'a [FluxPlane]) -> Result<Option<&'a FluxPlane>, BandsError> {
    let part = |plane: &&FluxPlane| plane.names.all.iter().any(|name| is_called(name, band));
    only(band, planes.iter().filter(part).collect())
}

fn only<'a>(band: &str, found: Vec<&'a FluxPlane>) -> Result<Option<&'a FluxPlane>, BandsError> {
    match found[..] {
        [] => Ok(None),
        [plane] => Ok(Some(plane)),
        _ => Err(BandsError::Ambiguous {
            name: band.into(),
            found: labels(&found),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(names: &[&[&str]], sure: bool) -> Vec<FluxPlane> {
        let names = names.iter().map(|all| PlaneNames {
            all: all.iter().map(|name| name.to_string()).collect(),
            sure,
        });
        let plane = |(plane, names)| FluxPlane { image: 0, plane, names };
        names.enumerate().map(plane).collect()
    }

    fn find(bands: &str, planes: &[FluxPlane]) -> Result<(Vec<usize>, Option<Remark>), String> {
        let bands: Vec<String> = bands.split(',').map(str::to_owned).collect();
        let found = find_bands(&BandChoice::all(&bands).unwrap(), planes);
        let found = found.map(|(planes, remark)| (planes.iter().map(|p| p.plane).collect(), remark));
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn bands_are_found_by_name_in_any_order() {
        let rgi = planes(&[&["r"], &["g"], &["i"]], true);
        assert_eq!(find("g,r,i", &rgi).unwrap(), (vec![1, 0, 2], None));
        assert_eq!(find("I,R", &rgi).unwrap(), (vec![2, 0], None));
        assert_eq!(find("a=i,b=g", &rgi).unwrap(), (vec![2, 1], None));
        let both_cases = planes(&[&["R"], &["r"]], true);
        assert_eq!(find("r,R", &both_cases).unwrap().0, [1, 0]);
    }

    #[test]
    fn bands_are_found_by_a_part_of_their_name_if_only_one_has_it() {
        let hsc = planes(&[&["HSC-R"], &["HSC-G"], &["HSC-I"]], true);
        let (found, remark) = find("g,r,i", &hsc).unwrap();
        assert_eq!(found, [1, 0, 2]);
        assert!(matches!(remark, Some(Remark::ByPart(pairs)) if pairs[0] == ("g".into(), "HSC-G".into())));
        let decam = planes(&[&["SCI", "g DECam SDSS c0001 4720.0 1520.0"]], true);
        assert_eq!(find("g", &decam).unwrap().0, [0]);
        let error = find("Y", &planes(&[&["NIR_Y"], &["HSC-Y"]], true)).unwrap_err();
        assert!(error.contains("NIR_Y, HSC-Y could all be Y"), "{error}");
    }

    #[test]
    fn other_names_are_refused_with_both_lists() {
        let error = find("g,r,i", &planes(&[&["r"], &["z"], &["i"]], true)).unwrap_err();
        assert!(
            error.contains("no band g;") && error.contains("r, z, i") && error.contains("g, r, i"),
            "{error}"
        );
        assert!(find("g", &planes(&[&["F606W"]], true)).is_err());
    }

    #[test]
    fn planes_without_names_are_taken_in_order_if_they_are_as_many() {
        let unnamed = planes(&[&[], &[]], false);
        assert_eq!(find("g,r", &unnamed).unwrap(), (vec![0, 1], Some(Remark::InOrder)));
        assert_eq!(find("band1,band2", &unnamed).unwrap(), (vec![0, 1], None));
        assert!(
            find("g,r,i", &unnamed)
                .unwrap_err()
                .contains("2 bands, and 3 are needed")
        );
        let object = planes(&[&["J1001"]], false);
        assert_eq!(find("band1", &object).unwrap(), (vec![0], None));
        assert_eq!(find("F814W", &object).unwrap(), (vec![0], None));
        let chips = planes(&[&["SCI#1", "SCI"], &["SCI#2", "SCI"]], false);
        let error = find("band1", &chips).unwrap_err();
        assert!(error.contains("2 bands (SCI#1, SCI#2), and 1 is needed"), "{error}");
        assert_eq!(find("band1=SCI#2", &chips).unwrap().0, [1]);
    }
}
