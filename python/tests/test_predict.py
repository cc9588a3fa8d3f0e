"""Predictions equal the command line's, and arrays that cannot be used are refused by name."""

import numpy as np
import pytest
from conftest import ROOT, assert_same, read_csv, write_stack

import lensgpu


@pytest.mark.parametrize("tta", [False, True])
def test_predictions_are_those_of_the_command_line(program, tmp_path, ground, model, tta):
    images = ground[0].copy()
    images[2] *= 1000
    images[4] = np.nan
    write_stack(tmp_path / "images", images)
    flags = ["--tta"] if tta else []
    out = tmp_path / "out.csv"
    program("infer", "lfc1-ground", tmp_path / "images", "-o", out, "--device", "cpu", "--member-columns", *flags)
    theirs = read_csv(out)
    ours = model.predict(images, device="cpu", batch=7, tta=tta)
    assert len(ours) == 30 and np.isnan(ours["theta_e"]).sum() == 1
    members = [name for name in theirs.dtype.names if name[:3] in ("mu_", "var")]
    predicted = [name for name in theirs.dtype.names if name not in [*members, "likelihood"]]
    assert list(ours.table.dtype.names) == predicted
    assert_same(ours, theirs[predicted])
    for prefix, values in zip(("mu", "var"), ours.members):
        for member in range(len(model.members)):
            np.testing.assert_array_equal(values[:, member], theirs[f"{prefix}_{member}"])


def test_fits_images_are_predicted_as_the_command_line_does(program, tmp_path, model):
    fits = pytest.importorskip("astropy.io.fits")
    folder = ROOT / "assets" / "sample" / "infer"
    program("infer", "lfc1-ground", folder, "-o", tmp_path / "out.csv", "--device", "cpu")
    theirs = read_csv(tmp_path / "out.csv")
    # R, I and G of Lens Finding Challenge 1.
    files = [sorted((folder / "Public" / f"Band{band}").glob("*.fits")) for band in (1, 2, 3)]
    height, width, _ = model.shape
    stack = []
    for files_of_object in zip(*files):
        bands = [fits.getdata(file) for file in files_of_object]
        top, left = (bands[0].shape[0] - height) // 2, (bands[0].shape[1] - width) // 2
        stack.append(np.stack(bands, axis=-1)[top : top + height, left : left + width])
    # Big-endian, as FITS is, and not contiguous.
    images = np.array(stack).astype(">f4")
    ours = model.predict(images, device="cpu")
    assert len(ours) == len(theirs) > 3
    for name in ("theta_e", "sigma", "q02_5", "q97_5", "ood_score"):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_other_types_and_layouts_are_converted(ground, model):
    images = ground[0][:4]
    expected = model.predict(images, device="cpu").table
    cases = {
        "float64": images.astype(np.float64),
        "big endian": images.astype(">f4"),
        "Fortran order": np.asfortranarray(images),
        "strides": np.repeat(images, 2, axis=0)[::2],
        "list": images.tolist(),
        "read-only": np.frombuffer(images.tobytes(), np.float32).reshape(images.shape),
    }
    for name, case in cases.items():
        assert_same(model.predict(case, device="cpu"), expected), name
    masked = images.copy()
    masked[0, :5, :5] = np.nan
    expected = model.predict(masked, device="cpu").table
    given = np.ma.MaskedArray(images, mask=np.isnan(masked))
    assert_same(model.predict(given, device="cpu"), expected)
    whole = np.round(images * 100).astype(np.int16)
    assert_same(model.predict(whole, device="cpu"), model.predict(whole.astype(np.float32), device="cpu").table)


def test_contiguous_float32_is_not_copied(ground):
    from lensgpu._arrays import as_images

    assert as_images(ground[0]) is ground[0] or np.shares_memory(as_images(ground[0]), ground[0])


def test_wrong_arrays_are_refused_by_name(ground, model):
    images = ground[0]
    height, width, channels = model.shape
    with pytest.raises(ValueError, match=rf"\[30, {height}, {width}, 2\].*\(N, {height}, {width}, {channels}\)"):
        model.predict(images[..., :2])
    with pytest.raises(lensgpu.DataError, match=rf"\({height}, {width}, {channels}\).*float32.*\(N, height"):
        model.predict(images[0])
    for values, name in [(images.astype(complex), "complex128"), (np.array(["a"]), "<U1"), (np.array([None]), "object")]:
        with pytest.raises(TypeError, match=f"{name}.*float32"):
            model.predict(values)
    with pytest.raises(lensgpu.DataError, match=r"ids have the shape \(3,\); \(30,\)"):
        model.predict(images, ids=[1, 2, 3], device="cpu")
    with pytest.raises(lensgpu.OptionError, match="batch is 0"):
        model.predict(images, batch=0)
    assert len(model.predict(images[:0], device="cpu")) == 0


def test_models_and_devices_that_are_not_there_are_named(tmp_path, ground, model):
    with pytest.raises(lensgpu.ModelError, match="lfc1-ground"):
        lensgpu.Model.load("no-such-model")
    with pytest.raises(lensgpu.ModelError, match="none.safetensors"):
        lensgpu.Model.load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no model")
    with pytest.raises(lensgpu.Error):
        lensgpu.Model.load(tmp_path / "bad.safetensors")
    with pytest.raises(lensgpu.DeviceError, match="no-such-device"):
        model.predict(ground[0], device="no-such-device")
    with pytest.raises(lensgpu.OptionError, match="precision is 'f8'; it must be one of f32, f16"):
        model.predict(ground[0], device="cpu", precision="f8")
    with pytest.raises(lensgpu.DeviceError, match="f16"):
        model.predict(ground[0], device="cpu", precision="f16")
    with pytest.raises(lensgpu.ModelError):
        model.save(tmp_path / "no" / "folder" / "m.safetensors")


def test_tables_for_astropy_and_pandas(ground, model):
    predictions = model.predict(ground[0], ids=[f"J{i}" for i in range(30)], device="cpu")
    table = pytest.importorskip("astropy.table")
    units = pytest.importorskip("astropy.units")
    converted = predictions.to_astropy()
    assert isinstance(converted, table.Table) and converted["theta_e"].unit == units.arcsec
    assert converted["flags"].unit is None and converted["id"][3] == "J3"
    pytest.importorskip("pandas")
    frame = predictions.to_pandas()
    assert list(frame.columns) == list(predictions.table.dtype.names)
    np.testing.assert_array_equal(frame["q84"], predictions["q84"])
    assert np.asarray(predictions).dtype == predictions.table.dtype
