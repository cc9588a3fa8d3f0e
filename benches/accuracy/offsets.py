"""Scores models on the lenses of a stack, moved off the middle of their images by whole pixels along both axes.

    python offsets.py lens_stack run/model.safetensors other/model.safetensors --bands R,I,G

STACK is a folder with images.npy (N,H,W,C) and catalogue.csv with the column theta_e. What leaves the image on one side enters
it on the other, so the lenses must have empty margins. Needs numpy, and `lensgpu` on the PATH or in LENSGPU.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np


def score(model, folder, args):
    command = [os.environ.get("LENSGPU", "lensgpu"), "infer", model, folder, "--truth", "theta_e", "--json", "--device", args.device]
    command += ["--no-sidecar", "-o", folder / "out.csv", *(["--bands", args.bands] if args.bands else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--most", type=int, default=3, metavar="PIXELS", help="the largest offset (default 3)")
    parser.add_argument("--bands", help="as for lensgpu infer")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    images = np.load(args.stack / "images.npy")
    print("| model | offset | RMSE | NMAD | NLL | out of distribution |\n|---|---|---|---|---|---|")
    for offset in range(args.most + 1):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            np.save(folder / "images.npy", np.roll(images, (offset, -offset), axis=(1, 2)))
            shutil.copy(args.stack / "catalogue.csv", folder)
            for model in args.models:
                result = score(model, folder, args)
                m, flagged = result["metrics"], result["flagged"]["out_of_distribution"]
                print(f"| {model} | {offset} | {m['rmse']:.3f} | {m['nmad']:.3f} | {m['nll']:.2f} | {flagged} of {result['rows']} |")


if __name__ == "__main__":
    main()
