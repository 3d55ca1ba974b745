"""What is around the code that a run calls: where further agents start, and who counts them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from actors.chat import ToolCall
from actors.errors import LimitReached
from actors.journal import Entry, SubRunEnded
from actors.providers import Clock
from runtime import AskCycle, Ref, RuntimeFault, carried

from ._calls import Decided
from ._conversation import Conversation
from ._recipe import NamesRecipe

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from actors.journal import Journal
    from actors.providers import Model, ProviderApi, Several
    from runtime import Supervisor

    from ._options import AgentSetup


@attrs.frozen
class Within:
    """Goes with all that a run of an agent sends, so that what leads back or too deep is found."""

    agent: Ref[Conversation]
    depth: int  # how many may stand below it


def within(agent: Ref[Conversation], message: object, depth: int) -> Within:
    """What goes with all that a run sends.

    Raises:
        AskCycle: If it is a run of this very agent that leads here.
        LimitReached: If too many runs do, one below the other.
    """
    above = [scope for scope in carried() if isinstance(scope, Within)]
    if any(scope.agent == agent for scope in above):
        raise AskCycle((agent.path, agent.path), message=message)
    for steps, scope in enumerate(reversed(above), 1):
        if steps > scope.depth:
            raise LimitReached(
                f"{agent.path} would be {steps} agents below {scope.agent.path}, which allows "
                f"{scope.depth}: raise RunLimits(depth=...)",
                limit="depth",
            )
    return Within(agent, depth)


class Hosts(Protocol):
    """What it takes of an agent to be the host of others; `Agent` says what each does."""

    @property
    def setup(self) -> AgentSetup: ...
    @property
    def supervisor(self) -> Supervisor | None: ...
    @property
    def model(self) -> Model | Several: ...
    @property
    def journal(self) -> Ref[Journal]: ...
    async def ready(self) -> None: ...
    def provider(self) -> AbstractContextManager[Ref[ProviderApi]]: ...
    def name_below(self, stem: str) -> str: ...
    async def record(self, entries: Sequence[Entry]) -> None: ...


class Continues(NamesRecipe):
    """The function of a tool whose calls can wait with the agent that they ask, and go on."""


@attrs.frozen
class Asked:
    """A call that is running.

    Attributes:
        id: Of the call.
        function: Of its tool.
        decided: What the run that it began goes on with, where it did so before.
    """

    id: str
    function: object
    decided: Decided | None = None


@attrs.frozen(eq=False)
class Place:
    """The run that goes on around this code.

    Attributes:
        host: Its agent.
        run: Its id.
        ended: Says that a run below it is over, or waits; gives what to record.
        hand_over: Lets another role speak from the next model call on, and says so in words.
        asked: The call of a tool that goes on around this code.
    """

    host: Hosts
    run: str
    ended: Callable[[SubRunEnded, Sequence[ToolCall]], Sequence[Entry]]
    hand_over: Callable[[str], Awaitable[str]]
    asked: Asked | None = None

    async def note_end(self, ended: SubRunEnded, pending: Sequence[ToolCall] = ()) -> None:
        """A run below this one is over, or waits. A cancel waits for the journal.

        Args:
            ended: Its end.
            pending: What waits there, where the call that `ended` names waits with it.
        """
        ended = attrs.evolve(ended, run=self.run, timestamp=Clock().now())
        entries = self.ended(ended, pending)
        with contextlib.suppress(RuntimeFault):  # the agent, which cannot write, ends by itself
            await self.host.record(entries)

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        token = PLACE.set(self)
        try:
            yield
        finally:
            PLACE.reset(token)


PLACE: Final[ContextVar[Place | None]] = ContextVar("agents_place", default=None)
