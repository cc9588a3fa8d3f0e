"""Quantiles, draws and densities are of one distribution."""

import numpy as np
import pytest

import lensgpu


@pytest.fixture(scope="module")
def predictions(ground, model):
    images = ground[0].copy()
    images[4] = np.nan
    return model.predict(images, device="cpu")


def test_quantiles_are_the_columns(predictions):
    levels = [0.025, 0.16, 0.5, 0.84, 0.975]
    quantiles = predictions.quantile(levels)
    assert quantiles.shape == (30, 5)
    for column, name in enumerate(["q02_5", "q16", "q50", "q84", "q97_5"]):
        np.testing.assert_array_equal(quantiles[:, column], predictions[name])
    np.testing.assert_array_equal(predictions.quantile(0.5), predictions["q50"])
    for bad in (0, 1, [0.5, np.nan]):
        with pytest.raises(lensgpu.DataError, match="above 0 and below 1"):
            predictions.quantile(bad)


def test_samples_follow_the_distribution(predictions):
    n = 4000
    samples = predictions.sample(n, seed=5)
    assert samples.shape == (30, n)
    known = np.isfinite(predictions["theta_e"])
    assert np.isnan(samples[~known]).all() and (~known).sum() == 1
    np.testing.assert_array_equal(samples[known], predictions.sample(n, seed=5)[known])
    assert (samples[known] != predictions.sample(n, seed=6)[known]).any()
    # The fraction below each quantile has a binomial error; 5 sigma of it, for 29 objects and 5 levels.
    for level, name in [(0.025, "q02_5"), (0.16, "q16"), (0.5, "q50"), (0.84, "q84"), (0.975, "q97_5")]:
        below = (samples <= predictions[name][:, None]).mean(axis=1)[known]
        assert np.abs(below - level).max() < 5 * np.sqrt(level * (1 - level) / n), name
    mean = samples[known].mean(axis=1)
    assert np.abs(mean - predictions["theta_e"][known]).max() < (5 * predictions["sigma"] / np.sqrt(n))[known].max()


def test_the_density_is_the_slope_of_the_quantiles(predictions):
    for number in (0, 1, 7):
        grid = np.linspace(predictions["q16"][number], predictions["q84"][number], 2001)
        density = predictions.pdf(grid)[number]
        inside = ((density[1:] + density[:-1]) / 2 * np.diff(grid)).sum()
        assert abs(inside - 0.68) < 1e-6
    density = predictions.pdf([-1, 0, 1e-6, 1, 1e6])
    assert density.shape == (30, 5)
    assert np.isnan(density[4]).all() and np.isfinite(np.delete(density, 4, axis=0)).all()
    assert (density[0, :2] == 0).all()


def test_the_density_of_an_uncalibrated_ensemble_is_the_mixture(rings, tiny):
    images, radii = rings
    model = lensgpu.train(images, radii, network=tiny, epochs=2, members=3, calibration=0, device="cpu")
    assert "calibration" not in model.about
    predictions = model.predict(images[:20], device="cpu")
    mean, variance = predictions.members
    assert mean.shape == variance.shape == (20, 3)
    grid = np.linspace(0.2, 5, 50)
    z2 = (grid[None, None] - mean[..., None]) ** 2 / variance[..., None]
    expected = (np.exp(-z2 / 2) / np.sqrt(2 * np.pi * variance[..., None])).mean(axis=1)
    np.testing.assert_allclose(predictions.pdf(grid), expected, rtol=1e-10)
    np.testing.assert_allclose(predictions["theta_e"], mean.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(predictions["sigma_epistemic"], mean.std(axis=1), rtol=1e-9)
