"""Gemini's embeddings. Pure.

Source: the Gemini API's reference, "models.batchEmbedContents" (100 texts a request). It does
not count tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.providers.codecs._codec import WireRequest
from actors.providers.codecs._faults import error_in_stream

from ._answer import Read, Vector, embedding_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.providers.codecs._codec import Decoder


class _Embedding(msgspec.Struct, gc=False):
    values: Vector


class _Body(msgspec.Struct):
    embeddings: list[_Embedding] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class GeminiEmbeddings:
    """The codec."""

    most: int = 100

    def encode(self, texts: Sequence[str], model: str, dimensions: int | None) -> WireRequest:
        """See `EmbeddingCodec.encode`."""
        name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        size = {} if dimensions is None else {"outputDimensionality": dimensions}
        requests = [{"model": name, "content": {"parts": [{"text": t}]}, **size} for t in texts]
        body = msgspec.json.encode({"requests": requests})
        return WireRequest(f"/v1beta/{name}:batchEmbedContents", body)

    def decoder(self, texts: int) -> Decoder:
        """See `EmbeddingCodec.decoder`."""
        return embedding_decoder(_read, texts)


def _read(body: bytes) -> Read:
    found = _decode(body)
    if found.error:
        return Read(None, error=error_in_stream(found.error))
    if found.embeddings is None:
        return Read(None)
    return Read([each.values for each in found.embeddings])
