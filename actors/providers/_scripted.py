"""A model that plays a script: no network, virtual time, every fault on demand."""

from __future__ import annotations

import attrs
import trio

from actors.budget import metered
from actors.chat import Request, StreamChunk, StreamResponse
from actors.errors import StreamStalled, StreamTruncated
from actors.http import Limits
from runtime import Actor, Sink

from ._api import Clock, Generate, ProviderApi, Requests, ScriptedApi
from ._capabilities import Capabilities, fitted, require
from ._script import Crash, Fail, Happening, Playback, ScriptedPause, Stall, play
from ._whole import Whole


class Scripted(Actor, ProviderApi, ScriptedApi):
    """Answers each request with the next script.

    Args:
        playback: The scripts; it is not part of the actor, so that a crash does not start
            them over.
        limits: How long a script may be silent, as for a real provider.
        model: Its full name, for the price that a budget of money needs.
        capabilities: What it is said to be able to do.
    """

    def __init__(
        self,
        playback: Playback,
        limits: Limits | None = None,
        model: str = "scripted:unnamed",
        capabilities: Capabilities | None = None,
    ) -> None:
        self._playback = playback
        self._model = model
        self._limits = limits if limits is not None else Limits()
        self._capabilities = capabilities if capabilities is not None else Capabilities()
        self._clock = Clock()

    @Requests.handles(concurrent=True)
    async def requests(self, _: Requests) -> tuple[Request, ...]:
        return tuple(self._playback.requests)

    @Generate.handles(concurrent=True)
    async def generate(self, message: Generate, out: Sink[StreamChunk]) -> None:
        require(message.request, self._capabilities, self._model)
        request = fitted(message.request, self._capabilities)
        if not (self._capabilities.streaming and request.streamed):
            out = Whole(out)
        async with metered(out, self._model, request) as counted:
            await self._play(request, counted)

    async def _play(self, request: Request, out: Sink[StreamChunk]) -> None:
        number, answer = self._playback.next(request)
        arrived = StreamResponse(self._clock.now())
        for item in play(answer, request, number):
            if isinstance(item, StreamChunk):
                chunk = attrs.evolve(item, timestamp=self._clock.now())
                arrived.add(chunk)
                await out.send(chunk)
            else:
                await self._happen(item, arrived)

    async def _happen(self, item: Happening, arrived: StreamResponse) -> None:
        match item:
            case ScriptedPause(seconds):
                await self._be_silent(seconds, arrived)
            case Stall():
                await self._be_silent(float("inf"), arrived)
            case Fail(error):
                error.partial = arrived
                raise error
            case Crash(text):
                raise RuntimeError(text)
            case _:
                raise StreamTruncated("the script ends here", partial=arrived)

    async def _be_silent(self, seconds: float, arrived: StreamResponse) -> None:
        limit = "idle" if arrived.chunks else "first_byte"
        longest: float = getattr(self._limits, limit)
        await trio.sleep(min(seconds, longest))
        if seconds > longest:
            text = f"the script was silent for too long: the limit {limit} is {longest} s"
            raise StreamStalled(text, limit=limit, seconds=longest, partial=arrived)
