"""Which entries become one, what stays of them, and that nothing is lost on the way."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from processes import children_running

from actors.errors import ConfigurationError, ProviderUnavailable
from actors.memory import (
    Check,
    Consolidated,
    Consolidation,
    ConsolidationProgress,
    ConsolidationStep,
    Item,
    MemoryHandle,
    Summarised,
    open_memory,
)
from actors.memory._consolidation import Pair, groups_of, key_of, quality_of
from actors.memory._merges import FindAlike, Merge, Merged
from actors.memory._merging_log import MergingLog
from actors.providers import Model, fail, open_provider, script
from runtime import open_system
from runtime.testing import assert_no_leaks, cancel_everywhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
PEANUTS = (
    "Ada is allergic to peanuts.",
    "Ada is allergic to peanuts!",
    "ada IS allergic to peanuts",
)
RENT = "The rent is due on the first."
PLAN = Consolidation(threshold=0.95)


async def texts_of(memory: MemoryHandle) -> list[str]:
    return sorted(entry.text for entry in await memory.entries(limit=10_000))


# What is decided

IDS = st.sampled_from("abcdefgh")
PAIRS = st.lists(
    st.builds(Pair, IDS, IDS, st.sampled_from([0.95, 0.96, 1.0])).filter(
        lambda pair: pair.one != pair.other
    ),
    max_size=20,
)


@given(PAIRS, st.randoms(use_true_random=False))
def test_every_two_of_a_group_are_alike_in_whatever_order_the_pairs_come(
    pairs: list[Pair], chance: object
) -> None:
    del chance
    best = {frozenset((pair.one, pair.other)): pair for pair in pairs}  # one score for each pair
    groups = groups_of(best.values())
    assert groups == groups_of(reversed(list(best.values())))
    members = [id for group in groups for id in group]
    assert len(members) == len(set(members))
    for group in groups:
        assert len(group) > 1
        assert all(frozenset((a, b)) in best for a in group for b in group if a != b)
    if best:
        assert groups, "two that are alike are merged"


def test_a_chain_of_small_steps_does_not_join_its_ends() -> None:
    pairs = [Pair("a", "b", 0.97), Pair("b", "c", 0.96), Pair("c", "d", 0.99)]
    assert groups_of(pairs) == (("a", "b"), ("c", "d"))


def test_a_group_has_so_many_entries_at_most() -> None:
    ids = "abcdef"
    pairs = [Pair(a, b, 1.0) for a in ids for b in ids if a < b]
    assert [len(group) for group in groups_of(pairs, most=4)] == [4, 2]


def test_metadata_keeps_entries_apart_unless_it_tells_of_a_run() -> None:
    ignoring = Consolidation().ignoring
    ann = key_of({"user": "ann", "run": "1"}, ignoring)
    assert ann == key_of({"run": "2", "user": "ann"}, ignoring)
    assert ann != key_of({"user": "bob", "run": "1"}, ignoring)
    assert key_of({"n": 1}, ()) != key_of({"n": True}, ())


def test_quality_is_the_share_found_and_the_first_rank() -> None:
    quality = quality_of([(["a", "b"], ["b"]), (["a"], ["a", "c"]), ([], ["d"])])
    assert (quality.recall, quality.mrr, quality.checks) == (0.5, 0.5, 3)


def test_what_cannot_be_is_refused() -> None:
    for wrong in ({"threshold": 2}, {"keep": "best"}, {"every": 0}, {"batch": 0}):
        with pytest.raises(ConfigurationError):
            Consolidation(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="exact_upto is -1"):
        Consolidation(exact_upto=-1)


# What is done, over a real Chroma


async def test_what_says_the_same_becomes_one_with_links_and_comes_back_by_undo() -> None:
    async with open_memory(embedder="lexical") as memory:
        ids = await memory.store_many([*PEANUTS, RENT])
        async with memory.consolidation(PLAN) as steps:
            told = [step async for step in steps]
        *progress, report = told
        assert isinstance(report, Consolidated)
        assert (report.before, report.after, report.merged, report.unseen) == (4, 2, 1, 0)
        assert all(isinstance(step, ConsolidationProgress) for step in progress)
        assert progress

        hits = list(await memory.search("Is Ada allergic to peanuts?", limit=5))
        assert sorted(hit.entry.text for hit in hits) == sorted([PEANUTS[1], RENT])
        merged = hits[0].entry
        assert {entry.id for entry in await memory.sources(merged.id)} == set(ids[:3])
        assert await memory.get(ids[0]) is None

        undone = await memory.undo(report.run)
        assert (undone.restored, undone.left) == (3, ())
        assert await texts_of(memory) == sorted([*PEANUTS, RENT])
        assert await memory.get(merged.id) is None
        found = await memory.search("Is Ada allergic to peanuts?", limit=5)
        assert {hit.entry.id for hit in found} == set(ids)
        assert await memory.sources(merged.id) == ()


async def test_users_are_kept_apart_and_what_is_common_stays_in_the_metadata() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store_many(
            [
                Item(PEANUTS[0], {"user": "ann", "run": "1"}),
                Item(PEANUTS[1], {"user": "ann", "run": "2"}),
                Item(PEANUTS[2], {"user": "bob", "run": "3"}),
            ]
        )
        report = await memory.consolidate(PLAN)
        assert (report.before, report.after) == (3, 2)
        (ann,) = await memory.entries(where={"user": "ann"})
        assert dict(ann.metadata) == {"user": "ann"}


async def test_the_newest_can_stay_and_a_filter_leaves_the_rest_alone() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store(f"{PEANUTS[0]}!!!")
        await memory.store(PEANUTS[2])
        await memory.store_many([Item(each, {"topic": "x"}) for each in PEANUTS[:2]])
        report = await memory.consolidate(Consolidation(keep="newest", where={"topic": "x"}))
        assert (report.before, report.after) == (4, 3)
        report = await memory.consolidate(Consolidation(keep="newest"))
        assert sorted(await texts_of(memory)) == sorted([PEANUTS[2], PEANUTS[1]])


async def test_a_model_sums_up_a_group_and_one_that_fails_leaves_it_alone() -> None:
    model = Model(
        "scripted:writer",
        script=(script(fail(ProviderUnavailable("down"))), script("Ada: no peanuts.")),
    )
    async with (
        open_system() as system,
        open_provider(model, system=system) as writer,
        open_memory(embedder="lexical", system=system) as memory,
    ):
        await memory.store_many(PEANUTS)
        plan = Consolidation(keep=Summarised(writer.ref))
        report = await memory.consolidate(plan)
        assert (report.after, report.failed, report.merged) == (3, 1, 0)
        assert "down" in report.problem
        report = await memory.consolidate(plan)
        assert (report.after, report.failed, report.problem) == (1, 0, "")
        assert await texts_of(memory) == ["Ada: no peanuts."]


async def test_checks_tell_what_it_did_to_retrieval() -> None:
    async with open_memory(embedder="lexical") as memory:
        crowd = [f"{PEANUTS[0]}{'!' * number}" for number in range(8)]
        ids = await memory.store_many([*crowd, "Ada eats no peanuts", RENT])
        checks = [
            Check("Is Ada allergic to peanuts?", (ids[8],)),  # crowded out by the eight
            Check("When is the rent due?", (ids[9],)),
            Check("Ada is allergic to peanuts", (ids[3],)),
        ]
        report = await memory.consolidate(PLAN, checks=checks)
    assert report.quality_before is not None
    assert report.quality_after is not None
    assert report.quality_before.recall < 1
    assert report.quality_after.recall == 1
    assert report.quality_after.mrr > report.quality_before.mrr


EXACTLY, BY_THE_INDEX = 10_000, 0


@pytest.mark.parametrize("exact_upto", [EXACTLY, BY_THE_INDEX])
async def test_batches_merge_across_one_another_and_an_undo_takes_all_of_it_back(
    exact_upto: int,
) -> None:
    plan = Consolidation(batch=3, exact_upto=exact_upto)
    async with open_memory(embedder="lexical") as memory:
        given = [f"{text}{'.' * copy}" for copy in range(6) for text in (PEANUTS[0], RENT)]
        ids = await memory.store_many(given)
        report = await memory.consolidate(plan)
        assert (report.before, report.after) == (12, 2)
        assert (await memory.consolidate(plan)).merged == 0
        await memory.undo(report.run)
        assert await texts_of(memory) == sorted(given)
        assert len(await memory.search("rent", limit=20)) == 12
        assert {entry.id for entry in await memory.entries()} == set(ids)


async def groups_found(memory: MemoryHandle, plan: Consolidation) -> list[list[str]]:
    """Ids of all groups, without merging any."""
    groups: list[list[str]] = []
    after = 0
    while True:
        alike = await memory.ref.ask(FindAlike(plan, after))
        if not alike.compared:
            return sorted(groups)
        groups += [sorted(source.entry.id for source in group) for group in alike.groups]
        after = alike.upto


def notes(count: int) -> Iterator[Item]:
    """Notes of two users, of which every third says again what one before it said."""
    chance = random.Random(7)  # noqa: S311 - no secret
    said: list[str] = []
    for number in range(count):
        text = " ".join(chance.choices(WORDS, k=8))
        if number % 3 == 2:
            text = chance.choice(said).upper() + "!" * number
        said.append(text)
        yield Item(text, {"user": chance.choice(["ann", "bob"])}, f"{number}")


WORDS = (
    "tea",
    "rent",
    "cat",
    "rain",
    "oak",
    "iron",
    "salt",
    "wolf",
    "milk",
    "snow",
    "bell",
    "fern",
)


async def test_the_index_finds_the_groups_that_comparing_all_with_all_finds() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store_many(notes(300))
        await memory.settled()
        for threshold in (0.95, 0.7):
            found = [
                await groups_found(
                    memory, Consolidation(threshold=threshold, batch=100, exact_upto=upto)
                )
                for upto in (EXACTLY, BY_THE_INDEX)
            ]
            assert found[0] == found[1]
            assert len(found[0]) > 20


async def test_a_crowd_that_the_index_tells_only_a_part_of_is_compared_in_full() -> None:
    async with open_memory(embedder="lexical") as memory:
        crowd = [Item(f"{PEANUTS[0]}{'!' * n}", {"user": f"{n % 40}"}) for n in range(80)]
        await memory.store_many(crowd)
        await memory.settled()
        found = await groups_found(memory, Consolidation(exact_upto=BY_THE_INDEX))
        assert [len(group) for group in found] == [2] * 40


async def test_an_index_that_dies_meanwhile_leaves_all_with_all_to_compare() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store_many(PEANUTS)
        await memory.settled()
        (keeper,) = children_running("_keeper.py")
        (server,) = children_running("chroma", keeper)
        os.kill(server, signal.SIGKILL)
        (group,) = await groups_found(memory, Consolidation(exact_upto=BY_THE_INDEX))
        assert len(group) == len(PEANUTS)


async def test_without_its_index_a_large_memory_is_compared_as_a_small_one(tmp_path: Path) -> None:
    async with open_memory(tmp_path, embedder="lexical") as memory:
        await memory.store_many(PEANUTS)
        await memory.settled()
    nobody = "http://127.0.0.1:9"
    async with open_memory(tmp_path, embedder="lexical", url=nobody) as memory:
        (group,) = await groups_found(memory, Consolidation(exact_upto=BY_THE_INDEX))
        assert len(group) == len(PEANUTS)


@pytest.mark.parametrize("exact_upto", [EXACTLY, BY_THE_INDEX])
async def test_notes_with_other_numbers_are_never_one_however_near_they_are(
    exact_upto: int,
) -> None:
    plan = Consolidation(threshold=0.5, exact_upto=exact_upto)
    async with open_memory(embedder="lexical") as memory:
        order = "the order with the number {} is on its way to us, on the first, at noon"
        await memory.store_many([order.format(code) for code in ("KD-4711", "KD-4712", "kd-4711")])
        assert (await memory.consolidate(plan)).merged == 1
        texts = {text.casefold() for text in await texts_of(memory)}
        assert texts == {order.format(code) for code in ("kd-4711", "kd-4712")}


async def test_what_changed_since_it_was_compared_is_left_as_it_is() -> None:
    async with open_memory(embedder="lexical") as memory:
        await memory.store_many([Item(text, id=text[-1]) for text in PEANUTS[:2]])
        await memory.settled()
        alike = await memory.ref.ask(FindAlike(PLAN, 0))
        (group,) = alike.groups
        await memory.store(RENT, id=".")
        sources = {each.entry.id: each.change for each in group}
        assert await memory.ref.ask(Merge("run", (Merged(sources, "lost"),))) == ()
        assert await texts_of(memory) == sorted([RENT, PEANUTS[1]])


async def test_forgetting_reaches_what_was_merged(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.store_many(
            [Item(f"Ada is allergic to peanuts{'!' * n}", id=f"{n}") for n in range(3)]
        )
        await memory.store_many([Item("xyzzy is the word", id="a"), Item("XYZZY is the word.")])
        await memory.consolidate(PLAN)
        assert (await memory.statistics()).entries == 2

        assert await memory.forget("1") == 1  # its words are in the merged one, which goes, too
        assert await texts_of(memory) == [
            "Ada is allergic to peanuts",
            "Ada is allergic to peanuts!!",
            "XYZZY is the word.",
        ]
        (word,) = [each for each in await memory.entries() if "XYZZY" in each.text]
        assert await memory.forget(word.id) == 1
        assert await memory.sources(word.id) == ()
        await memory.settled()
    assert b"xyzzy" not in (folder / "memory.db").read_bytes().lower()


async def test_it_goes_on_by_itself_every_so_often() -> None:
    plan = Consolidation(every=0.05)
    async with open_memory(embedder="lexical", consolidation=plan) as memory:
        for round in (PEANUTS, PEANUTS):
            await memory.store_many(round)
            with trio.fail_after(10):
                while (await memory.statistics()).entries > 1:  # noqa: ASYNC110 - there is no event
                    await trio.sleep(0.02)


# Cut short


async def unmerged(memory: MemoryHandle) -> list[str]:
    """What the entries say that there are, or what they were merged from."""
    found: list[str] = []
    due = list(await memory.entries(limit=10_000))
    while due:
        entry = due.pop()
        sources = await memory.sources(entry.id)
        due += sources
        found += [] if sources else [entry.text]
    return sorted(found)


async def test_a_cancel_anywhere_loses_nothing_and_leaves_nothing_half_done() -> None:
    given = sorted(f"{text}{'.' * copy}" for copy in range(2) for text in (PEANUTS[0], RENT))
    counts: set[int] = set()
    async with open_memory(embedder="lexical") as memory:
        await memory.store_many(given)

        runs: set[str] = set()

        async def consolidate() -> None:
            async with memory.consolidation(Consolidation(batch=2)) as steps:
                async for step in steps:
                    runs.add(step.run)  # at once, to be known however it ends

        async def scenario() -> None:
            try:
                await consolidate()
            finally:
                with trio.CancelScope(shield=True):
                    assert await unmerged(memory) == given
                    counts.add((await memory.statistics()).entries)
                    for run in runs:
                        await memory.undo(run)
                    runs.clear()
                    assert await texts_of(memory) == given

        await cancel_everywhere(scenario)
    assert len(counts) > 2, "no cancel came in the midst of it"


WRITER = """
import sys, trio
from actors.memory import Consolidation, open_memory

async def main(folder):
    async with open_memory(folder, embedder="lexical") as memory:
        await memory.settled()
        print("ready", flush=True)
        while True:
            async with memory.consolidation(Consolidation(batch=8)) as steps:
                async for step in steps:
                    print("step", flush=True)
                    await trio.sleep(0.01)
            await memory.undo(step.run)

trio.run(main, sys.argv[1])
"""


def all_texts(log: MergingLog) -> list[str]:
    """What the entries say that there are, or what they were merged from."""
    found: list[str] = []
    due = list(log.by_time(0, float("inf"), None, 10_000))
    while due:
        entry = due.pop()
        sources = log.sources(entry.id)
        if sources:
            due += sources
        else:
            found.append(entry.text)
    return sorted(found)


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    given = sorted(f"{name} likes tea{'.' * copy}" for name in NAMES for copy in range(4))

    async def fill() -> None:
        async with open_memory(folder, embedder="lexical") as memory:
            await memory.store_many(given)
            await memory.settled()

    trio.run(fill)
    merged = 0
    chance = random.Random(5)  # noqa: S311 - moments, no secrets
    for steps in (1, 2, 3, 5, 9):
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", WRITER, folder],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT)},
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            for _ in range(steps):
                assert writer.stdout.readline() == b"step\n"
            time.sleep(chance.uniform(0, 0.01))  # the moment of the kill is the point
            os.kill(writer.pid, signal.SIGKILL)
        with contextlib.closing(MergingLog(folder / "memory.db")) as log:
            assert all_texts(log) == given
            merged += log.standing().entries < len(given)
    assert merged, "no kill came in the midst of it"

    async def look() -> Sequence[ConsolidationStep]:
        async with open_memory(folder, embedder="lexical") as memory:
            await memory.settled()
            assert len(await memory.search("Ada likes tea", limit=3)) == 3
            return [await memory.consolidate()]

    (report,) = trio.run(look)
    assert isinstance(report, Consolidated)
    assert report.after == len(NAMES)


NAMES = ("Ada", "Boole", "Curie", "Darwin", "Euler", "Fermi", "Gauss", "Hopper", "Ising", "Joule")


async def test_nothing_is_left_running_by_a_consolidation_that_was_left() -> None:
    async with assert_no_leaks(), open_memory(embedder="lexical") as memory:
        await memory.store_many(PEANUTS)
        async with memory.consolidation(PLAN):
            pass
        assert (await memory.consolidate(PLAN)).after == 1
