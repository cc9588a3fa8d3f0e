"""Metrics of predictions.csv by independent software: writes expected.json.

python3 -m venv venv && venv/bin/pip install properscoring uncertainty-toolbox scipy numpy && venv/bin/python expected.py
"""
import csv
import json
import warnings

import numpy as np
import properscoring
import uncertainty_toolbox as uct
from scipy import integrate, optimize, stats

warnings.filterwarnings("ignore")
rows = list(csv.DictReader(open("predictions.csv")))
members = sum(name.startswith("mu_") for name in rows[0])
column = lambda name: np.array([float(row[name]) for row in rows])
truth = column("truth")
mu = np.stack([column(f"mu_{m}") for m in range(members)], 1)
sd = np.sqrt(np.stack([column(f"var_{m}") for m in range(members)], 1))


def metrics(mu, sd):
    n = len(truth)
    mean = mu.mean(1)
    sigma = np.sqrt((sd**2).mean(1) + mu.var(1))
    error = mean - truth
    cdf = lambda i, x: stats.norm.cdf(x, mu[i], sd[i]).mean()
    pit = np.array([cdf(i, truth[i]) for i in range(n)])
    level = np.abs(2 * pit - 1)
    if mu.shape[1] == 1:
        crps = properscoring.crps_gaussian(truth, mean, sigma)
        area = uct.miscalibration_area(mean, sigma, truth, num_bins=100)
    else:

        def integral(i):
            low, high = (mu[i] - 12 * sd[i]).min(), (mu[i] + 12 * sd[i]).max()
            low, high = min(low, truth[i]), max(high, truth[i])
            edges = sorted(set(np.r_[low, high, truth[i], mu[i]]))
            parts = [
                integrate.quad(lambda x: (cdf(i, x) - (x >= truth[i])) ** 2, a, b, epsabs=1e-11, epsrel=1e-10, limit=200)[0]
                for a, b in zip(edges, edges[1:])
            ]
            return sum(parts)

        crps = np.array([integral(i) for i in range(n)])
        # uncertainty-toolbox supports only Gaussians: each object is given as a standard normal with the same PIT.
        z = stats.norm.ppf(np.clip(pit, 1e-15, 1 - 1e-15))
        area = uct.miscalibration_area(np.zeros(n), np.ones(n), z, num_bins=100)
    order = np.argsort(sigma, kind="stable")
    rmv = np.array([np.sqrt((sigma[b] ** 2).mean()) for b in np.split(order, 10)])
    rmse = np.array([np.sqrt((error[b] ** 2).mean()) for b in np.split(order, 10)])
    nmad = stats.median_abs_deviation(error) * 1.4826
    accuracy = uct.get_all_accuracy_metrics(mean, truth, verbose=False) if hasattr(uct, "get_all_accuracy_metrics") else {}
    density = np.array([stats.norm.pdf(truth[i], mu[i], sd[i]).mean() for i in range(n)])
    return {
        "bias": error.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "rmse_without_worst_1pct": np.sqrt((np.sort(error**2)[: n - n // 100]).mean()),
        "median_abs_error": np.median(np.abs(error)),
        "nmad": nmad,
        "r2": accuracy.get("r2", 1 - (error**2).mean() / truth.var()),
        "share_above_1_arcsec": (np.abs(error) > 1).mean(),
        "outlier_share": ((np.abs(error) > 3 * nmad) & (np.abs(error) > 0.5)).mean(),
        "runaway_share": (np.abs(error) > np.maximum(1, 5 * sigma)).mean(),
        "nll": -np.log(density).mean(),
        "nll_gaussian": -stats.norm.logpdf(truth, mean, sigma).mean(),
        "crps": crps.mean(),
        "coverage_683": (level <= 0.683).mean(),
        "coverage_954": (level <= 0.954).mean(),
        "coverage_997": (level <= 0.997).mean(),
        "miscalibration_area": area,
        "sharpness": sigma.mean(),
        "ence": (np.abs(rmv - rmse) / rmv).mean(),
        "epistemic_share": (mu.var(1) / sigma**2).mean(),
    }


def quantile(i, p):
    excess = lambda x: stats.norm.cdf(x, mu[i], sd[i]).mean() - p
    return optimize.brentq(excess, (mu[i] - 12 * sd[i]).min(), (mu[i] + 12 * sd[i]).max(), xtol=1e-13)


expected = {}
# With sigmas divided by four the predictions are overconfident: some errors exceed 5 sigma.
for sigmas, what in (sd, ""), (sd / 4, ", sigmas / 4"):
    expected["mixture" + what] = metrics(mu, sigmas)
    for m in range(members):
        expected[f"member {m}{what}"] = metrics(mu[:, [m]], sigmas[:, [m]])
expected["quantiles of the first 10"] = [[quantile(i, p) for p in (0.025, 0.16, 0.5, 0.84, 0.975)] for i in range(10)]
json.dump(expected, open("expected.json", "w"), indent=1, default=float)
