//! COOLEST: a template in the mode MAP with a galaxy whose mass has a prior on `theta_E`. What is not known is null, as in
//! the templates of the standard.

use super::{Entry, MassProfile, PriorShape};
use serde_json::{Map, Value, json};

/// The template of an object. `pixel_scale` is in arcsec.
pub(super) fn template(entry: &Entry, pixel_scale: Option<f64>, made: Value) -> Value {
    let (profile, names): (&str, &[&str]) = match entry.mass {
        MassProfile::PowerLaw => ("PEMD", &["gamma", "theta_E", "q", "phi", "center_x", "center_y"]),
        MassProfile::Isothermal => ("SIE", &["theta_E", "q", "phi", "center_x", "center_y"]),
    };
    let id = format!("0-galaxy-mass-0-{profile}");
    let parameter = |name: &&str| {
        let prior = &entry.prior;
        let (estimate, prior) = match *name {
            "theta_E" => {
                let shape = match prior.shape {
                    PriorShape::Normal => "GaussianPrior",
                    PriorShape::LogNormal => "LogNormalPrior",
                };
                (
                    json!(prior.median()),
                    json!({"type": shape, "mean": prior.location, "width": prior.scale}),
                )
            }
            _ => (Value::Null, json!({"type": null})),
        };
        let parameter = json!({
            "fixed": false,
            "id": format!("{id}-{name}"),
            "point_estimate": { "value": estimate },
            "posterior_stats": { "mean": null, "median": null, "percentile_16th": null, "percentile_84th": null },
            "prior": prior,
        });
        (name.to_string(), parameter)
    };
    let parameters: Map<String, Value> = names.iter().map(parameter).collect();
    let [ra, dec] = entry.position.unwrap_or([0.0; 2]);
    let pixels = json!({
        "field_of_view_x": [0, 0],
        "field_of_view_y": [0, 0],
        "fits_file": { "path": null },
        "num_pix_x": 0,
        "num_pix_y": 0,
    });
    json!({
        "standard": "COOLEST",
        "mode": "MAP",
        "coordinates_origin": { "ra": format!("{ra}d"), "dec": format!("{dec}d") },
        "cosmology": null,
        "instrument": {
            "name": "",
            "band": "",
            "pixel_size": pixel_scale,
            "psf": { "type": null },
            "readout_noise": null,
        },
        "observation": {
            "exposure_time": null,
            "mag_sky_brightness": null,
            "mag_zero_point": null,
            "noise": { "type": null },
            "pixels": pixels,
        },
        "lensing_entities": [{
            "type": "Galaxy",
            "name": "lens",
            "redshift": null,
            "light_model": [],
            "mass_model": [{ "type": profile, "id": id, "parameters": parameters }],
        }],
        "likelihoods": null,
        "meta": {
            "id": entry.id,
            "flags": entry.flags,
            "position_known": entry.position.is_some(),
            "made": made,
        },
    })
}
