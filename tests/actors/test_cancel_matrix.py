"""A whole run, cancelled at every step: whatever its tools run in, whatever wire it speaks.

Three tools at once, an agent as a tool that calls one itself, and a journal. The servers are a
process of their own, so that what is looked for here is ours alone. With the tests, a sample of
the steps; `--everywhere` takes them all.
"""

from __future__ import annotations

import faulthandler
import importlib
import itertools
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import everywhere_tools
import pytest
from agents_scripted import assert_sendable, of_run, said_in
from everywhere_tools import ISOLATIONS, Isolation, tools_of
from test_truncation_matrix import PROVIDERS
from wire_host import Host, open_host

from actors import AgentOptions, open_agent
from actors.agents import AgentRecipe, agent_tool
from actors.chat import Outcome, ToolResult, ToolStatus, ToolTurn
from actors.journal import (
    MemoryJournal,
    RunEnded,
    RunStarted,
    SqliteJournal,
    ToolCalled,
    ToolSealed,
    conversations,
    read,
)
from actors.providers import Model, Retry
from actors.testing import WIRES, WireName
from runtime import open_system
from runtime.testing import _leaks as leaks
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from actors.agents import AgentHandle, AgentRun
    from actors.journal import Entry, Journal
    from actors.tools import AnyTool
    from runtime import Ref, System

log = logging.getLogger("tests.cancel_matrix")

SAMPLES = {"inline": 6, "thread": 6, "process": 2}
AT_LEAST = 100  # steps of a whole run


@pytest.fixture(scope="module")
def host() -> Generator[Host]:
    with open_host() as host:
        yield host


class Play:
    """One way to run it, again and again, each time on new servers.

    Attributes:
        journal_file: None to keep it in memory.
        outcomes: How the runs ended; None for those that were not begun.
    """

    def __init__(
        self, host: Host, wire: WireName, isolation: Isolation, journal_file: Path | None
    ) -> None:
        self.journal_file = journal_file
        self.outcomes = set[Outcome | None]()
        self._host = host
        self._wire: WireName = wire
        self._isolation: Isolation = isolation
        self._urls = dict[str, str]()
        self._run: AgentRun | None = None  # if it came to that
        self._number = 0

    def prepare(self) -> None:
        """New servers, and a conversation of its own, for each run."""
        self._urls = self._host.open(self._wire)
        self._run = None
        self._number += 1

    @property
    def conversation(self) -> str:
        return f"run-{self._number}"

    def model(self, name: str) -> Model:
        return Model(
            f"{PROVIDERS[self._wire]}:gemini-3-m",
            base_url=self._urls[name],
            api_key="sk-fake",
            retry=Retry(attempts=1),
        )

    def tools(self) -> list[AnyTool]:
        below = AgentRecipe(
            "helper", self.model("below"), tools=tools_of("inline"), description="Helps."
        )
        return [*tools_of(self._isolation), agent_tool(below)]

    @asynccontextmanager
    async def agent(
        self, name: str, journal: Path | Ref[Journal] | None, system: System | None = None
    ) -> AsyncGenerator[AgentHandle]:
        options = AgentOptions(conversation=self.conversation, journal=journal)
        async with open_agent(
            self.model(name), tools=self.tools(), options=options, system=system
        ) as agent:
            yield agent

    async def play(self, journal: Path | Ref[Journal], system: System | None) -> None:
        """The scenario."""
        with assert_no_leaks():
            async with self.agent("above", journal, system) as agent:
                self._run = agent.stream("Go")
                before = set(tasks())
                try:
                    async with self._run as run:
                        async for _ in run:
                            pass
                finally:
                    assert_quiet(agent)
                    assert not set(tasks()) - before
                    assert self._host.seen(idle=True).open_answers == 0

    async def check(self, journal: Ref[Journal], system: System) -> None:
        """What holds however it ended; nothing has been repaired yet."""
        seen = self._host.seen()
        assert (seen.open, seen.open_answers, seen.refused) == (0, 0, [])
        shown = "" if self._run is None else self._run.response.text
        for id in await conversations(journal):
            if id.partition("/")[0] == self.conversation:
                assert_closed(await read(journal, id))
        entries = await read(journal, self.conversation)
        mine = [] if self._run is None else of_run(entries, self._run)
        assert said_in(mine) == shown
        assert_one_end(mine, self._run)
        async with self.agent("next", journal, system) as agent:
            history = await agent.history()
            assert_sendable(history)
            assert (await agent.run("What next?")).text == "Fine."
        after = self._host.seen()
        assert (after.refused, after.requests["next"]) == ([], 1)
        self.outcomes.add(None if self._run is None else self._run.outcome)
        if self._run is not None and self._run.outcome is Outcome.DONE:
            assert_whole(history)


def tasks() -> list[str]:
    return [str(task) for task, _ in leaks._tasks()]  # noqa: SLF001 - what `assert_no_leaks` sees


def assert_quiet(agent: AgentHandle) -> None:
    """The run's block has been left this very moment, and the agent is still there."""
    assert everywhere_tools.running == 0
    assert agent.ref.statistics().handling == ()
    (group,) = [
        node for node in agent.system.tree().children if agent.ref.path.startswith(f"{node.path}/")
    ]
    names = {child.path.rpartition("/")[2] for child in group.children}
    assert names <= {"journal", "provider", "agent"}
    assert " busy" not in str(group).replace(" 0 busy", "")


def assert_closed(entries: tuple[Entry, ...]) -> None:
    """All that was begun has its end, and every call its seal."""
    begun = [entry.run for entry in entries if isinstance(entry, RunStarted)]
    ended = [entry.run for entry in entries if isinstance(entry, RunEnded)]
    assert begun == ended
    called = {entry.call.id for entry in entries if isinstance(entry, ToolCalled)}
    assert called == {entry.call_id for entry in entries if isinstance(entry, ToolSealed)}


def assert_one_end(entries: list[Entry], run: AgentRun | None) -> None:
    ends = [entry.outcome for entry in entries if isinstance(entry, RunEnded)]
    if run is not None and ends:
        assert ends == [run.outcome]


def assert_whole(history: tuple[Any, ...]) -> None:
    """It did all that it was to do: else there was little to cancel."""
    (turn,) = [turn for turn in history if isinstance(turn, ToolTurn)]
    results: list[tuple[str, ToolStatus]] = [status_of(each) for each in turn.results]
    assert results == [
        ("1", ToolStatus.OK),
        ("3", ToolStatus.OK),
        ("ValueError: no", ToolStatus.ERROR),
        ("Seen.", ToolStatus.OK),
    ]


def status_of(result: ToolResult) -> tuple[str, ToolStatus]:
    return result.content, result.status


CASES = [
    pytest.param(isolation, wire, number, id=f"{isolation}-{wire}")
    for number, (isolation, wire) in enumerate(itertools.product(ISOLATIONS, WIRES))
]


@pytest.mark.parametrize(("isolation", "wire", "number"), CASES)
async def test_wherever_it_is_cancelled_nothing_runs_nothing_is_lost_and_it_goes_on(
    isolation: Isolation,
    wire: WireName,
    number: int,
    host: Host,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    one_process_at_a_time()
    everywhere = bool(request.config.getoption("--everywhere"))
    if everywhere:
        faulthandler.cancel_dump_traceback_later()  # it takes minutes
    sample = None if everywhere else SAMPLES[isolation]
    in_memory = number % 2 == 0 and not everywhere
    play = Play(host, wire, isolation, None if in_memory else tmp_path / "journal.db")
    cancels = await cancelled(play, sample, number)
    log.info("%s tools, %s: %d cancels", isolation, wire, cancels)
    assert Outcome.DONE in play.outcomes
    if everywhere:
        assert cancels > AT_LEAST
        assert play.outcomes == {None, Outcome.CANCELLED, Outcome.DONE}


def one_process_at_a_time() -> None:
    """One process works for all three tools: to start one takes longer than all else."""
    library: Any = importlib.import_module("trio_parallel")  # untyped
    library.current_default_worker_limiter().total_tokens = 1


async def cancelled(play: Play, sample: int | None, seed: int) -> int:
    """Cancel it at all steps or at some; in how many runs that was before the end."""
    async with open_system() as system:
        memory = await system.spawn(MemoryJournal, name="memory")
        play.prepare()

        async def scenario() -> None:
            if play.journal_file is None:
                await play.play(memory, system)
            else:
                await play.play(play.journal_file, None)

        async def check() -> None:
            if play.journal_file is None:
                assert [child.path for child in system.tree().children] == ["/memory"]
                await play.check(memory, system)
            else:
                async with open_system() as other:
                    journal = await other.spawn(SqliteJournal, play.journal_file, name="disk")
                    await play.check(journal, other)
            play.prepare()

        return await cancel_everywhere(scenario, check=check, sample=sample, seed=seed)
