use super::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[test]
fn tail_and_density_of_students_t_agree_with_scipy() {
    // scipy.stats.t.sf(z, 5), scipy 1.17
    for (z, expected) in [
        (0.0, 0.5),
        (0.5, 0.319_149_435_820_464_57),
        (1.0, 0.181_608_733_824_561_44),
        (2.0, 0.050_969_739_414_929_174),
        (4.0, 0.005_161_707_740_415_725),
        (10.0, 8.547_378_787_148_181e-5),
        (100.0, 9.480_007_112_311_82e-10),
        (1e6, 9.490_167_245_460_681e-30),
        // Here the density is that of the leading term, PEAK (z^2/5)^-3, to all digits.
        (1e60, 0.379_606_689_822_494_45 * 25.0 * 1e-300),
    ] {
        let tail = Likelihood::StudentT.tail(z);
        assert!((tail / expected - 1.0).abs() < 1e-13, "{z}: {tail:e}, not {expected:e}");
    }
    // scipy.stats.t.logpdf(z, 5)
    let standard = Component::new(Likelihood::StudentT, 0.0, 5.0 / 3.0).unwrap();
    for (z, expected) in [(0.5, -1.114_990_081_563_020_3), (3.0, -4.057_477_840_598_2)] {
        assert!((standard.log_pdf(z) - expected).abs() < 1e-14);
    }
}

#[test]
fn the_bound_of_a_tail_lies_beyond_it() {
    for likelihood in Likelihood::ALL {
        for p in [0.5, 0.3, 0.025, 1e-6, 1e-12] {
            let z = likelihood.tail_bound(p);
            assert!(z >= 0.0 && likelihood.tail(z) <= p, "{likelihood:?} {p}");
        }
    }
}

#[test]
fn the_density_integrates_to_the_requested_mean_and_variance() {
    for likelihood in Likelihood::ALL {
        let component = Component::new(likelihood, 1.5, 0.2).unwrap();
        let h = 1e-3;
        let (mut mass, mut mean, mut square) = (0.0, 0.0, 0.0);
        for i in -400_000..400_000 {
            let x = (f64::from(i) + 0.5) * h;
            let p = component.pdf(x) * h;
            (mass, mean, square) = (mass + p, mean + p * x, square + p * x * x);
        }
        assert!(
            (mass - 1.0).abs() < 1e-6 && (mean - 1.5).abs() < 1e-6,
            "{likelihood:?} {mass} {mean}"
        );
        assert!((square - mean * mean - 0.2).abs() < 1e-5, "{likelihood:?}");
        for z in [-2.0, 0.0, 1.5] {
            assert!((component.z(component.x(z)) - z).abs() < 1e-13);
        }
    }
}

#[test]
fn a_component_has_the_requested_mean_and_sigma() {
    for likelihood in Likelihood::ALL {
        let component = Component::new(likelihood, 1.5, 0.2).unwrap();
        assert!((component.mean() - 1.5).abs() < 1e-15 && (component.sigma() - 0.2f64.sqrt()).abs() < 1e-15);
    }
}

/// E|X - x| is the integral of F below x and of 1 - F above; E|X - Y| that of F (1 - G) + G (1 - F).
#[test]
fn distances_agree_with_quadrature() {
    for likelihood in Likelihood::ALL {
        let [a, b] = [(1.5, 0.2), (0.9, 0.7)].map(|(mean, var)| Component::new(likelihood, mean, var).unwrap());
        let (h, x) = (1e-3, 1.1);
        let (mut to_x, mut apart, mut among) = (0.0, 0.0, 0.0);
        for i in -200_000..400_000 {
            let y = (f64::from(i) + 0.5) * h;
            let (f, g) = (a.cdf(y), b.cdf(y));
            to_x += h * if y < x { f } else { a.sf(y) };
            apart += h * (f * b.sf(y) + g * a.sf(y));
            among += h * 2.0 * f * a.sf(y);
        }
        for (found, expected) in [
            (a.distance_to(x), to_x),
            (a.distance(&b), apart),
            (b.distance(&a), apart),
            (a.distance(&a), among),
        ] {
            assert!(
                (found - expected).abs() < 1e-6,
                "{likelihood:?}: {found}, not {expected}"
            );
        }
        for x in [-1e9, 1e9] {
            assert!((a.distance_to(x) - (x - 1.5).abs()).abs() < 1e-6, "{likelihood:?}");
        }
    }
    assert_eq!(student_t::mean_absolute(0.0, 0.0, 0.0), 0.0);
}

#[test]
fn samples_follow_the_distribution() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for likelihood in Likelihood::ALL {
        let component = Component::new(likelihood, 1.5, 0.2).unwrap();
        let samples: Vec<f64> = (0..100_000).map(|_| component.sample(&mut rng)).collect();
        for x in [0.6, 1.2, 1.5, 2.4] {
            let fraction = samples.iter().filter(|sample| **sample <= x).count() as f64 / samples.len() as f64;
            assert!((fraction - component.cdf(x)).abs() < 0.006, "{likelihood:?} {x}");
        }
    }
}

#[test]
fn a_loss_becomes_the_nll_of_the_label() {
    let (scale, shift, mu, var) = (0.4, 0.3, 1.2, 0.5);
    for likelihood in Likelihood::ALL {
        let label: f64 = 1.7;
        let (target, jacobian) = match likelihood.is_of_logarithm() {
            true => (label.ln(), label.ln()),
            false => (label, 0.0),
        };
        let square = ((target - shift) / scale - mu).powi(2) / var;
        // The losses of the training step.
        let loss: f64 = match likelihood {
            Likelihood::StudentT => 0.5 * f64::ln(var) + 3.0 * (square / 3.0).ln_1p(),
            Likelihood::Gaussian | Likelihood::LogNormal => 0.5 * (f64::ln(var) + square),
        };
        let (mean, var) = likelihood.label_moments(scale * mu + shift, scale * scale * var);
        let nll = -Component::new(likelihood, mean, var).unwrap().log_pdf(label);
        assert!(
            (loss + loss_to_nll(likelihood, scale) + jacobian - nll).abs() < 1e-12,
            "{likelihood:?}"
        );
    }
}

#[test]
fn moments_of_no_distribution_are_errors() {
    let refused = |likelihood, mean, var| Component::new(likelihood, mean, var).is_err();
    for likelihood in Likelihood::ALL {
        assert!(refused(likelihood, f64::NAN, 1.0) && refused(likelihood, 1.0, 0.0));
        assert!(refused(likelihood, 1.0, f64::INFINITY));
    }
    assert!(refused(Likelihood::LogNormal, 0.0, 1.0) && refused(Likelihood::LogNormal, -1.0, 1.0));
    let positive = Component::new(Likelihood::LogNormal, 1.0, 1.0).unwrap();
    assert_eq!(
        (positive.cdf(0.0), positive.cdf(-3.0), positive.pdf(-3.0)),
        (0.0, 0.0, 0.0)
    );
}

#[test]
fn the_gaussian_tail_keeps_its_digits() {
    // The continued fraction of the complementary error function in 60 digits.
    for (z, expected) in [(10.0, 7.619_853_024_160_526e-24), (37.0, 5.725_571_222_524_577e-300)] {
        let tail = Likelihood::Gaussian.tail(z);
        assert!((tail / expected - 1.0).abs() < 1e-12, "{z}: {tail:e}, not {expected:e}");
    }
}

#[test]
fn names_are_those_of_files_and_unknown_ones_are_errors() {
    for likelihood in Likelihood::ALL {
        assert_eq!(likelihood.name().parse(), Ok(likelihood));
        let json = serde_json::to_string(&likelihood).unwrap();
        assert_eq!(json, format!("\"{}\"", likelihood.name()));
        assert_eq!(serde_json::from_str::<Likelihood>(&json).unwrap(), likelihood);
    }
    let error = "cauchy".parse::<Likelihood>().unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown likelihood 'cauchy', expected one of: gaussian, student-t, log-normal"
    );
}

#[test]
fn the_logarithm_of_a_log_normal_tail_does_not_underflow() {
    // scipy.stats.norm.logcdf([-20, -40, -100])
    for (z, expected) in [
        (20.0, -203.917_155_371_097_3),
        (40.0, -804.608_442_013_753_9),
        (100.0, -5_005.524_208_694_205),
    ] {
        let found = Likelihood::LogNormal.log_below(-z);
        assert!((found / expected - 1.0).abs() < 1e-9, "{z}: {found}");
    }
}
