#!/usr/bin/env python3
"""Compares the training step of Keras, JAX and PyTorch with `lensgpu bench --device cpu`, by turns.

A round times a few steps of each, in an order that changes from round to round; each framework has a process of its own and
runs the fastest of its variants. The ratio is lensgpu / framework, of a round's medians: below 1, lensgpu is faster.
Other work on the machine only ever adds time, so the ratio of the fastest steps of all rounds is shown too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from vanilla import KINDS, ROOT

HERE = ROOT / "benches/frameworks"
FIELDS = {"plain": "step_seconds", "adversarial": "adversarial_step_seconds"}


class Framework:
    def __init__(self, name, args):
        numbers = ["--members", str(args.members), "--batch", str(args.batch)]
        command = [sys.executable, str(HERE / "worker.py"), name, *numbers]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        about = json.loads(self.process.stdout.readline())
        self.name, self.best = about["name"], about["best"]
        for kind, variants in about["variants"].items():
            times = ", ".join(f"{variant} {1e3 * seconds:.0f} ms" for variant, seconds in variants.items())
            print(f"{self.name}, {kind}: {times}", flush=True)

    def times(self, steps):
        """Median and smallest seconds of each kind of step."""
        print(steps, file=self.process.stdin, flush=True)
        seconds = json.loads(self.process.stdout.readline())
        return {kind: {"median": statistics.median(all), "min": min(all)} for kind, all in seconds.items()}


class Lensgpu:
    name = "lensgpu"

    def __init__(self, args):
        numbers = ["--members", str(args.members), "--batch", str(args.batch)]
        self.command = [args.lensgpu, "bench", "--device", "cpu", "--json", *numbers, "--steps"]

    def times(self, steps):
        done = subprocess.run([*self.command, str(steps)], check=True, stdout=subprocess.PIPE)
        result = json.loads(done.stdout)
        return {kind: {of: result[field][of] for of in ("median", "min")} for kind, field in FIELDS.items()}


def spread(values, scale=1.0, digits=0):
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    shown = [f"{value * scale:.{digits}f}" for value in (median, low, high, min(values), max(values))]
    return "{} (half of them {} to {}, all {} to {})".format(*shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lensgpu", default=ROOT / "target/release/lensgpu", help="the program [%(default)s]")
    parser.add_argument("--frameworks", default="keras,jax,torch", help="some of %(default)s")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4, help="steps of each in a round, of each kind")
    args = parser.parse_args()

    print(f"{args.members} members, batches of {args.batch}, {len(os.sched_getaffinity(0))} CPUs", flush=True)
    lensgpu = Lensgpu(args)
    frameworks = [Framework(name, args) for name in args.frameworks.split(",")]
    rounds = []
    for number in range(args.rounds):
        order = [lensgpu, *frameworks]
        order = order[number % len(order) :] + order[: number % len(order)]
        times = {side: side.times(args.steps) for side in order}
        rounds.append(times)
        shown = [f"{side.name.split()[0]} {1e3 * times[side][kind]['median']:.0f}" for kind in KINDS for side in times]
        print(f"round {number + 1}, ms: {', '.join(shown)}", flush=True)

    for kind in KINDS:
        print(f"\n{kind}, {args.rounds} rounds of {args.steps} steps")
        ours = [times[lensgpu][kind] for times in rounds]
        print(f"  lensgpu  {spread([time['median'] for time in ours], 1e3)} ms")
        for framework in frameworks:
            theirs = [times[framework][kind] for times in rounds]
            ratios = [a["median"] / b["median"] for a, b in zip(ours, theirs)]
            fastest = min(time["min"] for time in ours) / min(time["min"] for time in theirs)
            print(f"  {framework.name}, {framework.best[kind]}  {spread([t['median'] for t in theirs], 1e3)} ms")
            print(f"    ratio  {spread(ratios, digits=2)}, of the fastest steps {fastest:.2f}")


if __name__ == "__main__":
    main()
