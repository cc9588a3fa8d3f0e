//! Catalogues and images in, cutouts, masks, stretch and splits; catalogues out.
