"""The agent actor: carries out the turn machine's commands for one conversation.

One run at a time; the others queue. Everything that a reader may rely on is in the journal
before it is shown, and the end of a run is written whatever ended it, so that the history can
always be sent. The journal is the only truth: what the agent holds is a copy, and an agent
that cannot write crashes, so that its successor starts from what the journal has.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import attrs
import trio

from actors.chat import Event, Request, SystemTurn, Turn
from actors.errors import ConfigurationError, LimitReached
from actors.journal import Entry, Pinned, append, closing, project, read
from actors.output import asked_for, output_of
from actors.providers import Clock, capabilities_of
from actors.react import AsItIs
from actors.recall import Frame, Keeper
from actors.tools import hold
from runtime import (
    Actor,
    ActorStopped,
    AskCycle,
    AskTimeout,
    ChildOptions,
    Ref,
    RestartPolicy,
    RuntimeFault,
    Sink,
    carried,
    carry,
)

from ._conversation import (
    Conversation,
    Entries,
    History,
    Pin,
    Report,
    Run,
    RunReport,
    UseModel,
    report_of,
)
from ._run import RunInProgress
from ._switch import ModelSwitch

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from actors.chat import Usage
    from actors.journal import Journal
    from actors.providers import ProviderApi
    from actors.recall import Recollection
    from actors.tools import Held

    from ._options import AgentSetup

log = logging.getLogger("actors.agents")


@attrs.frozen
class _Within:
    """Goes with all that a run of this agent sends, so that a run is found to wait for itself."""

    agent: Ref[Conversation]


class Agent(Actor, Conversation):
    """Holds one conversation, with the journal as its memory.

    Args:
        provider: Who answers, or the switch by which that can be changed.
        journal: Where the conversation is kept.
        setup: The rest.
    """

    # Who asks while it restarts gets the answer of the next incarnation.
    default_options = ChildOptions(restart=RestartPolicy.TRANSIENT, keep_mailbox=True)

    def __init__(
        self,
        provider: Ref[ProviderApi] | ModelSwitch,
        journal: Ref[Journal],
        setup: AgentSetup,
    ) -> None:
        self._provider = provider
        self._journal = journal
        self._setup = setup
        self._entries: list[Entry] = []
        self._keeper = Keeper(setup.options.memory, self, lambda: self._entries)
        self._runs: set[str] = set()
        self._one_at_a_time = trio.Lock()
        self._held: Held | None = None
        self._unwritten: RuntimeFault | None = None  # why the copy may differ from the journal

    async def started(self) -> None:
        self._stop_unused()
        self._held = await hold(self, self._setup.toolbox)
        try:
            self._entries = list(await read(self._journal, self._setup.options.conversation))
        except ActorStopped:  # for good: no further incarnation could do better
            self.stop()
            return
        self._runs = {entry.run for entry in self._entries}
        left_open = closing(
            self._entries, reason="the agent was restarted", timestamp=Clock().now()
        )
        if left_open:
            await self.record(left_open)

    @History.handles
    async def history(self, message: History) -> tuple[Turn, ...]:
        del message
        self._require_copy()
        return project(self._entries)

    @Report.handles
    async def report(self, message: Report) -> RunReport:
        self._require_copy()
        return report_of(self._entries, message.id)

    @Entries.handles
    async def entries(self, message: Entries) -> tuple[Entry, ...]:
        del message
        self._require_copy()
        return tuple(self._entries)

    @Pin.handles
    async def pin(self, message: Pin) -> None:
        if message.id not in self._runs:
            raise ConfigurationError(
                f"this conversation has no run {message.id!r}: pin one by its `run.id`"
            )
        await self.record([Pinned(message.id, message.pinned, Clock().now())])

    @UseModel.handles(concurrent=True)
    async def use_model(self, message: UseModel) -> None:
        if not isinstance(self._provider, ModelSwitch):
            raise ConfigurationError(
                "this agent was given a provider that somebody else started: give it a "
                "ModelSwitch, as open_agent does"
            )
        await self._provider.use(message.model)

    @Run.handles(concurrent=True)
    async def run(self, message: Run, out: Sink[Event]) -> None:
        within = _Within(self.ref)
        if within in carried():
            raise AskCycle((self.ref.path, self.ref.path), message=message)
        waiting = self._one_at_a_time.statistics().tasks_waiting
        limits = self._setup.options.limits
        if self._one_at_a_time.locked() and waiting >= limits.queued_runs:
            raise LimitReached(
                f"{waiting} runs wait for this conversation already; wait for one to end",
                limit="queued_runs",
            )
        async with self._one_at_a_time:
            if message.id in self._runs:
                raise ConfigurationError(
                    f"this conversation has a run {message.id!r} already: give each its own id"
                )
            self._runs.add(message.id)
            try:
                with carry(within):
                    await RunInProgress(self, message, out).carry_out()
            finally:
                self._remember()

    def _remember(self) -> None:
        """What the memory wants done after a run: nobody waits for it."""
        if self._keeper.is_idle:
            return
        with contextlib.suppress(ActorStopped, RuntimeError):  # then after a run of the next one
            self.start_soon(self._keeper.run_ended, self._frame())

    # What a run needs of its agent

    @property
    def setup(self) -> AgentSetup:
        return self._setup

    @property
    def held(self) -> Held | None:
        """What its tools share: processes, limits."""
        return self._held

    @contextlib.contextmanager
    def provider(self) -> Generator[Ref[ProviderApi]]:
        """Who answers one model call; it runs until the block is left."""
        if not isinstance(self._provider, ModelSwitch):
            yield self._provider
            return
        try:
            with self._provider.in_use() as provider:
                yield provider
        finally:
            self._stop_unused()

    def _stop_unused(self) -> None:
        """Stop providers that were replaced during a call, without waiting for their ends."""
        if isinstance(self._provider, ModelSwitch) and self._provider.has_unused:
            with contextlib.suppress(ActorStopped):  # then the next incarnation does it
                self.start_soon(self._provider.stop_unused)

    async def recall(self, run: str) -> Recollection:
        """What of the conversation the next request of a run brings."""
        return await self._keeper.recall(run, self._frame())

    def counted(self, usage: Usage) -> None:
        """Hear what the provider has counted of the latest request."""
        self._keeper.counted(usage)

    def request(self, turns: tuple[Turn, ...]) -> Request:
        """These turns with all that stands around them."""
        bare = self._bare_request()
        return attrs.evolve(bare, turns=bare.turns + turns)

    def _bare_request(self) -> Request:
        instructions = self._setup.instructions
        first: tuple[Turn, ...] = () if instructions is None else (SystemTurn(instructions),)
        request = Request(first, self._setup.toolbox.specs, self._setup.options.settings)
        output = self._setup.options.output
        if output is None:
            return request
        return asked_for(request, output_of(output).schema, held=self._is_held(request))

    def _frame(self) -> Frame:
        request = self._bare_request()
        if not isinstance(self._provider, ModelSwitch):
            return Frame(request)  # nothing is known of its model
        context = capabilities_of(self._provider.model).context_tokens
        return Frame(request, context, request.settings.max_tokens)

    def _is_held(self, request: Request) -> bool:
        """Whether the provider can hold the model to a schema, and still let it call tools."""
        if not isinstance(self._setup.options.style, AsItIs):
            return False  # it would hold the model back from its thoughts and actions
        if not isinstance(self._provider, ModelSwitch):
            return not request.tools  # nothing is known of its model
        can = capabilities_of(self._provider.model)
        return can.json_schema_with_tools is True if request.tools else can.json_schema is not False

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write to the journal; a cancel waits for it, at most `cleanup` seconds.

        Raises:
            RuntimeFault: If it is not known to be written. The agent crashes then, and starts
                again from what the journal has; nothing more is written before.
        """
        self._require_copy()
        options = self._setup.options
        try:
            with trio.move_on_after(options.cleanup, shield=True) as scope:
                await append(self._journal, options.conversation, entries)
                self._entries.extend(entries)
            if scope.cancelled_caught:
                raise AskTimeout(
                    f"{self._journal.path} took longer than {options.cleanup} s to write",
                    path=self._journal.path,
                )
        except RuntimeFault as fault:
            self._unwritten = fault
            with contextlib.suppress(ActorStopped):  # then it is ending anyway
                self.start_soon(self._give_up)
            raise

    async def _give_up(self) -> None:
        """Crash, as an error that leaves a background task does; a fault in a run does not."""
        self._require_copy()

    def record_beside(self, entries: Sequence[Entry]) -> None:
        """Write to the journal without waiting for it; what cannot be written is logged."""
        try:
            self.start_soon(self.record, entries)
        except (RuntimeFault, RuntimeError) as ended:  # this incarnation, so that nobody can write
            log.warning("not in the journal, since its agent has ended (%s): %s", ended, entries)

    def _require_copy(self) -> None:
        if self._unwritten is not None:
            raise self._unwritten
