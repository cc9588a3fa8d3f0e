"""A worker that dies costs time alone: other processes predict its images, and each is there once."""

import os

import numpy as np
import pytest
from conftest import assert_same

LAST = 17  # the image with which a worker dies


def test_another_dask_worker_takes_over(tmp_path, stack, examples, monkeypatch):
    distributed = pytest.importorskip("distributed")
    pandas = pytest.importorskip("pandas")
    import dask.dataframe
    import dask_inference

    images, theirs = stack
    predict, died = dask_inference.predict, tmp_path / "died"

    def dies_once(rows, *arguments):
        if LAST in rows["image"].to_numpy() and not died.exists():
            died.touch()
            os._exit(1)
        return predict(rows, *arguments)

    monkeypatch.setattr(dask_inference, "predict", dies_once)
    rows = pandas.DataFrame({"image": np.arange(len(theirs))})
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        table = dask.dataframe.from_pandas(rows, npartitions=5)
        predicted = dask_inference.infer(table, str(images), "lfc1-ground", "cpu").compute()
    assert died.exists()
    assert_same(predicted.rename(columns={"image": "id"}).sort_values("id").reset_index(), theirs)


def test_another_ray_actor_takes_over(tmp_path, stack, examples, monkeypatch):
    ray = pytest.importorskip("ray")
    import ray_inference

    images, theirs = stack
    died = tmp_path / "died"

    class DiesOnce(ray_inference.Predict):
        def __call__(self, batch):
            if LAST in batch["id"] and not died.exists():
                died.touch()
                os._exit(1)
            return super().__call__(batch)

    monkeypatch.setattr(ray_inference, "Predict", DiesOnce)
    ray.init(num_cpus=3, include_dashboard=False)
    try:
        predicted = ray_inference.infer(str(images), "lfc1-ground", 2, "cpu", batch_size=6).to_pandas()
    finally:
        ray.shutdown()
    assert died.exists()
    assert len(predicted) == len(theirs)
    assert_same(predicted.sort_values("id").reset_index(), theirs)
