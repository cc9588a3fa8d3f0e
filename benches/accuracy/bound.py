"""How accurate radii can be: a fit of the true model to lenses of lenstronomy_stack.py, in the limit of small errors.

    pip install numpy scipy lenstronomy
    python bound.py --count 100 --seed 14

For each lens, the Fisher matrix of all parameters of the simulation (22: mass, shear, both light profiles with their
fluxes in each band, and the width of the point spread function) is computed from derivatives of the images and their
noise. The population's width of each parameter is added as a Gaussian prior. Prints the sigma of theta_e that the
inverse gives, and the figures that Gaussian errors of these sigmas have. They are those of a program that knows the
model and the noise exactly; a network that learns both from images cannot be better.
"""

import argparse
import multiprocessing

import numpy as np

from lenstronomy_stack import BANDS, ELECTRON, MIN_ARC_PIXELS, image, parameters

# Each parameter's step for the derivative, and its width in the population.
VARIED = {
    "theta_e": (1e-3, 0.6),
    "q": (1e-3, 0.115),
    "phi": (2e-3, 0.9),
    "shear_1": (1e-4, 0.035),
    "shear_2": (1e-4, 0.035),
    "x": (1e-3, 0.035),
    "y": (1e-3, 0.035),
    "n_lens": (5e-3, 0.66),
    "r_lens": (2e-3, 0.5),
    "n_source": (5e-3, 0.52),
    "r_source": (5e-4, 0.09),
    "q_source": (2e-3, 0.16),
    "phi_source": (2e-3, 0.9),
    "x_source": (1e-3, 0.3),
    "y_source": (1e-3, 0.3),
    "psf": (1e-3, 0.052),
}
# Fluxes are multiplied by factors, whose widths are those of a factor of ten: no prior to speak of.
FLUX_WIDTH = 1.0


def images(p, colours):
    """Noise-free images of arcs and of everything in each band, in units of the R band's sky noise."""
    shear = p["shear_1"] + 1j * p["shear_2"]
    p = {**p, "shear": abs(shear), "shear_phi": np.angle(shear) / 2}
    return np.array([image(p, band, colours[band]) for band in BANDS])


def sigma(job):
    """The number of a lens, its theta_e and the smallest sigma of it."""
    seed, number = job
    rng = np.random.default_rng([seed, number])
    while True:
        p = parameters(rng)
        p["shear_1"] = p["shear"] * np.cos(2 * p["shear_phi"])
        p["shear_2"] = p["shear"] * np.sin(2 * p["shear_phi"])
        colours = {band: (lens, source) for band, (_, _, lens, source) in BANDS.items()}
        centre = images(p, colours)
        if (centre[0, 0] > 1).sum() >= MIN_ARC_PIXELS:
            break
    sky = np.array([noise / BANDS["R"][0] for noise, *_ in BANDS.values()])[:, None, None]
    weight = 1 / (sky**2 + np.maximum(centre[:, 1], 0) * sky * ELECTRON)
    slopes, widths = [], []
    for name, (step, width) in VARIED.items():
        low, high = ({**p, name: p[name] + sign * step} for sign in (-1, 1))
        slopes.append((images(high, colours)[:, 1] - images(low, colours)[:, 1]) / (2 * step))
        widths.append(width)
    for channel in range(len(BANDS)):
        for light in (centre[channel, 0], centre[channel, 1] - centre[channel, 0]):
            slopes.append(np.zeros_like(weight))
            slopes[-1][channel] = light
            widths.append(FLUX_WIDTH)
    slopes = np.array(slopes)
    fisher = np.einsum("ibyx,jbyx,byx->ij", slopes, slopes, weight) + np.diag(1 / np.square(widths))
    return p["theta_e"], np.sqrt(np.linalg.inv(fisher)[0, 0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=14)
    args = parser.parse_args()
    with multiprocessing.Pool() as pool:
        rows = pool.map(sigma, [(args.seed, number) for number in range(args.count)], chunksize=1)
    sigmas = np.array([sigma for _, sigma in rows])
    errors = np.random.default_rng(args.seed).normal(size=(1000, len(sigmas))) * sigmas
    nll = np.mean(np.log(sigmas)) + 0.5 * np.log(2 * np.pi * np.e)
    print(f"{len(sigmas)} lenses")
    print("sigma of theta_e at 5, 50, 95 %: " + ", ".join(f'{x:.4f}"' for x in np.quantile(sigmas, [0.05, 0.5, 0.95])))
    print(f'RMSE {np.sqrt(np.mean(sigmas**2)):.4f}", NMAD {1.4826 * np.median(np.abs(errors)):.4f}", NLL {nll:.2f}')


if __name__ == "__main__":
    main()
