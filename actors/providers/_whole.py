"""A whole answer as one chunk, for models that do not stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from trio.lowlevel import checkpoint

from actors.chat import StreamChunk, StreamResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import Sink


class Whole:
    """A sink that hands on an answer once it is complete, and says that it was not streamed.

    The metadata of the final chunk have `streamed`: False. An answer that breaks off is not
    handed on; the error has what came of it.
    """

    def __init__(self, out: Sink[StreamChunk]) -> None:
        self._out = out
        self._held: list[StreamChunk] = []

    async def send(self, item: StreamChunk) -> None:
        await self.send_many([item])

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        self._held += items
        if self._held and self._held[-1].is_final:
            held, self._held = self._held, []
            await self._out.send_many(in_one(held))
        else:
            await checkpoint()

    @property
    def taken(self) -> int:
        return self._out.taken


def in_one(chunks: Sequence[StreamChunk]) -> list[StreamChunk]:
    """A complete answer as one chunk; as more where their order or their seals would be lost."""
    response = StreamResponse()
    for chunk in chunks:
        response.add(chunk)
    last = chunks[-1]
    metadata: dict[str, Any] = {**response.metadata, "streamed": False}
    one = attrs.evolve(
        last,
        content=response.text,
        index=0,
        finish_reason=response.finish_reason,
        raw_finish_reason=response.raw_finish_reason,
        metadata=metadata,
        thinking=response.thinking,
        signature=next((c.signature for c in chunks if c.signature is not None), None),
        tool_calls=tuple(delta for chunk in chunks for delta in chunk.tool_calls),
        opaque=tuple(item for chunk in chunks for item in chunk.opaque),
        usage=response.usage if any(chunk.usage is not None for chunk in chunks) else None,
    )
    alone = StreamResponse()
    alone.add(one)
    if alone.turn == response.turn:
        return [one]
    return [*chunks[:-1], attrs.evolve(last, metadata={**last.metadata, "streamed": False})]
