"""Images per second of the Dask and Ray examples with one and with two workers of one thread each, on a stack of noise.

    python workers.py --images 2000 --rounds 3

The time is that of the predictions and their table, without the start of the cluster. A first pass is not counted. Dask's
workers read the model in it; Ray starts its actors, which read the model, in each pass. On a cluster a worker has a machine
or GPU of its own: here it has one thread.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"  # inherited by the workers

import dask.dataframe
import numpy as np
import pandas
import ray
from distributed import Client, LocalCluster

import lensgpu

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
os.environ["PYTHONPATH"] = sys.path[0]
import dask_inference
import ray_inference


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def dask_seconds(stack, model, images, workers, rounds):
    def predicted(number):
        # A table of its own for each round: Dask keeps the results of a computation that it has seen.
        rows = pandas.DataFrame({"image": np.arange(images), "round": number})
        return dask_inference.infer(dask.dataframe.from_pandas(rows, npartitions=8), stack, model, "cpu")

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        return [seconds(predicted(number).compute) for number in range(rounds + 1)][1:]


def ray_seconds(stack, model, workers, rounds):
    ray.init(num_cpus=workers + 1, include_dashboard=False)
    times = [seconds(ray_inference.infer(stack, model, workers, "cpu").to_pandas) for _ in range(rounds + 1)]
    ray.shutdown()
    return times[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lfc1-ground")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = f"{folder}/images.npy"
        shape = lensgpu.Model.load(args.model).shape
        np.save(stack, np.random.default_rng(1).normal(size=(args.images, *shape)).astype(np.float32))
        for name, measure in (
            ("Dask", lambda workers: dask_seconds(stack, args.model, args.images, workers, args.rounds)),
            ("Ray", lambda workers: ray_seconds(stack, args.model, workers, args.rounds)),
        ):
            rates = {workers: args.images / statistics.median(measure(workers)) for workers in (1, 2)}
            shown = ", ".join(f"{workers} worker(s) {rate:.0f} images/s" for workers, rate in rates.items())
            print(f"{name}: {shown}; ratio {rates[2] / rates[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
