"""A whole run, cancelled at every step: whatever its tools run in, whatever wire it speaks.

Three tools at once, an agent as a tool that calls one itself, and a journal. The servers are a
process of their own, so that what is looked for here is ours alone. With the tests, a sample of
the steps; `--everywhere` takes them all.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
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
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from actors.agents import AgentHandle, AgentRun
    from actors.journal import Entry, Journal
    from actors.tools import AnyTool
    from runtime import Ref, System

SAMPLES = {"inline": 8, "thread": 8, "process": 3}
AT_LEAST = 100  # steps of a whole run


@pytest.fixture(scope="module")
def host() -> Generator[Host]:
    with open_host() as host:
        yield host


@attrs.define
class Play:
    """One way to run it, again and again.

    Attributes:
        urls: Where the providers of the next run are.
        run: The latest run, if it came to that.
        number: Of runs so far.
        outcomes: How they ended.
        journal_file: None to keep it in memory.
    """

    host: Host
    wire: WireName
    isolation: Isolation
    journal_file: Path | None
    urls: dict[str, str] = attrs.field(factory=dict)
    run: AgentRun | None = None
    number: int = 0
    outcomes: set[Outcome | None] = attrs.field(factory=set)

    def prepare(self) -> None:
        """New servers, and a conversation of its own, for each run."""
        self.urls = self.host.open(self.wire)
        self.run = None
        self.number += 1

    @property
    def conversation(self) -> str:
        return f"run-{self.number}"

    def model(self, name: str) -> Model:
        return Model(
            f"{PROVIDERS[self.wire]}:gemini-3-m",
            base_url=self.urls[name],
            api_key="sk-fake",
            retry=Retry(attempts=1),
        )

    def tools(self) -> list[AnyTool]:
        below = AgentRecipe(
            "helper", self.model("below"), tools=tools_of("inline"), description="Helps."
        )
        return [*tools_of(self.isolation), agent_tool(below)]

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
                self.run = agent.stream("Go")
                async with self.run as run:
                    async for _ in run:
                        pass

    async def check(self, journal: Ref[Journal], system: System) -> None:
        """What holds however it ended; nothing has been repaired yet."""
        seen = self.host.seen()
        assert (seen.open, seen.open_answers, seen.refused) == (0, 0, [])
        shown = "" if self.run is None else self.run.response.text
        for id in await conversations(journal):
            if id.partition("/")[0] == self.conversation:
                assert_closed(await read(journal, id))
        entries = await read(journal, self.conversation)
        mine = [] if self.run is None else of_run(entries, self.run)
        assert said_in(mine) == shown
        assert_one_end(mine, self.run)
        async with self.agent("next", journal, system) as agent:
            history = await agent.history()
            assert_sendable(history)
            assert (await agent.run("What next?")).text == "Fine."
        after = self.host.seen()
        assert (after.refused, after.requests["next"]) == ([], 1)
        self.outcomes.add(None if self.run is None else self.run.outcome)
        if self.run is not None and self.run.outcome is Outcome.DONE:
            assert_whole(history)


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
    everywhere = bool(request.config.getoption("--everywhere"))
    for file in (None, tmp_path / "journal.db"):
        play = Play(host, wire, isolation, file)
        cancels = await cancelled(play, None if everywhere else SAMPLES[isolation], number)
        print(f"{isolation}, {wire}, {'memory' if file is None else 'disk'}: {cancels} cancels")
        assert cancels > (AT_LEAST if everywhere else 0)
        assert play.outcomes >= {Outcome.CANCELLED, Outcome.DONE}


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
