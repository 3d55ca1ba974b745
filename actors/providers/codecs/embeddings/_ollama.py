"""Ollama's embeddings. Pure.

Source: Ollama's API documentation, "Generate embeddings". It names no limit to the texts of a
request; it works through them one after the other.
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


class _Body(msgspec.Struct):
    embeddings: list[Vector] | None = None
    prompt_eval_count: int | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class OllamaEmbeddings:
    """The codec."""

    most: int = 256

    def encode(self, texts: Sequence[str], model: str, dimensions: int | None) -> WireRequest:
        """See `EmbeddingCodec.encode`."""
        body: dict[str, Any] = {"model": model, "input": list(texts)}
        if dimensions is not None:
            body["dimensions"] = dimensions
        return WireRequest("/api/embed", msgspec.json.encode(body))

    def decoder(self, texts: int) -> Decoder:
        """See `EmbeddingCodec.decoder`."""
        return embedding_decoder(_read, texts)


def _read(body: bytes) -> Read:
    found = _decode(body)
    if found.error:
        return Read(None, error=error_in_stream(found.error))
    counted = found.prompt_eval_count
    usage = None if counted is None else Usage(counted, raw={"prompt_eval_count": counted})
    return Read(found.embeddings, usage)
