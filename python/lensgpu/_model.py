"""A trained ensemble."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, Optional, Union

from . import _lensgpu
from ._arrays import as_images
from ._errors import OptionError
from ._predictions import Predictions


class Model:
    """A trained ensemble with everything needed to use it; made by :meth:`Model.load` and :func:`train`.

    Attributes
    ----------
    metrics : dict or None
        After :func:`train`: scores on the rows held out, or on the validation rows if none were.
    """

    def __init__(self, native: _lensgpu.Model) -> None:
        self._native = native
        self.metrics: Optional[dict[str, Any]] = json.loads(native.metrics) if native.metrics else None

    @staticmethod
    def load(name: Union[str, PathLike[str]]) -> Model:
        """Reads a model.

        Parameters
        ----------
        name : str or path
            File written by :meth:`save` or ``lensgpu train``, or the name of a shipped model (``lensgpu models``).

        Raises
        ------
        ModelError
            No such file or shipped model, or one that cannot be read.
        """
        return Model(_lensgpu.Model.load(name))

    def save(self, path: Union[str, PathLike[str]]) -> None:
        """Writes the model to a file, which every command of ``lensgpu`` reads.

        Parameters
        ----------
        path : str or path
            The file; it is written atomically.

        Raises
        ------
        ModelError
            A file that cannot be written.
        """
        self._native.save(path)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of an image."""
        return tuple(self._native.input)

    @property
    def about(self) -> dict[str, Any]:
        """Metadata, with the keys of ``about`` in docs/output.md: label, bands, pixel scale, training, calibration."""
        about: dict[str, Any] = json.loads(self._native.about)
        return about

    @property
    def bands(self) -> list[str]:
        """Name of each channel."""
        return list(self.about["bands"])

    @property
    def members(self) -> list[int]:
        """Numbers of the members."""
        return self._native.members

    def checksum(self) -> str:
        """Checksum of weights and metadata: the same for equal models."""
        return self._native.checksum()

    def __repr__(self) -> str:
        return f"<Model: {len(self.members)} members, images {self.shape}, bands {', '.join(self.bands)}>"

    def predict(
        self,
        images: Any,
        *,
        ids: Optional[Any] = None,
        device: str = "auto",
        precision: str = "f32",
        batch: int = 64,
        tta: bool = False,
    ) -> Predictions:
        """Predicts the Einstein radius of each image, as ``lensgpu infer`` does.

        The model stays on its device for the next call with the same ``device``, ``precision``, ``batch`` and
        ``tta``. The GIL is released, and Ctrl-C raises ``KeyboardInterrupt`` after the current batch.

        Parameters
        ----------
        images : array_like (N, height, width, channels)
            Raw flux in the unit of the training images; masked pixels are NaN or infinite, or masked in a masked array.
            C-contiguous float32 arrays are not copied; other real types and layouts are converted to float32.
        ids : array_like (N,), optional
            Column ``id`` of the result; by default 0, 1, ...
        device : str
            ``auto`` (a GPU if there is one, otherwise the CPU), ``cpu``, ``software``, or a number or part of a name
            from ``lensgpu devices``.
        precision : str
            ``f32``, or ``f16``: the device stores images and activations in 16 bits.
        batch : int
            Images per batch; the predictions do not depend on it.
        tta : bool
            Test-time augmentation: average each member over all flips and quarter turns of an image.

        Returns
        -------
        Predictions

        Raises
        ------
        DataError
            Images of a wrong shape.
        TypeError
            Images that are not real numbers.
        OptionError
            A batch or a precision that is not possible.
        DeviceError
            An unknown device, one without f16, or one that fails.
        """
        if batch < 1:
            raise OptionError(f"batch is {batch}; it must be at least 1")
        predicted = self._native.predict(as_images(images), [device, precision], batch, tta)
        return Predictions(predicted, ids, self.about["label"]["unit"])


def evaluate(
    model: Model,
    images: Any,
    labels: Any,
    *,
    device: str = "auto",
    precision: str = "f32",
    batch: int = 64,
    tta: bool = False,
    seed: int = 1,
) -> dict[str, Any]:
    """Scores a model on labelled images, as ``lensgpu evaluate`` does.

    Parameters
    ----------
    model : Model
        The model.
    images : array_like (N, height, width, channels)
        Images that it was not trained on; see :meth:`Model.predict`. Those that are masked throughout are left out.
    labels : array_like (N,)
        True Einstein radii, arcsec.
    device, precision, batch, tta
        See :meth:`Model.predict`.
    seed : int
        Random seed of the bootstrap.

    Returns
    -------
    dict
        ``n``, the number of objects; the metrics of docs/evaluation.md by name, such as ``rmse``, ``nll`` and
        ``coverage_683``; and ``errors``, a dict with their standard errors. An undefined metric is NaN.

    Raises
    ------
    DataError
        Arrays that do not fit each other or the model; no prediction; a label that is not finite.
    """
    predictions = model.predict(images, device=device, precision=precision, batch=batch, tta=tta)
    return predictions.evaluate(labels, seed)
