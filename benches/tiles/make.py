"""Synthetic tiles and positions for the measurements in docs/tiles.md and docs/scale.md.

Run: python make.py FOLDER [POSITIONS]
Writes 4 tiles of 4096 x 4096 pixels of 0.2" in 2 bands, FOLDER/t{1..4}_{g,r}.fits, and positions.parquet, in the order
of the tiles, with every n-th position in positions_10000.parquet and positions_100000.parquet, and a stack to train a model
on, FOLDER/stack. Needs numpy, astropy and pyarrow.
"""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.wcs import WCS

folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
random = np.random.default_rng(1)
size = 4096
sky = []
for tile in range(4):
    w = WCS(naxis=2)
    w.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    w.wcs.crval, w.wcs.crpix = [150.0 + tile, 2.0], [size / 2, size / 2]
    w.wcs.cd = np.diag([-0.2, 0.2]) / 3600
    for band in "gr":
        values = random.standard_normal((size, size), dtype=np.float32)
        fits.PrimaryHDU(values, w.to_header()).writeto(f"{folder}/t{tile + 1}_{band}.fits", overwrite=True)
    pixels = random.uniform(0, size - 1, (count // 4, 2))
    sky.append(w.wcs_pix2world(pixels, 0))
ra, dec = np.concatenate(sky).T
table = pa.table({"id": np.arange(len(ra)), "ra": ra, "dec": dec})
pq.write_table(table, f"{folder}/positions.parquet", row_group_size=100_000)
for few in (10_000, 100_000):
    pq.write_table(table[:: max(1, len(ra) // few)], f"{folder}/positions_{few}.parquet")
# Noise with a ring, for a model that takes such stamps: its predictions do not matter here.
os.makedirs(f"{folder}/stack", exist_ok=True)
radii = random.uniform(1, 3, 64)
y, x = np.indices((55, 55)) - 27
images = np.exp(-((np.hypot(x, y) / 5 - radii[:, None, None]) ** 2))[..., None] * [3.0, 2.0]
np.save(f"{folder}/stack/images.npy", (images + random.normal(0, 1, images.shape)).astype(np.float32))
rows = "".join(f"{i},{radius!r}\n" for i, radius in enumerate(radii.tolist()))
with open(f"{folder}/stack/catalogue.csv", "w") as file:
    file.write("id,theta_e\n" + rows)
