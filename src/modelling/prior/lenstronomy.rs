//! lenstronomy: `kwargs_model`, `kwargs_params` and `kwargs_likelihood` of its `FittingSequence`, as far as they are about
//! the mass of the lens.

use super::{Entry, MassProfile, PriorShape};
use serde_json::{Map, Value, json};

/// First step and limits of the ellipticity and, in arcsec, of the centre. lenstronomy's own limits of an ellipticity are
/// +-0.5, an axis ratio of 1/3.
const ELLIPTICITY: [f64; 2] = [0.1, 0.5];
const CENTRE: [f64; 2] = [0.05, 1.0];

/// First step of the slope if it is exact, and its limits in lenstronomy.
const SLOPE_STEP: f64 = 0.05;
const SLOPE_LIMITS: [f64; 2] = [1.5, 2.5];

/// A parameter of a mass: where the search starts, its first step, and its limits.
struct Parameter {
    name: &'static str,
    init: f64,
    sigma: f64,
    limits: [f64; 2],
}

/// The arguments of an object.
pub(super) fn arguments(entry: &Entry) -> Value {
    let prior = &entry.prior;
    let symmetric = |name, [sigma, limit]: [f64; 2]| Parameter {
        name,
        init: 0.0,
        sigma,
        limits: [-limit, limit],
    };
    let mut parameters = vec![
        Parameter {
            name: "theta_E",
            init: prior.median(),
            sigma: prior.step(),
            limits: prior.limits(),
        },
        symmetric("e1", ELLIPTICITY),
        symmetric("e2", ELLIPTICITY),
        symmetric("center_x", CENTRE),
        symmetric("center_y", CENTRE),
    ];
    let profile = match entry.mass {
        MassProfile::Isothermal => "SIE",
        MassProfile::PowerLaw => {
            let slope = entry.slope;
            parameters.push(Parameter {
                name: "gamma",
                init: slope.value,
                sigma: if slope.error > 0.0 { slope.error } else { SLOPE_STEP },
                limits: [SLOPE_LIMITS[0].min(slope.value), SLOPE_LIMITS[1].max(slope.value)],
            });
            "EPL"
        }
    };
    let all = |of: fn(&Parameter) -> f64| -> Map<String, Value> {
        parameters.iter().map(|p| (p.name.into(), of(p).into())).collect()
    };
    let likelihood = match prior.shape {
        PriorShape::Normal => "prior_lens",
        PriorShape::LogNormal => "prior_lens_lognormal",
    };
    json!({
        "kwargs_model": { "lens_model_list": [profile] },
        "kwargs_params": {
            "lens_model": [
                [all(|p| p.init)],
                [all(|p| p.sigma)],
                [{}],
                [all(|p| p.limits[0])],
                [all(|p| p.limits[1])],
            ],
        },
        "kwargs_likelihood": { likelihood: [[0, "theta_E", prior.location, prior.scale]] },
        "flags": entry.flags,
    })
}
