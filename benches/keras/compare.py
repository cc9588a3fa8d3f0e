#!/usr/bin/env python3
"""Compares Keras' training step (step.py) with `lensgpu bench --device cpu`, by turns.

A round times a few steps of Keras and of lensgpu, in an order that changes from round to round. The ratio is Keras /
lensgpu, of a round's medians: above 1, lensgpu is faster. Other work on the machine only ever adds time, so the ratio
of the fastest steps of all rounds is shown too.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

import step

FIELDS = {"plain": "step_seconds", "adversarial": "adversarial_step_seconds"}


def fastest(members, batches, only, steps):
    """The variant of each kind of step with the smallest median."""
    variants = [variant for variant in step.make_variants(members) if only in (None, variant.name)]
    if not variants:
        names = sorted({variant.name for variant in step.make_variants(1)})
        raise SystemExit(f"--variant is {only!r}; there are: {', '.join(names)}")
    seconds = step.time_by_turns(variants, batches, steps, warm_up=2)
    best = {}
    for variant, mine in sorted(zip(variants, seconds), key=lambda pair: statistics.median(pair[1])):
        best.setdefault(variant.kind, variant)
        print(f"{variant.kind:12} {variant.name:20} {spread(mine, 1e3, ' ms')}", flush=True)
    return best


def lensgpu_seconds(args):
    numbers = ["--members", str(args.members), "--batch", str(args.batch), "--steps", str(args.steps)]
    command = [args.lensgpu, "bench", "--device", "cpu", *numbers, "--json"]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {kind: {of: result[field][of] for of in ("median", "min")} for kind, field in FIELDS.items()}


def spread(values, scale=1.0, unit="", digits=0):
    def show(value):
        return f"{value * scale:.{digits}f}"

    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    half, ends = f"{show(low)} to {show(high)}", f"{show(min(values))} to {show(max(values))}"
    return f"{show(median)}{unit} (half of them {half}, all {ends})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--lensgpu", default=root / "target/release/lensgpu", help="the program [%(default)s]")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--steps", type=int, default=4, help="steps of either in a round, of each kind")
    parser.add_argument("--variant", help="time only this variant of Keras, as 'one call, no jit' [the fastest]")
    args = parser.parse_args()

    batches = step.make_batches(args.members, args.batch)
    best = fastest(args.members, batches, args.variant, steps=args.steps)

    def keras():
        seconds = step.time_by_turns(list(best.values()), batches, args.steps, warm_up=1)
        return {kind: step.summary(mine) for kind, mine in zip(best, seconds)}

    def lensgpu():
        return lensgpu_seconds(args)

    rounds = []
    for number in range(args.rounds):
        order = [("keras", keras), ("lensgpu", lensgpu)]
        rounds.append({name: run() for name, run in (order if number % 2 == 0 else reversed(order))})
        medians = {kind: [rounds[-1][name][kind]["median"] for name in ("keras", "lensgpu")] for kind in step.KINDS}
        shown = ", ".join(f"{kind} {a * 1e3:.0f} / {b * 1e3:.0f} ms" for kind, (a, b) in medians.items())
        print(f"round {number + 1}: {shown}", flush=True)

    print(json.dumps(step.versions()))
    for kind in step.KINDS:
        theirs, ours = ([r[name][kind] for r in rounds] for name in ("keras", "lensgpu"))
        medians = [[times["median"] for times in side] for side in (theirs, ours)]
        a, b = (min(times["min"] for times in side) for side in (theirs, ours))
        print(f"{kind}, {args.rounds} rounds of {args.steps} steps; Keras: {best[kind].name}")
        print(f"  Keras    {spread(medians[0], 1e3, ' ms')}")
        print(f"  lensgpu  {spread(medians[1], 1e3, ' ms')}")
        print(f"  ratio    {spread([a / b for a, b in zip(*medians)], digits=2)}")
        print(f"  fastest  {a * 1e3:.0f} / {b * 1e3:.0f} ms = {a / b:.2f}")



if __name__ == "__main__":
    main()
