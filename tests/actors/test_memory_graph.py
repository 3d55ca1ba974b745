"""The graph of entities beside a memory's entries: said, found, merged, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.chat import Settings, ToolCall
from actors.errors import ConfigurationError
from actors.local import is_pulled
from actors.memory import (
    Consolidation,
    Fact,
    Item,
    MemoryHandle,
    graph_tool,
    learn_facts,
    open_memory,
)
from actors.memory._extraction import MOST
from actors.memory._facts import key_of
from actors.providers import Model, open_provider, say, script
from actors.tools import Toolbox, execute

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

WORKS = Fact("Ada", "works at", "Acme")
LIES = Fact("Acme", "is in", "Lisbon")
KNOWS = Fact("Ben", "knows", "ada")
HOME = Fact("Lisbon", "is home of", "Ben")


def opened(tmp_path: Path) -> AbstractAsyncContextManager[MemoryHandle]:
    return open_memory(tmp_path / "memory", embedder="lexical")


async def said(memory: MemoryHandle, about: str | None = None) -> list[str]:
    return [str(each.fact) for each in await memory.graph.facts(about)]


async def test_facts_are_found_by_entity_by_source_and_after_a_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        entry = await memory.store("Ada works at Acme in Lisbon")
        assert await memory.graph.add(WORKS, LIES, source=entry) == 2
        assert await memory.graph.add(WORKS, KNOWS) == 1
    async with opened(tmp_path) as memory:
        assert await said(memory, "ADA") == ["Ada works at Acme", "Ben knows Ada"]
        assert await said(memory, "nobody") == []
        works, lies = await memory.graph.facts(source=entry)
        assert (works.sources, works.by_hand) == ((entry,), True)
        assert (lies.sources, lies.by_hand) == ((entry,), False)


async def test_neighbours_and_paths_go_both_ways_through_cycles_within_bounds(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as memory:
        graph = memory.graph
        await graph.add(WORKS, LIES, KNOWS, HOME, Fact("Ada", "likes", "Ada"))
        near = await graph.neighbours("Ada")
        assert [(each.name, each.distance) for each in near] == [("Acme", 1), ("Ben", 1)]
        far = await graph.neighbours("Ada", depth=9)
        assert [(each.name, each.distance) for each in far][2:] == [("Lisbon", 2)]
        assert str(far[2].by.fact) == "Acme is in Lisbon"
        assert len(await graph.neighbours("Ada", depth=9, limit=1)) == 1

        path = await graph.path("Lisbon", "ada")
        assert path is not None
        assert [str(each.fact) for each in path] == ["Acme is in Lisbon", "Ada works at Acme"]
        assert await graph.path("Ada", "ADA") == ()
        assert await graph.path("Lisbon", "Ada", longest=1) is None
        await graph.add(Fact("Mars", "is near", "Venus"))
        assert await graph.path("Ada", "Mars") is None
        assert await graph.path("Ada", "nobody") is None


async def test_a_long_chain_has_its_shortest_path(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        chain = [Fact(f"n{number}", "leads to", f"n{number + 1}") for number in range(12)]
        await memory.graph.add(*chain, Fact("n9", "leads to", "n0"))
        path = await memory.graph.path("n0", "n8", longest=10)
        assert path is not None
        assert [str(each.fact) for each in path] == ["n9 leads to n0", "n8 leads to n9"]


async def test_facts_go_with_the_last_entry_that_says_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        await memory.store_many([Item("one", id="1"), Item("two", id="2"), Item("three", id="3")])
        await memory.graph.add(WORKS, LIES, source="1")
        await memory.graph.add(WORKS, source="2")
        await memory.graph.add(HOME, source="3")
        await memory.graph.add(KNOWS)
        await memory.forget("1")
        assert await said(memory) == ["Ada works at Acme", "Lisbon is home of Ben", "Ben knows Ada"]
        await memory.store("another text", id="2")  # what it said, it says no more
        await memory.store("three", {"topic": "x"}, id="3")  # the same text says the same
        assert await said(memory) == ["Lisbon is home of Ben", "Ben knows Ada"]
        assert await memory.graph.neighbours("Acme") == ()
        assert await memory.graph.remove(KNOWS, KNOWS, WORKS) == 1
        await memory.clear()
        assert await said(memory) == []


async def test_by_hand_facts_and_their_names_go_with_everything(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        await memory.graph.add(WORKS)
        await memory.clear()
        assert await said(memory) == []
    assert b"Acme" not in (tmp_path / "memory" / "memory.db").read_bytes()


async def test_an_alias_finds_an_entity_and_makes_two_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        graph = memory.graph
        await memory.store_many([Item("one", id="1"), Item("two", id="2")])
        await graph.add(WORKS, source="1")
        await graph.add(Fact("Countess Lovelace", "works at", "Acme"), source="2")
        await graph.add(Fact("Countess Lovelace", "is", "ADA"))
        await graph.alias("Ada", "Countess Lovelace")
        await graph.alias("Ada", "A. L.")
        assert await said(memory, "a. l.") == ["Ada works at Acme", "Ada is Ada"]
        (works, _) = await graph.facts("Countess  lovelace")
        assert works.sources == ("1", "2")
        await memory.forget("1")
        assert await said(memory, "A. L.") == ["Ada works at Acme", "Ada is Ada"]
        with pytest.raises(ConfigurationError, match="nobody is called 'Zoe'"):
            await graph.alias("Zoe", "Z")


async def test_what_cannot_be_is_refused_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        with pytest.raises(ConfigurationError, match="there is no entry 'nowhere'"):
            await memory.graph.add(WORKS, source="nowhere")
        assert await said(memory) == []
        with pytest.raises(ConfigurationError, match="depth is 11"):
            await memory.graph.neighbours("Ada", depth=11)
        with pytest.raises(ConfigurationError, match="longest is 0"):
            await memory.graph.path("Ada", "Ben", longest=0)
    with pytest.raises(ConfigurationError, match="at most 200 characters"):
        Fact("Ada", "says", "x" * 201)
    with pytest.raises(ConfigurationError, match="at most 200 characters"):
        Fact("...", "says", "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", " ADA. "), ("Straße", "STRASSE"), ("\uff21da", "ada"), ("a\tb", "a b")],
)
def test_names_are_the_same_without_case_and_punctuation(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


def test_signs_distinguish_names() -> None:
    assert len({key_of("C"), key_of("C++"), key_of("C#")}) == 3


ADA = '{"facts": [{"subject": "Ada", "relation": "works at", "object": "Acme"}]}'
HALF = '{"facts": [{"subject": "...", "relation": "is", "object": "x"}]}'
NOT_IT = '{"facts": "many"}'


async def test_a_model_takes_facts_from_entries_and_a_wrong_answer_costs_its_own(
    tmp_path: Path,
) -> None:
    answers = tuple(script(say(each)) for each in (NOT_IT, ADA, NOT_IT, NOT_IT, NOT_IT, HALF))
    model = Model("scripted:facts", script=answers)
    async with opened(tmp_path) as memory, open_provider(model) as provider:
        ids = await memory.store_many(["Ada works at Acme.", "Nothing", "Half"])
        first, second, third = await learn_facts(memory, provider, ["none", *ids])
        assert (first.id, first.facts, first.problem) == (ids[0], (WORKS,), "")
        assert second.facts == third.facts == ()
        assert "facts" in second.problem
        assert "at most 200 characters" in third.problem
        (kept,) = await memory.graph.facts("Ada")
        assert kept.sources == (ids[0],)


@pytest.mark.model
async def test_the_model_on_this_machine_is_asked_for_facts(tmp_path: Path) -> None:
    if not is_pulled("smollm2"):
        pytest.skip("the model is not here: `runtime pull smollm2`")
    model = Model("local:smollm2", settings=Settings(max_tokens=200, temperature=0))
    async with opened(tmp_path) as memory, open_provider(model) as provider:
        id = await memory.store("Ada works at Acme. Acme is in Lisbon.")
        (learned,) = await learn_facts(memory, provider, [id], attempts=3)
        # Not its wisdom, which is small: that it was held to the schema, and what became of that.
        assert learned.problem == ""
        assert 1 <= len(learned.facts) <= MOST
        kept = await memory.graph.facts(source=id)
        assert len(kept) == len(learned.facts)
        assert {each.sources for each in kept} == {(id,)}
        assert not any(each.by_hand for each in kept)
        subject = learned.facts[0].subject
        assert kept[0] in await memory.graph.facts(subject)

        await learn_facts(memory, provider, [id], attempts=3)
        assert await memory.graph.facts(source=id) == kept
        await memory.forget(id)
        assert await said(memory) == []


async def asked(memory: MemoryHandle, **arguments: str) -> str:
    box = Toolbox([graph_tool(memory.graph, longest=2)])
    return (await execute(box, ToolCall("1", "related", arguments))).content


async def test_a_model_may_ask_what_is_known_of_one_and_how_two_are_related(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as memory:
        await memory.graph.add(WORKS, LIES, KNOWS, Fact("Rome", "is near", "Ostia"))
        assert await asked(memory, name="ada") == "Ada works at Acme.\nBen knows Ada."
        assert await asked(memory, name="Ada", other="Lisbon") == (
            "Ada works at Acme.\nAcme is in Lisbon."
        )
        assert await asked(memory, name="Ada", other="ADA") == "(the two are the same)"
        far = [
            {"name": "Ben", "other": "Lisbon"},
            {"name": "Ada", "other": "Rome"},
            {"name": "Zoe"},
        ]
        assert {await asked(memory, **each) for each in far} == {"(nothing known)"}
        with pytest.raises(ConfigurationError, match="longest is 99"):
            graph_tool(memory.graph, longest=99)
        with pytest.raises(ConfigurationError, match="limit is 0"):
            graph_tool(memory.graph, limit=0)


TEA = [f"Ada likes tea{'.' * copy}" for copy in range(3)]
LIKES = Fact("Ada", "likes", "tea")


async def test_what_entries_said_is_still_said_when_they_are_merged_and_when_that_is_undone(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as memory:
        first, *_ = ids = await memory.store_many(TEA)
        await memory.graph.add(LIKES, source=first)
        report = await memory.consolidate(Consolidation(threshold=0.9))
        assert len(await memory.entries()) == 1

        (merged,) = await memory.graph.facts("Ada")
        assert merged.sources == (first,)  # where it was said, which `memory.sources` still shows
        await memory.undo(report.run)

        assert {each.id for each in await memory.entries()} == set(ids)
        assert [each.sources for each in await memory.graph.facts(source=first)] == [(first,)]


@pytest.mark.parametrize("forgotten", ["the merged entry", "what it was merged from"])
async def test_what_merged_entries_said_goes_when_they_are_forgotten(
    tmp_path: Path, forgotten: str
) -> None:
    async with opened(tmp_path) as memory:
        first, *_ = await memory.store_many(TEA)
        await memory.graph.add(LIKES, source=first)
        await memory.consolidate(Consolidation(threshold=0.9))
        (entry,) = await memory.entries()
        await memory.forget(entry.id if forgotten == "the merged entry" else first)

        assert await said(memory) == []
