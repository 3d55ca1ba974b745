"""What is around the code that a run calls: where further agents start, and who counts them."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from actors.errors import LimitReached
from actors.providers import Clock
from runtime import AskCycle, Ref, RuntimeFault, carried

from ._conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from actors.chat import Usage
    from actors.journal import Entry, Journal, SubRunEnded
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


class Place:
    """The run that goes on around this code.

    Attributes:
        host: Its agent.
        hand_over: Lets another role speak from the next model call on, and says so in words.

    Args:
        count: Adds what a run below has used up.
    """

    def __init__(
        self,
        host: Hosts,
        run: str,
        *,
        count: Callable[[Usage], None],
        hand_over: Callable[[str], Awaitable[str]],
    ) -> None:
        self.host = host
        self.hand_over = hand_over
        self._run = run
        self._count = count

    async def note_end(self, ended: SubRunEnded) -> None:
        """A run below this one is over. A cancel waits for the journal."""
        self._count(ended.usage)
        entry = attrs.evolve(ended, run=self._run, timestamp=Clock().now())
        with contextlib.suppress(RuntimeFault):  # the agent, which cannot write, ends by itself
            await self.host.record((entry,))

    @contextlib.contextmanager
    def entered(self) -> Generator[None]:
        token = PLACE.set(self)
        try:
            yield
        finally:
            PLACE.reset(token)


PLACE: Final[ContextVar[Place | None]] = ContextVar("agents_place", default=None)
