"""The training step of `lensgpu bench` in Keras 3 on TensorFlow: see worker.py."""

import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "keras"))

import step  # first: it makes TensorFlow the backend of Keras
import keras
import numpy as np
import tensorflow as tf
from network import tensor_name

from vanilla import CLIP, IMAGE, LEARNING_RATE

NAME = f"Keras {keras.__version__} on TensorFlow {tf.__version__}"


class Member:
    def __init__(self):
        self.model = step.vanilla(IMAGE)
        self.optimizer = keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=CLIP)
        self.optimizer.build(self.model.trainable_variables)

    def step(self, kind, x, y):
        loss, grads = step.GRADIENTS[kind](self.model, x, y)
        self.optimizer.apply(grads, self.model.trainable_variables)
        return loss


class Variant:
    """One way to run a step of all members: in one `tf.function` or in one for each, with and without XLA."""

    def __init__(self, members, kind, calls, jit):
        self.kind, self.name = kind, f"{calls}, {'jit' if jit else 'no jit'}"
        if calls == "one call":

            @tf.function(jit_compile=jit)
            def all_members(xs, ys):
                return [member.step(kind, x, y) for member, x, y in zip(members, xs, ys)]

            self.run = all_members
        else:
            functions = [tf.function(partial(member.step, kind), jit_compile=jit) for member in members]
            self.run = lambda xs, ys: [step(x, y) for step, x, y in zip(functions, xs, ys)]

    def seconds(self, batches):
        """Seconds of one step, its losses on the host included."""
        begun = time.perf_counter()
        losses = [float(loss) for loss in self.run(*batches)]
        seconds = time.perf_counter() - begun
        assert np.isfinite(losses).all(), f"{self.kind}, {self.name}: losses {losses}"
        return seconds


def make_batches(xs, ys):
    """Already tensors: lensgpu gathers its mini-batches in each step."""
    return [tf.constant(x) for x in xs], [tf.constant(y) for y in ys]


def make_variants(members, kind):
    members = [Member() for _ in range(members)]
    return [Variant(members, kind, calls, jit) for calls in ("one call", "a call each") for jit in (False, True)]


def gradients(kind, params, stats, x, y, adversarial_x):
    """Loss, gradients and running statistics of one member, with a given x'."""
    model = step.vanilla(x.shape[1:])
    for weight in model.weights:
        weight.assign((params | stats)[tensor_name(weight)])
    given = {} if kind == "plain" else {"adversary": lambda *_: tf.constant(adversarial_x)}
    loss, grads = step.GRADIENTS[kind](model, tf.constant(x), tf.constant(y), **given)
    names = [tensor_name(weight) for weight in model.trainable_variables]
    moving = {tensor_name(weight): weight.numpy() for weight in model.non_trainable_weights}
    return float(loss), dict(zip(names, grads)), moving
