"""OpenAI Responses: the API of OpenAI's reasoning models, which other servers speak as well. Pure.

What it promises: an answer is complete when its terminal event has come, and never before; what
the provider wants back (sealed reasoning, its own tools' work) goes back as it came, in its
place; nothing is stored at the provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.providers.codecs._decoding import BodyDecoder

from ._answer import ResponsesAnswer
from ._request import encode_request
from ._wire import WIRE

if TYPE_CHECKING:
    from actors.chat import Request
    from actors.providers.codecs._codec import Decoder, WireRequest


class OpenAIResponses:
    """The codec."""

    wire: str = WIRE

    def encode(self, request: Request, model: str) -> WireRequest:
        """See `Codec.encode`."""
        return encode_request(request, model)

    def decoder(self) -> Decoder:
        """See `Codec.decoder`."""
        return BodyDecoder(ResponsesAnswer())
