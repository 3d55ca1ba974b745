"""The only code that opens a socket to a provider: one client, streamed, bounded in time.

What it carries can be written to a file, and played from there without a network.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from ._addresses import is_public
from ._connection import Reach
from ._limits import Limits
from ._open import open_client
from ._reach import Resolve, checked_reach
from ._recording import Recorder
from ._replay import Player, read_header
from ._secrets import Secrets
from ._tape import Header
from ._transport import Connect, Transport, TransportStream

if TYPE_CHECKING:
    from ._client import HttpClient
    from ._direct import HttpStream

__all__ = [
    "Connect",
    "Header",
    "HttpClient",
    "HttpStream",
    "Limits",
    "Player",
    "Reach",
    "Recorder",
    "Resolve",
    "Secrets",
    "Transport",
    "TransportStream",
    "checked_reach",
    "is_public",
    "open_client",
    "read_header",
]

_PLACES: Final = {"HttpClient": "_client", "HttpStream": "_direct"}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
