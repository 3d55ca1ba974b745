"""Entries as lines of JSON, and the journal that keeps them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import (
    AssistantTurn,
    FinishReason,
    Outcome,
    Text,
    Thinking,
    ToolCall,
    ToolStatus,
    Usage,
)
from actors.journal import (
    Append,
    AssistantSaid,
    Entry,
    GuardStopped,
    HandedOver,
    MemoryJournal,
    Read,
    RunEnded,
    RunStarted,
    SubRunEnded,
    ToolCalled,
    ToolSealed,
    UserSaid,
    append,
    conversations,
    read,
    read_entry,
    write_entry,
)
from runtime import open_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Ref

HELLO = UserSaid("r1", "Hello", 1.0)
BYE = UserSaid("r1", "Bye", 2.0)

ANY_TEXT = st.text() | st.just("\ud800")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY_TEXT, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=2)
CALLS = st.builds(ToolCall, ANY_TEXT, ANY_TEXT, OBJECTS, ANY_TEXT, st.none() | ANY_TEXT)
PARTS = st.builds(Text, ANY_TEXT) | st.builds(Thinking, ANY_TEXT, st.none() | ANY_TEXT) | CALLS
TIMES = st.floats(allow_nan=False)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    st.builds(RunStarted, ANY_TEXT, TIMES),
    st.builds(UserSaid, ANY_TEXT, ANY_TEXT, TIMES),
    st.builds(
        AssistantSaid,
        ANY_TEXT,
        st.builds(AssistantTurn, st.lists(PARTS, max_size=3).map(tuple)),
        st.booleans(),
        st.builds(Usage, *[st.integers(0, 9)] * 5, OBJECTS),
        st.none() | st.sampled_from(FinishReason),
        TIMES,
    ),
    st.builds(ToolCalled, ANY_TEXT, CALLS, TIMES),
    st.builds(ToolSealed, *[ANY_TEXT] * 4, st.sampled_from(ToolStatus), TIMES),
    st.builds(RunEnded, ANY_TEXT, st.sampled_from(Outcome), ANY_TEXT, TIMES),
    st.builds(HandedOver, ANY_TEXT, ANY_TEXT, TIMES),
    st.builds(
        SubRunEnded,
        *[ANY_TEXT] * 4,
        st.sampled_from(Outcome),
        timestamp=TIMES,
        call_id=ANY_TEXT,
    ),
    st.builds(
        GuardStopped, ANY_TEXT, ANY_TEXT, st.sampled_from(["input", "output"]), ANY_TEXT, TIMES
    ),
)


@given(ENTRIES)
def test_an_entry_written_and_read_again_is_the_same_to_the_last_field(entry: Entry) -> None:
    line = write_entry(entry)
    again = read_entry(line)

    assert again == entry
    assert attrs.asdict(again) == attrs.asdict(entry)  # also fields that equality leaves out
    assert "\n" not in line
    assert line.isascii()


def test_a_written_entry_says_what_it_is() -> None:
    assert write_entry(HELLO) == (
        '{"run": "r1", "text": "Hello", "timestamp": 1.0, "kind": "UserSaid"}'
    )


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "7", '{"kind": "Nothing"}', '{"kind": "UserSaid"}', "{" * 5_000]
)
def test_a_line_that_is_no_entry_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no entry of a journal"):
        read_entry(line)


async def test_what_was_appended_is_read_in_order() -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal, name="journal")

        assert await append(journal, "a", [HELLO]) == 1
        assert await append(journal, "a", [BYE, BYE]) == 3
        assert await read(journal, "a") == (HELLO, BYE, BYE)


async def test_conversations_do_not_mix() -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        await append(journal, "b", [HELLO])
        await append(journal, "a", [BYE])

        assert await read(journal, "a") == (BYE,)
        assert await conversations(journal) == ("b", "a")


async def test_a_conversation_that_is_not_there_is_empty_and_reading_does_not_make_it() -> None:
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)

        assert await read(journal, "a") == ()
        assert await append(journal, "a", []) == 0
        assert await conversations(journal) == ()


@pytest.mark.parametrize("make", [lambda: Append("", ()), lambda: Read("")])
def test_a_conversation_without_an_id_is_refused_before_the_journal_hears_of_it(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ValueError, match="a conversation has an id"):
        make()


async def test_many_writers_lose_nothing() -> None:
    async def write(journal: Ref[MemoryJournal], name: str) -> None:
        for number in range(20):
            await append(journal, name, [UserSaid(name, str(number))])

    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        async with trio.open_nursery() as nursery:
            for name in ("a", "b", "c"):
                nursery.start_soon(write, journal, name)
        written = [await read(journal, name) for name in ("a", "b", "c")]

    assert [[e.text for e in each if isinstance(e, UserSaid)] for each in written] == [
        [str(number) for number in range(20)]
    ] * 3


async def test_a_cancelled_append_is_in_as_a_whole_or_not_at_all() -> None:
    lengths: set[int] = set()
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        for checkpoints in range(6):
            name = f"conversation {checkpoints}"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append, journal, name, [HELLO, BYE])
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            lengths.add(len(await read(journal, name)))

    assert lengths == {0, 2}


def test_a_journal_shows_how_much_it_holds() -> None:
    assert repr(MemoryJournal()) == "<MemoryJournal 0 conversations, 0 entries>"
