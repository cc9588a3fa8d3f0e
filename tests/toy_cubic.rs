//! The toy problem of the deep ensembles paper, figure 1: what its plot shows, in numbers.

#[path = "../examples/toy_cubic/toy.rs"]
mod toy;

use lensgpu::device::Device;
use lensgpu::posterior::mixture::Mixture;
use toy::{NOISE, RECIPES, Recipe, answers, points};

/// Means over values of x: among the data, and beyond them.
struct Means {
    inside: f64,
    outside: f64,
}

fn check(device: &str, recipes: &[Recipe]) {
    let device = Device::choose(device).unwrap();
    let xs: Vec<f64> = (-60..=60).map(|i| f64::from(i) / 10.0).collect();
    for recipe in recipes {
        let answers = answers(&device, recipe, &points(200, 1), &xs).unwrap();
        let mean = |within: fn(f64) -> bool, value: &dyn Fn(f64, &Mixture) -> f64| {
            let seen = xs.iter().zip(&answers).filter(|(x, _)| within(x.abs()));
            let values: Vec<f64> = seen.map(|(&x, answer)| value(x, answer)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let means = |value: &dyn Fn(f64, &Mixture) -> f64| Means {
            inside: mean(|x| x < 3.5, value),
            outside: mean(|x| x > 5.5, value),
        };
        let error = means(&|x, answer| (answer.mean() - x.powi(3)).abs());
        assert!(error.inside < 0.5 * NOISE, "{}: {}", recipe.title, error.inside);
        assert!(error.outside > 5.0 * NOISE, "{}: {}", recipe.title, error.outside);
        if recipe.squared_error {
            continue;
        }
        let sigma = means(&|_, answer| answer.sigma());
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
            let epistemic = means(&|_, answer| answer.sigma_epistemic());
            assert!(epistemic.outside > 5.0 * epistemic.inside, "{}", epistemic.outside);
        }
    }
}

#[test]
fn sigma_is_the_noise_among_the_data_and_grows_beyond_them_on_the_processor() {
    check("cpu", &RECIPES);
}

#[test]
fn sigma_is_the_noise_among_the_data_and_grows_beyond_them_on_the_software_adapter() {
    check("software", &RECIPES[1..2]);
}
