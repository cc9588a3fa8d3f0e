"""Writes the catalogues of this folder with astropy and pyarrow: the types and conventions that they have."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, Table

HERE = Path(__file__).parent
IDS = np.array([5853498713190525696, 7, -3])


def pack(name, *hdus):
    path = HERE / "tmp.fits"
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    content = path.read_bytes()
    for old, new in [(b"XSCAL11", b"TSCAL11"), (b"XZERO11", b"TZERO11"), (b"TTYPE8 ", b"XTYPE8 ")]:
        content = content.replace(old, new)
    (HERE / name).write_bytes(gzip.compress(content, mtime=0))
    path.unlink()


def lists(*rows, dtype="f4"):
    out = np.empty(len(rows), object)
    out[:] = [np.array(r, dtype) for r in rows]
    return out


def binary():
    c = fits.Column
    columns = [
        c("id", "K", array=IDS),
        c("flag", "L", array=np.array([True, False, True])),
        c("bits", "11X", array=np.eye(3, 11, dtype=bool)),
        c("byte", "B", array=np.array([0, 255, 99]), null=99),
        c("signed", "B", bzero=-128, array=np.array([-128, 0, 127], "i1")),
        c("short", "I", array=np.array([1, -2, -32768]), null=-32768),
        c("u16", "I", bzero=32768, array=np.array([0, 40000, 65535], "u2")),
        c("int", "J", array=np.array([1, -2, 3]), unit="mJy"),
        c("u32", "J", bzero=2**31, array=np.array([0, 3000000000, 7], "u4")),
        c("u64", "K", bzero=2**63, array=np.array([0, 2**64 - 1, 7], "u8")),
        c("scaled", "I", array=np.array([1, -1, 4])),
        c("float", "E", array=np.array([0.1, np.nan, 1e-30]), disp="F10.4"),
        c("double", "D", array=np.array([0.1 + 0.2, np.nan, np.inf]), unit="arcsec"),
        c("text", "8A", array=np.array(["007", "a b", ""])),
        c("texts", "6A", dim="(3,2)", array=np.array([["a", "bcd"], ["", "x"], ["y", ""]])),
        c("vector", "4E", array=np.arange(12).reshape(3, 4)),
        c("matrix", "6I", dim="(3,2)", array=np.arange(18).reshape(3, 2, 3)),
        c("complex", "C", array=np.array([1 + 2j, 0, -1j])),
        c("list", "PE()", array=lists([1.5], [], [2, 3])),
        c("words", "PA()", array=np.array(["x", "longer", ""], object)),
        c("long_list", "QJ()", array=lists([1], [2, 3], [], dtype="i4")),
        c("empty", "0D", array=np.zeros((3, 0))),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TUCD13"], hdu.header["TCOMM13"] = "phys.angSize", "Einstein radius"
    # Under other names, because astropy would scale the values once more. TTYPE8 is taken out by `pack`.
    hdu.header["XSCAL11"], hdu.header["XZERO11"] = 0.5, 10.0
    pack("binary.fits.gz", hdu)


def ascii_and_ldac():
    c = fits.Column
    text = [
        c("id", "I20", array=IDS),
        c("name", "A6", array=np.array(["a b", "007", "c"])),
        c("z", "F8.3", array=np.array([0.5, 1.25, -2]), unit="none"),
        c("flux", "D12.4", array=np.array([1e-20, 2.5, 3])),
        c("n", "I4", array=np.array([1, 99, 3]), null="99"),
    ]
    pack("ascii.fits.gz", fits.TableHDU.from_columns(text, name="OLD"))
    head = c("Field Header Card", "160A", dim="(80,2)", array=np.array([["SIMPLE  = T", "END"]]))
    objects = [c("NUMBER", "J", array=np.array([11, 12])), c("theta_e", "E", array=np.array([1.5, 2.5]))]
    more = [c("x", "J", array=np.arange(5))]
    image = fits.ImageHDU(np.zeros((3, 4), "i2"), name="IMG")
    tables = [
        fits.BinTableHDU.from_columns([head], name="LDAC_IMHEAD"),
        image,
        fits.BinTableHDU.from_columns(objects, name="LDAC_OBJECTS"),
        fits.BinTableHDU.from_columns(more, name="MORE"),
    ]
    pack("ldac.fits.gz", *tables)


def table():
    t = Table()
    t["id"] = IDS
    t["name"] = ["007", "a, b", "caf\u00e9"]
    t["ra"] = MaskedColumn([150.5, 0.25, 10], mask=[False, True, False], unit="deg", description="right ascension")
    t["z"] = np.array([0.1, np.nan, 2], "f4")
    t["n"] = MaskedColumn(np.array([1, 2, 3], "i2"), mask=[False, False, True])
    t["ok"] = [True, False, True]
    t["mags"] = np.arange(6, dtype="f4").reshape(3, 2)
    t["byte"] = np.array([1, 2, 255], "u1")
    return t


def votables():
    t = table()
    t["ra"].info.meta = {"ucd": "pos.eq.ra;meta.main"}
    for form in ["tabledata", "binary2", "binary"]:
        if form == "binary":
            t.remove_column("n")  # BINARY has no way to say that a whole number is unknown, unless a value means that
        t.write(HERE / f"{form}.vot", format="votable", table_id="lenses", tabledata_format=form, overwrite=True)


def ecsv():
    t = table()
    t["sky"] = SkyCoord([1, 2, 3] * u.deg, [-1, 0, 1] * u.deg)
    t["lists"] = lists([1], [2, 3], [], dtype="i8")
    t.write(HERE / "spaces.ecsv", overwrite=True)
    t.write(HERE / "commas.ecsv", delimiter=",", overwrite=True)


def parquets():
    import datetime
    from decimal import Decimal

    t = table()
    columns = {name: pa.array(t[name].tolist()) for name in ["name", "ok"]}
    columns |= {
        "id": pa.array(IDS),
        "u64": pa.array([0, 2**64 - 1, 7], pa.uint64()),
        "u32": pa.array([0, 3000000000, None], pa.uint32()),
        "byte": pa.array([1, 2, 255], pa.uint8()),
        "short": pa.array([1, None, -3], pa.int16()),
        "float": pa.array([0.1, None, 2], pa.float32()),
        "double": pa.array([0.1 + 0.2, float("nan"), None]),
        "decimal": pa.array([Decimal("12.10"), Decimal("0.05"), None], pa.decimal128(9, 2)),
        "when": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5, 600), None, datetime.datetime(1999, 1, 1)], pa.timestamp("us")),
        "nanos": pa.array([1, None, 1700000000123456789], pa.timestamp("ns")),
        "day": pa.array([datetime.date(2024, 2, 29), None, None]),
        "list": pa.array([[1, 2], [], [3, None]], pa.list_(pa.int32())),
        "pair": pa.array([[1.5, 2], [3, 4], [5, 6]], pa.list_(pa.float64())),
        "struct": pa.array([{"a": 1}] * 3),
        "bytes": pa.array([b"a", b"b", None]),
        "nothing": pa.array([None] * 3, pa.float64()),
    }
    for compression in ["snappy", "zstd", "gzip", "lz4", "brotli", "none"]:
        some = columns if compression == "snappy" else {"id": columns["id"], "name": columns["name"]}
        pq.write_table(pa.table(some), HERE / f"{compression}.parquet", compression=compression)
    with_units = table()["id", "ra"]
    with_units.write(HERE / "astropy.parquet", overwrite=True)


binary(), ascii_and_ldac(), votables(), ecsv(), parquets()
