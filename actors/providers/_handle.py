"""A provider for those who want no agent: open it, complete, stream, as text or as a class."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import trio

from actors.chat import (
    AssistantTurn,
    Request,
    Settings,
    StreamResponse,
    SystemTurn,
    ToolSpec,
    ToolTurn,
    Turn,
    Usage,
    UserTurn,
    assistant,
    user,
)
from actors.errors import ConfigurationError
from actors.output import Output, Wrong, asked_for, output_of
from runtime import Ref, RestartStrategy, Supervisor, open_system

from ._capabilities import Capabilities
from ._reading import ProviderStream, Structured, StructuredStream
from ._several import AnyModel, capabilities_of, looked_up
from ._start import start_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ._api import ProviderApi

T = TypeVar("T")
_NUMBERS: Final = itertools.count(1)
NOTHING_KNOWN: Final = Capabilities()
NOTHING_SAID: Final = "(no text)"  # an empty turn would be refused


class HasSpec(Protocol):
    """A tool, as far as a model sees it."""

    @property
    def spec(self) -> ToolSpec: ...


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

    async def complete_as(
        self,
        output: type[T],
        turns: Sequence[Turn],
        *,
        settings: Settings | None = None,
        attempts: int = 3,
    ) -> Structured[T]:
        """Ask for an instance of an attrs class or a dataclass, and wait for it.

        The provider holds the model to the class's JSON schema; where the model is known not to
        have that, the instructions ask for it. What is wrong with an answer is told to the model.

        Args:
            output: The class.
            turns: The conversation.
            settings: As for `complete`.
            attempts: How often the model may answer.

        Cancelled: the answer is stopped and its socket closed.

        Raises:
            OutputInvalid: No answer was an instance; `said`, `problems` and `usage` tell more.
            TypeError: A model cannot be asked for this class; the text says what to write.
            StreamInterrupted, ProviderError: as `Generate` says; `partial` has what came.
        """
        if attempts < 1:
            raise ValueError(f"attempts must be 1 or more, not {attempts}")
        wanted = output_of(output)
        said = list(_checked_turns(turns))
        usage = Usage()
        attempt = 0
        while True:
            attempt += 1
            async with ProviderStream(self.ref, self._asked(wanted, said, settings)) as stream:
                async for _ in stream:
                    pass
            response = stream.response
            usage += response.usage
            value = wanted.read(response)
            if not isinstance(value, Wrong):
                return Structured(value, response, attempt, usage)
            if attempt == attempts or not value.can_improve:
                raise wanted.fault(value, response, attempts=attempt, usage=usage)
            answered = response.text if response.text.strip() else NOTHING_SAID
            said += [assistant(answered), user(wanted.correction(value))]

    def stream_as(
        self, output: type[T], turns: Sequence[Turn], *, settings: Settings | None = None
    ) -> StructuredStream[T]:
        """Ask for an instance of a class, and read it as it comes.

        `async with provider.stream_as(Weather, [...]) as stream: async for partial in stream:`,
        and `stream.value` behind the loop. The model has one attempt, since what was shown
        cannot be taken back: the loop ends by raising `OutputInvalid` if the answer is wrong.

        Raises:
            TypeError: A model cannot be asked for this class; the text says what to write.
            ConfigurationError: What was given is no conversation.
        """
        wanted = output_of(output)
        request = self._asked(wanted, _checked_turns(turns), settings)
        return StructuredStream(ProviderStream(self.ref, request), wanted)

    def _asked(
        self, output: Output[Any], turns: Sequence[Turn], settings: Settings | None
    ) -> Request:
        request = Request(tuple(turns), settings=settings if settings is not None else Settings())
        held = self.capabilities.json_schema is not False
        return asked_for(request, output.schema, held=held)


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
