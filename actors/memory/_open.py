"""`open_memory`: a supervised memory for people in a hurry, and the handle that they hold."""

from __future__ import annotations

import importlib.util
import itertools
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import trio

from actors.errors import ConfigurationError, MemoryUnreachable, MemoryUnusable
from runtime import (
    Backoff,
    Ref,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
    StreamBlock,
    Supervisor,
    System,
    open_system,
)

from ._consolidation import Check, Consolidation
from ._consolidator import Consolidate, Consolidated, ConsolidationStep, Consolidator
from ._documents import Document, ForgetDocument, ListDocuments
from ._embedders import AnyEmbedder, check_embedder, start_memory_embedder
from ._entries import Found, IndexProgress, Item, MemoryEntry, MemoryStatistics, Metadata
from ._graph_keeper import GraphHandle
from ._index import checked_url
from ._memory import (
    BEST,
    FOREVER,
    Clear,
    Forget,
    Get,
    ListEntries,
    Measure,
    Search,
    SearchBy,
    Store,
    WatchIndex,
)
from ._merges import SourcesOf, Undone, Unmerge
from ._merging_memory import MergingMemory
from ._server import ChromaServer

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Iterable

    from ._filters import Filter
    from ._server import ChromaApi

LOG: Final = "memory.db"
FOLDER: Final = "chroma"
BACKOFF: Final = Backoff(first=0.05, longest=5.0)
LIMIT: Final = RestartLimit(restarts=5, seconds=30.0)
NO_RESTART: Final = RestartLimit(restarts=0)
# The highest number of a memory in each system, so that none is looked for from the beginning.
NUMBERS: Final = WeakKeyDictionary[System, int]()


class MemoryHandle:
    """A memory that is open: what `open_memory` gives.

    Attributes:
        ref: The actor, for those who send it messages themselves.
        system: The system that it runs in.
        graph: The facts that it keeps beside its entries.
    """

    def __init__(
        self, ref: Ref[MergingMemory], system: System, consolidator: Ref[Consolidator]
    ) -> None:
        self.ref = ref
        self.system = system
        self.graph = GraphHandle(ref)
        self._consolidator = consolidator

    async def store(
        self, text: str, metadata: Metadata | None = None, *, id: str | None = None
    ) -> str:
        """Keep a text; its id. It is on the disk then, and searched a moment later.

        Args:
            text: What is found again by its meaning.
            metadata: Names and values to filter by, `{"topic": "travel", "year": 2026}`: flat.
            id: Its name for good; what has this name already is replaced.

        Cancelled: it is kept or not; `get` tells which.

        Raises:
            ConfigurationError: If one of them cannot be kept; the text says why.
            MemoryNotWritten: The disk did not take it.
        """
        item = Item(text, metadata, id) if metadata is not None else Item(text, id=id)
        (stored,) = await self.ref.ask(Store((item,)))
        return stored

    async def store_many(self, items: Iterable[Item | str]) -> tuple[str, ...]:
        """Keep many, all of them or none; their ids, in the same order.

        Raises:
            ConfigurationError, MemoryNotWritten: As for `store`.
        """
        return await self.ref.ask(Store(items))

    async def search(
        self,
        text: str,
        *,
        limit: int = 10,
        threshold: float | None = None,
        where: Filter | None = None,
        by: SearchBy = BEST,
    ) -> Found:
        """Find what is like `text` in meaning, or has its words, the best first.

        What was stored just before is waited for, if it is little (64 entries). Beside more than
        that, the answer is from what is indexed, and `Found.pending` says how much is not.

        Args:
            text: What to look for.
            limit: At most how many.
            threshold: The least similarity, which is the cosine (-1 to 1); None for all. It holds
                by "both" for what was found by its words, too; by "keyword" there is none.
            where: A filter over metadata: `{"topic": "travel"}`, `{"year": {"$gte": 2020}}`.
            by: "vector" for meaning; "keyword" for words (BM25), with neither embedder nor index;
                "both" for the two rankings fused.

        Raises:
            ConfigurationError: If one of them cannot be; the text says what to write.
            MemoryUnreachable: The index does not answer. Nothing is lost; try again.
            ProviderError, EmbedderEnded: There is no vector for the text.
        """
        return await self.ref.ask(Search(text, limit, threshold, where, by))

    async def get(self, id: str) -> MemoryEntry | None:
        """The entry with this id, None if there is none."""
        found = await self.ref.ask(Get((id,)))
        return found[0] if found else None

    async def entries(
        self,
        *,
        since: float = 0.0,
        until: float = FOREVER,
        where: Filter | None = None,
        limit: int = 100,
    ) -> tuple[MemoryEntry, ...]:
        """Entries by the time of their creation, the newest first.

        Args:
            since: Seconds since the epoch.
            until: Likewise, and beyond the last one.
            where: A filter over metadata, as for `search`.
            limit: At most how many.
        """
        return await self.ref.ask(ListEntries(since, until, where, limit))

    async def forget(self, *ids: str) -> int:
        """Forget entries for good; how many of them there were."""
        return await self.ref.ask(Forget(ids))

    async def clear(self) -> int:
        """Forget everything; how many entries there were."""
        return await self.ref.ask(Clear())

    async def documents(self) -> tuple[Document, ...]:
        """The documents that were ingested as a whole, by their sources."""
        return await self.ref.ask(ListDocuments())

    async def forget_document(self, source: str) -> int:
        """Forget a document with all of its entries; how many of them there were."""
        return await self.ref.ask(ForgetDocument(source))

    def consolidation(
        self, plan: Consolidation | None = None, *, checks: Iterable[Check] = ()
    ) -> StreamBlock[ConsolidationStep]:
        """Merge entries that say nearly the same, and watch it; the last step is `Consolidated`.

        `async with memory.consolidation() as steps: async for step in steps: ...`. Left before
        its end: what was merged by then stays merged, and nothing is half done.

        Args:
            plan: How; that of `open_memory(consolidation=...)`, or `Consolidation()`, if None.
            checks: Questions that are asked before and after: the report says how well they were
                answered.

        Raises:
            MemoryNotWritten: The disk did not take a batch; those before it are in.
        """
        return self._consolidator.stream(Consolidate(plan, tuple(checks)))

    async def consolidate(
        self, plan: Consolidation | None = None, *, checks: Iterable[Check] = ()
    ) -> Consolidated:
        """Merge entries that say nearly the same; what came of it. As `consolidation`."""
        async with self.consolidation(plan, checks=checks) as steps:
            async for step in steps:
                if isinstance(step, Consolidated):
                    return step
        raise AssertionError

    async def undo(self, run: str) -> Undone:
        """Put back what a consolidation has merged, by its `Consolidated.run`.

        In bounded commits: cancelled, some of it is back, and `undo` goes on with the rest.

        Raises:
            MemoryNotWritten: The disk did not take the rest.
        """
        return await self.ref.ask(Unmerge(run))

    async def sources(self, id: str) -> tuple[MemoryEntry, ...]:
        """What an entry was merged from, the oldest first; nothing if it was not."""
        return await self.ref.ask(SourcesOf(id))

    async def statistics(self) -> MemoryStatistics:
        """The memory in numbers."""
        return await self.ref.ask(Measure())

    def progress(self) -> StreamBlock[IndexProgress]:
        """Watch the index catch up: `async with memory.progress() as steps: async for step in ...`.

        The loop ends when everything that is stored can be searched.
        """
        return self.ref.stream(WatchIndex())

    async def settled(self, *, patience: float = 60.0) -> None:
        """Wait until everything that is stored can be searched.

        Args:
            patience: Seconds without an entry more in the index, after which it is given up.

        Raises:
            MemoryUnreachable: It does not come further; the text says why. What is stored is safe,
                and still tried: wait again, or search by "keyword" until then.
            ValueError: If `patience` is not positive.
        """
        if not patience > 0:  # also refuses NaN
            raise ValueError(f"patience must be positive seconds, not {patience}")
        last: IndexProgress | None = None
        async with self.progress() as steps:  # outside of the scope: its deadline is not theirs
            with trio.move_on_after(patience) as scope:
                async for step in steps:
                    if last is not None and step.pending < last.pending:
                        scope.deadline = trio.current_time() + patience
                    last = step
        if scope.cancelled_caught:
            raise MemoryUnreachable(_behind(last, patience))

    def __repr__(self) -> str:
        return f"<MemoryHandle {self.ref.path}>"


def _behind(last: IndexProgress | None, patience: float) -> str:
    if last is None:
        return f"the memory has not said in {patience:g} s how its index is; nothing is lost"
    return (
        f"the index has not come further in {patience:g} s, and lacks {last.pending} changes: "
        f"{last.problem or f'it is {last.state}'}; nothing is lost"
    )


@asynccontextmanager
async def open_memory(
    path: str | os.PathLike[str] | None = None,
    *,
    embedder: AnyEmbedder = "minilm",
    url: str | None = None,
    system: System | None = None,
    consolidation: Consolidation | None = None,
) -> AsyncGenerator[MemoryHandle]:
    """Open a memory with its embedder and its Chroma server, supervised; all has ended afterwards.

    It can be written and read at once. Its index is connected, checked and, where it is damaged,
    made anew meanwhile: see `MemoryHandle.progress`.

    Args:
        path: The folder that it lives in, made if it is not there; one program at a time has it.
            None for one that ends with the block.
        embedder: "minilm" (`runtime pull minilm`), a provider's ("openai:text-embedding-3-small",
            or a `Model`), "lexical" for tests, or an actor that answers `Embed`. A memory
            remembers it and refuses another.
        url: Of a Chroma server elsewhere, instead of one of its own; `path` then has the log alone.
        system: Where to start it; a system of its own if None.
        consolidation: How `consolidate` goes about it, and how often it is done by itself
            (`Consolidation(every=3600)`); only when it is asked for, if None.

    Raises:
        ConfigurationError: If something is missing or cannot be; the text says what to do
            (`ModelNotPulled`, `MissingKey`, `MemoryUnusable`, `EmbedderMismatch`).
        ChromaEnded, EmbedderEnded: If one of the processes does not come up.
        SystemFailed: If something crashed too often, in a system of its own. In the one given,
            what is asked ends with `ActorStopped` then.
    """
    _check(path, embedder, url)
    async with AsyncExitStack() as stack:
        if path is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memory-")))
        else:
            folder = await trio.to_thread.run_sync(_made, path)
        restart = RestartPolicy.TEMPORARY  # a group that gave up does not trouble its neighbours
        if system is None:
            system = await stack.enter_async_context(open_system(limit=NO_RESTART))
            restart = RestartPolicy.PERMANENT  # to be refused: `SystemFailed` says why
        group = await _supervise(system, restart)
        try:
            memory = await _start(group, folder, embedder, url)
            plan = consolidation or Consolidation()
            consolidator = await group.spawn(Consolidator, memory, plan, name="consolidator")
            yield MemoryHandle(memory, system, consolidator)
        except BaseException:
            await group.stop(now=True)
            raise
        else:
            await group.stop()


def _check(path: object, embedder: AnyEmbedder, url: str | None) -> None:
    missing = [name for name in ("chromadb", "httpx") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"a memory needs {missing[0]}: pip install 'troupe-runtime[memory]'"
        )
    if url is not None:
        checked_url(url)
        if path is None:
            raise ConfigurationError(
                "a memory on a server elsewhere keeps its log here: open_memory(FOLDER, url=...)"
            )
    check_embedder(embedder)


def _made(path: str | os.PathLike[str]) -> Path:
    folder = Path(path).absolute()  # the same after a crash, wherever the program is by then
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # Chroma would say it in other words
            pass
    except OSError as error:
        raise MemoryUnusable(f"the memory {folder} cannot be used: {error}") from error
    return folder


async def _start(
    group: Supervisor, folder: Path, embedder: AnyEmbedder, url: str | None
) -> Ref[MergingMemory]:
    made = await start_memory_embedder(group, embedder)
    chroma: Ref[ChromaApi] | str
    if url is None:
        chroma = await group.spawn(ChromaServer, folder / FOLDER, name="chroma")
    else:
        chroma = url
    return await group.spawn(
        MergingMemory, folder / LOG, made.ref, made.name, chroma, name="memory"
    )


async def _supervise(system: System, restart: RestartPolicy) -> Supervisor:
    """A group of our own: "memory" if that name is free, else with a number behind it."""
    for number in itertools.chain((1,), itertools.count(NUMBERS.get(system, 1) + 1)):
        name = "memory" if number == 1 else f"memory-{number}"
        try:
            group = await system.supervise(
                name,
                strategy=RestartStrategy.ONE_FOR_ONE,
                limit=LIMIT,
                backoff=BACKOFF,
                restart=restart,
            )
        except ValueError:  # taken: the next one
            continue
        NUMBERS[system] = max(number, NUMBERS.get(system, 1))
        return group
    raise AssertionError
