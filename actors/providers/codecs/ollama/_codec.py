"""Ollama's chat, from a server on this machine, another one, or ollama.com. Pure.

What it promises: an answer without its last line is never complete; the counts and durations
of that line are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.providers.codecs._decoding import BodyDecoder
from actors.providers.codecs._framing import LineFraming

from ._answer import OllamaAnswer
from ._request import encode_request
from ._wire import WIRE

if TYPE_CHECKING:
    from actors.chat import Request
    from actors.providers.codecs._codec import Decoder, WireRequest


class Ollama:
    """The codec of Ollama's own API; it also serves OpenAI's, without thinking levels."""

    wire: str = WIRE

    def encode(self, request: Request, model: str) -> WireRequest:
        """See `Codec.encode`."""
        return encode_request(request, model)

    def decoder(self) -> Decoder:
        """See `Codec.decoder`."""
        return BodyDecoder(OllamaAnswer(), LineFraming())
