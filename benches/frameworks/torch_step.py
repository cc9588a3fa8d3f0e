"""The training step of `lensgpu bench` in PyTorch, with torch.func: see worker.py."""

import time

import torch
import torch.nn.functional as F
from torch.func import grad_and_value, vmap

from vanilla import BETA1, BETA2, CLIP, EPSILON, FGSM_EPSILON, LEARNING_RATE, MOMENTUM, NORM_EPSILON, VAR_FLOOR, initial

NAME = f"PyTorch {torch.__version__}"


def norm(p, stats, name, x, axes):
    """Of x (..., C)."""
    mean, var = x.mean(axes), x.var(axes, correction=0)
    moving = {f"{name}.moving_mean": mean, f"{name}.moving_variance": var}
    new = {key: MOMENTUM * stats[key] + (1 - MOMENTUM) * value for key, value in moving.items()}
    return (x - mean) * torch.rsqrt(var + NORM_EPSILON) * p[f"{name}.gamma"] + p[f"{name}.beta"], new


def conv(p, name, x):
    """Of x (B,H,W,C) with a kernel (H,W,C,filters), as Keras stores it."""
    out = F.conv2d(x.permute(0, 3, 1, 2), p[f"{name}.kernel"].permute(3, 2, 0, 1), p[f"{name}.bias"])
    return F.relu(out).permute(0, 2, 3, 1)


def pool(x):
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def dense(p, name, x):
    return x @ p[f"{name}.kernel"] + p[f"{name}.bias"]


def nll(p, x, stats, y):
    """Gaussian negative log-likelihood without its constant, averaged over the batch; and the running statistics."""
    new = {}
    for number in (1, 2):
        x, moving = norm(p, stats, f"norm{number}", conv(p, f"conv{number}", x), (0, 1, 2))
        new |= moving
        x = pool(x)
    x = x.reshape(len(x), -1)
    for number in (1, 2):
        x, moving = norm(p, stats, f"norm{number + 2}", F.relu(dense(p, f"dense{number}", x)), 0)
        new |= moving
    mean = dense(p, "mean", x)[:, 0].abs()
    var = F.softplus(dense(p, "var", x)[:, 0]) + VAR_FLOOR
    return (var.log() / 2 + (y - mean) ** 2 / (2 * var)).mean(), new


def plain_gradients(p, stats, x, y):
    grads, (loss, stats) = grad_and_value(nll, has_aux=True)(p, x, stats, y)
    return loss, grads, stats


def adversary(x, grad_x):
    return x + FGSM_EPSILON * grad_x.sign()


def adversarial_gradients(p, stats, x, y, adversary=adversary):
    """L(x) + L(x'), x' = x + epsilon sign(dL/dx) taken as a constant (Goodfellow et al. 2014)."""
    (first, grad_x), (loss, stats) = grad_and_value(nll, (0, 1), has_aux=True)(p, x, stats, y)
    other, second, stats = plain_gradients(p, stats, adversary(x, grad_x).detach(), y)
    return loss + other, {name: first[name] + second[name] for name in first}, stats


GRADIENTS = {"plain": plain_gradients, "adversarial": adversarial_gradients}


def member_step(kind, state, x, y):
    p, stats, m, v, t = state
    loss, grads, stats = GRADIENTS[kind](p, stats, x, y)
    norm2 = sum((g * g).sum() for g in grads.values())
    grads = {name: g * (CLIP * norm2.rsqrt()).clamp(max=1) for name, g in grads.items()}
    t = t + 1
    m = {name: BETA1 * m[name] + (1 - BETA1) * g for name, g in grads.items()}
    v = {name: BETA2 * v[name] + (1 - BETA2) * g * g for name, g in grads.items()}
    rate = LEARNING_RATE * (1 - BETA2**t).sqrt() / (1 - BETA1**t)
    p = {name: p[name] - rate * m[name] / (v[name].sqrt() + EPSILON) for name in p}
    return (p, stats, m, v, t), loss


class Variant:
    """One way to run a step of all members: `vmap`, or members one after another; each also with torch.compile."""

    def __init__(self, members, kind, name):
        self.kind, self.name = kind, name
        params, stats = [{key: torch.tensor(value) for key, value in tensors.items()} for tensors in initial(members)]
        zeros = {key: torch.zeros_like(value) for key, value in params.items()}
        state = (params, stats, zeros, dict(zeros), torch.zeros(members))
        if name.startswith("vmap"):
            self.state = state
            step = vmap(lambda state, x, y: member_step(kind, state, x, y))
        else:
            dicts, t = state[:-1], state[-1]
            self.state = [(*({n: v[k] for n, v in each.items()} for each in dicts), t[k]) for k in range(members)]

            def step(states, xs, ys):
                new, losses = zip(*(member_step(kind, *each) for each in zip(states, xs, ys)))
                return list(new), torch.stack(losses)

        self.run = torch.compile(step) if name.endswith("compiled") else step

    def seconds(self, batches):
        """Seconds of one step, its losses on the host included."""
        begun = time.perf_counter()
        self.state, losses = self.run(self.state, *batches)
        finite = bool(losses.isfinite().all())
        seconds = time.perf_counter() - begun
        assert finite, f"{self.kind}, {self.name}: losses {losses}"
        return seconds


def make_batches(xs, ys):
    return torch.tensor(xs), torch.tensor(ys)


def make_variants(members, kind):
    return [Variant(members, kind, name) for name in ("vmap", "vmap, compiled", "loop", "loop, compiled")]


def gradients(kind, params, stats, x, y, adversarial_x):
    """Loss, gradients and running statistics of one member, with a given x'."""
    arrays = [{key: torch.tensor(value) for key, value in tensors.items()} for tensors in (params, stats)]
    given = {} if kind == "plain" else {"adversary": lambda *_: torch.tensor(adversarial_x)}
    loss, grads, stats = GRADIENTS[kind](*arrays, torch.tensor(x), torch.tensor(y), **given)
    return float(loss), {k: v.numpy() for k, v in grads.items()}, {k: v.numpy() for k, v in stats.items()}
