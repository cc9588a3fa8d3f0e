"""Trains one variant after another on one or more populations, with several seeds, and prints a table.

    python study.py stack=PATH/lenstronomy ground=lfc1-ground euclid=euclid \\
        --variant 'standard:' --variant 'vanilla:--recipe vanilla' --seeds 1,2,3 -o studies

A population is NAME=FOLDER (images and labels, --hold-out rows are scored) or NAME=PRESET (simulated lenses, --pool of
them in an epoch). A variant is NAME:OPTIONS, options of `lensgpu train`. Each run has a folder, OUT/POPULATION-VARIANT-SEED;
runs that are already there are not repeated. Needs Python alone, and `lensgpu` on the PATH or in LENSGPU.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shlex
import statistics
import subprocess
import time

COLUMNS = {
    "RMSE": "RMSE ",
    "w/o worst 1 %": "RMSE without worst 1 %",
    "NMAD": "NMAD",
    '> 1"': 'errors above 1"',
    "NLL": "NLL",
    "68.3 %": "coverage at 68.3 %",
    "95.4 %": "coverage at 95.4 %",
    "99.7 %": "coverage at 99.7 %",
}
OPTIONS = {
    "stack": "--bands R,I,G",
    "euclid": "--bands VIS",
}


def processor_seconds():
    """What the programs that were run so far have used: on a busy machine a better measure of the cost than the time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train(population, where, variant, options, seed, args):
    folder = args.out / f"{population}-{variant}-{seed}"
    report = folder.with_suffix(".json")
    if report.exists():
        return json.loads(report.read_text())
    data = [where] if pathlib.Path(where).is_dir() else ["--simulate", where, "--pool", str(args.pool)]
    command = [os.environ.get("LENSGPU", "lensgpu"), "train", *data, "-o", str(folder), "--quiet"]
    command += ["--hold-out", str(args.hold_out), "--seed", str(seed), "--epochs", str(args.epochs)]
    command += shlex.split(OPTIONS.get(population, "")) + shlex.split(options)
    begun, used = time.time(), processor_seconds()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}\n{done.stderr}")
    result = {"command": shlex.join(command), "seconds": time.time() - begun}
    result["CPU seconds"] = processor_seconds() - used
    result["report"] = done.stdout
    for column, label in COLUMNS.items():
        found = re.search(rf"^ *{re.escape(label)} +(-?[0-9.]+)", done.stdout, re.MULTILINE)
        result[column] = float(found.group(1))
    report.write_text(json.dumps(result, indent=1))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("populations", nargs="+", metavar="NAME=WHERE")
    parser.add_argument("--variant", action="append", required=True, metavar="NAME:OPTIONS")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--hold-out", type=int, default=1150)
    parser.add_argument("--pool", type=int, default=4400)
    parser.add_argument("-o", "--out", type=pathlib.Path, default=pathlib.Path("studies"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print("| population | variant | seeds | CPU seconds | " + " | ".join(COLUMNS) + " |")
    print("|---" * (4 + len(COLUMNS)) + "|")
    for population in args.populations:
        name, where = population.split("=", 1)
        for variant in args.variant:
            title, options = variant.split(":", 1)
            seeds = [int(seed) for seed in args.seeds.split(",")]
            runs = [train(name, where, title, options, seed, args) for seed in seeds]
            median = {column: statistics.median(run[column] for run in runs) for column in ["CPU seconds", *COLUMNS]}
            cells = [f"{median['CPU seconds']:.0f}"] + [f"{median[column]:.3f}" for column in COLUMNS]
            print(f"| {name} | {title} | {len(runs)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
