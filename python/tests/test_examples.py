"""The examples run, and distributed predictions are those of the command line."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import EXAMPLES, assert_same


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


def predicted_by(example, stack, output, workers):
    """What an example writes, by id."""
    pandas = pytest.importorskip("pandas")
    arguments = [stack, "lfc1-ground", output, "--workers", workers, "--device", "cpu"]
    subprocess.run([sys.executable, EXAMPLES / example, *map(str, arguments)], check=True, timeout=600)
    return pandas.read_parquet(output)


@pytest.mark.parametrize("workers", [1, 2])
def test_dask_predicts_as_the_command_line_does(tmp_path, stack, examples, workers):
    pytest.importorskip("distributed")
    pytest.importorskip("pyarrow")
    table = predicted_by("dask_inference.py", stack[0], tmp_path / "out", workers).rename(columns={"image": "id"})
    assert_same(table.sort_values("id").reset_index(), stack[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_ray_predicts_as_the_command_line_does(tmp_path, stack, examples, workers):
    pytest.importorskip("ray")
    table = predicted_by("ray_inference.py", stack[0], tmp_path / "out", workers)
    assert_same(table.sort_values("id").reset_index(), stack[1])


def test_lsdb_catalogues_are_predicted_as_the_command_line_does(stack, examples):
    lsdb = pytest.importorskip("lsdb")
    pandas = pytest.importorskip("pandas")
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


def test_hats_catalogues_are_those_that_lsdb_reads_and_writes(tmp_path, program):
    lsdb = pytest.importorskip("lsdb")
    hats = pytest.importorskip("hats")
    pandas = pytest.importorskip("pandas")
    from astropy.io import fits
    from astropy.wcs import WCS

    random, size = np.random.default_rng(2), 400
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [45.0, 0.0], [size / 2, size / 2]
    wcs.wcs.cd = np.diag([-0.2, 0.2]) / 3600
    for band in "RIG":
        pixels = random.normal(0, 1, (size, size)).astype(np.float32)
        fits.PrimaryHDU(pixels, wcs.to_header()).writeto(tmp_path / f"tile_{band}.fits")
    ra, dec = wcs.wcs_pix2world(random.uniform(0, size - 1, (60, 2)), 0).T
    rows = {"id": np.arange(60), "ra": ra, "dec": dec, "z": random.uniform(0.2, 0.8, 60)}
    # Four base pixels of HEALPix meet in the middle of the tile.
    written = lsdb.from_dataframe(pandas.DataFrame(rows), ra_column="ra", dec_column="dec", lowest_order=1)
    assert written.npartitions == 4
    written.write_catalog(tmp_path / "targets", catalog_name="targets")

    def infer(positions, output):
        program(
            *("infer", "lfc1-ground", "--tiles", tmp_path / "tile_{band}.fits", "--bands", "R,I,G"),
            *("--positions", positions, "-o", tmp_path / output, "--device", "cpu"),
        )
        catalogue = lsdb.open_catalog(tmp_path / output)
        assert len(catalogue) == hats.read_hats(tmp_path / output).catalog_info.total_rows == 60
        return catalogue

    def same(one, other):
        pandas.testing.assert_frame_equal(one.sort_values("id"), other.sort_values("id"), check_dtype=False)

    # From HATS: the same partitions. From a file: partitions of its own, with the same pixels.
    radii = infer(tmp_path / "targets", "radii.hats")
    assert radii.get_healpix_pixels() == written.get_healpix_pixels()
    theirs, ours = written.compute(), radii.compute()
    assert ours.index.name == theirs.index.name == "_healpix_29"
    same(pandas.DataFrame(ours[["id", "ra", "dec", "z"]]), pandas.DataFrame(theirs[["id", "ra", "dec", "z"]]))
    pandas.DataFrame(rows).to_parquet(tmp_path / "targets.parquet")
    anew = infer(tmp_path / "targets.parquet", "anew.hats").compute()
    same(pandas.DataFrame(anew[["id", "ra", "theta_e"]]), pandas.DataFrame(ours[["id", "ra", "theta_e"]]))
    # What lsdb does with its own catalogues: cones, crossmatches, statistics of all partitions.
    cone = radii.cone_search(ra=45.0, dec=0.0, radius_arcsec=20).compute()
    assert 0 < len(cone) < 60
    assert len(radii.crossmatch(written, radius_arcsec=0.1).compute()) == 60
    statistics = hats.read_hats(tmp_path / "radii.hats").aggregate_column_statistics()
    assert statistics.loc["ra", "row_count"] == 60
