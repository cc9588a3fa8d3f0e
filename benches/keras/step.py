#!/usr/bin/env python3
"""The training step of `lensgpu bench` in Keras 3 on TensorFlow: its time, as JSON.

    step.py                  time every variant
    step.py --check FILE     compare losses and gradients with a recorded step, as those of assets/golden
"""

import argparse
import json
import os
import statistics
import time
from functools import partial
from pathlib import Path

import network  # first: it makes TensorFlow the backend of Keras
import keras
import numpy as np
import tensorflow as tf
from safetensors import safe_open

VANILLA = Path(__file__).resolve().parents[2] / "assets/networks/vanilla.toml"
IMAGE = (55, 55, 3)
LEARNING_RATE = 1e-3
CLIP = 5.0
FGSM_EPSILON = 0.01
KINDS = ("plain", "adversarial")


def vanilla(image):
    """The vanilla lens model; layers carry the names of the network file."""
    return network.build(network.read(VANILLA, image))


def nll(model, x, y):
    """Gaussian negative log-likelihood without its constant, averaged over the batch. Updates running statistics."""
    mean, var = model(x, training=True)
    mean, var = mean[:, 0], var[:, 0]
    return tf.reduce_mean(tf.math.log(var) / 2 + (y - mean) ** 2 / (2 * var))


def plain_gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = nll(model, x, y)
    return loss, tape.gradient(loss, model.trainable_variables)


def adversary(x, grad_x):
    return x + FGSM_EPSILON * tf.sign(grad_x)


def adversarial_gradients(model, x, y, adversary=adversary):
    """L(x) + L(x'), x' = x + epsilon sign(dL/dx) taken as a constant (Goodfellow et al. 2014)."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = nll(model, x, y)
    *first, grad_x = tape.gradient(loss, [*model.trainable_variables, x])
    adversarial_loss, second = plain_gradients(model, adversary(x, grad_x), y)
    return loss + adversarial_loss, [a + b for a, b in zip(first, second)]


GRADIENTS = {"plain": plain_gradients, "adversarial": adversarial_gradients}


class Member:
    def __init__(self):
        self.model = vanilla(IMAGE)
        self.optimizer = keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=CLIP)
        self.optimizer.build(self.model.trainable_variables)

    def step(self, kind, x, y):
        loss, grads = GRADIENTS[kind](self.model, x, y)
        self.optimizer.apply(grads, self.model.trainable_variables)
        return loss


class Variant:
    """One way to run a step of all members."""

    def __init__(self, members, kind, calls, jit):
        self.kind, self.calls, self.jit = kind, calls, jit
        if calls == "one":

            @tf.function(jit_compile=jit)
            def all_members(xs, ys):
                return [member.step(kind, x, y) for member, x, y in zip(members, xs, ys)]

            self.run = all_members
        else:

            functions = [tf.function(partial(member.step, kind), jit_compile=jit) for member in members]
            self.run = lambda xs, ys: [step(x, y) for step, x, y in zip(functions, xs, ys)]

    @property
    def name(self):
        calls = "one call" if self.calls == "one" else "a call each"
        return f"{calls}, {'jit' if self.jit else 'no jit'}"

    def seconds(self, batches):
        """Seconds of one step, its losses on the host included."""
        begun = time.perf_counter()
        losses = [float(loss) for loss in self.run(*batches)]
        seconds = time.perf_counter() - begun
        assert np.isfinite(losses).all(), f"{self.kind}, {self.name}: losses {losses}"
        return seconds


def make_batches(members, batch):
    """Random images and labels of each member, already tensors: lensgpu gathers them in each step, Keras need not."""
    rng = np.random.default_rng(1)
    xs = [tf.constant(rng.random((batch, *IMAGE)), tf.float32) for _ in range(members)]
    ys = [tf.constant(rng.random(batch), tf.float32) for _ in range(members)]
    return xs, ys


def make_variants(members, kinds=KINDS):
    members = [Member() for _ in range(members)]
    return [Variant(members, kind, calls, jit) for kind in kinds for calls in ("one", "each") for jit in (False, True)]


def time_by_turns(variants, batches, steps, warm_up):
    """Seconds of `steps` steps of each variant, one step of each at a time; noise of the machine meets all alike."""
    for variant in variants:
        for _ in range(warm_up):
            variant.seconds(batches)
    seconds = [[] for _ in variants]
    for _ in range(steps):
        for variant, mine in zip(variants, seconds):
            mine.append(variant.seconds(batches))
    return seconds


def summary(seconds):
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


def versions():
    return {"keras": keras.__version__, "tensorflow": tf.__version__, "cpus": len(os.sched_getaffinity(0))}


def read_recording(path):
    """Metadata and tensors."""
    with safe_open(path, "numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def check(path):
    """Largest |difference| / largest |value| of a tensor, over all members, between this step and a recorded one.

    x' is the recorded one: signs of gradients near zero are not defined by float32.
    """
    metadata, recorded = read_recording(path)
    differences = {}

    def compare(name, found, m):
        want = recorded[name]
        difference = float(np.abs(np.asarray(found) - want[m]).max() / np.abs(want).max())
        differences[name] = max(difference, differences.get(name, 0.0))

    losses = []
    for m in range(int(metadata["members"])):
        x, y = tf.constant(recorded["x"][m]), tf.constant(recorded["y"][m])
        for kind in KINDS:
            model = vanilla(x.shape[1:])
            for weight in model.weights:
                weight.assign(recorded[network.tensor_name(weight)][m])
            if kind == "plain":
                prefix = ""
                loss, grads = plain_gradients(model, x, y)
                losses.append(float(loss))
            else:
                prefix = "adversarial."
                adversarial_x = tf.constant(recorded["adversarial.x"][m])
                loss, grads = adversarial_gradients(model, x, y, lambda *_: adversarial_x)
            stats_prefix = prefix or "train."
            compare(f"{stats_prefix}loss", loss, m)
            for variable, grad in zip(model.trainable_variables, grads):
                compare(f"{prefix}grad.{network.tensor_name(variable)}", grad, m)
            for weight in model.non_trainable_weights:
                compare(f"{stats_prefix}{network.tensor_name(weight)}", weight, m)
    return {"losses": losses, "largest_difference": max(differences.values()), "differences": differences}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="steps of each variant that are timed")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them")
    parser.add_argument("--check", metavar="FILE")
    args = parser.parse_args()
    if args.check:
        print(json.dumps(versions() | check(args.check), indent=2))
        return

    variants = make_variants(args.members)
    batches = make_batches(args.members, args.batch)
    seconds = time_by_turns(variants, batches, args.steps, args.warm_up)
    rows = [
        {"step": variant.kind, "calls": variant.calls, "jit": variant.jit} | summary(mine)
        for variant, mine in zip(variants, seconds)
    ]
    best = {kind: min((row for row in rows if row["step"] == kind), key=lambda row: row["median"]) for kind in KINDS}
    settings = {"members": args.members, "batch": args.batch, "steps": args.steps}
    print(json.dumps(versions() | settings | {"variants": rows, "best": best}, indent=2))


if __name__ == "__main__":
    main()
