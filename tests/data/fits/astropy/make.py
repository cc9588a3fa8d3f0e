"""Writes small FITS files with unusual pixels, the values that astropy reads from them (expected.json).

    python make.py            # needs numpy and astropy
"""

import gzip
import io
import json
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.coordinates import SkyCoord

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent
rng = np.random.default_rng(7)
ny, nx = 11, 14
counts = rng.integers(-300, 3000, (ny, nx)).astype("i2")
flux = (rng.normal(0, 1, (ny, nx)) + 5).astype("f4")
flux[2, 3] = flux[10, 13] = np.nan
zeros = np.where(rng.random((ny, nx)) < 0.3, 0, np.nan_to_num(flux)).astype("f4")
expected = {}


def card(text):
    return text.encode("latin-1").ljust(80)[:80]


def to_bytes(*hdus):
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def with_cards(data, added=(), replaced=None, hdu=1):
    start = 0 if hdu == 0 else data.index(b"XTENSION=")
    end = data.index(b"END" + b" " * 77, start)
    cards = [data[at : at + 80] for at in range(start, end, 80)]
    cards = [(replaced or {}).get(c[:8].decode("latin-1").strip(), c) for c in cards]
    header = b"".join(cards + list(added)) + b"END" + b" " * 77
    after = start + ((end - start) // 2880 + 1) * 2880
    return data[:start] + header + b" " * (-len(header) % 2880) + data[after:]


def save(name, data, values=None):
    if values is None:
        with fits.open(io.BytesIO(data)) as file:
            hdu = next(h for h in file if h.data is not None and h.is_image and h.data.size)
            values = np.array(hdu.data).astype("f8")
    expected[name] = np.asarray(values, "f8").squeeze()
    (HERE / f"{name}.fits.gz").write_bytes(gzip.compress(data, mtime=0))


def tiled(image, **how):
    return to_bytes(fits.PrimaryHDU(), fits.CompImageHDU(image, **how))


for kind in ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS"]:
    image = np.abs(counts) if kind == "PLIO_1" else counts
    shape = (ny, nx) if kind == "HCOMPRESS_1" else (4, 5)
    save(f"int16_{kind}", tiled(image, compression_type=kind, tile_shape=shape))
for dtype in ["u1", "i4", "u2"]:
    save(f"rice_{dtype}", tiled(np.abs(counts).astype(dtype), compression_type="RICE_1"))
cube = np.array([counts, counts + 1, counts[::-1]])
save("cube", tiled(cube, compression_type="RICE_1", tile_shape=(2, 4, 5)))
for method in [-1, 1, 2]:
    for kind in ["RICE_1", "GZIP_2" if method == 2 else "GZIP_1", "HCOMPRESS_1"]:
        # Tiles of HCOMPRESS are the whole image; astropy has no nulls in them.
        image = np.nan_to_num(flux) if kind == "HCOMPRESS_1" else (zeros if method == 2 else flux)
        shape = (ny, nx) if kind == "HCOMPRESS_1" else (1, nx)
        how = dict(quantize_method=method, quantize_level=-0.01, tile_shape=shape)
        if method > 0:
            how["dither_seed"] = 9998
        save(f"quantised_{kind}_{method + 0 if method > 0 else 'no'}", tiled(image, compression_type=kind, **how))
save("float64_rice", tiled(flux.astype("f8"), compression_type="RICE_1", quantize_level=16, dither_seed=1))
save("hcompress_smooth", tiled(counts, compression_type="HCOMPRESS_1", hcomp_scale=2, hcomp_smooth=1, tile_shape=(ny, nx)))
constant = np.array(flux)
constant[4] = 7.25
save("fallback_gzip", tiled(constant, compression_type="RICE_1", quantize_level=16, dither_seed=3, tile_shape=(1, nx)))
save("lossless", tiled(flux, compression_type="GZIP_2", quantize_level=0))
blanks = np.where(rng.random((ny, nx)) < 0.2, -32768, counts).astype("i2")
data = with_cards(tiled(blanks, compression_type="RICE_1"), [card("ZBLANK  =               -32768")])
save("zblank", data, np.where(blanks == -32768, np.nan, blanks))
data = with_cards(tiled(blanks, compression_type="GZIP_1"), [card("BLANK   =               -32768")])
save("compressed_blank", data, np.where(blanks == -32768, np.nan, blanks))
# A gap of 160 bytes between the table and its heap.
data = tiled(counts, compression_type="RICE_1")
with fits.open(io.BytesIO(data), disable_image_compression=True) as file:
    table = file[1].header
start = data.index(b"END" + b" " * 77, data.index(b"XTENSION="))
start = (start // 2880 + 1) * 2880
size, heap = table["NAXIS1"] * table["NAXIS2"], table["PCOUNT"]
body = data[start : start + size] + b"\xaa" * 160 + data[start + size : start + size + heap]
gap = with_cards(data[:start], [card(f"THEAP   = {size + 160:20d}")], {"PCOUNT": card(f"PCOUNT  = {heap + 160:20d}")})
save("theap_gap", gap + body + b"\0" * (-len(body) % 2880), counts)
# A stray byte in TFORM of a compressed image.
data = tiled(flux, compression_type="RICE_1", quantize_level=16, dither_seed=5)
at = data.index(b"TFORM3  = '1D") + 13
save("tform", data[:at] + b"\xc2" + data[at + 1 :])
# Unsigned 64-bit integers, plain.
u8 = (np.arange(ny * nx, dtype="u8") * 3).reshape(ny, nx)
save("uint64", to_bytes(fits.PrimaryHDU(u8)), u8)
save("int8", to_bytes(fits.PrimaryHDU((counts % 100).astype("i1"))))
save("empty_primary", to_bytes(fits.PrimaryHDU(np.zeros((0, 0), "f4")), fits.ImageHDU(flux, name="SCI")), flux)
foreign = with_cards(to_bytes(fits.PrimaryHDU(), fits.ImageHDU(counts)), (), {"XTENSION": card("XTENSION= 'FOREIGN '")})
save("foreign", foreign + to_bytes(fits.PrimaryHDU(), fits.ImageHDU(flux))[2880:], flux)
spectrum = to_bytes(fits.PrimaryHDU(np.arange(5.0)), fits.ImageHDU(flux[None, None]))
save("spectrum_and_axes", spectrum, flux)
save("leading_axes", to_bytes(fits.PrimaryHDU(flux[:, :, None, None])), flux)

# ---------------------------------------------------------------- positions
BASE = dict(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=20.0, CRPIX2=-13.0, CRVAL1=150.1, CRVAL2=2.2)
D = 0.2 / 3600
PIXEL = dict(CDELT1=-D, CDELT2=D)
CASES = {
    "cdelt": PIXEL,
    "arcsec": dict(CUNIT1="arcsec", CUNIT2="arcsec", CRVAL1=150.1 * 3600, CRVAL2=2.2 * 3600, CDELT1=-0.2, CDELT2=0.2),
    "mixed_units": dict(CUNIT1="arcmin", CUNIT2="rad", CRVAL1=150.1 * 60, CRVAL2=np.radians(2.2), CDELT1=-0.2 / 60, CDELT2=np.radians(D)),
    "pc_without_cdelt": dict(PC1_1=-D, PC2_2=D),
    "pc_rotated": dict(PIXEL, PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8),
    "pc_off_diagonal": dict(PIXEL, PC1_2=-0.1),
    "cd": dict(CD1_1=-D, CD1_2=D / 3, CD2_1=D / 3, CD2_2=D),
    "cd_diagonal": dict(CD1_1=-D, CD2_2=D),
    "cd_beside_cdelt": dict(CD1_1=-D, CD2_2=D, CDELT1=1.0, CDELT2=1.0),
    "crota": dict(PIXEL, CROTA2=33.0),
    "crota_oblong": dict(CDELT1=-D, CDELT2=2 * D, CROTA2=-70.0),
    "swapped": dict(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.2, CRVAL2=150.1, CDELT1=D, CDELT2=-D),
    "swapped_crota": dict(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=-42.2, CRVAL2=150.1, CDELT1=D, CDELT2=-D, CROTA1=20.0),
    "swapped_cd": dict(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.2, CRVAL2=150.1, CD1_1=D / 5, CD1_2=D, CD2_1=-D, CD2_2=D / 4),
    "galactic": dict(PIXEL, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
    "southern_pole": dict(PIXEL, CRVAL2=-89.9999),
    "north_pole": dict(PIXEL, CRVAL2=90.0),
    "lonpole": dict(PIXEL, LONPOLE=120.0),
    "far": dict(PIXEL, CRPIX1=18000.0, CRPIX2=-20000.0, CRVAL2=70.0),
    "fk5_1950": dict(PIXEL, RADESYS="FK5", EQUINOX=1950.0),
    "fk5_2020": dict(PIXEL, RADESYS="FK5", EQUINOX=2020.0, CRVAL2=-60.0),
    "fk5_2000": dict(PIXEL, RADESYS="FK5", EQUINOX=2000.0),
    "sip": dict(PIXEL, CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", CRPIX1=900.0, CRPIX2=-700.0, A_ORDER=2, B_ORDER=3, A_2_0=3e-6, A_1_1=-2e-6, B_0_2=1e-6, B_0_3=2e-9),
    "tpv": dict(CD1_1=-D, CD2_2=D, CTYPE1="RA---TPV", CTYPE2="DEC--TPV", CRPIX1=900.0, CRPIX2=-700.0, PV1_0=1e-4, PV1_1=1.001, PV1_3=0.01, PV1_5=0.2, PV1_7=0.3, PV2_1=0.999, PV2_2=0.002, PV2_4=0.3, PV2_10=-0.4, PV2_11=2.0),
    "scamp": dict(CD1_1=-D, CD2_2=D, CRPIX1=900.0, CRPIX2=-700.0, PV1_0=1e-4, PV1_1=1.001, PV1_7=0.3, PV2_1=0.999, PV2_10=-0.4),
    "three_axes": dict(PIXEL, WCSAXES=3, CTYPE3="WAVE", CRVAL3=5e-7, CDELT3=1e-9, CRPIX3=1.0, CUNIT3="m"),
    "alternate": dict(PIXEL, CTYPE1A="RA---TAN", CTYPE2A="DEC--TAN", CRVAL1A=10.0, CRVAL2A=20.0, CRPIX1A=1.0, CRPIX2A=1.0, CDELT1A=1.0, CDELT2A=1.0),
    **{code.lower(): dict(PIXEL, CTYPE1=f"RA---{code}", CTYPE2=f"DEC--{code}", CRPIX1=9000.0, CRPIX2=-7000.0, CRVAL2=-30.0) for code in ["SIN", "ARC", "STG", "ZEA"]},
    "car": dict(PIXEL, CTYPE1="RA---CAR", CTYPE2="DEC--CAR", CRVAL2=0.0, CRPIX2=-40000.0),
}
positions = {}
for name, keys in CASES.items():
    header = fits.Header(list({**BASE, **keys}.items()))
    if name == "three_axes":
        wcs = WCS(header, naxis=2)
    else:
        wcs = WCS(header)
    sky = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
    scale = np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600
    lines = header.tostring(sep="\n").split("\n")
    positions[name] = dict(header=[l.rstrip() for l in lines if l.strip() and not l.startswith("END")], ra=float(sky.ra.deg), dec=float(sky.dec.deg), scale=float(scale))

with open(HERE / "positions.json", "w") as file:
    json.dump(dict(width=nx, height=ny, positions=positions), file, separators=(",", ":"))
images = [fits.ImageHDU(values, name=name) for name, values in expected.items()]
(HERE / "expected.fits.gz").write_bytes(gzip.compress(to_bytes(fits.PrimaryHDU(), *images), mtime=0))
