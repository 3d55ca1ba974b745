"""Agents that recall and keep by themselves: what models get, what stays, what nobody waits for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from agents_scripted import collect, requests_of

from actors import AgentOptions, open_agent
from actors.agents import RunLimits
from actors.chat import Recalled, Request, UserTurn
from actors.errors import MemoryUnreachable
from actors.journal import MemoryJournal, Remembered
from actors.memory import (
    Clear,
    Consolidation,
    Facts,
    Forget,
    Found,
    Get,
    Hit,
    IndexProgress,
    Item,
    ListEntries,
    Measure,
    Memory,
    MemoryEntry,
    MemoryStatistics,
    Search,
    Semantic,
    Store,
    Summarised,
    WatchIndex,
    memory_tools,
    open_memory,
)
from actors.memory._lexical import lexical_vector
from actors.providers import Model, call, echo, pause, say, script
from actors.recall import Selective, Summary, Window
from runtime import Actor, Ref, Sink, open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from trio.testing import MockClock

    from actors.agents import AgentHandle
    from runtime import System


class Unasked(Memory):
    """What an agent never asks of its memory."""

    @Get.handles
    async def get(self, message: Get) -> tuple[MemoryEntry, ...]:
        raise NotImplementedError(message)

    @ListEntries.handles
    async def list_entries(self, message: ListEntries) -> tuple[MemoryEntry, ...]:
        raise NotImplementedError(message)

    @Forget.handles
    async def forget(self, message: Forget) -> int:
        raise NotImplementedError(message)

    @Clear.handles
    async def clear(self, message: Clear) -> int:
        raise NotImplementedError(message)

    @Measure.handles
    async def measure(self, message: Measure) -> MemoryStatistics:
        raise NotImplementedError(message)

    @WatchIndex.handles
    async def watch_index(self, message: WatchIndex, out: Sink[IndexProgress]) -> None:
        raise NotImplementedError(message, out)


class Shelf(Actor, Unasked):
    """A memory in a dict, by words; slow or out of order, if it is to be."""

    def __init__(self, items: dict[str, Item], *, seconds: float = 0, broken: bool = False) -> None:
        self.items = items
        self.seconds = seconds
        self.broken = broken

    @Store.handles(concurrent=True)
    async def store(self, message: Store) -> tuple[str, ...]:
        await trio.sleep(self.seconds)
        ids = tuple(item.id or f"new-{len(self.items)}" for item in message.items)
        self.items.update(zip(ids, message.items, strict=True))
        return ids

    @Search.handles(concurrent=True)
    async def search(self, message: Search) -> Found:
        await trio.sleep(self.seconds)
        if self.broken:
            raise MemoryUnreachable("the index does not answer")
        asked = lexical_vector(message.text)
        hits = [
            Hit(MemoryEntry(id, item.text, item.metadata, 0.0, 0.0), _cosine(asked, item.text))
            for id, item in self.items.items()
        ]
        least = -1.0 if message.threshold is None else message.threshold
        hits = [hit for hit in hits if hit.similarity >= least]
        return Found(tuple(sorted(hits, key=lambda hit: -hit.similarity)[: message.limit]))


def _cosine(vector: tuple[float, ...], text: str) -> float:
    return sum(one * other for one, other in zip(vector, lexical_vector(text), strict=True))


def kept(*texts: str, **metadata: str) -> dict[str, Item]:
    about = {"metadata": metadata} if metadata else {}
    return {f"id-{number}": Item(text, **about) for number, text in enumerate(texts)}


FINE = script("Fine.", repeat=True)
PEANUTS = "Ada is allergic to peanuts."


@asynccontextmanager
async def remembering(
    memory: Any, *scripts: Any, system: System | None = None, **options: Any
) -> AsyncGenerator[AgentHandle]:
    model = Model("scripted:test", script=scripts or FINE)
    chosen = AgentOptions(memory=memory, **options)
    async with open_agent(model, options=chosen, system=system) as agent:
        yield agent


def users(request: Request) -> list[str]:
    return [turn.text for turn in request.turns if isinstance(turn, UserTurn)]


def recalled(events: list[Any]) -> list[Recalled]:
    return [event for event in events if isinstance(event, Recalled)]


async def shelf_in(system: System, items: dict[str, Item], **how: Any) -> Ref[Shelf]:
    return await system.spawn(lambda: Shelf(items, **how), name="shelf")


async def ask(agent: AgentHandle, text: str) -> list[Any]:
    async with agent.stream(text) as run:
        return await collect(run)


async def test_what_fits_is_told_before_the_users_words_with_scores_in_the_event() -> None:
    items = kept(PEANUTS, "Stock prices fell on Monday.")
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, items), keep=None)
        async with remembering(memory, system=system) as agent:
            (event,) = recalled(await ask(agent, "Is Ada allergic to something?"))
            (request,) = await requests_of(agent)

    (told,) = users(request)
    assert told.startswith("(From memory")
    assert f"- 1970-01-01: {PEANUTS})" in told
    assert told.endswith("Is Ada allergic to something?")
    assert "Stock" not in told
    assert list(event.scores) == ["id-0"]
    assert event.scores["id-0"] > 0.5
    assert "1 entry of the memory" in event.content


async def test_recalled_entries_keep_within_their_tokens_and_none_is_told_twice() -> None:
    long = "Ada is allergic to peanuts, and " + "to dust " * 200
    items = kept(long, PEANUTS, "ada is allergic, to PEANUTS", "Ada is allergic to cats.")
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, items), keep=None, tokens=90)
        async with remembering(memory, system=system) as agent:
            (event,) = recalled(await ask(agent, "Is Ada allergic to peanuts?"))

    assert set(event.scores) == {"id-1", "id-3"}


async def test_what_the_model_is_sent_anyhow_is_not_recalled_and_what_a_window_drops_is() -> None:
    items: dict[str, Item] = {}
    async with open_system() as system:
        memory = [Semantic(await shelf_in(system, items)), Window(turns=2)]
        async with remembering(memory, system=system) as agent:
            await ask(agent, "My dog is called Bello.")
            await agent.run("Tell me a joke.")
            (event,) = recalled(await ask(agent, "How is my dog called?"))
            last = (await requests_of(agent))[-1]

    assert next(item.text for item in items.values()) == "My dog is called Bello.\nFine."
    assert len(event.left_out) == 1
    assert f"{event.left_out[0]}-1" in event.scores
    assert len(event.notes) == 1
    assert "Bello" in users(last)[-1]

    async with open_system() as system:
        memory = [Window(turns=3), Semantic(await shelf_in(system, {}))]
        async with remembering(memory, system=system) as agent:
            await ask(agent, "My dog is called Bello.")
            await agent.run("Tell me a joke.")
            assert recalled(await ask(agent, "How is my dog called?")) == []


async def test_a_request_waits_for_a_slow_memory_so_long_and_then_goes_on_without(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    async with open_system() as system:
        shelf = await shelf_in(system, kept(PEANUTS), seconds=100)
        memory = Semantic(shelf, seconds=0.3, keep=None)
        async with remembering(memory, system=system) as agent:
            start = trio.current_time()
            (event,) = recalled(await ask(agent, "Is Ada allergic?"))
            assert trio.current_time() - start == pytest.approx(0.3)
            assert users((await requests_of(agent))[0]) == ["Is Ada allergic?"]
        assert event.notes == ()
        assert "nothing was recalled from the memory" in event.reasons
        assert "Consult took longer than 0.3 s" in event.reasons


async def test_a_memory_that_does_not_answer_is_said_and_is_no_error() -> None:
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, {}, broken=True), keep=None)
        async with remembering(memory, system=system) as agent:
            (event,) = recalled(await ask(agent, "Is Ada allergic?"))
    assert "Consult failed: the index does not answer" in event.reasons


async def test_an_interrupted_run_is_kept_as_it_was_shown_and_marked() -> None:
    items: dict[str, Item] = {}
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, items), scope={"user": "ann"})
        talking = script(say("One two "), pause(60), say("three."))
        async with remembering(memory, talking, FINE, system=system) as agent:
            async with agent.stream("Please count to three.") as run:
                async for event in run:
                    if event.type == "token":
                        break
            await agent.run("Anything else to say?")
    first, second = items.values()
    assert first.text == "Please count to three.\nOne two "
    assert dict(first.metadata) == {
        "user": "ann",
        "run": run.id,
        "kind": "said",
        "outcome": "cancelled",
    }
    assert "outcome" not in second.metadata


async def test_each_run_is_kept_once_also_over_a_restart_and_small_talk_is_not(
    tmp_path: Path,
) -> None:
    items: dict[str, Item] = {}
    journal = tmp_path / "chats.db"
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, items))
        async with remembering(memory, system=system, journal=journal) as agent:
            await agent.run("I live in Ulm, near the river.")
            await agent.run("ok")
        assert [item.text for item in items.values()] == ["I live in Ulm, near the river.\nFine."]
        items.clear()
        async with remembering(memory, system=system, journal=journal) as agent:
            await agent.run("I have a dog called Bello.")
            notes = [each for each in await agent.entries() if isinstance(each, Remembered)]
        assert [item.text for item in items.values()] == ["I have a dog called Bello.\nFine."]
        assert len({note.run for note in notes}) == len(notes) >= 2


async def test_what_a_program_had_no_time_to_keep_is_kept_by_the_next(
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    items: dict[str, Item] = {}
    async with open_system() as system:
        journal = await system.spawn(MemoryJournal)
        slow = await system.spawn(lambda: Shelf(items, seconds=20), name="slow")
        start = trio.current_time()
        async with remembering(Semantic(slow), system=system, journal=journal) as agent:
            await agent.run("I live in Ulm, near the river.")
            asked = trio.current_time() - start
        assert trio.current_time() - start - asked == pytest.approx(5)  # and not 20
        assert items == {}
        quick = await shelf_in(system, items)
        async with remembering(Semantic(quick), system=system, journal=journal):
            pass
    assert [item.text for item in items.values()] == ["I live in Ulm, near the river.\nFine."]


async def test_facts_are_what_a_model_picks_one_entry_each() -> None:
    items: dict[str, Item] = {}
    async with open_system() as system:
        memory = Semantic(await shelf_in(system, items), keep=Facts(most=2))
        picked = script("- I am Ada.\n2. I live in Ulm.\n- I am Ada.\n* More.")
        async with remembering(
            memory, script("Hello Ada."), picked, script("Hi."), script("NONE."), system=system
        ) as agent:
            await agent.run("I am Ada, from Ulm.")
            await trio.sleep(0.1)
            await agent.run("How are you today?")
            await trio.sleep(0.1)
            asked = (await requests_of(agent))[1]
    assert [item.text for item in items.values()] == ["I am Ada.", "I live in Ulm."]
    assert {item.metadata["kind"] for item in items.values()} == {"fact"}
    assert users(asked) == ["User: I am Ada, from Ulm.\nAssistant: Hello Ada."]


async def test_a_model_remembers_and_recalls_by_tools_within_its_scope() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store("Bob is allergic to peanuts.", {"user": "bob"})
        model = Model(
            "scripted:test",
            script=(
                script(call("remember", text=PEANUTS)),
                script(call("recall", query="allergic to peanuts")),
                script(echo()),
            ),
        )
        tools = memory_tools(memory, scope={"user": "ann"})
        async with open_agent(model, tools=tools) as agent, agent.stream("Go.") as run:
            await collect(run)
        assert [each.content.split(") ")[-1] for each in run.tool_results] == ["Kept.", PEANUTS]
        (entry,) = await memory.entries(where={"user": "ann"})
        assert entry.text == PEANUTS


async def test_what_one_program_kept_the_next_recalls(tmp_path: Path) -> None:
    async with (
        open_memory(tmp_path / "memory", embedder="lexical") as memory,
        remembering(Semantic(memory, scope={"user": "ann"})) as agent,
    ):
        await agent.run("My dog is called Bello.")
    async with open_memory(tmp_path / "memory", embedder="lexical") as memory:
        async with remembering(Semantic(memory, scope={"user": "bob"})) as agent:
            assert recalled(await ask(agent, "How is my dog called?")) == []
        async with remembering(Semantic(memory, scope={"user": "ann"})) as agent:
            (event,) = recalled(await ask(agent, "How is my dog called?"))
    assert "My dog is called Bello." in event.notes[0]


async def test_a_cancel_anywhere_leaves_nothing_running_and_the_run_is_kept_by_the_next() -> None:
    async def scenario() -> None:
        async with open_system() as system:
            memory = Semantic(await shelf_in(system, kept(PEANUTS)))
            async with remembering(memory, system=system) as agent:
                await agent.run("Is Ada allergic to peanuts?")

    async with assert_no_leaks():
        await cancel_everywhere(scenario)


def test_what_cannot_be_is_refused_with_what_to_write() -> None:
    wrong: Any = "memory"
    with pytest.raises(TypeError, match="give what `open_memory` gives"):
        Semantic(wrong)


async def test_options_are_given_by_name_so_that_none_lands_in_the_place_of_another() -> None:
    made: Any
    async with open_system() as system:
        shelf = await shelf_in(system, {})
        for made in (
            lambda: Semantic(shelf, Facts()),  # type: ignore[call-arg, misc]
            lambda: Summarised(shelf, 80),  # type: ignore[call-arg, misc]
            lambda: Facts(5),  # type: ignore[call-arg, misc]
            lambda: Consolidation(0.9),  # type: ignore[call-arg, misc]
            lambda: Window(20),  # type: ignore[call-arg, misc]
            lambda: Summary(8, 4),  # type: ignore[call-arg, misc]
            lambda: Selective(4),  # type: ignore[call-arg, misc]
            lambda: RunLimits(16),  # type: ignore[call-arg, misc]
            lambda: AgentOptions("ann"),  # type: ignore[call-arg, misc]
        ):
            with pytest.raises(TypeError, match="positional"):
                made()


async def test_what_is_kept_is_a_rule_and_a_memory_becomes_one_by_semantic() -> None:
    wrong: Any
    async with open_system() as system:
        shelf = await shelf_in(system, {})
        for wrong in ("facts", Facts):
            with pytest.raises(TypeError, match=r"write Said\(\), Facts\(\) or None"):
                Semantic(shelf, keep=wrong)
        wrong = shelf
        with pytest.raises(TypeError, match=r"Semantic\(memory\) for what `open_memory` gives"):
            AgentOptions(memory=wrong)
