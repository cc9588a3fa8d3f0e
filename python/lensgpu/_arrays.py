"""From what callers have to the arrays that the native part takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._errors import DataError


def _real(values: Any, what: str, dtype: type) -> np.ndarray:
    """A C-contiguous array of `dtype`; `values` itself, without a copy, if it is one already.

    Masked values of a masked array become NaN.
    """
    masked = isinstance(values, np.ma.MaskedArray)
    array: Any = values if masked else np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} have the dtype {array.dtype}; a real one is needed, such as {np.dtype(dtype)}")
    # A number too large for float32 becomes infinite, which counts as masked.
    with np.errstate(over="ignore"):
        if masked:
            array = array.astype(dtype).filled(np.nan)
        return np.ascontiguousarray(array, dtype=dtype)


def as_images(images: Any) -> np.ndarray:
    """Images as float32 (N, height, width, channels)."""
    array = _real(images, "images", np.float32)
    if array.ndim != 4:
        raise DataError(
            f"images have the shape {array.shape} and the dtype {np.asanyarray(images).dtype}; "
            "(N, height, width, channels) is needed"
        )
    return array


def as_vector(values: Any, what: str) -> np.ndarray:
    """Numbers as float64 (N,)."""
    array = _real(values, what, np.float64)
    if array.ndim != 1:
        raise DataError(f"{what} have the shape {array.shape}; one dimension is needed")
    return array


def structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Columns of equal length as a structured array."""
    dtype = [(name, values.dtype) for name, values in columns.items()]
    table = np.empty(len(next(iter(columns.values()))), dtype=dtype)
    for name, values in columns.items():
        table[name] = values
    return table
