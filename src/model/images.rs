//! Images for a model.

use super::Model;
use crate::survey::{
    BandsError, FluxUnit, ImageFolderOptions, PixelOptions, PositionColumns, TileOptions, model_bands,
};

impl Model {
    /// How a folder is opened for this model: bands, crop, flux unit, layout and columns that are not given are those of
    /// its training images, features and the treatment of missing values those of its table.
    ///
    /// # Errors
    /// Bands that are given and are not the model's, or in another order.
    pub fn image_folder(&self, given: &ImageFolderOptions) -> Result<ImageFolderOptions, BandsError> {
        let input = self.network.input_shape();
        Ok(ImageFolderOptions {
            // Columns may be named by any text, also by one that would be a pair of bands.
            bands: Some(model_bands(&self.about.bands, given.bands.as_deref())?),
            crop: given
                .crop
                .or((input.h == input.w && self.network.takes_images()).then_some(input.h)),
            pixels: PixelOptions {
                flux_unit: given.pixels.flux_unit.or(self.about.photometry.unit),
                assumed_unit: self.simulated_unit().filter(|_| given.flux_scale == 1.0),
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

    /// How stamps are cut out of tiles for this model: of its size and, unless `pixel_scale` is given, its pixel scale.
    /// `pattern`, `columns`: see [`TileOptions`].
    pub fn tiles(&self, pattern: String, columns: Option<PositionColumns>, pixel_scale: Option<f64>) -> TileOptions {
        let input = self.network.input_shape();
        TileOptions {
            pattern,
            masks: None,
            weights: None,
            columns,
            size: [input.h, input.w],
            pixel_scale: pixel_scale.or(self.about.pixel_scale),
        }
    }

    /// The unit of the simulated images that the model was trained on; `None` if it was trained on a folder.
    fn simulated_unit(&self) -> Option<FluxUnit> {
        let zero_points = &self.about.photometry.zero_points;
        let zero_point = (*zero_points.first()?)?;
        let is_one = zero_points.iter().all(|other| *other == Some(zero_point));
        (is_one && self.about.images.is_none()).then_some(FluxUnit { zero_point })
    }
}
