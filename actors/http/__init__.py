"""The only code that opens a socket to a provider: one client, streamed, bounded in time."""

from ._client import HttpClient, HttpStream
from ._limits import Limits

__all__ = ["HttpClient", "HttpStream", "Limits"]
