"""Tiles, positions and the stamps that astropy and reproject cut out of them.

Run in this folder: python make.py
With astropy 8.0.2, reproject 0.21.0 and numpy 2.4.6. What is written is in the repository.

A stamp in the tile's own pixels is that of astropy.nddata.Cutout2D. A stamp in other pixels is that of
reproject.reproject_exact, of flux per solid angle: the tile is divided by the solid angle of its pixels before, and the
stamp is multiplied by that of its own.
"""

import warnings

import numpy as np
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from reproject import reproject_adaptive, reproject_exact

warnings.simplefilter("ignore", AstropyWarning)
warnings.simplefilter("ignore", RuntimeWarning)
SHAPE = (54, 62)  # height, width of a tile
SCALE = 2.0  # arcsec per pixel of a tile
RANDOM = np.random.default_rng(18)


def header(kind="TAN", ra=150.0, dec=-30.0, scale=SCALE, angle=0.0, shift=(0.0, 0.0), shape=SHAPE):
    """A header whose reference pixel is `shift` from the image's centre."""
    h = fits.Header()
    h["NAXIS"], h["NAXIS1"], h["NAXIS2"] = 2, shape[1], shape[0]
    h["CTYPE1"] = "RA---" + kind
    h["CTYPE2"] = "DEC--" + kind
    h["CRVAL1"], h["CRVAL2"] = ra, dec
    h["CRPIX1"] = (shape[1] + 1) / 2 + shift[0]
    h["CRPIX2"] = (shape[0] + 1) / 2 + shift[1]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    step = scale / 3600
    h["CD1_1"], h["CD1_2"] = -step * cos, step * sin
    h["CD2_1"], h["CD2_2"] = step * sin, step * cos
    h["RADESYS"] = "ICRS"
    return h


def sip():
    h = header("TAN-SIP", shift=(20.3, -15.1), angle=12.0)
    h["A_ORDER"], h["B_ORDER"] = 3, 3
    h["A_2_0"], h["A_0_2"], h["A_1_1"], h["A_3_0"] = 3e-4, -1e-4, 2e-4, 1e-6
    h["B_2_0"], h["B_0_2"], h["B_1_1"], h["B_0_3"] = -2e-4, 2e-4, 1e-4, -1e-6
    return h


def tpv():
    h = header("TPV", shift=(-11.0, 14.0), angle=-7.0)
    for axis, values in ((1, {0: 1e-4, 1: 1.01, 2: 0.004, 4: 0.2, 5: -0.1, 6: 0.15, 7: 3.0, 10: -2.0, 11: 1.5}),
                         (2, {0: -2e-4, 1: 0.995, 2: -0.003, 4: -0.15, 5: 0.1, 6: 0.1, 7: 2.0, 9: 1.0, 11: -1.0})):
        for number, value in values.items():
            h[f"PV{axis}_{number}"] = value
    return h


def image(shape=SHAPE):
    """Noise, and a few bright pixels: it shows where each pixel went."""
    values = RANDOM.normal(10.0, 3.0, shape)
    values[RANDOM.integers(0, shape[0], 20), RANDOM.integers(0, shape[1], 20)] += 200.0
    return values.astype(np.float32)


def plane(ra, dec):
    """The tangent plane of a position, in degrees, as an undistorted WCS."""
    w = WCS(naxis=2)
    w.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    w.wcs.crval, w.wcs.crpix, w.wcs.cdelt = [ra, dec], [1.0, 1.0], [1.0, 1.0]
    return w


def offsets(w, x, y, ra, dec):
    """Degrees east and north of a position, in its tangent plane, of pixels counted from 0."""
    return np.array(plane(ra, dec).all_world2pix(*w.all_pix2world(x, y, 0), 0))


def solid_angles(w, shape, ra, dec):
    """Of each pixel, by its corners in the tangent plane of a position nearby; degrees^2."""
    y, x = np.mgrid[0 : shape[0] + 1, 0 : shape[1] + 1] - 0.5
    e, n = offsets(w, x.ravel(), y.ravel(), ra, dec).reshape(2, *x.shape)
    p = [(e[:-1, :-1], n[:-1, :-1]), (e[:-1, 1:], n[:-1, 1:]), (e[1:, 1:], n[1:, 1:]), (e[1:, :-1], n[1:, :-1])]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(p, p[1:] + p[:1]))) / 2


def stamp_wcs(w, ra, dec, size, scale):
    """Square pixels around a position, along the axes of the tile there."""
    x, y = w.all_world2pix(ra, dec, 0)
    e, n = offsets(w, np.array([x, x + 1, x]), np.array([y, y, y + 1]), ra, dec)
    u, _, v = np.linalg.svd(np.array([[e[1] - e[0], e[2] - e[0]], [n[1] - n[0], n[2] - n[0]]]))
    stamp = plane(ra, dec)
    stamp.wcs.cd = u @ v * scale / 3600
    stamp.wcs.crpix = [(size + 1) / 2, (size + 1) / 2]
    return stamp


def exact(values, w, stamp, size, ra, dec):
    """NaN counts as outside: reproject would spread it. Where less than half of a pixel has a value, it has none."""
    known = np.isfinite(values)
    density = np.where(known, values, 0.0) / solid_angles(w, values.shape, ra, dec)
    mean, covered = reproject_exact((density, w), stamp, shape_out=(size, size), parallel=False)
    fraction, _ = reproject_exact((known.astype(float), w), stamp, shape_out=(size, size), parallel=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(covered * fraction >= 0.5, mean / fraction, np.nan)
    return result * solid_angles(stamp, (size, size), ra, dec)


def cut(values, w, ra, dec, size):
    x, y = w.all_world2pix(ra, dec, 0)
    return Cutout2D(values.astype(float), (float(x), float(y)), size, wcs=w, mode="partial", fill_value=np.nan)


def positions(w, pixels):
    return np.array([w.all_pix2world(x, y, 0) for x, y in pixels])


def write(name, sky):
    with open(f"{name}.csv", "w") as file:
        file.write("id,ra,dec\n")
        for at, (ra, dec) in enumerate(sky):
            file.write(f"{name}-{at},{float(ra)!r},{float(dec)!r}\n")


# Inside, off the centre of a pixel, at an edge and in a corner.
PIXELS = [(30.2, 25.4), (20.49, 30.51), (1.3, 20.7), (59.8, 51.9)]
TILES = {
    "tan": header(),
    "rotated": header(angle=33.0),
    "sip": sip(),
    "tpv": tpv(),
    "wrap": header(ra=0.001, dec=5.0),
    "pole": header(ra=40.0, dec=89.99, angle=20.0),
}

for name, h in TILES.items():
    w = WCS(h)
    sky = positions(w, PIXELS)
    values = image()
    fits.PrimaryHDU(values, h).writeto(f"{name}.fits", overwrite=True)
    write(name, sky)
    for size in (11, 10):
        own = [cut(values, w, ra, dec, size).data for ra, dec in sky]
        np.save(f"{name}_own_{size}.npy", np.array(own))
    for scale in (2.5, 1.7):
        other = [exact(values, w, stamp_wcs(w, ra, dec, 11, scale), 11, ra, dec) for ra, dec in sky]
        np.save(f"{name}_{scale}.npy", np.array(other))

# The same pixels, compressed in tiles without loss.
values, h = fits.getdata("tan.fits"), fits.getheader("tan.fits")
compressed = fits.CompImageHDU(values, h, compression_type="GZIP_2", tile_shape=(16, 16), quantize_level=0)
fits.HDUList([fits.PrimaryHDU(), compressed]).writeto("packed.fits.fz", overwrite=True)

# Two bands with different pixels: the second is resampled to those of the first.
first, second = header(angle=10.0), header(angle=14.0, scale=1.9, shift=(0.37, -0.21), shape=(60, 66))
pixels = [(30.2, 25.4), (20.49, 30.51)]
sky = positions(WCS(first), pixels)
write("bands", sky)
images = {"g": (first, image()), "r": (second, image((60, 66)))}
for band, (h, values) in images.items():
    fits.PrimaryHDU(values, h).writeto(f"bands_{band}.fits", overwrite=True)
stamps = []
for ra, dec in sky:
    g = cut(images["g"][1], WCS(first), ra, dec, 11)
    r = exact(images["r"][1], WCS(second), g.wcs, 11, ra, dec)
    stamps.append(np.stack([g.data, r], axis=-1))
np.save("bands.npy", np.array(stamps))

# A smooth source, whose flux reproject_adaptive conserves in another way.
h = header(angle=25.0)
y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
source = 1000.0 * np.exp(-((x - 30.6) ** 2 + (y - 26.2) ** 2) / (2 * 3.0**2)).astype(np.float32)
fits.PrimaryHDU(source, h).writeto("source.fits", overwrite=True)
sky = positions(WCS(h), [(30.6, 26.2)])
write("source", sky)
stamp = stamp_wcs(WCS(h), *sky[0], 23, 2.5)
adaptive, _ = reproject_adaptive(
    (source.astype(float), WCS(h)), stamp, shape_out=(23, 23), conserve_flux=True, kernel="gaussian"
)
print("source:", source.sum(dtype=float), "adaptive:", adaptive.sum())
np.save("source_adaptive.npy", adaptive)

# Masks and weights beside the image.
values, h = fits.getdata("tan.fits"), fits.getheader("tan.fits")
bits, weight = np.zeros(SHAPE, np.int32), np.ones(SHAPE, np.float32)
bits[22:25, 28:33], weight[30:, 20:24] = 4, 0.0
hdus = [fits.ImageHDU(values, h, name="SCI"), fits.ImageHDU(bits, name="MASK"), fits.ImageHDU(weight, name="WHT")]
fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto("masked.fits", overwrite=True)
values[(bits != 0) | (weight == 0)] = np.nan
sky = positions(WCS(h), PIXELS)
np.save("masked_own_11.npy", np.array([cut(values, WCS(h), ra, dec, 11).data for ra, dec in sky]))
masked = [exact(values, WCS(h), stamp_wcs(WCS(h), ra, dec, 11, 2.5), 11, ra, dec) for ra, dec in sky]
np.save("masked_2.5.npy", np.array(masked))
