"""Einstein radii with Ray Data: actors that hold the model predict batches of images.

    python ray_inference.py images.npy lfc1-ground radii.parquet --workers 2

The images are a stack (N, height, width, channels) that all workers can read, on a shared disk.
"""

import argparse

import numpy as np
import ray

import lensgpu


class Predict:
    """An actor with a model; the batches that it takes have the column ``id``, the place of an image in the stack."""

    def __init__(self, stack, model, device):
        self.images = np.load(stack, mmap_mode="r")
        self.model = lensgpu.Model.load(model)
        self.device = device

    def __call__(self, batch):
        numbers = batch["id"]
        predicted = self.model.predict(self.images[numbers], ids=numbers, device=self.device)
        return {name: predicted[name] for name in predicted.table.dtype.names}


def infer(stack, model, workers, device="auto", batch_size=256):
    """A Ray Dataset of predictions, one row per image of the stack; computed when it is needed."""
    # On a cluster with GPUs, num_gpus=1 gives each actor one.
    return ray.data.range(len(np.load(stack, mmap_mode="r"))).map_batches(
        Predict,
        fn_constructor_args=(stack, model, device),
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("model")
    parser.add_argument("output", help="a folder of Parquet files")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    # One CPU more than there are actors, for the tasks that read and write.
    ray.init(num_cpus=args.workers + 1, include_dashboard=False)
    infer(args.stack, args.model, args.workers, args.device).write_parquet(args.output)
    ray.shutdown()


if __name__ == "__main__":
    main()
