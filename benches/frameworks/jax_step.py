"""The training step of `lensgpu bench` in JAX: see worker.py."""

import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vanilla import BETA1, BETA2, CLIP, EPSILON, FGSM_EPSILON, LEARNING_RATE, MOMENTUM, NORM_EPSILON, VAR_FLOOR, initial

NAME = f"JAX {jax.__version__}"


def norm(p, stats, name, x, axes):
    mean, var = x.mean(axes), x.var(axes)
    moving = {f"{name}.moving_mean": mean, f"{name}.moving_variance": var}
    new = {key: MOMENTUM * stats[key] + (1 - MOMENTUM) * value for key, value in moving.items()}
    return (x - mean) * lax.rsqrt(var + NORM_EPSILON) * p[f"{name}.gamma"] + p[f"{name}.beta"], new


def conv(p, name, x):
    out = lax.conv_general_dilated(x, p[f"{name}.kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(out + p[f"{name}.bias"])


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dense(p, name, x):
    return x @ p[f"{name}.kernel"] + p[f"{name}.bias"]


def nll(p, stats, x, y):
    """Gaussian negative log-likelihood without its constant, averaged over the batch; and the running statistics."""
    new = {}
    for number in (1, 2):
        x, moving = norm(p, stats, f"norm{number}", conv(p, f"conv{number}", x), (0, 1, 2))
        new |= moving
        x = pool(x)
    x = x.reshape(len(x), -1)
    for number in (1, 2):
        x, moving = norm(p, stats, f"norm{number + 2}", jax.nn.relu(dense(p, f"dense{number}", x)), 0)
        new |= moving
    mean = jnp.abs(dense(p, "mean", x)[:, 0])
    var = jax.nn.softplus(dense(p, "var", x)[:, 0]) + VAR_FLOOR
    return jnp.mean(jnp.log(var) / 2 + (y - mean) ** 2 / (2 * var)), new


def plain_gradients(p, stats, x, y):
    (loss, stats), grads = jax.value_and_grad(nll, has_aux=True)(p, stats, x, y)
    return loss, grads, stats


def adversary(x, grad_x):
    return x + FGSM_EPSILON * jnp.sign(grad_x)


def adversarial_gradients(p, stats, x, y, adversary=adversary):
    """L(x) + L(x'), x' = x + epsilon sign(dL/dx) taken as a constant (Goodfellow et al. 2014)."""
    (loss, stats), (first, grad_x) = jax.value_and_grad(nll, (0, 2), has_aux=True)(p, stats, x, y)
    other, second, stats = plain_gradients(p, stats, lax.stop_gradient(adversary(x, grad_x)), y)
    return loss + other, jax.tree.map(jnp.add, first, second), stats


GRADIENTS = {"plain": plain_gradients, "adversarial": adversarial_gradients}


def member_step(kind, state, x, y):
    p, stats, m, v, t = state
    loss, grads, stats = GRADIENTS[kind](p, stats, x, y)
    norm2 = sum(jnp.sum(g * g) for g in grads.values())
    grads = {name: g * jnp.minimum(1, CLIP * lax.rsqrt(norm2)) for name, g in grads.items()}
    t = t + 1
    m = {name: BETA1 * m[name] + (1 - BETA1) * g for name, g in grads.items()}
    v = {name: BETA2 * v[name] + (1 - BETA2) * g * g for name, g in grads.items()}
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    p = {name: p[name] - rate * m[name] / (jnp.sqrt(v[name]) + EPSILON) for name in p}
    return (p, stats, m, v, t), loss


class Variant:
    """One way to run a step of all members: `vmap`, or members one after another in one compiled function."""

    def __init__(self, members, kind, name):
        self.kind, self.name = kind, name
        params, stats = initial(members)
        m, v = ({key: np.zeros_like(value) for key, value in params.items()} for _ in range(2))
        state = (params, stats, m, v, np.zeros(members, np.float32))
        if name == "vmap":
            self.state = jax.tree.map(jnp.array, state)
            step = jax.vmap(lambda state, x, y: member_step(kind, state, x, y))
        else:
            self.state = [jax.tree.map(lambda value: jnp.array(value[k]), state) for k in range(members)]

            def step(states, xs, ys):
                new, losses = zip(*(member_step(kind, *each) for each in zip(states, xs, ys)))
                return list(new), jnp.stack(losses)

        self.run = jax.jit(step, donate_argnums=0)

    def seconds(self, batches):
        """Seconds of one step, its losses on the host included."""
        begun = time.perf_counter()
        self.state, losses = self.run(self.state, *batches)
        losses = np.asarray(losses)
        seconds = time.perf_counter() - begun
        assert np.isfinite(losses).all(), f"{self.kind}, {self.name}: losses {losses}"
        return seconds


def make_batches(xs, ys):
    return jnp.asarray(xs), jnp.asarray(ys)


def make_variants(members, kind):
    return [Variant(members, kind, name) for name in ("vmap", "unrolled")]


def gradients(kind, params, stats, x, y, adversarial_x):
    """Loss, gradients and running statistics of one member, with a given x'."""
    arrays = [{key: jnp.asarray(value) for key, value in tensors.items()} for tensors in (params, stats)]
    given = {} if kind == "plain" else {"adversary": lambda *_: jnp.asarray(adversarial_x)}
    return GRADIENTS[kind](*arrays, jnp.asarray(x), jnp.asarray(y), **given)
