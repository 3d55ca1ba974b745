"""How an answer is read by those who want no agent: as chunks, or as an object that fills up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

import attrs

from actors.chat import Request, StreamChunk, StreamResponse, Usage
from actors.errors import StreamTruncated
from actors.output import Output, Partial, PartialReader, Wrong

from ._api import Clock, Generate, ProviderApi

if TYPE_CHECKING:
    from types import TracebackType

    from runtime import Ref

T = TypeVar("T")


class ProviderStream:
    """One answer, as an async context manager and then an async iterator of its chunks.

    Leaving stops the answer and closes its socket; when the block is left, all is quiet.

    Attributes:
        response: Everything that the reader was handed, at any time and after any ending.
    """

    def __init__(self, ref: Ref[ProviderApi], request: Request) -> None:
        self._block = ref.stream(Generate(request))
        self.response = StreamResponse()

    async def __aenter__(self) -> Self:
        self.response.started_at = Clock().now()
        await self._block.__aenter__()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        try:
            chunk = await self._block.__anext__()
        except StopAsyncIteration:
            self._check_complete()
            raise
        self.response.add(chunk)
        return chunk

    def _check_complete(self) -> None:
        """Whoever implements a provider: an answer without its final chunk was cut."""
        if not self.response.is_complete:
            raise StreamTruncated(
                "the provider's stream ended without its final chunk", partial=self.response
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._block.__aexit__(kind, error, trace)


@attrs.frozen
class Structured(Generic[T]):
    """An answer that was read as an instance of a class.

    Attributes:
        value: The instance.
        response: The answer that it was read from.
        attempts: How many answers it took, this one included.
        usage: Of all of them.
    """

    value: T
    response: StreamResponse = attrs.field(eq=False)
    attempts: int = 1
    usage: Usage = attrs.field(factory=Usage)


class StructuredStream(Generic[T]):
    """One answer, as an async context manager and then an async iterator of what there is of it.

    Each `Partial` has more than the one before. Leaving stops the answer and closes its socket.

    Attributes:
        response: Everything that has arrived, at any time and after any ending.
        partial: The latest of the snapshots; empty before the first.
    """

    def __init__(self, stream: ProviderStream, output: Output[T]) -> None:
        self.response = stream.response
        self.partial = Partial({})
        self._stream = stream
        self._output = output
        self._reader = PartialReader()
        self._values: list[T] = []

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Partial:
        while True:
            try:
                chunk = await self._stream.__anext__()
            except StopAsyncIteration:
                self._finish()
                raise
            partial = self._reader.add(chunk.content) if chunk.content else None
            if partial is not None:
                self.partial = partial
                return partial

    def _finish(self) -> None:
        if self._values:
            return
        value = self._output.read(self.response)
        if isinstance(value, Wrong):
            raise self._output.fault(value, self.response, attempts=1, usage=self.response.usage)
        self._values.append(value)

    @property
    def value(self) -> T:
        """The instance, once the loop has ended.

        Raises:
            RuntimeError: If it has not, or ended with an error.
        """
        if not self._values:
            raise RuntimeError(
                "there is no value before the loop over this stream has ended; what there is so "
                "far is in `partial`"
            )
        return self._values[0]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)
