//! Rounds the weights of a model to float16.

use super::{Error, Model, Precision};

impl Model {
    /// The model as [`Model::write`] stores it in 16 bits and [`Model::read`] returns it. Writing it keeps the 16 bits.
    ///
    /// # Errors
    /// A model that [`Model::read`] would refuse.
    pub fn packed(&self) -> Result<Model, Error> {
        let mut model = self.clone();
        model.about.precision = Precision::Float16;
        Model::from_bytes(&model.to_bytes()?)
    }
}
