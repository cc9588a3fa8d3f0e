"""Simulated images and scores equal the command line's."""

import json

import numpy as np
import pytest
from conftest import read_csv, write_stack

import lensgpu


@pytest.mark.parametrize("preset", ["lfc1-ground", "des"])
def test_simulated_images_are_those_of_the_command_line(program, tmp_path, preset):
    out = tmp_path / "stack"
    program("simulate", out, "--preset", preset, "--count", "12", "--seed", "4", "--stack", "--device", "cpu", "-q")
    images, truth = lensgpu.simulate(preset, 12, seed=4, device="cpu")
    np.testing.assert_array_equal(images, np.load(out / "images.npy"))
    theirs = read_csv(out / "catalogue.csv")
    assert truth.dtype.names == theirs.dtype.names
    for name in truth.dtype.names:
        if name != "masks":
            # A column without a number in any row is read as booleans or texts.
            expected = theirs[name] if theirs[name].dtype.kind in "if" else np.full(12, np.nan)
            np.testing.assert_array_equal(truth[name], expected, err_msg=name)


def test_scores_are_those_of_the_command_line(program, tmp_path, ground, model):
    images, truth = ground
    lenses = truth["is_lens"] == 1
    images, radii = images[lenses], truth["theta_e"][lenses]
    write_stack(tmp_path / "stack", images, radii)
    program("evaluate", "lfc1-ground", tmp_path / "stack", "-o", tmp_path / "report", "--device", "cpu", "-q")
    sets = json.loads((tmp_path / "report" / "metrics.json").read_text())
    scores = lensgpu.evaluate(model, images, radii, device="cpu")
    (theirs,) = [entry for entry in sets["sets"] if entry["name"] == "ensemble"]
    assert scores["n"] == theirs["objects"] == lenses.sum()
    for name, figure in theirs["figures"].items():
        assert (scores[name], scores["errors"][name]) == (figure["value"], figure["error"]), name
    with pytest.raises(lensgpu.DataError, match="true values for"):
        lensgpu.evaluate(model, images, radii[1:], device="cpu")


def test_populations_that_cannot_be_simulated_are_named(tmp_path):
    with pytest.raises(lensgpu.SimulationError, match="nowhere.*lfc1-ground"):
        lensgpu.simulate("nowhere", 1)
    with pytest.raises(lensgpu.SimulationError, match="none.toml"):
        lensgpu.simulate(tmp_path / "none.toml", 1)
    with pytest.raises(lensgpu.OptionError, match="n is 0"):
        lensgpu.simulate("lfc1-ground", 0)
