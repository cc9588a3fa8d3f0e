"""The step that all frameworks take: network, loss and optimiser of the vanilla recipe."""

import tomllib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "assets/networks/vanilla.toml"
IMAGE = (55, 55, 3)
KINDS = ("plain", "adversarial")
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-7
CLIP = 5.0
FGSM_EPSILON = 0.01
MOMENTUM, NORM_EPSILON = 0.99, 1e-3
VAR_FLOOR = 1e-3


def initial(members):
    """Glorot-normal weights and initial running statistics, by name, each with the member as its first axis."""
    rng = np.random.default_rng(2)
    params, stats = {}, {}
    height, width, channels = IMAGE
    values = None

    def kernel(name, *shape):
        fan = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
        scale = np.sqrt(2 / fan)
        params[f"{name}.kernel"] = rng.normal(0, scale, (members, *shape)).astype(np.float32)
        params[f"{name}.bias"] = np.zeros((members, shape[-1]), np.float32)

    for layer in tomllib.loads(NETWORK.read_text())["layers"]:
        name = layer.get("name")
        match layer["layer"]:
            case "conv":
                size = layer["kernel"]
                kernel(name, size, size, channels, layer["filters"])
                height, width, channels = height - size + 1, width - size + 1, layer["filters"]
            case "maxpool":
                height, width = height // layer["size"], width // layer["size"]
            case "flatten":
                values = height * width * channels
            case "dense":
                kernel(name, values, layer["units"])
                channels = values = layer["units"]
            case "norm":
                for key, value in (("gamma", 1), ("beta", 0)):
                    params[f"{name}.{key}"] = np.full((members, channels), value, np.float32)
                for key, value in (("moving_mean", 0), ("moving_variance", 1)):
                    stats[f"{name}.{key}"] = np.full((members, channels), value, np.float32)
            case "heads":
                kernel(layer["mean"], values, 1)
                kernel(layer["var"], values, 1)
    return params, stats


def batches(members, batch):
    """Random images and labels of each member."""
    rng = np.random.default_rng(1)
    return rng.random((members, batch, *IMAGE), np.float32), rng.random((members, batch), np.float32)
