//! PyAutoLens: a model component as PyAutoFit writes it, which `autofit.Model.from_json` loads. What is not in the file has
//! PyAutoGalaxy's default priors.

use super::{Entry, MassProfile, PriorShape};
use serde_json::{Value, json};

/// The mass profile of an object, with a prior on `einstein_radius`.
pub(super) fn model(entry: &Entry, made: Value) -> Value {
    let class = match entry.mass {
        MassProfile::PowerLaw => "autogalaxy.profiles.mass.total.power_law.PowerLaw",
        MassProfile::Isothermal => "autogalaxy.profiles.mass.total.isothermal.Isothermal",
    };
    let prior = &entry.prior;
    let [_, high] = prior.limits();
    let prior = match prior.shape {
        PriorShape::Normal => json!({
            "type": "TruncatedGaussian",
            "mean": prior.location,
            "sigma": prior.scale,
            "lower_limit": 0.0,
            "upper_limit": high,
        }),
        PriorShape::LogNormal => json!({"type": "LogGaussian", "mean": prior.location, "sigma": prior.scale}),
    };
    json!({
        "type": "model",
        "class_path": class,
        "arguments": { "einstein_radius": prior },
        "lensgpu": { "id": entry.id, "flags": entry.flags, "made": made },
    })
}
