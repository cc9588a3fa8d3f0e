#!/usr/bin/env python3
"""A network description of lensgpu (docs/networks.md) as a Keras model.

    network.py FILE.toml 55 55 3     print its values and multiply-adds for an input of this shape, as JSON
"""

import argparse
import json
import math
import os
import tomllib
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from keras import layers, ops


def read(path, image):
    """The description in a TOML file, with the input shape that a network file leaves out."""
    return {"input": list(image)} | tomllib.loads(Path(path).read_text())


def build(network):
    """The model: its outputs are the mean and the variance, its weights are named as in lensgpu's files."""
    x = inputs = keras.Input(network["input"])
    named = {}
    for layer in network["layers"]:
        x = named[layer["input"]] if "input" in layer else x
        if layer["layer"] == "heads":
            return keras.Model(inputs, heads(layer, x))
        x = apply(layer, x, named)
        if "name" in layer:
            named[layer["name"]] = x
    raise ValueError("the last layer must be heads")


def apply(layer, x, named):
    """The output of any layer but the heads. Every key that is left out has Keras' own default."""
    name, activation = layer.get("name"), layer.get("activation")
    match layer["layer"]:
        case "conv":
            options = {"strides": layer.get("stride", 1), "padding": layer.get("padding", "valid")}
            return layers.Conv2D(layer["filters"], layer["kernel"], **options, activation=activation, name=name)(x)
        case "dense":
            return layers.Dense(layer["units"], activation=activation, name=name)(x)
        case "norm":
            return layers.BatchNormalization(name=name)(x)
        case "activation":
            return layers.Activation(activation, name=name)(x)
        case "maxpool":
            return layers.MaxPooling2D(layer["size"], name=name)(x)
        case "avgpool":
            return layers.AveragePooling2D(layer["size"], name=name)(x)
        case "global_average_pool":
            return layers.GlobalAveragePooling2D(name=name)(x)
        case "flatten":
            return layers.Flatten(name=name)(x)
        case "add":
            return layers.Add(name=name)([x, named[layer["with"]]])
        case "concat":
            return layers.Concatenate(name=name)([x, named[layer["with"]]])
        case other:
            raise ValueError(f"there is no layer {other!r}")


def heads(layer, x):
    if layer.get("var_activation", "softplus") != "softplus" or layer.get("likelihood", "gaussian") != "gaussian":
        raise ValueError(f"only softplus and the Gaussian likelihood are built here: {layer}")
    activation = {"abs": ops.abs, "identity": lambda a: a}[layer.get("mean_activation", "abs")]
    mean = activation(layers.Dense(1, name=layer["mean"])(x))
    var = ops.softplus(layers.Dense(1, name=layer["var"])(x)) + layer.get("var_floor", 1e-3)
    return [mean, var]


def tensor_name(weight):
    """`conv1.kernel` for the weight conv1/kernel."""
    return weight.path.replace("/", ".")


def multiply_adds(model):
    """Of the convolutions and dense layers, for one image in the forward pass."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return sum(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]) for layer in layers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("input", nargs="+", type=int, help="height, width and channels, or the number of features")
    args = parser.parse_args()
    model = build(read(args.file, args.input))
    print(json.dumps({"values": model.count_params(), "multiply_adds": multiply_adds(model)}))


if __name__ == "__main__":
    main()
