"""The journal on disk: what is acknowledged, what a cancel leaves, what cannot be read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from agents_scripted import assert_sendable, collect, scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from strict_history import refusals
from test_agent_cancel import ANSWER, ROUND, fails, in_thread, inline
from test_journal import ENTRIES

from actors import AgentOptions, open_agent
from actors.chat import AssistantTurn, Opaque, Outcome, Text, ToolCall, ToolTurn, Usage, UserTurn
from actors.errors import (
    ConfigurationError,
    JournalDamaged,
    JournalNotWritten,
    JournalUnusable,
)
from actors.journal import (
    Append,
    AssistantSaid,
    MemoryJournal,
    RunEnded,
    RunStarted,
    SqliteJournal,
    UserSaid,
    append,
    conversations,
    fork,
    read,
)
from actors.providers import Model, say, script
from runtime import ActorStopped, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from trio.testing import MockClock

    from actors.journal import Entry, Journal
    from runtime import Ref, System

HELLO = UserSaid("r1", "Hello", 1.0)
BYE = UserSaid("r1", "Bye", 2.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Ref[SqliteJournal]]:
    async with open_system() as system:
        yield await system.spawn(SqliteJournal, path, name="journal")


def damage(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


class SlowJournal(SqliteJournal):
    """One whose disk waits until it is let go on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go_on = threading.Event()
        self.writing = threading.Event()
        self.batches: list[int] = []
        self.read_on = threading.Event()
        self.reading = threading.Event()
        self.read_on.set()

    async def started(self) -> None:
        await super().started()
        write, look = self._opened.write, self._opened.read

        def wait_and_read(conversation: str) -> Any:
            self.reading.set()
            assert self.read_on.wait(10)
            return look(conversation)

        def wait_and_write(appends: list[Append]) -> Any:
            self.batches.append(len(appends))
            self.writing.set()
            assert self.go_on.wait(10)
            return write(appends)

        vars(self._opened).update(write=wait_and_write, read=wait_and_read)


@asynccontextmanager
async def slow(path: Path) -> AsyncGenerator[tuple[SlowJournal, Ref[SlowJournal]]]:
    journal = SlowJournal(path)
    try:
        async with open_system() as system:
            yield journal, await system.spawn(lambda: journal)
    finally:
        journal.go_on.set()


# What is kept


async def test_what_was_appended_is_there_after_the_program(path: Path) -> None:
    async with opened(path) as journal:
        assert await append(journal, "b", [HELLO]) == 1
        assert await append(journal, "a", [HELLO, BYE]) == 2
        assert await append(journal, "b", [BYE]) == 2
        assert await append(journal, "c", []) == 0
    async with opened(path) as journal:
        assert await read(journal, "b") == await read(journal, "a") == (HELLO, BYE)
        assert await read(journal, "c") == ()
        assert await conversations(journal) == ("b", "a")
        assert await append(journal, "b", [HELLO]) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ENTRIES, max_size=4), max_size=4), st.text(min_size=1))
def test_any_entries_come_back_the_same_to_the_last_field(
    appends: list[list[Entry]], name: str
) -> None:
    async def write_and_read(path: Path) -> tuple[Entry, ...]:
        async with opened(path) as journal:
            for entries in appends:
                await append(journal, name, entries)
        async with opened(path) as journal:
            return await read(journal, name)

    name = name.encode(errors="replace").decode()
    with tempfile.TemporaryDirectory() as folder:
        found = trio.run(write_and_read, Path(folder) / "chats.db")
    expected = [entry for entries in appends for entry in entries]
    assert [attrs.asdict(entry) for entry in found] == [attrs.asdict(entry) for entry in expected]


async def test_seals_and_opaque_parts_come_back_to_the_letter(path: Path) -> None:
    opaque = Opaque("anthropic", {"type": "redacted_thinking", "data": "Eo\u0000+/=="})
    call = ToolCall("c", "f", {"a": 1}, '{ "a" : 1 }', None, "s\n==")
    turn = AssistantTurn((opaque, Text("Hm.", "seal"), call), "anthropic")
    said = AssistantSaid("r1", turn, complete=True, usage=Usage(1, 2, raw={"x": [1.5, None]}))
    async with opened(path) as journal:
        await append(journal, "a", [said])
    async with opened(path) as journal:
        (found,) = await read(journal, "a")
    assert attrs.asdict(found) == attrs.asdict(said)
    assert isinstance(found, AssistantSaid)
    assert found.turn.tool_calls[0].arguments_text == '{ "a" : 1 }'


async def test_only_its_owner_may_read_a_new_file(path: Path) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO])
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"chats.db": 0o600, "chats.db-wal": 0o600}
    assert [file.name for file in path.parent.iterdir()] == ["chats.db"]


async def test_a_journal_says_what_it_has_done(path: Path) -> None:
    async with open_system() as system:
        journal = await system.spawn(SqliteJournal, path, name="journal")
        await append(journal, "a", [HELLO])
        assert "chats.db: 1 appends in 1 commits" in str(system.tree())
    assert repr(SqliteJournal(path)) == f"<SqliteJournal {path}, closed>"


# Commits that are shared, and cancels


async def test_appends_that_come_during_a_commit_share_the_next_one(path: Path) -> None:
    async with slow(path) as (journal, ref):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append, ref, "first", [HELLO])
            await trio.to_thread.run_sync(journal.writing.wait)
            for number in range(20):
                nursery.start_soon(append, ref, f"c{number % 3}", [HELLO, BYE])
            await trio.testing.wait_all_tasks_blocked()
            journal.go_on.set()
        assert journal.batches == [1, 20]
        assert [len(await read(ref, f"c{number}")) for number in range(3)] == [14, 14, 12]


async def test_the_loop_goes_on_while_the_disk_does_not(path: Path) -> None:
    async with slow(path) as (journal, ref), trio.open_nursery() as nursery:
        nursery.start_soon(append, ref, "a", [HELLO])
        await trio.to_thread.run_sync(journal.writing.wait)
        async with scripted(script(say("Fine.", pieces=5))) as agent:
            assert (await agent.run("Hello")).text == "Fine."
        assert journal.batches == [1]
        journal.go_on.set()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_cancelled_append_is_written_as_a_whole_if_its_commit_has_begun_else_not(
    path: Path,
    kept: bool,  # noqa: FBT001
) -> None:
    async with slow(path) as (journal, ref):
        async with trio.open_nursery() as others:
            if not kept:
                others.start_soon(append, ref, "first", [HELLO])
                await trio.to_thread.run_sync(journal.writing.wait)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append, ref, "a", [HELLO, BYE])
                await trio.to_thread.run_sync(journal.writing.wait)
                await trio.testing.wait_all_tasks_blocked()
                others.start_soon(append, ref, "b", [HELLO])
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
                others.start_soon(trio.to_thread.run_sync, journal.go_on.set)
        assert await read(ref, "a") == ((HELLO, BYE) if kept else ())
        assert await read(ref, "b") == (HELLO,)


async def test_the_cancel_of_one_that_writes_for_others_takes_none_of_them_with_it(
    path: Path,
) -> None:
    """It waits for its turn in the thread, behind a read, when its cancel comes."""
    async with slow(path) as (journal, ref):
        journal.read_on.clear()
        async with trio.open_nursery() as others:
            others.start_soon(append, ref, "first", [HELLO])
            await trio.to_thread.run_sync(journal.writing.wait)
            others.start_soon(read, ref, "first")
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append, ref, "a", [HELLO, BYE])
                await trio.testing.wait_all_tasks_blocked()
                others.start_soon(append, ref, "b", [HELLO])
                await trio.testing.wait_all_tasks_blocked()
                journal.go_on.set()
                await trio.to_thread.run_sync(journal.reading.wait)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
                others.start_soon(trio.to_thread.run_sync, journal.read_on.set)
        with trio.fail_after(10):
            assert await read(ref, "a") == (HELLO, BYE)
            assert await read(ref, "b") == (HELLO,)
        assert journal.batches == [1, 2]


async def test_wherever_an_append_is_cancelled_it_is_in_as_a_whole_or_not_at_all(
    path: Path,
) -> None:
    """With others beside it, of which none may be lost with it."""
    numbers = iter(range(10_000))
    lengths: set[int] = set()
    async with opened(path) as journal:
        last = ""

        async def scenario() -> None:
            nonlocal last
            last = f"c{next(numbers)}"
            async with trio.open_nursery() as nursery:
                for name in (f"beside {last}", last, f"behind {last}"):
                    nursery.start_soon(append, journal, name, [HELLO, BYE])

        async def check() -> None:
            with trio.fail_after(10):
                lengths.add(len(await read(journal, last)))
                assert await append(journal, f"after {last}", [HELLO]) == 1

        assert await cancel_everywhere(scenario, check=check) > 4
    assert lengths == {0, 2}


async def test_many_conversations_at_once_lose_and_mix_nothing(path: Path) -> None:
    async def talk(journal: Ref[Journal], name: str) -> None:
        for number in range(10):
            assert await append(journal, name, [UserSaid(name, str(number))]) == number + 1

    names = [f"c{number}" for number in range(20)]
    async with opened(path) as journal:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(talk, journal, name)
        for name in names:
            assert await read(journal, name) == tuple(UserSaid(name, str(n)) for n in range(10))


async def test_a_killed_journal_gives_its_file_to_the_next_one(path: Path) -> None:
    async with open_system() as system:
        first = await system.spawn(SqliteJournal, path, name="first")
        await append(first, "a", [HELLO])
        await first.kill()
        with pytest.raises(ActorStopped):
            await append(first, "a", [BYE])
        second = await system.spawn(SqliteJournal, path, name="second")
        assert await read(second, "a") == (HELLO,)


# What cannot be


@pytest.mark.parametrize("make", ["folder", "text", "other", "newer", "missing", "nul", "proc"])
async def test_a_file_that_cannot_be_a_journal_is_one_bare_error_and_stays_as_it_is(
    path: Path, make: str
) -> None:
    reasons = {
        "folder": "no such folder, or nothing can be written in it",
        "text": "no SQLite database at all",
        "other": "a database of something else",
        "newer": "tables are of version 99, and this program knows 1",
        "missing": "no such folder",
        "nul": "null",
        "proc": "nothing can be written in it",
    }
    path = await put(path, make)
    before = path.read_bytes() if make in {"text", "other", "newer"} else b""

    with pytest.raises(JournalUnusable, match=reasons[make]):
        async with open_agent("scripted:echo", options=AgentOptions(journal=path)):
            pass
    assert before == (path.read_bytes() if before else b"")


async def put(path: Path, make: str) -> Path:
    """Make what is no journal, or name what cannot be made."""
    match make:
        case "folder":
            await trio.Path(path).mkdir()
        case "text":
            await trio.Path(path).write_text("Dear diary, " * 100, encoding="utf-8")
        case "other":
            damage(path, "CREATE TABLE songs (title TEXT)")
        case "newer":
            async with opened(path) as journal:
                await append(journal, "a", [HELLO])
            damage(path, "PRAGMA user_version = 99")
        case "missing":
            return path / "nowhere" / "chats.db"
        case "nul":
            return path.parent / "a\0b"
        case _:
            return Path("/proc/chats.db")
    return path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
async def test_a_file_that_may_only_be_read_is_refused(path: Path) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO])
    await trio.Path(path).chmod(0o400)
    with pytest.raises(JournalUnusable, match="may be read but not written"):
        async with opened(path):
            pass


async def test_a_second_journal_on_one_file_is_refused_and_the_first_goes_on(path: Path) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO])
        with pytest.raises(JournalUnusable, match="another program has it open"):
            async with open_agent("scripted:echo", options=AgentOptions(journal=path)):
                pass
        assert await append(journal, "a", [BYE]) == 2


async def test_a_second_program_on_one_file_is_refused_and_the_first_goes_on(path: Path) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO])
        second = await trio.to_thread.run_sync(run_echo, path)
        assert second.returncode != 0
        assert second.stderr.splitlines()[-1] == (
            f"actors.errors.JournalUnusable: the journal {path} cannot be used: another program "
            "has it open: end that one, or use another file"
        )
        assert await append(journal, "a", [BYE]) == 2
    assert (await trio.to_thread.run_sync(run_echo, path)).returncode == 0


def run_echo(path: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys, trio\n"
        "from actors import AgentOptions, open_agent\n"
        "async def main():\n"
        "    options = AgentOptions(journal=sys.argv[1])\n"
        "    async with open_agent('scripted:echo', options=options) as agent:\n"
        "        await agent.run('Hello')\n"
        "trio.run(main)\n"
    )
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )


DAMAGES = {
    "UPDATE entries SET entry = replace(entry, 'Bye', 'Buy')": "damaged: its checksum",
    "UPDATE entries SET entry = substr(entry, 1, 20) WHERE position = 2": "damaged: its checksum",
    "UPDATE entries SET entry = x'ff00' WHERE position = 2": "damaged: its checksum",
    "UPDATE entries SET version = 7 WHERE position = 2": "of format 7, and this program reads 1",
    "DELETE FROM entries WHERE position = 2": "is missing: the next one there is entry 3",
    "UPDATE entries SET entry = '{}', checksum = 2745614147 WHERE position = 2": "cannot be read",
}


@pytest.mark.parametrize("statement", DAMAGES)
async def test_a_damaged_entry_is_named_and_nothing_is_lost(path: Path, statement: str) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO, BYE, HELLO])
        await append(journal, "b", [HELLO])
    damage(path, statement)

    options = AgentOptions(journal=path, conversation="a")
    with pytest.raises(JournalDamaged, match=DAMAGES[statement]) as caught:
        async with open_agent("scripted:echo", options=options):
            pass
    row = 3 if "DELETE" in statement else 2
    assert f"row {row} of the table entries of {path}, entry 2 of the conversation 'a'" in str(
        caught.value
    )
    async with opened(path) as journal:
        assert await read(journal, "b") == (HELLO,)
        assert await append(journal, "b", [BYE]) == 2
        with pytest.raises(JournalDamaged):
            await read(journal, "a")


class FullJournal(SqliteJournal):
    """One whose disk is full from some page on."""

    pages = 20

    async def started(self) -> None:
        await super().started()
        self._opened._connection.execute(f"PRAGMA max_page_count = {self.pages}")  # noqa: SLF001


async def test_what_a_full_disk_does_not_take_is_refused_and_all_before_it_is_kept(
    path: Path,
) -> None:
    long = UserSaid("r1", "x" * 10_000)
    written = 0
    async with open_system() as system:
        journal = await system.spawn(FullJournal, path)
        with pytest.raises(JournalNotWritten, match="disk is full"):  # noqa: PT012
            while True:
                await append(journal, "a", [long, long])
                written += 2
        assert await read(journal, "a") == (long,) * written
        assert await append(journal, "b", [HELLO]) == 1  # there is room for that
    assert written > 0
    async with opened(path) as journal:
        assert await read(journal, "a") == (long,) * written
        assert await append(journal, "a", [long]) == written + 1


async def test_an_entry_that_is_no_json_fails_alone(path: Path) -> None:
    wrong = AssistantSaid(
        "r1", AssistantTurn((ToolCall("c", "f", {"a": object()}),)), complete=True
    )
    async with slow(path) as (journal, ref):
        errors: list[JournalNotWritten] = []

        async def refuse() -> None:
            with pytest.raises(JournalNotWritten, match="conversation 'a' is no JSON") as caught:
                await append(ref, "a", [HELLO, wrong])
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(append, ref, "first", [HELLO])
            await trio.to_thread.run_sync(journal.writing.wait)
            nursery.start_soon(refuse)
            nursery.start_soon(append, ref, "b", [HELLO])
            await trio.testing.wait_all_tasks_blocked()
            journal.go_on.set()
        assert len(errors) == 1
        assert await read(ref, "a") == ()
        assert await read(ref, "b") == (HELLO,)


@pytest.mark.parametrize("id", ["", "\ud800"])
async def test_an_id_that_cannot_be_kept_is_refused_before_the_journal_hears_of_it(
    id: str,
) -> None:
    with pytest.raises(ValueError, match=r"a conversation has an id|half a character"):
        Append(id, ())


# Forks


@pytest.mark.parametrize("make", [MemoryJournal, SqliteJournal])
async def test_a_conversation_is_forked_at_any_entry_and_both_go_on(
    path: Path, make: type[Any]
) -> None:
    async with open_system() as system:
        journal = await start(system, make, path)
        entries = [UserSaid("r1", str(number)) for number in range(4)]
        await append(journal, "a", entries)
        for at in range(1, 5):
            assert await fork(journal, "a", at=at, into=f"a{at}") == at
            assert await read(journal, f"a{at}") == tuple(entries[:at])
        await append(journal, "a2", [BYE])
        assert await read(journal, "a2") == (*entries[:2], BYE)
        assert await read(journal, "a") == tuple(entries)
        assert await conversations(journal) == ("a", "a1", "a2", "a3", "a4")


@pytest.mark.parametrize("make", [MemoryJournal, SqliteJournal])
@pytest.mark.parametrize(
    ("name", "at", "into", "hint"),
    [
        ("a", 0, "new", "has 1 entries: fork it at 1 to 1, not at 0"),
        ("a", 2, "new", "not at 2"),
        ("a", 1, "a", "there is a conversation 'a' already"),
        ("x", 1, "new", "there is no conversation 'x'"),
    ],
)
async def test_a_fork_that_cannot_be_is_refused_and_leaves_nothing(
    path: Path, make: type[Any], name: str, at: int, into: str, hint: str
) -> None:
    async with open_system() as system:
        journal = await start(system, make, path)
        await append(journal, "a", [HELLO])
        with pytest.raises(ConfigurationError, match=hint):
            await fork(journal, name, at=at, into=into)
        assert await conversations(journal) == ("a",)
        assert await append(journal, "a", [BYE]) == 2


async def start(system: System, make: Callable[..., Any], path: Path) -> Ref[Journal]:
    return await (system.spawn(make) if make is MemoryJournal else system.spawn(make, path))


# Under an agent


async def test_a_conversation_is_resumed_by_its_id_after_a_restart_of_the_program(
    path: Path,
) -> None:
    options = AgentOptions(conversation="support-17", journal=str(path))
    async with scripted(script("Fine."), options=options) as agent:
        await agent.run("Hello")
        assert agent.system.whereis("/agent/journal", SqliteJournal) is not None
        before = await agent.history()
    async with scripted(script("Again."), options=options) as agent:
        assert await agent.history() == before
        await agent.run("And now?")
        assert (await agent.history())[2:] == (
            UserTurn("And now?"),
            AssistantTurn((Text("Again."),)),
        )
    other = attrs.evolve(options, conversation="support-18")
    async with scripted(script("Who?"), options=other) as agent:
        assert await agent.history() == ()


async def test_two_agents_share_a_journal_that_runs(path: Path) -> None:
    async with open_system() as system:
        journal = await system.spawn(SqliteJournal, path)
        for name in ("a", "b"):
            options = AgentOptions(conversation=name, journal=journal)
            async with scripted(script("Fine."), options=options, system=system) as agent:
                await agent.run(f"I am {name}")
        assert await conversations(journal) == ("a", "b")


async def test_a_fork_in_the_middle_of_a_run_goes_on_with_a_valid_history(path: Path) -> None:
    options = AgentOptions(journal=path)
    async with scripted(ROUND, ANSWER, tools=(in_thread, inline, fails), options=options) as agent:
        await agent.run("Count!")
    async with opened(path) as journal:
        entries = await read(journal, "main")
        for at in range(1, len(entries) + 1):
            await fork(journal, "main", at=at, into=f"fork {at}")
    for at in range(1, len(entries) + 1):
        there = attrs.evolve(options, conversation=f"fork {at}")
        async with scripted(script("Fine."), options=there) as agent:
            assert (await agent.run("What next?")).text == "Fine."
            assert_sendable(await agent.history())


async def test_a_crash_of_the_journal_on_disk_loses_nothing(
    path: Path,
    autojump_clock: MockClock,  # noqa: ARG001
) -> None:
    class Fragile(SqliteJournal):
        @Append.handles(concurrent=True)
        async def append(self, message: Append) -> int:
            if any(isinstance(e, UserSaid) and e.text == "Crash" for e in message.entries):
                raise KeyError("a bug")
            return await super().append(message)

    async with open_system() as system:
        journal = await system.spawn(Fragile, path)
        await append(journal, "a", [HELLO])
        with pytest.raises(Exception, match="crashed"):
            await append(journal, "a", [UserSaid("r", "Crash")])
        assert await read(journal, "a") == (HELLO,)


async def test_wherever_a_run_with_a_journal_on_disk_is_cancelled_the_conversation_goes_on(
    path: Path,
) -> None:
    tools = (in_thread, inline, fails)
    runs: list[Any] = []
    outcomes: set[Outcome | None] = set()
    scripts = (*(ROUND, ANSWER) * 400,)
    model = Model("scripted:test", script=scripts)
    async with open_agent(model, tools=tools, options=AgentOptions(journal=path)) as agent:
        await agent.run("Warm up")

        async def scenario() -> None:
            runs.append(agent.stream("Count!"))
            with assert_no_leaks():
                async with runs[-1] as run:
                    await collect(run)

        async def check() -> None:
            outcomes.add(runs[-1].outcome)
            history = await agent.history()
            assert_sendable(history)
            if not runs[-1].response.text:
                return
            said = "".join(turn.text for turn in history if isinstance(turn, AssistantTurn))
            assert runs[-1].response.text.split(". ")[0] in said

        assert await cancel_everywhere(scenario, check=check) > 30
        kept = await agent.history()
    assert outcomes >= {Outcome.CANCELLED, Outcome.DONE}
    async with opened(path) as journal:
        entries = await read(journal, "main")
    begun = [entry.run for entry in entries if isinstance(entry, RunStarted)]
    assert begun == [entry.run for entry in entries if isinstance(entry, RunEnded)]
    async with scripted(script("Fine."), options=AgentOptions(journal=path)) as agent:
        assert await agent.history() == kept
        assert any(isinstance(turn, ToolTurn) for turn in kept)
        await agent.run("What next?")
        assert refusals(await agent.history()) == []


async def test_a_journal_whose_file_was_deleted_acknowledges_nothing(path: Path) -> None:
    async with opened(path) as journal:
        await append(journal, "a", [HELLO])
        await trio.Path(path).unlink()
        with pytest.raises(JournalNotWritten, match="has been deleted, moved or replaced"):
            await append(journal, "a", [BYE])
        await trio.Path(path).touch()  # another file in its place
        with pytest.raises(JournalNotWritten, match="has been deleted, moved or replaced"):
            await append(journal, "a", [BYE])
        assert await read(journal, "a") == (HELLO,)
