"""Exceptions, by kind."""


class Error(Exception):
    """Base of all exceptions of this package."""


class ModelError(Error):
    """A model that cannot be read, written or used for this."""


class DeviceError(Error):
    """A device that does not exist, has too little memory, or failed."""


class DataError(Error, ValueError):
    """Images, labels or another array that cannot be used."""


class OptionError(Error, ValueError):
    """An option out of its range, or unknown."""


class TrainingError(Error):
    """A training that failed, for instance because it diverged."""


class Stopped(Error):
    """A training that the callback stopped by returning ``False``."""


class SimulationError(Error):
    """A population that cannot be simulated."""
