"""The only code that opens a socket to a provider: one client, streamed, bounded in time.

What it carries can be written to a file, and played from there without a network.
"""

from ._client import HttpClient
from ._direct import HttpStream
from ._limits import Limits
from ._recording import Recorder
from ._replay import Player, read_header
from ._secrets import Secrets
from ._tape import Header
from ._transport import Connect, Transport, TransportStream

__all__ = [
    "Connect",
    "Header",
    "HttpClient",
    "HttpStream",
    "Limits",
    "Player",
    "Recorder",
    "Secrets",
    "Transport",
    "TransportStream",
    "read_header",
]
