"""A real model on this machine: fetched once, then served by a child process under supervision."""

from ._cache import PulledEmbedding, PulledModel, is_pulled, locate, locate_embedding
from ._models import (
    EMBEDDING_MODELS,
    LOCAL_MODELS,
    REQUEST_FIELDS,
    EmbeddingModel,
    LocalModel,
    Package,
    Wheel,
    find_embedding,
)
from ._pull import PullProgress, pull
from ._server import Address, LocalServer, ModelServer, Pid

__all__ = [
    "EMBEDDING_MODELS",
    "LOCAL_MODELS",
    "REQUEST_FIELDS",
    "Address",
    "EmbeddingModel",
    "LocalModel",
    "LocalServer",
    "ModelServer",
    "Package",
    "Pid",
    "PullProgress",
    "PulledEmbedding",
    "PulledModel",
    "Wheel",
    "find_embedding",
    "is_pulled",
    "locate",
    "locate_embedding",
    "pull",
]
