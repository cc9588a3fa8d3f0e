#!/usr/bin/env python3
"""One framework's training step, in a process of its own.

    worker.py jax --check FILE     compare losses and gradients with a recorded step, as those of assets/golden
    worker.py jax                  for compare.py: find the fastest variant of each kind of step; then read numbers of steps
                                   from standard input and print the seconds of each step, as JSON
"""

import argparse
import importlib
import json
import statistics
import sys

import numpy as np

from vanilla import KINDS, batches


def fastest(step, kind, data, args):
    """The variant with the smallest median, and the medians of all."""
    medians = {}
    for variant in step.make_variants(args.members, kind):
        try:
            for _ in range(2):
                variant.seconds(data)
            medians[variant] = statistics.median(variant.seconds(data) for _ in range(args.steps))
        except Exception as error:  # a variant that a framework's version cannot compile is left out
            print(f"{step.NAME}: {kind}, {variant.name}: {type(error).__name__}: {error}"[:400], file=sys.stderr)
    return min(medians, key=medians.get), {variant.name: seconds for variant, seconds in medians.items()}


def serve(step, args):
    data = step.make_batches(*batches(args.members, args.batch))
    best, found = {}, {"name": step.NAME, "variants": {}}
    for kind in KINDS:
        best[kind], found["variants"][kind] = fastest(step, kind, data, args)
    print(json.dumps(found | {"best": {kind: variant.name for kind, variant in best.items()}}), flush=True)
    for line in sys.stdin:
        for variant in best.values():
            variant.seconds(data)
        seconds = {kind: [variant.seconds(data) for _ in range(int(line))] for kind, variant in best.items()}
        print(json.dumps(seconds), flush=True)


def check(step, path):
    """Largest |difference| / largest |value| of a tensor, over all members, between this step and a recorded one.

    x' is the recorded one: signs of gradients near zero are not defined by float32.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        recorded = {name: file.get_tensor(name) for name in file.keys()}
    names = [name for name in recorded if f"grad.{name}" in recorded and name != "x"]
    moving = [name for name in recorded if f"train.{name}" in recorded and "moving" in name]
    worst = {}
    for kind, prefix, stats_prefix in (("plain", "", "train."), ("adversarial", "adversarial.", "adversarial.")):
        for m in range(len(recorded["y"])):
            params, stats = ({name: recorded[name][m] for name in some} for some in (names, moving))
            x, y, adversarial_x = (recorded[name][m] for name in ("x", "y", "adversarial.x"))
            loss, grads, stats = step.gradients(kind, params, stats, x, y, adversarial_x)
            found = {f"{stats_prefix}loss": loss}
            found |= {f"{prefix}grad.{name}": grads[name] for name in names}
            found |= {f"{stats_prefix}{name}": stats[name] for name in moving}
            for name, value in found.items():
                want = recorded[name]
                difference = float(np.abs(np.asarray(value) - want[m]).max() / np.abs(want).max())
                worst[name] = max(difference, worst.get(name, 0.0))
    print(json.dumps({"name": step.NAME, "largest_difference": max(worst.values()), "differences": worst}, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", choices=["keras", "jax", "torch"])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5, help="steps by which the variants are compared")
    parser.add_argument("--check", metavar="FILE")
    args = parser.parse_args()
    step = importlib.import_module(f"{args.framework}_step")
    if args.check:
        check(step, args.check)
    else:
        serve(step, args)


if __name__ == "__main__":
    main()
