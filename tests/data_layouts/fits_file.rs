//! Writes small FITS files with the headers that a test needs.

use std::path::Path;

/// One image: cards such as `EXTNAME = 'SCI'`, the lengths of its axes (fastest first), and its pixels.
pub struct Hdu<'a> {
    pub cards: &'a [&'a str],
    pub axes: &'a [usize],
    pub pixels: Vec<f32>,
}

/// An image of 4 x 4 pixels per plane. Pixel i of plane p has the value `1000 p + i + first`.
pub fn image<'a>(cards: &'a [&'a str], planes: usize, first: f32) -> Hdu<'a> {
    Hdu {
        cards,
        axes: if planes == 1 {
            &[4, 4]
        } else {
            Box::leak(Box::new([4, 4, planes]))
        },
        pixels: (0..planes * 16)
            .map(|i| (1000 * (i / 16) + i % 16) as f32 + first)
            .collect(),
    }
}

/// An image of 4 x 4 equal pixels, but for some: (place, value).
pub fn map<'a>(cards: &'a [&'a str], usual: f32, others: &[(usize, f32)]) -> Hdu<'a> {
    let mut hdu = image(cards, 1, 0.0);
    hdu.pixels.fill(usual);
    others.iter().for_each(|&(at, value)| hdu.pixels[at] = value);
    hdu
}

/// Writes a file with an empty primary HDU that has the cards `primary`, followed by `extensions`.
pub fn write_fits(path: &Path, primary: &[&str], extensions: &[Hdu]) {
    let mut bytes = header("SIMPLE  =                    T", &[], primary);
    for hdu in extensions {
        bytes.extend(header("XTENSION= 'IMAGE   '", hdu.axes, hdu.cards));
        bytes.extend(hdu.pixels.iter().flat_map(|value| value.to_be_bytes()));
        pad(&mut bytes, 0);
    }
    std::fs::write(path, bytes).unwrap();
}

fn header(first: &str, axes: &[usize], cards: &[&str]) -> Vec<u8> {
    let mut all = vec![
        first.to_owned(),
        format!("BITPIX  = {:>20}", -32),
        format!("NAXIS   = {:>20}", axes.len()),
    ];
    all.extend(
        axes.iter()
            .enumerate()
            .map(|(i, n)| format!("NAXIS{:<3}= {n:>20}", i + 1)),
    );
    all.extend(cards.iter().map(|card| {
        let (key, value) = card.split_once('=').unwrap();
        format!("{:<8}= {}", key.trim(), value.trim())
    }));
    all.push("END".into());
    let mut bytes: Vec<u8> = all.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    pad(&mut bytes, b' ');
    bytes
}

fn pad(bytes: &mut Vec<u8>, with: u8) {
    bytes.resize(bytes.len().next_multiple_of(2880), with);
}
