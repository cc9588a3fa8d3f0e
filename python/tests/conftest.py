"""What the tests share: the program, and small data."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import lensgpu

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "python" / "examples"

TINY = """layers = [
    { layer = 'flatten' }, { layer = 'dense', name = 'dense', units = 8, activation = 'relu' },
    { layer = 'heads', mean = 'mean', var = 'var' }]
"""


@pytest.fixture(scope="session")
def program():
    """Runs the command line; scripts/test-python names the program in LENSGPU."""
    path = os.environ.get("LENSGPU") or shutil.which("lensgpu")
    if path is None:
        pytest.skip("the program lensgpu is not installed")

    def run(*arguments):
        subprocess.run([path, *map(str, arguments)], check=True, capture_output=True)

    return run


@pytest.fixture(scope="session")
def ground():
    """30 simulated objects as the shipped model lfc1-ground takes them, with their true values."""
    images, truth = lensgpu.simulate("lfc1-ground", 30, seed=3, device="cpu")
    # The central 55 x 55 pixels in R, I and G.
    return np.ascontiguousarray(images[:, 23:78, 23:78, :3]), truth


@pytest.fixture(scope="session")
def stack(program, tmp_path_factory, ground):
    """A stack of images, and the command line's predictions for it."""
    folder = tmp_path_factory.mktemp("cluster")
    write_stack(folder / "images", ground[0])
    program("infer", "lfc1-ground", folder / "images", "-o", folder / "out.csv", "--device", "cpu")
    return folder / "images" / "images.npy", read_csv(folder / "out.csv")


@pytest.fixture
def examples(monkeypatch):
    """The examples can be imported, also by processes that a test starts."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    # Ray lowers the priority of its workers, which then hardly run on a busy machine.
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.fixture(scope="session")
def model():
    return lensgpu.Model.load("lfc1-ground")


@pytest.fixture(scope="session")
def rings():
    """200 noisy rings of 12 x 12 pixels in two bands, a few pixels masked, and their radii."""
    random = np.random.default_rng(1)
    radii = random.uniform(1, 3, 200)
    y, x = np.indices((12, 12)) - 5.5
    profile = np.exp(-((np.hypot(x, y) - 1.6 * radii[:, None, None]) ** 2))
    images = profile[..., None] * [4.0, 2.0] + random.normal(0, 0.3, (200, 12, 12, 2))
    images[::7, 3, 4, 1] = np.nan
    return images.astype(np.float32), radii


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A small network file."""
    path = tmp_path_factory.mktemp("network") / "tiny.toml"
    path.write_text(TINY)
    return path


def write_stack(folder, images, radii=None):
    """A folder with a stack of images, as the command line reads it."""
    folder.mkdir()
    np.save(folder / "images.npy", images)
    if radii is not None:
        rows = "".join(f"{i},{radius!r}\n" for i, radius in enumerate(np.asarray(radii).tolist()))
        (folder / "catalogue.csv").write_text("id,theta_e\n" + rows)


def read_csv(path):
    """A CSV table as a structured array; an empty cell is NaN."""
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


def assert_same(ours, theirs):
    """Every number is the same, bit for bit; NaN equals NaN."""
    for name in theirs.dtype.names:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
