"""The examples run, and distributed predictions are those of the command line."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, assert_same, read_csv, write_stack

EXAMPLES = ROOT / "python" / "examples"


@pytest.mark.parametrize("name", ["train_on_lenstronomy_images", "read_infer_output"])
def test_notebooks_run(program, name):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("astropy")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)


@pytest.fixture(scope="module")
def stack(program, tmp_path_factory, ground):
    """A stack of images, and the command line's predictions for it."""
    folder = tmp_path_factory.mktemp("cluster")
    write_stack(folder / "images", ground[0])
    program("infer", "lfc1-ground", folder / "images", "-o", folder / "out.csv", "--device", "cpu")
    return folder / "images" / "images.npy", read_csv(folder / "out.csv")


def predicted_by(example, stack, output, workers):
    """What an example writes, by id."""
    pandas = pytest.importorskip("pandas")
    arguments = [stack, "lfc1-ground", output, "--workers", workers, "--device", "cpu"]
    # Ray lowers the priority of its workers, which then hardly run on a busy machine.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    subprocess.run([sys.executable, EXAMPLES / example, *map(str, arguments)], check=True, timeout=600, env=environment)
    return pandas.read_parquet(output)


@pytest.mark.parametrize("workers", [1, 2])
def test_dask_predicts_as_the_command_line_does(tmp_path, stack, workers):
    pytest.importorskip("distributed")
    pytest.importorskip("pyarrow")
    table = predicted_by("dask_inference.py", stack[0], tmp_path / "out", workers).rename(columns={"image": "id"})
    assert_same(table.sort_values("id").reset_index(), stack[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_ray_predicts_as_the_command_line_does(tmp_path, stack, workers):
    pytest.importorskip("ray")
    table = predicted_by("ray_inference.py", stack[0], tmp_path / "out", workers)
    assert_same(table.sort_values("id").reset_index(), stack[1])


def test_lsdb_catalogues_are_predicted_as_the_command_line_does(tmp_path, stack):
    lsdb = pytest.importorskip("lsdb")
    pandas = pytest.importorskip("pandas")
    sys.path.insert(0, str(EXAMPLES))
    from dask_inference import predict

    images, theirs = stack
    sky = np.random.default_rng(1)
    number = np.arange(len(theirs))
    rows = {"ra": sky.uniform(0, 360, number.size), "dec": sky.uniform(-80, 80, number.size), "image": number}
    catalogue = lsdb.from_dataframe(pandas.DataFrame(rows), ra_column="ra", dec_column="dec", lowest_order=1)
    assert catalogue.npartitions > 1
    predicted = catalogue.map_partitions(predict, str(images), "lfc1-ground", "cpu").compute()
    predicted = predicted.sort_values("image").rename(columns={"image": "id"}).reset_index()
    assert_same(predicted, theirs[[name for name in theirs.dtype.names if name not in ("ra", "dec")]])
