"""OpenAI's embeddings, and those of servers compatible with it. Pure.

Source: OpenAI's API reference, "Create embeddings" (2048 texts a request; `dimensions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.chat import Usage
from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._faults import error_in_stream

from ._answer import Read, Vector, embedding_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.providers.codecs._codec import Decoder


class _Item(msgspec.Struct, gc=False):
    embedding: Vector
    index: int | None = None


class _Body(msgspec.Struct):
    data: list[_Item] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class OpenAIEmbeddings:
    """The codec."""

    most: int = 2048

    def encode(self, texts: Sequence[str], model: str, dimensions: int | None) -> WireRequest:
        """See `EmbeddingCodec.encode`."""
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "float"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        return WireRequest("/embeddings", msgspec.json.encode(body))

    def decoder(self, texts: int) -> Decoder:
        """See `EmbeddingCodec.decoder`."""
        return embedding_decoder(_read, texts)


def _read(body: bytes) -> Read:
    found = _decode(body)
    if found.error:
        return Read(None, error=error_in_stream(found.error))
    if found.data is None:
        return Read(None)
    items = found.data
    if all(item.index is not None for item in items):
        items = sorted(items, key=lambda item: item.index or 0)
    tokens = (found.usage or {}).get("prompt_tokens")
    usage = Usage(tokens, raw=found.usage or {}) if isinstance(tokens, int) else None
    return Read([item.embedding for item in items], usage)
