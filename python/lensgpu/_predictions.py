"""Predictions for images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _lensgpu
from ._arrays import as_vector, structured
from ._errors import DataError

if TYPE_CHECKING:
    import astropy.table
    import pandas

#: Columns without a unit.
_PLAIN = ("id", "p_lens", "ood_score", "flags")


class Predictions:
    """Predicted distributions of the Einstein radius, one per image; made by :meth:`Model.predict`.

    ``predictions["theta_e"]`` is a column of :attr:`table`, and ``len(predictions)`` the number of images. An image that
    is masked throughout has no prediction: its numbers are NaN, and its flags have the bit 1024.

    Attributes
    ----------
    table : numpy.ndarray
        Structured array with the columns of the catalogue of ``lensgpu infer`` (docs/output.md): ``id``, ``theta_e``,
        ``sigma``, ``sigma_aleatoric``, ``sigma_epistemic``, ``q02_5``, ``q16``, ``q50``, ``q84``, ``q97_5``, ``p_lens``
        if the model has a lens head, ``ood_score`` and ``flags``. Radii and sigmas are in arcsec.
    unit : str
        Unit of the predicted quantity, ``arcsec`` for images.
    """

    def __init__(self, native: _lensgpu.Predictions, ids: Optional[Any], unit: str) -> None:
        names = np.arange(len(native), dtype=np.int32) if ids is None else np.asarray(ids)
        if names.shape != (len(native),):
            raise DataError(f"ids have the shape {names.shape}; ({len(native)},) is needed")
        self._native = native
        self.table = structured({"id": names, **native.columns()})
        self.unit = unit

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: Any) -> Any:
        return self.table[key]

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        table = self.table if dtype is None else self.table.astype(dtype)
        return table.copy() if copy else table

    def __repr__(self) -> str:
        return f"<Predictions for {len(self)} images: {', '.join(self.table.dtype.names or ())}>"

    @property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of the members before calibration, each float64 (N, M), in arcsec and arcsec^2."""
        mean, variance = self._native.members()
        return mean, variance

    def quantile(self, levels: Any) -> np.ndarray:
        """Quantiles of each calibrated distribution.

        Parameters
        ----------
        levels : float or array_like (P,)
            Probabilities, above 0 and below 1.

        Returns
        -------
        numpy.ndarray
            float64 (N, P), or (N,) for one level; arcsec. A radius is not below 0.

        Raises
        ------
        DataError
            A level outside (0, 1).
        """
        array = as_vector(np.atleast_1d(levels), "levels")
        if not ((array > 0) & (array < 1)).all():
            raise DataError(f"levels are {array}; they must be above 0 and below 1")
        quantiles = self._native.quantile(array)
        return quantiles[:, 0] if np.ndim(levels) == 0 else quantiles

    def sample(self, n: int, seed: int = 1) -> np.ndarray:
        """Random draws from each object's calibrated distribution.

        Parameters
        ----------
        n : int
            Draws per object.
        seed : int
            Random seed. The draws of an object depend on the seed and on its place among the images.

        Returns
        -------
        numpy.ndarray
            float64 (N, n), arcsec. What would be below 0 is 0, as in the quantiles.
        """
        return self._native.sample(n, seed)

    def pdf(self, grid: Any) -> np.ndarray:
        """Probability density of each calibrated distribution.

        Parameters
        ----------
        grid : array_like (G,)
            Radii, arcsec.

        Returns
        -------
        numpy.ndarray
            float64 (N, G), 1/arcsec. The distribution may extend below 0; the probability there is that of radius 0.
        """
        return self._native.pdf(as_vector(grid, "the radii of the grid"))

    def evaluate(self, truth: Any, seed: int = 1) -> dict[str, Any]:
        """Scores against true values; see :func:`evaluate`.

        Parameters
        ----------
        truth : array_like (N,)
            True Einstein radii, arcsec.
        seed : int
            Random seed of the bootstrap.

        Returns
        -------
        dict
            ``n``, the metrics of docs/evaluation.md by name, and ``errors``, their standard errors.
        """
        n, scores = self._native.evaluate(as_vector(truth, "true values"), seed)
        values = {name: value for name, value, _ in scores}
        return {"n": n, **values, "errors": {name: error for name, _, error in scores}}

    def to_astropy(self) -> astropy.table.Table:
        """The table as an :class:`astropy.table.Table`, with units."""
        from astropy.table import Table

        table = Table(self.table)
        for name in table.colnames:
            if name not in _PLAIN:
                table[name].unit = self.unit or None
        return table

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a :class:`pandas.DataFrame`."""
        import pandas

        return pandas.DataFrame({name: self.table[name] for name in self.table.dtype.names or ()})
