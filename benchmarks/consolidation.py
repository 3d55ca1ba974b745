"""What a consolidation does and costs: `python benchmarks/consolidation.py [what] [sizes]`.

`thresholds`: which pairs of `near_duplicates.py` are merged at which threshold, with MiniLM; and
what a threshold of recall lets through, of answers and of what is none. `quality`: entries and
retrieval before and after, of the set in `retrieval_set.py` with near-duplicates added. `scale`:
the time, and how late a task beside it wakes, with 1 000, 10 000 and 100 000 entries, of which one
in ten says again what another one said; their vectors are drawn. What comes with neither is all.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import trio
from near_duplicates import OTHER, SAME, again, near_duplicates
from retrieval_set import retrieval_set

from actors.memory import (
    Check,
    Consolidation,
    Item,
    LocalEmbedder,
    MemoryHandle,
    open_memory,
)
from actors.providers import Embed, EmbedderApi, Embeddings
from runtime import Actor, open_system

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MERGING: Final = (0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98)
RECALLING: Final = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
DEPTH: Final = 10  # entries that an agent recalls at most
AT_ONCE: Final = 500  # entries stored in one commit
SIZES: Final = (1_000, 10_000, 100_000)
EXACT: Final = 10_000  # entries; more take too long with all compared with all
DIMENSIONS: Final = 384
NOISE: Final = 0.2  # of a vector's length: makes a cosine of 0.98
AWAKE: Final = 0.002  # seconds
# Messages that no passage answers.
TALK: Final = (
    "Thanks, that helps a lot!",
    "Good morning, how are you today?",
    "Can you write that a bit shorter, please?",
    "What is 17 times 23?",
    "Write a poem about the sea.",
    "Translate 'good night' into French.",
    "Explain how a hash table works.",
    "No, try again.",
    "Tell me a joke about programmers.",
    "Why is the sky blue?",
    "Which is larger, Jupiter or Saturn?",
    "Fix the bug in this function: def f(x): return x +",
    "Go on.",
    "OK, and what about the second one?",
    "Summarise the text above in two sentences.",
    "Sort these numbers: 5, 3, 9, 1.",
    "What is the difference between TCP and UDP?",
    "Please use a more formal tone.",
    "How many metres are in a mile?",
    "Who wrote Hamlet?",
)


# Thresholds


async def thresholds() -> None:
    """Print what each threshold merges, and what each lets an agent recall."""
    twins = near_duplicates()
    vectors = await _vectors([text for pair in twins for text in (pair.one, pair.other)])
    cosines: dict[str, list[float]] = defaultdict(list)
    for pair, one, other in zip(twins, vectors[::2], vectors[1::2], strict=True):
        cosines[pair.kind].append(float(one @ other))
    known = await _vectors(retrieval_set().passages)
    among = (known @ known.T)[np.triu_indices(len(known), 1)]
    print("| merged at | n |" + "".join(f" {least:.2f} |" for least in MERGING))
    print("|---|---:|" + "---:|" * len(MERGING))
    for kind in (*SAME, *OTHER):
        shares = [statistics.fmean(each >= least for each in cosines[kind]) for least in MERGING]
        print(f"| {kind} | {len(cosines[kind])} |" + "".join(f" {each:.0%} |" for each in shares))
    counts = "".join(f" {int((among >= least).sum())} |" for least in MERGING)
    print(f"| passages of the set, pairs of {len(among)} | |{counts}\n")
    await _recall()


async def _vectors(texts: Sequence[str]) -> Any:
    """One row for each text, of length 1."""
    found: list[tuple[float, ...]] = []
    async with open_system() as system:
        embedder = await system.spawn(LocalEmbedder)
        for start in range(0, len(texts), 32):
            found += (await embedder.ask(Embed(tuple(texts[start : start + 32])))).vectors
    rows = np.array(found)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def _recall() -> None:
    known = retrieval_set()
    answered: list[tuple[bool, float]] = []  # hits of questions: whether it is the answer, cosine
    talked: list[list[float]] = []
    async with open_memory() as memory:
        await memory.store_many(Item(text, id=f"{n}") for n, text in enumerate(known.passages))
        await memory.settled()
        for question in known.questions:
            found = await memory.search(question.text, limit=DEPTH)
            answered += [(hit.entry.id == f"{question.answer}", hit.similarity) for hit in found]
        for text in TALK:
            found = await memory.search(text, limit=DEPTH)
            talked += [[hit.similarity for hit in found]]
    count = len(known.questions)
    print("| recalled from | answers | others beside | of small talk, with any | hits each |")
    print("|---:|---:|---:|---:|---:|")
    for least in RECALLING:
        right = sum(is_it and cosine >= least for is_it, cosine in answered) / count
        others = sum(not is_it and cosine >= least for is_it, cosine in answered) / count
        noise = [sum(cosine >= least for cosine in each) for each in talked]
        some = statistics.fmean(map(bool, noise))
        print(
            f"| {least:.2f} | {right:.1%} | {others:.1f} | {some:.0%} |"
            f" {statistics.fmean(noise):.1f} |"
        )
    print()


# Quality


async def quality() -> None:
    """Print entries and retrieval before and after, with MiniLM."""
    known = retrieval_set()
    chance = random.Random(1)  # noqa: S311 - no secret
    items = [Item(text, id=f"{number}") for number, text in enumerate(known.passages)]
    doubles = [
        Item(text, id=f"{number}-{place}")
        for number in chance.sample(range(len(known.passages)), len(known.passages) // 2)
        for place, text in enumerate(
            (*again(known.passages[number], number), *known.reworded.get(number, ()))
        )
    ]
    of = {
        number: [
            number,
            *(id for each in doubles if (id := each.id or "").startswith(f"{number}-")),
        ]
        for number in (item.id or "" for item in items)
    }
    checks = [Check(each.text, tuple(of[f"{each.answer}"])) for each in known.questions]
    print(f"{len(items)} passages, and {len(doubles)} that say again what half of them say\n")
    print("| threshold | entries before | after | wrongly merged | in s |", end="")
    print(" recall@5 before | after | MRR before | after |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory(folder) as memory:
            await memory.store_many(items + doubles)
            await memory.settled()
            for least in (0.97, 0.95, 0.9, 0.85):
                await _effect(memory, least, checks)


async def _effect(memory: MemoryHandle, least: float, checks: Sequence[Check]) -> None:
    start = perf_counter()
    report = await memory.consolidate(Consolidation(least), checks=checks)
    seconds = perf_counter() - start
    wrong = 0
    for entry in await memory.entries(limit=100_000):
        wrong += len(await _passages_in(memory, entry.id)) > 1
    assert report.quality_before
    assert report.quality_after
    print(
        f"| {least:.2f} | {report.before} | {report.after} | {wrong} | {seconds:.0f} |"
        f" {report.quality_before.recall:.2f} | {report.quality_after.recall:.2f} |"
        f" {report.quality_before.mrr:.2f} | {report.quality_after.mrr:.2f} |",
        flush=True,
    )
    await memory.undo(report.run)
    await memory.settled()


async def _passages_in(memory: MemoryHandle, id: str) -> set[str]:
    """The numbers of the passages that an entry was merged from, at once or over others."""
    sources = await memory.sources(id)
    if not sources:
        return {id.split("-", maxsplit=1)[0]}
    found: set[str] = set()
    for each in sources:
        found |= await _passages_in(memory, each.id)
    return found


# Scale


class Drawn(Actor, EmbedderApi):
    """Draws the vector of an entry by its number; "again" is near the one without it."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        return Embeddings(tuple(map(_drawn, message.texts)), "drawn")


def _drawn(text: str) -> tuple[float, ...]:
    number = int("".join(filter(str.isdigit, text)) or 0)
    vector = _direction(number)
    if text.endswith("again"):
        vector = vector + NOISE * _direction(-number - 1)
    return tuple(vector.tolist())


def _direction(number: int) -> Any:
    drawn = np.random.default_rng(number % 2**63).standard_normal(DIMENSIONS)
    return drawn / np.linalg.norm(drawn)


async def scale(sizes: Sequence[int]) -> None:
    """Print what a consolidation takes at each size, by both ways to compare where it is small."""
    print("| entries | compared | s | merged | late: p50 ms | p99 | longest | this process MB |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            async with open_system() as system:
                drawn = await system.spawn(Drawn)
                async with open_memory(folder, embedder=drawn, system=system) as memory:
                    await _fill(memory, size)
                    await _each_way(memory, size)


async def _fill(memory: MemoryHandle, size: int) -> None:
    texts = [f"entry {number}" for number in range(size - size // 10)]
    texts += [f"entry {number} again" for number in range(size // 10)]
    random.Random(1).shuffle(texts)  # noqa: S311 - no secret
    for first in range(0, size, AT_ONCE):
        await memory.store_many(texts[first : first + AT_ONCE])
    await memory.settled()


async def _each_way(memory: MemoryHandle, size: int) -> None:
    ways = {"all with all": size, "by the index": 0}
    for way, exact_upto in ways.items():
        if way == "all with all" and size > EXACT:
            continue
        late: list[float] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wake, late)
            start = perf_counter()
            report = await memory.consolidate(Consolidation(exact_upto=exact_upto))
            seconds = perf_counter() - start
            nursery.cancel_scope.cancel()
        late.sort()
        shares = [late[int(len(late) * share)] for share in (0.5, 0.99)]
        print(
            f"| {size} | {way} | {seconds:.1f} | {report.merged} | {shares[0]:.1f} |"
            f" {shares[1]:.1f} | {late[-1]:.0f} | {_resident():.0f} |",
            flush=True,
        )
        await memory.undo(report.run)
        await memory.settled()


async def _wake(late: list[float]) -> None:
    while True:
        asked = perf_counter()
        await trio.sleep(AWAKE)
        late.append((perf_counter() - asked - AWAKE) * 1000)


def _resident() -> float:
    status = Path("/proc/self/status").read_text("utf-8").split("VmRSS:")[1]
    return int(status.split()[0]) * 1024 / 1e6


def main() -> None:
    """Measure what the command line names, or all."""
    wanted, *sizes = sys.argv[1:] or ["all"]
    runs: dict[str, Callable[[], object]] = {
        "thresholds": lambda: trio.run(thresholds),
        "quality": lambda: trio.run(quality),
        "scale": lambda: trio.run(scale, [int(size) for size in sizes] or SIZES),
    }
    for name, run in runs.items():
        if wanted in {name, "all"}:
            run()


if __name__ == "__main__":
    main()
