"""Einstein radii with Dask: each partition of a table of images is predicted where it lies.

    python dask_inference.py images.npy lfc1-ground radii.parquet --workers 2

The images are a stack (N, height, width, channels) that all workers can read, on a shared disk. With LSDB, a HATS
catalogue takes the place of the table: ``lsdb.open_catalog(...).map_partitions(predict, ...)`` with the same function.
"""

import argparse
from functools import lru_cache

import dask.dataframe
import numpy as np
import pandas
from distributed import Client, LocalCluster

import lensgpu


@lru_cache(maxsize=1)
def model_of(name):
    """The model, read once per worker process."""
    return lensgpu.Model.load(name)


def predict(rows, stack, model, device="auto"):
    """The rows of a partition, which have the column ``image`` (place in the stack), with the predicted columns."""
    images = np.load(stack, mmap_mode="r")[rows["image"].to_numpy()]
    predicted = model_of(model).predict(images, device=device).to_pandas().drop(columns="id")
    return pandas.concat([rows, predicted.set_index(rows.index)], axis=1)


def infer(table, stack, model, device="auto"):
    """The Dask DataFrame ``table`` with the predicted columns; computed when it is needed."""
    return table.map_partitions(predict, stack, model, device, meta=predict(table._meta, stack, model, "cpu"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("model")
    parser.add_argument("output", help="a folder of Parquet files")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    # Processes, because a model predicts for one caller at a time; one thread each, because it uses all cores.
    with LocalCluster(n_workers=args.workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        rows = pandas.DataFrame({"image": np.arange(len(np.load(args.stack, mmap_mode="r")))})
        table = dask.dataframe.from_pandas(rows, npartitions=args.partitions)
        infer(table, args.stack, args.model, args.device).to_parquet(args.output)


if __name__ == "__main__":
    main()
