"""The provider actor: one HTTP client, one codec, any number of answers at a time up to a bound.

It holds the chunks of at most one read of the socket: a reader that does not read makes the
server wait. Leaving a stream closes its socket at once.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.chat import Request, Settings, StreamChunk, StreamResponse
from actors.errors import (
    ProviderError,
    ProviderOverloaded,
    StreamInterrupted,
)
from actors.http import HttpClient, HttpStream
from runtime import Actor, Exit, Sink

from ._api import Clock, Generate, ProviderApi
from ._capabilities import require
from ._several import capabilities_of
from ._whole import Whole
from .codecs import ERROR_BODY_BYTES, refusal

if TYPE_CHECKING:
    from ._model import Route
    from .codecs import Codec, Decoder

SETTLE_SECONDS: Final = 0.05
OK: Final = 200
FEW: Final = 32  # answers at a time, up to which a tenth of latency is worth a twelfth of CPU

Endpoint = str | Callable[[], Awaitable[str]]


class Provider(Actor, ProviderApi):
    """Answers requests by asking a server over HTTP.

    Args:
        route: The model, looked up by `resolve`.
        endpoint: The base address; or what to ask for it, anew for each request, so that a
            local server is found again after its restart.
    """

    def __init__(self, route: Route, endpoint: Endpoint | None = None) -> None:
        found = endpoint if endpoint is not None else route.base_url
        if route.codec is None or found is None:
            raise ValueError(f"{route.model.name} is not reached over HTTP: use start_provider")
        self._route = route
        self._codec: Codec = route.codec
        self._capabilities = capabilities_of(route.model)
        self._endpoint: Endpoint = found
        self._gate = _Gate(route.model.concurrency, route.model.waiting)
        self._client: HttpClient | None = None
        self._clock = Clock()

    async def started(self) -> None:
        secure = isinstance(self._endpoint, str) and self._endpoint.startswith("https:")
        limits, connections = self._route.model.limits, self._route.model.concurrency
        self._client = HttpClient(limits, connections=connections, secure=secure)

    async def stopped(self, exit: Exit) -> None:
        del exit
        if self._client is not None:
            await self._client.aclose()

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        if not (self._capabilities.streaming and message.request.streamed):
            out = Whole(out)
        async with self._gate.turn():
            await self._answer(message.request, out)

    async def _answer(self, request: Request, out: Sink[StreamChunk]) -> None:
        """One attempt. What arrived goes with any error."""
        settings = merged(self._route.model.settings, request.settings)
        streamed = request.streamed and self._capabilities.streaming
        request = attrs.evolve(request, settings=settings, streamed=streamed)
        require(request, self._capabilities, self._route.model.name)
        call = self._codec.encode(request, self._route.model.model)
        url = await self._base_url() + call.path
        started = self._clock.now()
        arrived: list[StreamChunk] = []
        assert self._client is not None, "messages come after `started`"
        try:
            async with self._client.stream(
                "POST", url, {**dict(call.headers), **self._route.headers}, call.body
            ) as response:
                if response.status != OK:
                    raise await self._refusal(response)
                await self._forward(response, out, arrived)
        except (StreamInterrupted, ProviderError) as error:
            error.partial = _partial(arrived, started)
            self._hide_key(error)
            raise

    async def _base_url(self) -> str:
        if isinstance(self._endpoint, str):
            return self._endpoint
        return (await self._endpoint()).rstrip("/")

    async def _forward(
        self, response: HttpStream, out: Sink[StreamChunk], arrived: list[StreamChunk]
    ) -> None:
        """Hand on one read after the other until the answer is complete."""
        decoder: Decoder = self._codec.decoder()
        now = self._clock.now
        while data := await response.read():
            chunks = decoder.feed(data, now())
            if chunks:
                arrived += chunks
                await out.send_many(chunks)
                if self._gate.passing <= FEW:
                    # The reader has been woken: let it run before we go back to the socket.
                    await trio.lowlevel.cancel_shielded_checkpoint()
            if decoder.done:
                await response.settle(SETTLE_SECONDS)
                return
            if decoder.failure is not None:
                raise decoder.failure
        chunks = decoder.finish(now())
        arrived += chunks
        await out.send_many(chunks)

    async def _refusal(self, response: HttpStream) -> ProviderError:
        try:
            body = await response.read_at_most(ERROR_BODY_BYTES)
        except (StreamInterrupted, ProviderError):
            body = b""  # the status says enough
        return refusal(response.status, response.headers, body, self._clock.now())

    def _hide_key(self, error: Exception) -> None:
        """Providers quote keys in their complaints, and their headers may echo them."""
        key, text = self._route.api_key, str(error)
        if key is None:
            return
        error.args = (text.replace(key, "***"), *error.args[1:])
        if isinstance(error, ProviderError) and error.request_id is not None:
            error.request_id = error.request_id.replace(key, "***")
        if key in "".join(traceback.format_exception(error)):
            error.__cause__ = error.__context__ = None


class _Gate:
    """Lets so many pass at once and so many wait; refuses the rest."""

    def __init__(self, running: int, waiting: int) -> None:
        self._semaphore = trio.Semaphore(running)
        self._running = running
        self._places = waiting
        self._waiting = 0
        self.passing = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        await self._enter()
        self.passing += 1
        try:
            yield
        finally:
            self.passing -= 1
            self._semaphore.release()

    async def _enter(self) -> None:
        try:
            self._semaphore.acquire_nowait()
        except trio.WouldBlock:
            if self._waiting >= self._places:
                raise ProviderOverloaded(
                    f"{self._running} requests run and {self._waiting} wait: give the Model "
                    "more `concurrency` or `waiting`, or ask less at once"
                ) from None
            self._waiting += 1
            try:
                await self._semaphore.acquire()
            finally:
                self._waiting -= 1


def merged(usual: Settings, asked: Settings) -> Settings:
    """`asked`, with what it leaves open taken from `usual`."""
    default = Settings()
    chosen = {
        field.name: getattr(asked, field.name)
        for field in attrs.fields(Settings)
        if getattr(asked, field.name) != getattr(default, field.name)
    }
    return attrs.evolve(usual, **chosen)


def _partial(chunks: list[StreamChunk], started: float) -> StreamResponse:
    response = StreamResponse(started)
    for chunk in chunks:
        response.add(chunk)
    return response
