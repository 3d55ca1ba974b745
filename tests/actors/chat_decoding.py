"""Feeds a body to a codec, cut wherever a test wants it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from actors.chat import StreamResponse
from actors.errors import ProviderError, StreamInterrupted
from actors.providers import OpenAIChat

if TYPE_CHECKING:
    from actors.providers import Codec
    from runtime import RuntimeFault


def decode(
    body: bytes, cuts: list[int], codec: Codec | None = None
) -> tuple[StreamResponse, RuntimeFault | None]:
    """What came of `body`, and the error it ended with, as a provider would see them.

    The codec is OpenAI's chat if none is given.
    """
    decoder = (codec or OpenAIChat()).decoder()
    response = StreamResponse()
    borders = [0, *cuts, len(body)]
    try:
        for start, end in itertools.pairwise(borders):
            for chunk in decoder.feed(body[start:end], now=1.0):
                response.add(chunk)
        for chunk in decoder.finish(now=1.0):
            response.add(chunk)
    except (StreamInterrupted, ProviderError) as error:
        return response, error
    return response, None
