"""Simulated images."""

from __future__ import annotations

import numpy as np

from . import _lensgpu
from ._arrays import structured
from ._errors import OptionError


def simulate(preset: str, n: int, seed: int = 1, *, device: str = "auto") -> tuple[np.ndarray, np.ndarray]:
    """Simulates images of a survey, as ``lensgpu simulate --stack`` does.

    The GIL is released, and Ctrl-C raises ``KeyboardInterrupt``.

    Parameters
    ----------
    preset : str
        Name of a preset, such as ``lfc1-ground`` or ``euclid``, or path of a population (``.toml``); see
        docs/simulator.md.
    n : int
        Number of objects.
    seed : int
        Random seed. Object k depends on the seed and on k only.
    device : str
        See :meth:`Model.predict`.

    Returns
    -------
    images : numpy.ndarray
        float32 (n, height, width, bands); masked pixels are NaN.
    truth : numpy.ndarray
        Structured array with the columns of docs/simulator.md: ``id``, ``is_lens``, ``theta_e`` (arcsec),
        ``theta_e_crit`` (arcsec), and all other parameters.

    Raises
    ------
    SimulationError
        An unknown preset, or a population that is not valid.
    DeviceError
        An unknown device, or one that fails.
    """
    if n < 1:
        raise OptionError(f"n is {n}; it must be at least 1")
    images, truth = _lensgpu.simulate(str(preset), n, seed, device)
    return images, structured({name: np.asarray(values) for name, values in truth.items()})
