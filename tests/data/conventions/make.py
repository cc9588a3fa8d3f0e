"""Einstein radii of one mass distribution by three conventions, from other people's code.

Run: python make.py > conventions.csv, with lenstronomy and autogalaxy (PyAutoGalaxy) installed. The mass is lenstronomy's
EPL with theta_E = 1.3 arcsec, and its SHEAR. The columns:

axis_ratio, slope, gamma1, gamma2   the mass: minor over major axis, which is along x; slope of the density in 3D; shear
circularised                        radius of the circle with the area inside the tangential critical curve, by a root of
                                    the determinant of lenstronomy's Jacobian in each of 720 directions
pyautolens                          einstein_radius of autogalaxy's PowerLaw with the same convergence
pyautolens_deflection               the same from its deflection, which its code computes in another way
"""

import autogalaxy as ag
import numpy as np
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.Util.param_util import phi_q2_ellipticity

THETA_E = 1.3
POINTS = np.array([[0.9, 0.4], [-0.3, 1.7], [1.4, -1.1], [0.2, 0.5]])  # x, y


def epl(q, slope):
    e1, e2 = phi_q2_ellipticity(0.0, q)
    return {"theta_E": THETA_E, "gamma": slope, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0}


def circularised(q, slope, gamma1, gamma2):
    model = LensModel(["EPL", "SHEAR"])
    kwargs = [epl(q, slope), {"gamma1": gamma1, "gamma2": gamma2, "ra_0": 0.0, "dec_0": 0.0}]

    angles = 2 * np.pi * (np.arange(720) + 0.5) / 720

    def determinant(r):
        xx, xy, yx, yy = model.hessian(r * np.cos(angles), r * np.sin(angles), kwargs)
        return (1 - xx) * (1 - yy) - xy * yx

    # The outermost change of sign in each direction, then bisection.
    grid = np.linspace(6, 0.2, 300)
    negative = np.array([determinant(np.full(angles.size, r)) < 0 for r in grid])
    first = negative.argmax(axis=0)
    low, high = grid[first], grid[first - 1]
    for _ in range(50):
        middle = 0.5 * (low + high)
        inside = determinant(middle) < 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.sqrt(np.mean(np.square(low)))


def pyautolens(q, slope):
    """From the convergence and the deflection of a mass with einstein_radius = 1, which scale with its power slope - 1."""
    mass = ag.mp.PowerLaw(ell_comps=(0.0, (1 - q) / (1 + q)), einstein_radius=1.0, slope=slope)
    assert np.isclose(mass.axis_ratio(), q) and np.isclose(mass.angle(), 0.0, atol=1e-6)
    grid = ag.Grid2DIrregular(values=[(y, x) for x, y in POINTS])
    kappa = np.array(mass.convergence_2d_from(grid=grid))
    alpha = np.array(mass.deflections_yx_2d_from(grid=grid))[:, ::-1]
    model, kwargs = LensModel(["EPL"]), [epl(q, slope)]
    expected = model.kappa(*POINTS.T, kwargs)
    deflection = np.stack(model.alpha(*POINTS.T, kwargs), axis=1)
    radii = (expected / kappa) ** (1 / (slope - 1)), np.ravel(deflection / alpha) ** (1 / (slope - 1))
    for values in radii:
        assert np.ptp(values) < 1e-6, values
    return [np.mean(values) for values in radii]


print("axis_ratio,slope,gamma1,gamma2,circularised,pyautolens,pyautolens_deflection")
for q, slope, gamma1, gamma2 in [
    (1.0 - 1e-5, 2.0, 0.0, 0.0),
    (0.8, 2.0, 0.0, 0.0),
    (0.5, 2.0, 0.0, 0.0),
    (0.8, 2.0, 0.05, 0.0),
    (0.8, 2.0, -0.05, 0.0),
    (0.6, 2.0, 0.03, 0.04),
    (0.9, 1.7, 0.0, 0.0),
    (0.6, 1.7, 0.0, 0.0),
    (0.6, 2.3, 0.0, 0.0),
    (0.75, 2.2, -0.04, 0.03),
    (0.4, 1.8, 0.06, -0.02),
]:
    values = [circularised(q, slope, gamma1, gamma2), *pyautolens(q, slope)]
    numbers = [f"{value:.10g}" for value in [q, slope, gamma1, gamma2]] + [f"{value:.9f}" for value in values]
    print(",".join(numbers))
