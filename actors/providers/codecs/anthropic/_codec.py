"""Anthropic Messages, from Anthropic and from servers that speak its format. Pure.

Source: platform.claude.com/docs, the pages on the Messages API and on streaming. What it
promises: thinking with its signature and every block of a server's own tools go back as they
came; an answer is complete at `message_stop` and never before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.providers.codecs._decoding import BodyDecoder

from ._answer import MessagesAnswer
from ._request import encode_request
from ._wire import WIRE

if TYPE_CHECKING:
    from actors.chat import Request
    from actors.providers.codecs._codec import Decoder, WireRequest


class AnthropicMessages:
    """The codec; its base address is the server's root, as Anthropic's own SDK has it."""

    wire: str = WIRE

    def encode(self, request: Request, model: str) -> WireRequest:
        """See `Codec.encode`."""
        return encode_request(request, model)

    def decoder(self) -> Decoder:
        """See `Codec.decoder`."""
        return BodyDecoder(MessagesAnswer())
