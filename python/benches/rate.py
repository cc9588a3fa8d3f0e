"""Images per second of `Model.predict` against `lensgpu infer`, by turns on the same stack.

    python rate.py --images 2000 --rounds 5 --device cpu

Both times include reading the model and the images; that of the program also includes its start, and writing the
catalogue. LENSGPU names the program if it is not on the path.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import lensgpu


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lfc1-ground")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    program = os.environ.get("LENSGPU", "lensgpu")
    with tempfile.TemporaryDirectory() as folder:
        stack = Path(folder) / "images" / "images.npy"
        stack.parent.mkdir()
        shape = lensgpu.Model.load(args.model).shape
        np.save(stack, np.random.default_rng(1).normal(size=(args.images, *shape)).astype(np.float32))
        command = [program, "infer", args.model, stack.parent, "-o", f"{folder}/out.csv", "--device", args.device, "-q"]

        def theirs():
            subprocess.run(command, check=True, capture_output=True)

        def ours():
            lensgpu.Model.load(args.model).predict(np.load(stack), device=args.device)

        ratios = []
        for number in range(args.rounds):
            first, second = (theirs, ours) if number % 2 else (ours, theirs)
            times = {call: seconds(call) for call in (first, second)}
            ratios.append(times[theirs] / times[ours])
            print(f"program {args.images / times[theirs]:.0f}, Python {args.images / times[ours]:.0f} images/s", flush=True)
    print(f"rate of Python / program: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
