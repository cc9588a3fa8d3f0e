"""The training step of `lensgpu bench` in Keras 3 on TensorFlow."""

import os
from pathlib import Path

import network  # first: it makes TensorFlow the backend of Keras
import keras
import tensorflow as tf
from safetensors import safe_open

VANILLA = Path(__file__).resolve().parents[2] / "assets/networks/vanilla.toml"
LEARNING_RATE = 1e-3
FGSM_EPSILON = 0.01


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


def versions():
    return {"keras": keras.__version__, "tensorflow": tf.__version__, "cpus": len(os.sched_getaffinity(0))}


def read_recording(path):
    """Metadata and tensors."""
    with safe_open(path, "numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
