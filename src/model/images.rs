//! Images for a model.

use super::Model;
use crate::survey::{BandsError, ImageFolderOptions, PixelOptions, model_bands};

impl Model {
    /// How a folder is opened for this model: bands, crop, flux unit, layout and columns that are not given are those of
    /// its training images.
    ///
    /// # Errors
    /// Bands that are given and are not the model's, or in another order.
    pub fn image_folder(&self, given: &ImageFolderOptions) -> Result<ImageFolderOptions, BandsError> {
        let input = self.network.input_shape();
        Ok(ImageFolderOptions {
            bands: Some(model_bands(&self.about.bands, given.bands.as_deref())?),
            crop: given.crop.or((input.h == input.w).then_some(input.h)),
            pixels: PixelOptions {
                flux_unit: given.pixels.flux_unit.or(self.about.photometry.unit),
                ..given.pixels.clone()
            },
            like: self
                .about
                .images
                .clone()
                .map(|images| images.unless_named(given.bands.as_deref())),
            ..given.clone()
        })
    }
}
