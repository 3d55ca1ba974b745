"""How well and how fast a memory finds: `python benchmarks/retrieval.py [quality|scale] [sizes]`.

`quality`: recall@5 and MRR@10 of the set in `retrieval_set.py`, by vector, by keyword and by both,
with each embedder; and the two fused by reciprocal rank, as a memory does not do it. `scale`: time
of a search and memory of the processes with 1 000, 10 000 and 100 000 entries. Their texts are
those of the set with other seeds; their vectors are drawn, not made by a model, whose time for a
question is the first figure.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import statistics
import struct
import sys
import tempfile
import zlib
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, get_args

import trio
from retrieval_set import KINDS, retrieval_set

from actors.memory import Item, LocalEmbedder, SearchBy, open_memory
from actors.providers import Embed, EmbedderApi, Embeddings
from runtime import Actor, open_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.memory import MemoryHandle

EMBEDDERS = ("minilm", "lexical")
WAYS: tuple[SearchBy, ...] = get_args(SearchBy)
AT_ONCE = 500  # entries stored in one commit
RECALL = 5
RANKS = 10
DEPTH = 50  # of the rankings that are fused
RECIPROCAL = "reciprocal rank"
SMOOTHING = 60  # Cormack, Clarke and Büttcher, SIGIR 2009
DIMENSIONS = 384
SEARCHES = 200
SIZES = (1_000, 10_000, 100_000)


async def quality() -> None:
    """Print recall@5 and MRR@10 for each embedder, way and kind of question."""
    known = retrieval_set()
    print(f"{len(known.passages)} passages, {len(known.questions)} questions\n")
    for embedder in EMBEDDERS:
        async with open_memory(embedder=embedder) as memory:
            await memory.store_many(
                Item(text, id=str(number)) for number, text in enumerate(known.passages)
            )
            await memory.settled()
            ranks: dict[tuple[str, str], list[int]] = defaultdict(list)
            for question in known.questions:
                for way, ids in (await _answers(memory, question.text)).items():
                    answer = str(question.answer)
                    rank = ids.index(answer) + 1 if answer in ids[:RANKS] else 0
                    ranks[question.kind, way].append(rank)
                    ranks["all", way].append(rank)
        _print_quality(embedder, ranks)


async def _answers(memory: MemoryHandle, text: str) -> dict[str, list[str]]:
    """What is found in each way, the best first."""
    ids: dict[str, list[str]] = {
        by: [hit.entry.id for hit in await memory.search(text, limit=DEPTH, by=by)] for by in WAYS
    }
    scores: dict[str, float] = defaultdict(float)
    for ranking in (ids["vector"], ids["keyword"]):
        for place, id in enumerate(ranking, 1):
            scores[id] += 1 / (SMOOTHING + place)
    return {**ids, RECIPROCAL: sorted(scores, key=lambda each: -scores[each])}


def _print_quality(embedder: str, ranks: dict[tuple[str, str], list[int]]) -> None:
    ways = (*WAYS, RECIPROCAL)
    print(f"| {embedder} | n |" + "".join(f" {way}: recall@5 | MRR |" for way in ways))
    print("|---|---:|" + "---:|---:|" * len(ways))
    for kind in (*KINDS, "all"):
        cells = "".join(_figures(ranks[kind, way]) for way in ways)
        print(f"| {kind} | {len(ranks[kind, WAYS[0]])} |{cells}")
    print()


def _figures(ranks: Sequence[int]) -> str:
    recall = statistics.fmean(0 < rank <= RECALL for rank in ranks)
    reciprocal = statistics.fmean(1 / rank if rank else 0 for rank in ranks)
    return f" {recall:.2f} | {reciprocal:.2f} |"


class Drawn(Actor, EmbedderApi):
    """Vectors that are drawn, the same for the same text: they cost next to nothing."""

    @Embed.handles(concurrent=True)
    async def embed(self, message: Embed) -> Embeddings:
        return Embeddings(tuple(map(_drawn, message.texts)), "drawn")


POOL = random.Random(1).randbytes(1 << 16)  # noqa: S311 - no secret


def _drawn(text: str) -> tuple[float, ...]:
    start = zlib.crc32(text.encode()) % (len(POOL) - DIMENSIONS)
    return tuple(map(float, struct.unpack_from(f"<{DIMENSIONS}b", POOL, start)))


async def scale(sizes: Sequence[int]) -> None:
    """Print what a search takes, and what the processes do, at each size."""
    questions = [question.text for question in retrieval_set().questions][:SEARCHES]
    await _embedding(questions)
    print("| entries | stored in s |" + "".join(f" {by}: p50 ms | p99 |" for by in WAYS), end="")
    print("".join(f" {by} filtered: p50 |" for by in WAYS), end="")
    print(" Chroma MB | this process MB | log MB | index MB |")
    print("|---:|---:|" + "---:|---:|" * len(WAYS) + "---:|" * (len(WAYS) + 4))
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            async with open_system() as system:
                drawn = await system.spawn(Drawn)
                async with open_memory(folder, embedder=drawn, system=system) as memory:
                    cells = await _at(memory, size, questions, Path(folder))
        print(f"| {size} |{cells}", flush=True)


async def _embedding(questions: Sequence[str]) -> None:
    async with open_system() as system:
        embedder = await system.spawn(LocalEmbedder)
        times: list[float] = []
        for text in questions:
            start = perf_counter()
            await embedder.ask(Embed((text,)))
            times.append((perf_counter() - start) * 1000)
    print(f"the vector of a question with minilm: p50 {statistics.median(times):.1f} ms\n")


async def _at(memory: MemoryHandle, size: int, questions: Sequence[str], folder: Path) -> str:
    start = perf_counter()
    texts = _texts()
    for first in range(0, size, AT_ONCE):
        await memory.store_many(
            Item(next(texts), {"tenth": number % 10})
            for number in range(first, min(first + AT_ONCE, size))
        )
    await memory.settled()
    cells = f" {perf_counter() - start:.1f} |"
    for where in (None, {"tenth": 3}):
        for by in WAYS:
            times: list[float] = []
            for text in questions:
                asked = perf_counter()
                await memory.search(text, by=by, where=where)
                times.append((perf_counter() - asked) * 1000)
            times.sort()
            cells += f" {statistics.median(times):.1f} |"
            if where is None:
                cells += f" {times[len(times) * 99 // 100]:.1f} |"
    log = (await memory.statistics()).bytes / 1e6
    index = sum(file.stat().st_size for file in (folder / "chroma").rglob("*") if file.is_file())
    server, own = _resident()
    return f"{cells} {server:.0f} | {own:.0f} | {log:.0f} | {index / 1e6:.0f} |"


def _texts() -> Iterator[str]:
    """Passages without end: those of one seed after the other."""
    for seed in itertools.count(1):
        yield from retrieval_set(seed).passages


def _resident() -> tuple[float, float]:
    """Megabytes of Chroma's processes, which are all below this one, and of this one."""
    parents: dict[int, int] = {}
    sizes: dict[int, float] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            pid = int(fields["Pid"])
            parents[pid] = int(fields["PPid"])
            sizes[pid] = int(fields.get("VmRSS", "0").split()[0]) * 1024 / 1e6
    below = {os.getpid()}
    for pid in sorted(parents):  # parents have lower numbers, unless these have come round
        if parents[pid] in below:
            below.add(pid)
    own = sizes[os.getpid()]
    return sum(sizes[pid] for pid in below) - own, own


def main() -> None:
    """Measure what the command line names, or all."""
    wanted, *sizes = sys.argv[1:] or ["all"]
    if wanted in {"quality", "all"}:
        trio.run(quality)
    if wanted in {"scale", "all"}:
        trio.run(scale, [int(size) for size in sizes] or SIZES)


if __name__ == "__main__":
    main()
