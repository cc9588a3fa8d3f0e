use super::*;
use std::f64::consts::{PI, SQRT_2};

/// Standard normal quantiles at LEVELS, from tables.
const Z: [f64; 5] = [
    -1.959963984540054,
    -0.994457883209753,
    0.0,
    0.994457883209753,
    1.959963984540054,
];

fn mixture(mu: &[f64], sigma: &[f64]) -> Mixture {
    gaussians(mu, &sigma.iter().map(|s| s * s).collect::<Vec<_>>())
}

fn gaussians(mu: &[f64], var: &[f64]) -> Mixture {
    Mixture::new(Likelihood::Gaussian, mu, var).unwrap()
}

/// Three members of each likelihood.
fn of_every_likelihood() -> [Mixture; 3] {
    Likelihood::ALL.map(|likelihood| Mixture::new(likelihood, &[0.8, 1.1, 2.4], &[0.01, 0.09, 0.04]).unwrap())
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b} within {tolerance:e}");
}

#[test]
fn one_member_is_a_gaussian() {
    for (mu, sigma) in [
        (0.0, 1.0),
        (1.7, 0.2),
        (-3e5, 1e-3),
        (2.0, 1e-9),
        (1e-30, 1e-40),
        (5.0, 1e12),
    ] {
        let p = mixture(&[mu], &[sigma]).prediction();
        for (q, z) in p.quantiles.iter().zip(Z) {
            let expected = mu + sigma * z;
            close(*q, expected, 1e-12 * sigma + 1e-15 * expected.abs());
        }
        assert_eq!((p.theta_e, p.sigma_epistemic), (mu, 0.0));
        close(p.sigma, sigma, 1e-12 * sigma);
    }
}

#[test]
fn aleatoric_and_epistemic_variance_by_hand() {
    // means 1, 2, 6: mean 3, variance (4 + 1 + 9) / 3; variances 0.1, 0.2, 0.6: mean 0.3
    let p = gaussians(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]).prediction();
    close(p.theta_e, 3.0, 1e-15);
    close(p.sigma_aleatoric, 0.3f64.sqrt(), 1e-15);
    close(p.sigma_epistemic, (14.0f64 / 3.0).sqrt(), 1e-15);
    close(p.sigma, (0.3f64 + 14.0 / 3.0).sqrt(), 1e-14);
}

#[test]
fn quantiles_density_and_moments_agree_with_numerical_integration() {
    let m = mixture(&[0.8, 1.1, 1.15, 2.4, 0.9], &[0.1, 0.05, 0.3, 0.2, 0.6]);
    // Midpoint rule on a fine grid from -5 to 7; the cdf is the running sum of the density.
    let h = 12.0 / 4e6;
    let (mut cdf, mut mean, mut second) = (0.0, 0.0, 0.0);
    let mut found = Vec::new();
    for i in 0..4_000_000 {
        let x = -5.0 + (i as f64 + 0.5) * h;
        let mass = m.log_pdf(x).exp() * h;
        if found.len() < 5 && cdf + mass >= LEVELS[found.len()] {
            found.push(x - 0.5 * h + h * (LEVELS[found.len()] - cdf) / mass);
        }
        cdf += mass;
        mean += mass * x;
        second += mass * x * x;
    }
    let p = m.prediction();
    close(cdf, 1.0, 1e-9);
    close(p.theta_e, mean, 1e-9);
    close(p.sigma, (second - mean * mean).sqrt(), 1e-9);
    for (q, expected) in p.quantiles.iter().zip(found) {
        close(*q, expected, 1e-8);
    }
    for (q, level) in p.quantiles.iter().zip(LEVELS) {
        close(m.cdf(*q), level, 1e-13);
    }
}

#[test]
fn two_equal_peaks_have_their_median_in_the_middle_however_far_apart() {
    for d in [0.1, 1.0, 5.0, 9.0, 30.0, 1e3, 1e6, 1e12] {
        let m = mixture(&[3.0 - d, 3.0 + d], &[1.0, 1.0]);
        close(m.quantile(0.5), 3.0, 1e-10);
        // far apart, the 16 % quantile is the left peak's own 32 % quantile
        if d >= 9.0 {
            close(m.quantile(0.16), 3.0 - d - 0.467698799114508, 1e-10 + 1e-15 * d);
            close(m.quantile(0.84), 3.0 + d + 0.467698799114508, 1e-10 + 1e-15 * d);
        }
    }
}

#[test]
fn the_median_between_distant_members_is_precise() {
    // In the gap both tails are below 1e-16: only their balance places the median, at equal z on both sides.
    for (left, right) in [(1.0, 3.0), (0.01, 1.0), (1.0, 1.0)] {
        for z in [9.0, 20.0, 36.0, 60.0, 1e6] {
            let m = mixture(&[-z * left, z * right], &[left, right]);
            close(m.quantile(0.5), 0.0, 1e-9 * z);
        }
    }
}

#[test]
fn extreme_members_give_finite_ordered_quantiles_that_satisfy_the_cdf() {
    let cases: [(&[f64], &[f64]); 6] = [
        (&[1.0, 1e6, -1e6, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0, 1.0]),
        (&[1.0, 1.0, 1.0], &[1e-12, 1.0, 1e12]),
        (&[0.0, 1.0], &[1e-150, 1.0]),
        (&[1e300, -1e300, 1.0], &[1.0, 1e150, 1e-150]),
        (&[1.5; 20], &[1e-8; 20]),
        (&[0.5, 0.5 + 1e-9], &[1e-6, 1e-6]),
    ];
    for (mu, sigma) in cases {
        let m = mixture(mu, sigma);
        let q = m.prediction().quantiles;
        assert!(q.iter().all(|q| q.is_finite()), "{q:?}");
        assert!(q.is_sorted(), "{q:?}");
        for (q, p) in q.iter().zip(LEVELS) {
            // the next numbers on either side enclose p
            let d = q.abs() * 1e-10 + 1e-10 * sigma.iter().fold(f64::INFINITY, |a, &b| a.min(b));
            assert!(
                m.cdf(q - d) <= p + 1e-15 && m.cdf(q + d) >= p - 1e-15,
                "{mu:?} {sigma:?} {p} {q}"
            );
        }
    }
}

/// Quantiles at [`LEVELS`], and ln p and P at 0.3, 1.2 and 9, of a mixture of means 1, 1.5, 4 and variances 0.04,
/// 0.25, 1: scipy 1.17, stats.t(5, mu, sqrt(3/5 var)), stats.lognorm and optimize.brentq.
#[test]
fn mixtures_of_student_t_and_of_log_normals_agree_with_scipy() {
    let student = (
        Likelihood::StudentT,
        [
            0.637_165_130_606_584_1,
            0.945_138_766_495_187_7,
            1.5,
            4.042_097_578_536_939,
            5.317_059_697_769_252,
        ],
        [-3.897_656_105_466_965, -0.543_708_035_254_229_3, -8.508_871_782_483_213],
        [
            0.006_363_207_315_101_281,
            0.372_621_690_808_756_07,
            0.999_777_541_380_309_9,
        ],
    );
    let log_normal = (
        Likelihood::LogNormal,
        [
            0.717_692_065_753_205,
            0.926_371_148_610_051_9,
            1.450_981_126_066_923_6,
            3.930_907_927_010_518,
            5.531_447_425_924_839,
        ],
        [
            -11.186_584_790_338_765,
            -0.461_781_180_514_539_26,
            -8.649_869_631_064_327,
        ],
        [
            2.701_035_752_350_628_3e-7,
            0.381_929_127_085_776_03,
            0.999_894_324_988_542_1,
        ],
    );
    for (likelihood, quantiles, log_pdf, cdf) in [student, log_normal] {
        let m = Mixture::new(likelihood, &[1.0, 1.5, 4.0], &[0.04, 0.25, 1.0]).unwrap();
        let p = m.prediction();
        close(p.theta_e, 6.5 / 3.0, 1e-14);
        close(p.sigma_aleatoric, 0.43f64.sqrt(), 1e-14);
        p.quantiles
            .iter()
            .zip(quantiles)
            .for_each(|(q, expected)| close(*q, expected, 1e-12));
        for (x, (log_pdf, cdf)) in [0.3, 1.2, 9.0].iter().zip(log_pdf.iter().zip(cdf)) {
            close(m.log_pdf(*x), *log_pdf, 1e-12);
            close(m.cdf(*x), cdf, 1e-13);
        }
    }
}

#[test]
fn extreme_members_of_every_likelihood_have_finite_ordered_quantiles() {
    let cases: [(&[f64], &[f64]); 5] = [
        (&[1.0, 1e6, 2.0], &[1.0, 1.0, 1.0]),
        (&[1.0, 1.0, 1.0], &[1e-10, 1.0, 1e10]),
        (&[1e-6, 1e6], &[1e-12, 1e12]),
        (&[1.5; 20], &[1e-8; 20]),
        (&[1.0], &[1e100]),
    ];
    for likelihood in [Likelihood::StudentT, Likelihood::LogNormal] {
        for (mu, var) in cases {
            let m = Mixture::new(likelihood, mu, var).unwrap();
            let q = m.prediction().quantiles;
            assert!(
                q.iter().all(|q| q.is_finite()) && q.is_sorted(),
                "{likelihood:?} {mu:?} {var:?}: {q:?}"
            );
            for (q, p) in q.iter().zip(LEVELS) {
                let d = 1e-9 * q.abs();
                assert!(
                    m.cdf(q - d) <= p + 1e-14 && m.cdf(q + d) >= p - 1e-14,
                    "{likelihood:?} {mu:?} {p} {q}"
                );
            }
        }
    }
}

#[test]
fn crps_agrees_with_its_integral() {
    for m in of_every_likelihood() {
        for truth in [-1.0, 0.9, 2.0, 5.0] {
            let h = 2e-4;
            let square = |i: i32| {
                let x = (f64::from(i) + 0.5) * h;
                (m.cdf(x) - f64::from(x >= truth)).powi(2) * h
            };
            close(m.crps(truth), (-150_000..150_000).map(square).sum(), 1e-6);
        }
    }
    // one Gaussian at its own mean: sigma (sqrt(2) - 1) / sqrt(pi)
    close(
        mixture(&[3.0], &[0.5]).crps(3.0),
        0.5 * (SQRT_2 - 1.0) / PI.sqrt(),
        1e-15,
    );
    close(mixture(&[3.0], &[1e-12]).crps(5.0), 2.0, 1e-11);
}

#[test]
fn tails_are_precise() {
    for m in of_every_likelihood() {
        for x in [-8.0, -1.0, 0.7, 1.2, 2.0, 4.0, 9.0] {
            let positive = m.likelihood != Likelihood::LogNormal || x > 0.0;
            close(
                m.at_signed_log_tail(m.signed_log_tail(x)),
                if positive { x } else { m.at_signed_log_tail(-700.0) },
                1e-9,
            );
        }
        close(m.signed_log_tail(1.0), (2.0 * m.cdf(1.0)).ln(), 1e-12);
        assert!(
            m.signed_log_tail(-1e9) <= -50.0
                && m.at_signed_log_tail(1e5).is_finite()
                && m.at_signed_log_tail(-1e5).is_finite()
        );
        close(m.upper_quantile(0.3), m.quantile(0.7), 1e-12);
    }
    let m = mixture(&[0.8, 1.1, 2.4], &[0.1, 0.3, 0.2]);
    assert_eq!((m.signed_log_tail(1e9), m.signed_log_tail(-1e9)), (700.0, -700.0));
}

#[test]
fn scaling_keeps_the_mean_and_multiplies_the_two_sigmas() {
    let m = gaussians(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]);
    let (a, b) = (m.prediction(), m.scaled(0.5, 3.0).prediction());
    close(b.theta_e, a.theta_e, 1e-15);
    close(b.sigma_aleatoric, 0.5 * a.sigma_aleatoric, 1e-15);
    close(b.sigma_epistemic, 3.0 * a.sigma_epistemic, 1e-14);
    assert_eq!(m.scaled(1.0, 1.0).prediction().quantiles, a.quantiles);
    // equal factors scale every quantile about the mean
    for (q, p) in m.scaled(2.0, 2.0).prediction().quantiles.iter().zip(a.quantiles) {
        close(q - a.theta_e, 2.0 * (p - a.theta_e), 1e-12);
    }
    let one = Mixture::gaussian(a.theta_e, a.sigma).prediction();
    close(one.theta_e, a.theta_e, 1e-15);
    close(one.sigma, a.sigma, 1e-15);
}

#[test]
fn scaling_works_for_every_likelihood() {
    for m in of_every_likelihood() {
        for (aleatoric, epistemic) in [(1.0, 1.0), (0.5, 3.0), (20.0, 0.05), (0.05, 20.0)] {
            let (a, b) = (m.prediction(), m.scaled(aleatoric, epistemic).prediction());
            close(b.theta_e, a.theta_e, 1e-14);
            assert!(b.quantiles.is_sorted() && b.sigma > 0.0);
            if m.likelihood == Likelihood::LogNormal {
                assert!(b.quantiles[0] > 0.0);
            } else {
                close(b.sigma_aleatoric, aleatoric * a.sigma_aleatoric, 1e-14);
                close(b.sigma_epistemic, epistemic * a.sigma_epistemic, 1e-12);
            }
        }
    }
    // where members are narrow and near each other, a logarithm is as good as a line
    let m = Mixture::new(Likelihood::LogNormal, &[1.0, 1.001, 1.003], &[1e-6, 2e-6, 3e-6]).unwrap();
    let (a, b) = (m.prediction(), m.scaled(2.0, 3.0).prediction());
    close(b.sigma_aleatoric, 2.0 * a.sigma_aleatoric, 2e-5);
    close(b.sigma_epistemic, 3.0 * a.sigma_epistemic, 2e-5);
}

#[test]
fn log_pdf_far_out_is_finite() {
    let m = mixture(&[0.0, 1.0], &[0.1, 0.1]);
    close(
        m.log_pdf(101.0),
        -0.5 * 1e6 - (0.1f64).ln() - 0.5 * (2.0 * PI).ln() - 2f64.ln(),
        1e-6,
    );
    assert!(m.log_pdf(1e300).is_sign_negative());
}

#[test]
fn bad_members_are_named() {
    let invalid = |mu: &[f64], var: &[f64]| match Mixture::new(Likelihood::Gaussian, mu, var) {
        Err(Error::Member { member, source }) => (member, source.to_string()),
        other => panic!("{other:?}"),
    };
    let (member, message) = invalid(&[1.0, f64::NAN], &[1.0, 1.0]);
    assert!(member == 1 && message.contains("mean NaN"), "{member}: {message}");
    assert_eq!((invalid(&[1.0], &[0.0]).0, invalid(&[1.0], &[f64::INFINITY]).0), (0, 0));
    for (mu, var) in [(&[][..], &[][..]), (&[1.0][..], &[][..])] {
        let error = Mixture::new(Likelihood::Gaussian, mu, var).unwrap_err();
        assert_eq!(
            error,
            Error::MemberCount {
                means: mu.len(),
                variances: 0
            }
        );
    }
}
