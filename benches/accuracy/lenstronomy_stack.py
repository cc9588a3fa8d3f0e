"""Simulates lenses with lenstronomy: another program's images, for measuring how accurate lensgpu is.

    pip install numpy lenstronomy
    python lenstronomy_stack.py OUT --count 5550 --seed 14

writes OUT/images.npy (N, 55, 55, 3; float32 flux in R, I, G) and OUT/catalogue.csv (id, theta_e in arcsec, parameters).
The population is that of the preset `lenstronomy-check`: a singular isothermal ellipsoid with shear, elliptical Sersic
light of lens and source, a Gaussian point spread function, Poisson and sky noise. Object k depends on the seed and k only.
"""

import argparse
import csv
import multiprocessing
import pathlib

import numpy as np
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.param_util import phi_q2_ellipticity
from scipy.special import gamma, gammaincinv

SIZE, SCALE = 55, 0.2
BANDS = {
    # sky noise of a pixel, FWHM of the point spread function (arcsec), colours of lens and source relative to R
    "R": (4.0e-12, 0.80, 1.00, 1.0),
    "I": (5.0e-12, 0.70, 1.50, 1.1),
    "G": (3.0e-12, 0.90, 0.38, 0.9),
}
# One electron is this fraction of the sky noise.
ELECTRON = 1 / 40
MIN_ARC_PIXELS = 20


def truncated(draw, low, high):
    while True:
        value = draw()
        if low <= value <= high:
            return value


def parameters(rng):
    theta_e = truncated(lambda: 1.3 * np.exp(0.42 * rng.normal()), 0.45, 4.2)
    r_lens = truncated(lambda: 0.9 * theta_e * np.exp(0.3 * rng.normal()), 0.3, 3.5)
    offset, angle = 0.55 * theta_e * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    return {
        "theta_e": theta_e,
        "q": rng.uniform(0.55, 0.95),
        "phi": rng.uniform(0, np.pi),
        "shear": truncated(lambda: rng.rayleigh(0.035), 0, 0.12),
        "shear_phi": rng.uniform(0, np.pi),
        "x": rng.uniform(-0.06, 0.06),
        "y": rng.uniform(-0.06, 0.06),
        "n_lens": rng.uniform(2.5, 4.8),
        "r_lens": r_lens,
        "flux_lens": 10 ** rng.uniform(2.9, 4.3),
        "n_source": rng.uniform(0.7, 2.5),
        "r_source": truncated(lambda: 0.22 * np.exp(0.4 * rng.normal()), 0.05, 1.0),
        "q_source": rng.uniform(0.4, 0.95),
        "phi_source": rng.uniform(0, np.pi),
        "x_source": offset * np.cos(angle),
        "y_source": offset * np.sin(angle),
        "flux_source": 10 ** rng.uniform(2.1, 3.3),
        "psf": rng.uniform(0.92, 1.10),
    }


def sersic(flux, n, radius, q, phi, x, y):
    """Keyword arguments of an elliptical Sersic profile of a total flux."""
    b = gammaincinv(2 * n, 0.5)
    integral = 2 * np.pi * radius**2 * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n)
    e1, e2 = phi_q2_ellipticity(phi, q)
    return {
        "amp": flux / integral,
        "n_sersic": n,
        "R_sersic": radius,
        "e1": e1,
        "e2": e2,
        "center_x": x,
        "center_y": y,
    }


def image(p, band, colours):
    """The noise-free image of the lensed source and that of everything, in units of the R band's sky noise."""
    _, fwhm, _, _ = BANDS[band]
    half = (SIZE - 1) / 2 * SCALE
    grid = ImageData(
        image_data=np.zeros((SIZE, SIZE)),
        ra_at_xy_0=-half,
        dec_at_xy_0=-half,
        transform_pix2angle=np.eye(2) * SCALE,
    )
    model = ImageModel(
        grid,
        PSF(psf_type="GAUSSIAN", fwhm=fwhm * p["psf"], pixel_size=SCALE, truncation=5),
        lens_model_class=LensModel(["SIE", "SHEAR"]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        lens_light_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": 3, "supersampling_convolution": False},
    )
    e1, e2 = phi_q2_ellipticity(p["phi"], p["q"])
    mass = [
        {"theta_E": p["theta_e"], "e1": e1, "e2": e2, "center_x": p["x"], "center_y": p["y"]},
        {
            "gamma1": p["shear"] * np.cos(2 * p["shear_phi"]),
            "gamma2": p["shear"] * np.sin(2 * p["shear_phi"]),
            "ra_0": 0,
            "dec_0": 0,
        },
    ]
    lens_colour, source_colour = colours
    x, y = p["x"], p["y"]
    light = sersic(p["flux_lens"] * lens_colour, p["n_lens"], p["r_lens"], p["q"], p["phi"], x, y)
    x, y = x + p["x_source"], y + p["y_source"]
    source = sersic(
        p["flux_source"] * source_colour, p["n_source"], p["r_source"], p["q_source"], p["phi_source"], x, y
    )
    arcs = model.image(mass, [source], [light], lens_light_add=False)
    lens = model.image(mass, [source], [light], source_add=False)
    return arcs, arcs + lens


def lens(job):
    """Object `number`: the first draw of its own generator that has enough arc pixels."""
    seed, number = job
    rng = np.random.default_rng([seed, number])
    while True:
        p = parameters(rng)
        lens_scatter = np.exp(0.12 * rng.normal(size=3))
        source_scatter = np.exp(0.2 * rng.normal(size=3))
        lens_scatter[0] = source_scatter[0] = 1
        cube, unit = np.zeros((SIZE, SIZE, 3), np.float32), BANDS["R"][0]
        for channel, (band, (noise, _, lens_colour, source_colour)) in enumerate(BANDS.items()):
            colours = (lens_colour * lens_scatter[channel], source_colour * source_scatter[channel])
            arcs, both = image(p, band, colours)
            if channel == 0:
                arc_pixels = int((arcs > 1).sum())
                if arc_pixels < MIN_ARC_PIXELS:
                    break
            electron = noise * ELECTRON
            counts = rng.poisson(np.maximum(both, 0) * unit / electron)
            cube[:, :, channel] = counts * electron + noise * rng.normal(size=both.shape)
        else:
            return cube, {"id": number, **p, "arc_pixels": arc_pixels}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=5550)
    parser.add_argument("--seed", type=int, default=14)
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    with multiprocessing.Pool() as pool:
        jobs = [(args.seed, number) for number in range(args.count)]
        cubes, rows = zip(*pool.imap(lens, jobs, chunksize=16))
    np.save(args.out / "images.npy", np.stack(cubes))
    with open(args.out / "catalogue.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row in rows:
            writer.writerow({key: value if key in ("id", "arc_pixels") else f"{value:.6g}" for key, value in row.items()})


if __name__ == "__main__":
    main()
