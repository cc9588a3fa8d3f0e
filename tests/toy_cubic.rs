//! The toy problem of figure 1 of the deep ensembles paper: what the figure shows, in numbers.

#[path = "../examples/toy_cubic/toy.rs"]
mod toy;

use lensgpu::device::Device;
use lensgpu::posterior::mixture::Mixture;
use toy::{NOISE, RECIPES, Recipe, points, predictions};

/// Means over values of x: within the range of the data, and beyond it.
struct Means {
    inside: f64,
    outside: f64,
}

fn check(device: &str, recipes: &[Recipe]) {
    let device = Device::choose(device).unwrap();
    let xs: Vec<f64> = (-60..=60).map(|i| f64::from(i) / 10.0).collect();
    for recipe in recipes {
        let predictions = predictions(&device, recipe, &points(200, 1), &xs).unwrap();
        let mean = |within: fn(f64) -> bool, value: &dyn Fn(f64, &Mixture) -> f64| {
            let chosen = xs.iter().zip(&predictions).filter(|(x, _)| within(x.abs()));
            let values: Vec<f64> = chosen.map(|(&x, prediction)| value(x, prediction)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let means = |value: &dyn Fn(f64, &Mixture) -> f64| Means {
            inside: mean(|x| x < 3.5, value),
            outside: mean(|x| x > 5.5, value),
        };
        let error = means(&|x, prediction| (prediction.mean() - x.powi(3)).abs());
        assert!(error.inside < 0.5 * NOISE, "{}: {}", recipe.title, error.inside);
        assert!(error.outside > 5.0 * NOISE, "{}: {}", recipe.title, error.outside);
        if recipe.squared_error {
            continue;
        }
        let sigma = means(&|_, prediction| prediction.sigma());
        assert!(
            (sigma.inside / NOISE - 1.0).abs() < 0.2,
            "{}: {}",
            recipe.title,
            sigma.inside
        );
        if recipe.adversarial > 0.0 {
            assert!(
                sigma.outside > 1.5 * sigma.inside,
                "{}: {}",
                recipe.title,
                sigma.outside
            );
        }
        if recipe.members > 1 {
            let epistemic = means(&|_, prediction| prediction.sigma_epistemic());
            assert!(epistemic.outside > 5.0 * epistemic.inside, "{}", epistemic.outside);
        }
    }
}

#[test]
fn sigma_is_the_noise_within_the_data_and_grows_beyond_it_on_the_cpu() {
    check("cpu", &RECIPES);
}

#[test]
fn sigma_is_the_noise_within_the_data_and_grows_beyond_it_on_the_software_adapter() {
    check("software", &RECIPES[1..2]);
}
