"""Einstein radii of strong gravitational lenses, with error bars, from survey cutouts.

The models, options and numbers are those of the program ``lensgpu``: the same images give the same predictions, bit for
bit. See docs/python.md of the repository.

Examples
--------
>>> import lensgpu, numpy as np
>>> model = lensgpu.Model.load("hst-f814w")
>>> predictions = model.predict(np.zeros((2, *model.shape), dtype=np.float32), device="cpu")
>>> predictions.table.dtype.names[:3]
('id', 'theta_e', 'sigma')
"""

from ._errors import (
    DataError,
    DeviceError,
    Error,
    ModelError,
    OptionError,
    SimulationError,
    Stopped,
    TrainingError,
)
from ._lensgpu import __version__
from ._model import Model, evaluate
from ._predictions import Predictions
from ._simulate import simulate
from ._train import Epoch, train

__all__ = [
    "DataError",
    "DeviceError",
    "Epoch",
    "Error",
    "Model",
    "ModelError",
    "OptionError",
    "Predictions",
    "SimulationError",
    "Stopped",
    "TrainingError",
    "__version__",
    "evaluate",
    "simulate",
    "train",
]
