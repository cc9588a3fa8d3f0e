//! Catalogues and images in, cutouts, masks, stretch and splits; catalogues out.

pub mod flags;
pub mod infer_table;
pub mod table;
