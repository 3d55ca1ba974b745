"""Gemini's generateContent, from Google's Gemini API. Pure.

What it promises: parts keep their order; what is sealed by a thought signature, and parts that
nobody understands, go back to the letter; an answer that was cut is never complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.providers.codecs._decoding import BodyDecoder

from ._answer import GeminiAnswer
from ._framing import GeminiFraming
from ._request import encode_request
from ._wire import WIRE

if TYPE_CHECKING:
    from actors.chat import Request
    from actors.providers.codecs._codec import Decoder, WireRequest


class Gemini:
    """The codec of Google's Gemini API."""

    wire: str = WIRE

    def encode(self, request: Request, model: str) -> WireRequest:
        """See `Codec.encode`."""
        return encode_request(request, model)

    def decoder(self) -> Decoder:
        """See `Codec.decoder`."""
        return BodyDecoder(GeminiAnswer(), GeminiFraming())
