"""What docs/python.md shows can be run, from top to bottom."""

import re
from functools import partial

import numpy as np
import pytest
from conftest import ROOT

import lensgpu


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch, ground):
    pytest.importorskip("astropy")
    images, truth = ground
    np.save(tmp_path / "images.npy", images)
    monkeypatch.chdir(tmp_path)
    # Few images, members and epochs.
    monkeypatch.setattr(lensgpu, "train", partial(lensgpu.train, members=1, epochs=1, device="cpu"))
    simulate = lensgpu.simulate
    monkeypatch.setattr(lensgpu, "simulate", lambda preset, count, seed: simulate(preset, 20, seed, device="cpu"))
    names = {"radii": np.maximum(truth["theta_e"], 0.3)}
    examples = re.findall("```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        exec(example, names)
    for name in ("radii.fits", "lenses.safetensors"):
        assert (tmp_path / name).exists()
