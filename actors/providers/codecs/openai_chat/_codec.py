"""OpenAI Chat Completions, from OpenAI and the many servers compatible with it. Pure.

What it promises whatever the dialect: pieces of a tool call belong together by their index;
the one final chunk comes last and has the finish reason and the usage, which may arrive late;
an answer that was cut is never complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.providers.codecs._decoding import BodyDecoder
from actors.providers.codecs._dialects import COMPATIBLE, Dialect

from ._answer import ChatAnswer
from ._request import encode_request
from ._wire import WIRE

if TYPE_CHECKING:
    from actors.chat import Request
    from actors.providers.codecs._codec import Decoder, WireRequest


class OpenAIChat:
    """The codec; `dialect` says how the server departs from OpenAI's own API."""

    wire: str = WIRE

    def __init__(self, dialect: Dialect = COMPATIBLE) -> None:
        self.dialect = dialect

    def encode(self, request: Request, model: str) -> WireRequest:
        """See `Codec.encode`."""
        return encode_request(request, model, self.dialect)

    def decoder(self) -> Decoder:
        """See `Codec.decoder`."""
        return BodyDecoder(ChatAnswer(self.dialect))
