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

from actors.chat import Event, Outcome, Request, SystemTurn, Turn
from actors.errors import ConfigurationError
from actors.journal import Entry, Pinned, append, closing, project, read
from actors.output import asked_for, output_of
from actors.providers import Clock, capabilities_of, looked_up
from actors.react import AsItIs
from actors.recall import Frame, Keeper
from actors.tools import hold
from runtime import (
    Actor,
    ActorStopped,
    AskTimeout,
    ChildOptions,
    Ref,
    RestartPolicy,
    RuntimeFault,
    Sink,
    carry,
)

from ._control import (
    RESTARTED,
    Interrupt,
    Pause,
    Resume,
    Steer,
    Unfinished,
    Unpause,
    latest_run,
    resumption_of,
    superseding,
)
from ._conversation import (
    Conversation,
    Entries,
    History,
    Pin,
    Report,
    Run,
    RunReport,
    Settle,
    UseModel,
    report_of,
)
from ._place import within
from ._roles import Role, Roster
from ._run import RunInProgress
from ._runs import Runs
from ._switch import ModelSwitch

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from actors.chat import Usage
    from actors.journal import Journal
    from actors.providers import Model, ProviderApi, Several
    from actors.recall import Recollection
    from actors.tools import Held
    from runtime import Supervisor

    from ._calls import Resumption
    from ._options import AgentSetup

log = logging.getLogger("actors.agents")


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
        self._ids: set[str] = set()  # of all runs so far
        self._runs = Runs(setup.options.limits)
        self.roster = Roster(setup)
        self._below = 0  # agents that were started below this one
        if not isinstance(provider, ModelSwitch) and self.roster.models:
            raise ConfigurationError(
                "a handoff leads to another model, and this agent was given a provider: give it "
                "a ModelSwitch, as open_agent does"
            )
        self._held: Held | None = None
        self._unwritten: RuntimeFault | None = None  # why the copy may differ from the journal

    async def started(self) -> None:
        self._stop_unused()
        self._held = await hold(self, self.roster.tools)
        try:
            self._entries = list(await read(self._journal, self._setup.options.conversation))
        except ActorStopped:  # for good: no further incarnation could do better
            self.stop()
            return
        self._ids = {entry.run for entry in self._entries}
        self.roster.resume(self._entries)
        left_open = closing(self._entries, reason=RESTARTED, timestamp=Clock().now())
        if left_open:
            await self.record(left_open)
        if self._entries and not self._keeper.is_idle:
            with contextlib.suppress(ActorStopped):  # then the next incarnation does it
                self.start_soon(self._keeper.catch_up, self._frame())

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
        if message.id not in self._ids:
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
        await self._carry_out(message, out)

    @Resume.handles(concurrent=True)
    async def resume(self, message: Resume, out: Sink[Event]) -> None:
        await self._carry_out(message, out)

    async def _carry_out(self, message: Run | Resume, out: Sink[Event]) -> None:
        with carry(within(self.ref, message, self._setup.options.limits.depth)):
            try:
                await self._runs.carry_out(RunInProgress(self, message, out))
            finally:
                self._remember()

    def _remember(self) -> None:
        """What the memory wants done after a run: nobody waits for it."""
        if self._keeper.is_idle:
            return
        with contextlib.suppress(ActorStopped, RuntimeError):  # then after a run of the next one
            self.start_soon(self._keeper.run_ended, self._frame())

    @Settle.handles(concurrent=True)
    async def settle(self, message: Settle) -> None:
        del message
        if not self._keeper.is_idle:
            await self._keeper.catch_up(self._frame())

    @Interrupt.handles(concurrent=True)
    async def interrupt(self, message: Interrupt) -> bool:
        return await self._runs.interrupt(message.run, message.reason)

    # These would wait for nothing; beside the runs they begin behind the one that came before them.

    @Steer.handles(concurrent=True)
    async def steer(self, message: Steer) -> None:
        self._runs.steer(message.run, message.text)

    @Pause.handles(concurrent=True)
    async def pause(self, message: Pause) -> None:
        self._runs.open(message.run).machine.pause()

    @Unpause.handles(concurrent=True)
    async def unpause(self, message: Unpause) -> None:
        self._runs.open(message.run).unpause()

    @Unfinished.handles
    async def unfinished(self, message: Unfinished) -> RunReport | None:
        del message
        self._require_copy()
        latest = latest_run(self._entries)
        report = None if latest is None else report_of(self._entries, latest)
        return None if report is None or report.outcome is Outcome.DONE else report

    # What a run needs of its agent

    @property
    def setup(self) -> AgentSetup:
        return self._setup

    @property
    def supervisor(self) -> Supervisor | None:
        """Below which further agents are started; None if nobody gave one."""
        return self._provider.supervisor if isinstance(self._provider, ModelSwitch) else None

    @property
    def model(self) -> Model | Several:
        """What the next model call goes to."""
        assert isinstance(self._provider, ModelSwitch)  # it is asked for with a supervisor
        acting = self.roster.acting
        return self._provider.model if acting.model is None else looked_up(acting.model)

    @property
    def journal(self) -> Ref[Journal]:
        return self._journal

    def name_below(self, stem: str) -> str:
        """A new name for an agent below this one."""
        self._below += 1
        return f"{stem}-{self._below}"

    async def make_ready(self, role: Role) -> None:
        """Start the provider of a role that has one of its own, if that has not been done."""
        if role.model is not None:
            assert isinstance(self._provider, ModelSwitch)  # `__init__` has looked
            await self._provider.start_other(role.name, role.model)

    async def ready(self) -> None:
        """Have the provider of whoever speaks; after a restart nothing may have asked it yet."""
        await self.make_ready(self.roster.acting)

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
        acting = self.roster.acting
        if acting.model is not None:
            yield self._provider.other(acting.name).ref
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

    async def make_way(self, message: Run | Resume) -> Resumption | None:
        """What a run goes on from, once its turn has come; None for a new one.

        What the run before left for somebody to decide is decided by a new one.
        """
        self._require_copy()
        if isinstance(message, Resume):
            return resumption_of(self._entries, message)
        if message.id in self._ids:
            raise ConfigurationError(
                f"this conversation has a run {message.id!r} already: give each its own id"
            )
        left = superseding(self._entries, Clock().now())
        if left:
            await self.record(left)
        self._ids.add(message.id)
        return None

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

    def _frame(self) -> Frame:
        request = self._bare_request()
        if not isinstance(self._provider, ModelSwitch):
            return Frame(request)  # nothing is known of its model
        context = capabilities_of(self.model).context_tokens
        return Frame(request, context, request.settings.max_tokens)

    def _bare_request(self) -> Request:
        setup = self.roster.acting.setup
        instructions = setup.instructions
        first: tuple[Turn, ...] = () if instructions is None else (SystemTurn(instructions),)
        request = Request(first, setup.toolbox.specs, setup.options.settings)
        output = self._setup.options.output
        if output is None:
            return request
        return asked_for(request, output_of(output).schema, held=self._is_held(request))

    def _is_held(self, request: Request) -> bool:
        """Whether the provider can hold the model to a schema, and still let it call tools."""
        if not isinstance(self.roster.acting.setup.options.style, AsItIs):
            return False  # it would hold the model back from its thoughts and actions
        if not isinstance(self._provider, ModelSwitch):
            return not request.tools  # nothing is known of its model
        can = capabilities_of(self.model)
        return can.json_schema_with_tools is True if request.tools else can.json_schema is not False

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write to the journal; a cancel waits for it, at most `journal_patience` seconds.

        Raises:
            RuntimeFault: If it is not known to be written. The agent crashes then, and starts
                again from what the journal has; nothing more is written before.
        """
        self._require_copy()
        options = self._setup.options
        try:
            with trio.move_on_after(options.journal_patience, shield=True) as scope:
                await append(self._journal, options.conversation, entries)
                self._entries.extend(entries)
            if scope.cancelled_caught:
                raise AskTimeout(
                    f"{self._journal.path} took longer than {options.journal_patience} s to write",
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
