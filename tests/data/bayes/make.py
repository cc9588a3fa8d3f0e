"""Expected values of the tests of src/bayes: closed forms by numpy and scipy, chains by emcee and arviz.

Needs numpy, scipy, emcee and arviz-stats. Run `python make.py` in this folder; it writes the JSON files beside it.
"""

import json

import emcee
import numpy as np
from arviz_stats.base import array_stats
from scipy import stats
from scipy.special import gammaln


def write(name, **values):
    """Writes arrays as lists, with all digits."""
    plain = lambda v: v.tolist() if isinstance(v, np.ndarray) else v
    with open(name, "w") as file:
        json.dump({key: plain(value) for key, value in values.items()}, file)


def linear():
    """A regression with an informative prior: the textbook's formulas by inverses and determinants."""
    rng = np.random.default_rng(5)
    n, p = 30, 4
    x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1)) * [1, 20, 0.1] + [0, 5, -1]])
    y = x @ [2, -1, 0.3, 4] + rng.normal(size=n) * 0.7
    m0 = np.array([1.0, 0.0, 0.5, -2.0])
    precision = np.array([0.01, 0.5, 2.0, 0.1])
    a0, b0 = 1.5, 0.8
    l0 = np.diag(precision)
    ln = x.T @ x + l0
    inverse = np.linalg.inv(ln)
    mn = inverse @ (x.T @ y + l0 @ m0)
    an = a0 + n / 2
    bn = b0 + 0.5 * (y @ y + m0 @ l0 @ m0 - mn @ ln @ mn)
    evidence = (
        -n / 2 * np.log(2 * np.pi)
        + 0.5 * (np.log(np.linalg.det(l0)) - np.log(np.linalg.det(ln)))
        + a0 * np.log(b0) - an * np.log(bn) + gammaln(an) - gammaln(a0)
    )
    # The evidence another way: the labels have a multivariate Student's t distribution.
    marginal = stats.multivariate_t(x @ m0, b0 / a0 * (np.eye(n) + x @ np.linalg.inv(l0) @ x.T), df=2 * a0)
    assert abs(marginal.logpdf(y) - evidence) < 1e-9
    new = np.array([1.0, 0.4, 11.0, -0.8])
    scale = np.sqrt(bn / an * (1 + new @ inverse @ new))
    predictive = stats.t(2 * an, new @ mn, scale)
    # Known noise: everything is normal.
    sigma = 0.6
    known = stats.multivariate_normal(x @ m0, sigma**2 * (np.eye(n) + x @ np.linalg.inv(l0) @ x.T)).logpdf(y)
    # Reference prior: least squares.
    ols, rss, _, _ = np.linalg.lstsq(x, y, rcond=None)
    ols_scale = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * rss[0] / (n - p))
    ols_interval = np.array(stats.t(n - p, ols, ols_scale).interval(0.95)).T
    write(
        "linear.json", design=x, label=y, mean0=m0, precision=precision, shape0=a0, rate0=b0,
        mean=mn, covariance=bn / (an - 1) * inverse, shape=an, rate=bn, log_evidence=evidence,
        new=new, predictive_scale=scale, predictive_95=np.array(predictive.interval(0.95)),
        predictive_log_pdf=predictive.logpdf(7.0), predictive_cdf=predictive.cdf(7.0),
        known_sigma=sigma, known_covariance=sigma**2 * inverse, known_log_evidence=known,
        ols=ols, ols_interval=ols_interval,
    )


def student():
    """Quantiles of Student's t by scipy."""
    dofs = [0.5, 1.0, 2.0, 3.7, 30.0, 492.0, 1e6]
    levels = [0.001, 0.025, 0.16, 0.4, 0.5, 0.84, 0.999]
    write("student.json", dof=np.array(dofs), level=np.array(levels),
          quantile=np.array([stats.t(dof).ppf(levels) for dof in dofs]))


def noise_sigma():
    """The square root of an inverse-gamma variable, by scipy: 2 shape / chi^2 in units of rate / shape."""
    cases = []
    for shape, rate in [(1.5, 0.8), (246.0, 5000.0), (16.5, 3e-4)]:
        square = stats.invgamma(shape, scale=rate)
        mean = np.sqrt(rate) * np.exp(gammaln(shape - 0.5) - gammaln(shape))
        cases.append({
            "shape": shape, "rate": rate,
            "quantiles": np.sqrt(square.ppf([0.025, 0.16, 0.5, 0.84, 0.975])).tolist(),
            "moments": [mean, np.sqrt(square.mean() - mean**2), square.logpdf(1.3**2) + np.log(2 * 1.3)],
        })
    with open("noise_sigma.json", "w") as file:
        json.dump(cases, file)


def short_chain():
    """A short chain of few walkers, as it is, with the figures of emcee and arviz."""
    rng = np.random.default_rng(3)
    sampler = emcee.EnsembleSampler(6, 2, lambda p: -0.5 * (p[0] ** 2 + (p[1] - p[0]) ** 2 / 0.5))
    sampler.random_state = np.random.RandomState(4).get_state()
    sampler.run_mcmc(rng.normal(size=(6, 2)), 121)
    chain = np.round(sampler.get_chain(), 6)
    figures = []
    for parameter in range(2):
        walkers = chain[:, :, parameter].T
        figures.append({
            "tau": float(emcee.autocorr.integrated_time(chain[:, :, parameter : parameter + 1], quiet=True)[0]),
            "r_hat": float(array_stats.rhat(walkers, chain_axis=0, draw_axis=1)),
            "ess_bulk": float(array_stats.ess(walkers, chain_axis=0, draw_axis=1, method="bulk")),
        })
    write("short_chain.json", walkers=6, values=chain.ravel(), figures=figures)


def banana(p):
    """A Gaussian bent along a parabola."""
    return -0.5 * (p[:, 0] ** 2 + (p[:, 1] - p[:, 0] ** 2) ** 2 / 0.25)


def banana_moments():
    """Moments of the banana by emcee, with Monte Carlo errors from the autocorrelation of each moment."""
    rng = np.random.default_rng(6)
    sampler = emcee.EnsembleSampler(40, 2, banana, vectorize=True)
    sampler.random_state = np.random.RandomState(7).get_state()
    sampler.run_mcmc(rng.normal(size=(40, 2)) * 0.5, 102_000)
    chain = sampler.get_chain(discard=2000)
    moments = {
        "x": chain[..., 0], "y": chain[..., 1],
        "x2": chain[..., 0] ** 2, "y2": chain[..., 1] ** 2, "x2y": chain[..., 0] ** 2 * chain[..., 1],
    }
    out = {}
    for name, values in moments.items():
        tau = emcee.autocorr.integrated_time(values[..., None], tol=50)[0]
        out[name] = [float(values.mean()), float(values.std() * np.sqrt(tau / values.size))]
    write("banana.json", **out)


linear()
student()
noise_sigma()
short_chain()
banana_moments()
