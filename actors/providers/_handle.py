"""A provider for those who want no agent: open it, complete, stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

import trio

from actors.chat import (
    AssistantTurn,
    Request,
    Settings,
    StreamChunk,
    StreamResponse,
    SystemTurn,
    ToolSpec,
    ToolTurn,
    Turn,
    UserTurn,
)
from actors.errors import ConfigurationError, StreamTruncated
from runtime import Ref, RestartStrategy, Supervisor, open_system

from ._api import Clock, Generate, ProviderApi
from ._capabilities import Capabilities
from ._several import AnyModel, capabilities_of, looked_up
from ._start import start_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

_NUMBERS: Final = itertools.count(1)
NOTHING_KNOWN: Final = Capabilities()


class HasSpec(Protocol):
    """A tool, as far as a model sees it."""

    @property
    def spec(self) -> ToolSpec: ...


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


class ProviderHandle:
    """A running provider.

    Attributes:
        ref: The actor, for those who send it messages themselves.
        capabilities: What its model can do, as far as it is known.
    """

    def __init__(self, ref: Ref[ProviderApi], capabilities: Capabilities = NOTHING_KNOWN) -> None:
        self.ref = ref
        self.capabilities = capabilities

    async def complete(
        self,
        turns: Sequence[Turn],
        *,
        tools: Iterable[ToolSpec | HasSpec] = (),
        settings: Settings | None = None,
    ) -> StreamResponse:
        """Ask, and wait for the whole answer.

        Cancelled: the answer is stopped and its socket closed.

        Raises:
            StreamInterrupted, ProviderError: as `Generate` says; `partial` has what came.
        """
        async with self.stream(turns, tools=tools, settings=settings) as stream:
            async for _ in stream:
                pass
        return stream.response

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        tools: Iterable[ToolSpec | HasSpec] = (),
        settings: Settings | None = None,
    ) -> ProviderStream:
        """Ask, and read the answer as it comes: `async with provider.stream(...) as stream:`.

        Raises:
            ConfigurationError: What was given is no conversation, or no tool.
        """
        request = Request(
            _checked_turns(turns),
            tuple(_spec(tool) for tool in tools),
            settings if settings is not None else Settings(),
        )
        return ProviderStream(self.ref, request)


def _checked_turns(turns: Any) -> tuple[Turn, ...]:
    given = tuple(cast("Iterable[object]", turns)) if isinstance(turns, Iterable) else (None,)
    checked = tuple(
        turn for turn in given if isinstance(turn, SystemTurn | UserTurn | AssistantTurn | ToolTurn)
    )
    if len(checked) != len(given):
        raise ConfigurationError(
            "a conversation is a list of turns, such as [user('Hello')] from actors.chat"
        )
    return checked


def _spec(tool: ToolSpec | HasSpec) -> ToolSpec:
    spec = tool if isinstance(tool, ToolSpec) else getattr(tool, "spec", None)
    if not isinstance(spec, ToolSpec):
        raise ConfigurationError(
            f"{tool!r} is no tool: write @tool above the function, or give a ToolSpec"
        )
    return spec


@asynccontextmanager
async def open_provider(
    model: AnyModel, *, system: Supervisor | None = None
) -> AsyncGenerator[ProviderHandle]:
    """Start a provider, in a system of its own or in the one given; leaving stops it.

    Raises:
        UnknownModel, MissingKey, ConfigurationError: as `resolve` says; nothing was started.
        ModelNotPulled: A local model's files are not on this machine.
    """
    looked_up(model)
    capabilities = capabilities_of(model)
    if system is None:
        async with open_system() as own:
            yield ProviderHandle(await start_provider(own, model), capabilities)
        return
    group = await system.supervise(
        f"provider-{next(_NUMBERS)}", strategy=RestartStrategy.REST_FOR_ONE
    )
    try:
        yield ProviderHandle(await start_provider(group, model), capabilities)
    finally:
        with trio.CancelScope(shield=True):  # bounded by the grace and the cleanup of its actors
            await group.stop()
