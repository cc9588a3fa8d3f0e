#!/usr/bin/env python3
"""Records a training step of Keras in float64, or checks a recording. src/ensemble/recording.rs has the format.

    record.py NETWORK.toml --input 23 21 3 --members 2 --batch 6 -o FILE.safetensors
    record.py --check FILE.safetensors    record it again from its own inputs and weights, and compare
"""

import argparse
import json
import sys
from functools import partial

import network  # first: it makes TensorFlow the backend of Keras
import keras
import numpy as np
import step
import tensorflow as tf
from network import tensor_name
from safetensors.numpy import save_file

ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}
CONSTANTS = {
    "fgsm_epsilon": step.FGSM_EPSILON,
    "learning_rate": step.LEARNING_RATE,
    "adam": ADAM,
    "norm": {"epsilon": 1e-3, "momentum": 0.99},  # Keras' defaults
}
STEPS = 3

# A gradient tensor whose largest value is below this fraction of the largest of all gradients is zero up to rounding.
ZERO = 1e-12
# Relative noise on inputs and weights, to stand for the rounding errors of another float32 implementation.
JITTER = 1e-6


def precision(dtype):
    """What Keras builds from now on is of this type."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def draw(description, members, batch, rng):
    """Inputs, labels and weights, as float32."""
    shape = tuple(description["input"])
    # Level and contrast differ between images: otherwise they are all alike after a global average pool.
    level_shape = (members, batch, *[1] * (len(shape) - 1), shape[-1])
    level, contrast = rng.normal(0.5, 0.3, level_shape), rng.uniform(0.3, 1.0, level_shape)
    x = level + contrast * rng.normal(size=(members, batch, *shape))
    signed = description["layers"][-1].get("mean_activation") == "identity"
    y = rng.normal(0.0, 1.0, (members, batch)) if signed else rng.uniform(0.4, 3.0, (members, batch))
    weights = {tensor_name(weight): draw_weight(weight, members, rng) for weight in network.build(description).weights}
    return {name: np.asarray(values, np.float32) for name, values in ({"x": x, "y": y} | weights).items()}


def draw_weight(weight, members, rng):
    """Kernels are Glorot normal. All else differs from its initial value, so that no factor is 1 and no term is 0."""
    shape = (members, *weight.shape)
    match weight.name:
        case "kernel":
            seeds = rng.integers(2**31, size=members)
            return np.stack([keras.initializers.GlorotNormal(int(s))(weight.shape, "float32") for s in seeds])
        case "bias":
            return rng.normal(0.0, 0.1, shape)
        case "gamma":
            return rng.uniform(0.5, 1.5, shape) * rng.choice([1, 1, 1, -1], shape)
        case "beta" | "moving_mean":
            return rng.normal(0.0, 0.2, shape)
        case "moving_variance":
            return rng.uniform(0.5, 2.0, shape)


def run(description, given, dtype, adversarial_x=None):
    """The results of the step in this precision, by tensor, for all members.

    The adversarial pass takes `adversarial_x` if it is given, because float32 does not define the signs of gradients
    near zero. Otherwise it takes x' rounded to float32, which is what the file stores.
    """
    precision(dtype)
    model = network.build(description)
    members = [
        run_member(
            model,
            {name: tf.constant(values[m], dtype) for name, values in given.items()},
            None if adversarial_x is None else tf.constant(adversarial_x[m], dtype),
        )
        for m in range(len(given["x"]))
    ]
    return {name: np.stack([member[name] for member in members]) for name in members[0]}


def run_member(model, given, adversarial_x):
    x, y = given["x"], given["y"]
    found = {}

    def restart():
        for weight in model.weights:
            weight.assign(given[tensor_name(weight)])

    def keep(prefix, tensors, names):
        for tensor, named in zip(tensors, names):
            found[f"{prefix}.{tensor_name(named)}"] = np.array(keras.ops.convert_to_numpy(tensor))

    def keep_pass(prefix, gradients_prefix, loss, gradients):
        found[f"{prefix}.loss"] = np.array(loss)
        keep(prefix, model.non_trainable_weights, model.non_trainable_weights)
        keep(gradients_prefix, gradients, model.trainable_weights)

    for mode in ("infer", "train"):
        restart()
        mean, var = model(x, training=mode == "train")
        found[f"{mode}.mean"], found[f"{mode}.var"] = np.array(mean[:, 0]), np.array(var[:, 0])

    restart()
    keep_pass("train", "grad", *step.plain_gradients(model, x, y))

    def adversary(x, gradient):
        found["grad.x"] = np.array(gradient)
        own = tf.cast(tf.cast(step.adversary(x, gradient), tf.float32), x.dtype)
        found["adversarial.x"] = np.array(own)
        return own if adversarial_x is None else adversarial_x

    restart()
    keep_pass("adversarial", "adversarial.grad", *step.adversarial_gradients(model, x, y, adversary))

    restart()
    optimizer = keras.optimizers.Adam(step.LEARNING_RATE, ADAM["beta1"], ADAM["beta2"], ADAM["epsilon"])
    for number in range(1, STEPS + 1):
        loss, gradients = step.plain_gradients(model, x, y)
        found[f"adam{number}.loss"] = np.array(loss)
        optimizer.apply(gradients, model.trainable_weights)
        if number in (1, STEPS):
            keep(f"adam{number}", model.trainable_weights, model.trainable_weights)
    return found


def clear_rounding(found):
    """Sets gradient tensors that are zero up to rounding to zero, e.g. of a bias whose effect a batch norm removes."""
    for prefix in ("grad.", "adversarial.grad."):
        gradients = [name for name in found if name.startswith(prefix) and name != "grad.x"]
        largest = max(np.abs(found[name]).max() for name in gradients)
        for name in gradients:
            if np.abs(found[name]).max() < ZERO * largest:
                found[name] = np.zeros_like(found[name])


def difference(found, want):
    """Largest |difference| divided by the largest |value| if that is not zero."""
    return float(np.abs(found - want).max() / (np.abs(want).max() or 1.0))


def differences(found, want):
    return {name: difference(np.asarray(found[name], np.float64), want[name]) for name in want}


def record(description, given):
    """The results in float64, and the difference of Keras' own float32 run from them."""
    found = run(description, given, "float64")
    clear_rounding(found)
    return found, differences(run(description, given, "float32", found["adversarial.x"]), found)


def condition(description, given, found, error, rng):
    """Largest error of the gradients in float32, or after a small change of inputs and weights.

    It is large if an activation or a maximum is so near a kink that float32 does not decide on which side.
    """
    errors = [error[name] for name in error if "grad." in name or name == "adversarial.x"]
    for _ in range(3):
        moved = {name: values * (1 + JITTER * rng.normal(size=values.shape)) for name, values in given.items()}
        moved = differences(run(description, moved, "float64", found["adversarial.x"]), found)
        errors += [moved[name] for name in moved if "grad." in name]
    return max(errors)


def write(path, description, given, found, error, seed):
    metadata = {
        "network": description,
        "members": len(given["x"]),
        "batch": given["x"].shape[1],
        "seed": seed,
        "keras_float32_error": {name: float(f"{value:.3g}") for name, value in error.items()},
    } | CONSTANTS
    tensors = given | {name: np.asarray(values, np.float32) for name, values in found.items()}
    save_file(tensors, path, {key: json.dumps(value) for key, value in metadata.items()})


def finite_differences(description, recorded):
    """Largest |slope - gradient . direction| / (|gradient| |direction|) per tensor, over all members.

    The slope is the central difference of train.loss in float64 along a random direction.
    """
    precision("float64")
    model = network.build(description)
    rng = np.random.default_rng(1)
    errors = {}
    for m in range(len(recorded["x"])):

        def loss(name, moved):
            for weight in model.weights:
                weight.assign(moved if tensor_name(weight) == name else recorded[tensor_name(weight)][m])
            x = moved if name == "x" else recorded["x"][m]
            return float(step.nll(model, tf.constant(x, "float64"), tf.constant(recorded["y"][m], "float64")))

        for name in ["x", *map(tensor_name, model.trainable_weights)]:
            value, gradient = (recorded[key][m].astype(np.float64) for key in (name, f"grad.{name}"))
            direction = rng.normal(size=value.shape)
            ahead, behind = (loss(name, value + h * direction) for h in (1e-7, -1e-7))
            error = abs((ahead - behind) / 2e-7 - np.sum(gradient * direction))
            error /= np.linalg.norm(gradient) * np.linalg.norm(direction) or 1.0
            errors[name] = max(errors.get(name, 0.0), float(error))
    return errors


def check(path):
    metadata, recorded = step.read_recording(path)
    for key, value in CONSTANTS.items():
        if json.loads(metadata[key]) != value:
            raise SystemExit(f"{path}: {key} is {metadata[key]}; this script records with {json.dumps(value)} only")
    description = json.loads(metadata["network"])
    given = ["x", "y", *map(tensor_name, network.build(description).weights)]
    found, error = record(description, {name: recorded[name] for name in given})
    missing = sorted(recorded.keys() ^ {*found, *given})
    if missing:
        raise SystemExit(f"{path}: missing or unknown: {', '.join(missing)}")
    return {
        "difference": differences({name: recorded[name] for name in found}, found),
        "float32_error": error,
        "finite_differences": finite_differences(description, recorded),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", help="the network, a TOML file")
    parser.add_argument("--input", nargs="+", type=int, help="height, width and channels, or the number of features")
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=1, help="try so many seeds and keep the best conditioned")
    parser.add_argument("-o", "--output")
    parser.add_argument("--check", metavar="FILE")
    args = parser.parse_args()
    if args.check:
        print(json.dumps(step.versions() | check(args.check), indent=2))
        return
    if not (args.network and args.input and args.output):
        parser.error("NETWORK, --input and --output are needed, or --check")

    description = network.read(args.network, args.input)
    best = None
    for seed in range(args.seed, args.seed + args.tries):
        rng = np.random.default_rng(seed)
        given = draw(description, args.members, args.batch, rng)
        found, error = record(description, given)
        largest = condition(description, given, found, error, rng)
        print(f"seed {seed}: largest error of a gradient in float32 {largest:.1e}", file=sys.stderr, flush=True)
        if best is None or largest < best[0]:
            best = (largest, partial(write, args.output, description, given, found, error, seed))
    best[1]()


if __name__ == "__main__":
    main()
