"""Training on arrays."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Callable, Optional, Union

from . import _lensgpu
from ._arrays import as_images, as_vector
from ._errors import Stopped
from ._model import Model


@dataclass(frozen=True)
class Epoch:
    """One epoch of all members.

    Attributes
    ----------
    epoch : int
        Number of the epoch, counted from 1.
    learning_rate : float
        Learning rate of its last step.
    seconds : float
        Duration.
    members : list of dict
        For each member ``member`` (its number), ``train_nll``, ``train_rmse``, ``val_nll``, ``val_rmse`` (arcsec),
        ``learning_rate``, ``gradient_norm``, ``skipped``, ``restored`` and ``best``. A value that is not known is None.
    """

    epoch: int
    learning_rate: float
    seconds: float
    members: list[dict[str, Any]]


def _numbers(members: Union[int, Iterable[int]]) -> list[int]:
    """The numbers of the members, from their number or themselves."""
    return list(members) if isinstance(members, Iterable) else list(range(members))


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item()


def train(
    images: Any,
    labels: Any,
    *,
    members: Union[int, Iterable[int], None] = None,
    epochs: Optional[int] = None,
    seed: Optional[int] = None,
    recipe: str = "standard",
    network: Union[str, PathLike[str], None] = None,
    likelihood: Optional[str] = None,
    p_lens: bool = False,
    start: Optional[Model] = None,
    bands: Optional[Iterable[str]] = None,
    pixel_scale: Optional[float] = None,
    device: str = "auto",
    precision: str = "f32",
    callback: Optional[Callable[[Epoch], Optional[bool]]] = None,
    **options: Any,
) -> Model:
    """Trains an ensemble on labelled images, as ``lensgpu train`` does.

    The defaults are those of the command line. The GIL is released, and Ctrl-C raises ``KeyboardInterrupt`` after the
    current steps. Warnings about the images are issued as ``UserWarning``.

    Parameters
    ----------
    images : array_like (N, height, width, channels)
        Raw flux; see :meth:`Model.predict`.
    labels : array_like (N,)
        Einstein radii, arcsec. With a lens head, NaN for an object that is not a lens.
    members : int or iterable of int, optional
        Number of members, or their numbers. A number determines a member's initial weights and mini-batches.
    epochs : int, optional
        Passes over the training images.
    seed : int, optional
        Random seed of the split, the initial weights and the mini-batches.
    recipe : str
        ``standard`` or ``vanilla``.
    network : path, optional
        A network file (docs/networks.md) instead of the recipe's network.
    likelihood : str, optional
        ``gaussian``, ``student-t`` or ``log-normal``; by default that of the network.
    p_lens : bool
        Also train a lens head.
    start : Model, optional
        A model to fine-tune.
    bands : iterable of str, optional
        Name of each channel.
    pixel_scale : float, optional
        Arcsec per pixel; rings that may extend beyond the cutout are flagged by it.
    device, precision : str
        See :meth:`Model.predict`.
    callback : callable, optional
        Called with an :class:`Epoch` after each epoch. If it returns ``False``, the training ends with
        :class:`Stopped`; an exception that it raises ends the training as well.
    **options
        Any other option of ``[training]`` in ``run.toml``, such as ``batch``, ``learning_rate``, ``validation``,
        ``calibration``, ``hold_out``, ``augment``, ``shift``, ``ema`` or ``patience``; see docs/training.md.

    Returns
    -------
    Model
        With each member's best weights, calibrated if there were enough images; its ``metrics`` are the scores on the
        rows held out, or on the validation rows if none were.

    Raises
    ------
    DataError
        Arrays that do not fit each other or the network; labels that cannot be radii; too few images.
    OptionError
        An option that is unknown or out of its range.
    TrainingError
        A training that diverged.
    Stopped
        The callback returned ``False``.
    DeviceError
        An unknown device, or one that fails.
    """
    given = {"members": None if members is None else _numbers(members), "epochs": epochs, "seed": seed, **options}
    settings: _lensgpu.Settings = {
        "recipe": recipe,
        "network": None if network is None else Path(network).read_text(encoding="utf-8"),
        "likelihood": likelihood,
        "p_lens": p_lens,
        "options": json.dumps({name: value for name, value in given.items() if value is not None}, default=_plain),
        "bands": None if bands is None else list(bands),
        "pixel_scale": pixel_scale,
        "device": device,
        "precision": precision,
    }

    def report(kind: str, content: str) -> None:
        if kind == "warning":
            warnings.warn(content, stacklevel=3)
        elif callback is not None:
            epoch = Epoch(**json.loads(content))
            if callback(epoch) is False:
                raise Stopped(f"the callback stopped the training after epoch {epoch.epoch}")

    native_start = None if start is None else start._native
    return Model(_lensgpu.train(as_images(images), as_vector(labels, "labels"), native_start, settings, report))
