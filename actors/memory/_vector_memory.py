"""The memory actor: what is stored goes to the log, and from there into the index.

An answer to `Store` means that it is logged. A task beside the handlers feeds the index, and heals
it: it connects again when the server has gone, and makes a damaged index anew from the log.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, TypeVarTuple

import trio

from actors.errors import IndexDamaged, MemoryUnreachable
from actors.providers import Clock, Embed
from runtime import Actor, Ref, RuntimeFault

from ._entries import Found, Hit, IndexProgress, MemoryEntry, MemoryStatistics
from ._filters import matches
from ._fusion import completed, fused
from ._graph_keeper import GraphKeeper
from ._index import ChromaIndex, open_index
from ._log import MemoryLog
from ._memory import (
    Clear,
    Forget,
    Get,
    ListEntries,
    Measure,
    Memory,
    Search,
    Store,
    WatchIndex,
)
from ._server import ChromaAddress
from ._shelf import Shelf
from ._word_keeper import WordKeeper

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from actors.providers import EmbedderApi
    from runtime import Exit, Sink

    from ._server import ChromaApi
    from ._tables import Change, Standing

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BATCH: Final = 32  # changes: more make their sender's loop stall for longer than 2 ms
LITTLE: Final = 2 * BATCH  # changes before a search that it waits for; it does not for more
CATCH_UP: Final = 5.0  # seconds that it does so at most; it takes some 20 ms
PATIENCE: Final = 15.0  # seconds that it waits for an index at all
FIRST_PAUSE: Final = 0.05  # seconds after a failure; doubled up to the longest
LONGEST_PAUSE: Final = 5.0
NEWEST: Final = 200  # entries whose vectors are compared at the opening
OTHERS: Final = 50
FUSED: Final = 50  # entries of each ranking; more change nothing of what comes first
QUERIES: Final = 256  # whose vectors are kept


class VectorMemory(Actor, Shelf, GraphKeeper, Memory):
    """Keeps entries in a log, and finds them again by the cosine of their vectors.

    One program at a time, and one of these, has the log. A crash of this actor loses nothing.

    Args:
        file: The log; only its owner may read a new one.
        embedder: Who makes the vectors.
        name: What that one is called: the memory remembers it.
        chroma: The server of the index, or its URL.

    Raises:
        MemoryUnusable: When it starts: if the log cannot be opened, made or locked.
        EmbedderMismatch: Likewise, if it has vectors of another embedder.
    """

    log_class: ClassVar[type[MemoryLog]] = MemoryLog

    def __init__(
        self,
        file: str | os.PathLike[str],
        embedder: Ref[EmbedderApi],
        name: str,
        chroma: Ref[ChromaApi] | str,
    ) -> None:
        self._file = Path(file).absolute()
        self._embedder = embedder
        self._name = name
        self._chroma = chroma
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._clock = Clock()
        self._opened: MemoryLog | None = None
        self._index: ChromaIndex | None = None
        self._session = trio.CancelScope()  # of the index that is open
        self._lost: RuntimeFault | None = None  # why it was ended
        self._state = "connecting"
        self._problem = ""
        self._pause = FIRST_PAUSE
        self._news = trio.Event()  # something was stored
        self._changed = trio.Event()  # the index has come further, or not
        self._queries: dict[str, bytes] = {}
        self._embedded = self._cached = self._rebuilds = 0

    async def started(self) -> None:
        log = await self._in_thread(self.log_class, self._file)
        try:
            await self._in_thread(log.use_embedder, self._name)
        except BaseException:
            with trio.CancelScope(shield=True):  # else the file stays locked
                await self._in_thread(log.close)
            raise
        self._opened = log
        self._words = WordKeeper(log, self._in_thread, self._tell)
        await self._words.check()
        self.start_soon(self._words.keep)
        self.start_soon(self._keep_index)

    async def stopped(self, exit: Exit) -> None:
        del exit
        if self._opened is not None:
            with trio.CancelScope(shield=True):  # likewise
                await self._in_thread(self._opened.close)

    @property
    def _log(self) -> MemoryLog:
        assert self._opened is not None  # since `started`
        return self._opened

    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call it in the thread that has its turn; a cancel waits for it once it has begun."""
        return await trio.to_thread.run_sync(function, *args, limiter=self._one_at_a_time)

    def _now_seconds(self) -> float:
        return self._clock.now()

    def _was_changed(self) -> None:
        self._news.set()

    # What is stored

    @Store.handles(concurrent=True)
    async def store(self, message: Store) -> tuple[str, ...]:
        ids = await self._in_thread(self._log.store, message.items, self._clock.now())
        self._news.set()
        return ids

    @Forget.handles(concurrent=True)
    async def forget(self, message: Forget) -> int:
        count = await self._in_thread(self._log.forget, message.ids)
        self._news.set()
        return count

    @Clear.handles(concurrent=True)
    async def clear(self, message: Clear) -> int:
        del message
        count = await self._in_thread(self._log.clear)
        self._session.cancel()  # the index of before is no longer ours
        return count

    # What is asked

    @Get.handles(concurrent=True)
    async def get(self, message: Get) -> tuple[MemoryEntry, ...]:
        found = await self._in_thread(self._log.entries, message.ids)
        return tuple(found[id] for id in message.ids if id in found)

    @ListEntries.handles(concurrent=True)
    async def list_entries(self, message: ListEntries) -> tuple[MemoryEntry, ...]:
        return await self._in_thread(
            self._log.by_time, message.since, message.until, message.where, message.limit
        )

    @Search.handles(concurrent=True)
    async def search(self, message: Search) -> Found:
        if message.by == "keyword":
            words = await self._words.find(message, message.limit)
            return Found(await self._hits(message, words, {}), self._words.missing)
        vector = await self._vector_of(message.text)
        await self._available()
        await self._catch_up()
        standing = await self._in_thread(self._log.standing)
        depth = message.limit if message.by == "vector" else max(message.limit, FUSED)
        # What was forgotten a moment ago may still be in the index, in the place of others.
        ranked = await self._nearest(vector, depth + min(standing.pending, 100), message)
        similarities = dict(ranked)
        if message.by == "both":
            words = await self._words.find(message, depth)
            others = [id for id, _ in words if id not in similarities]
            exact = await self._in_thread(self._log.similarities, others, vector)
            similarities |= exact
            # What has no vector yet is not there, as it is not by vector: `Found.pending` says so.
            words = [each for each in words if each[0] in similarities]
            ranked = fused(completed(ranked, list(exact.items())), words)
        pending = standing.pending if message.by == "vector" else self._pending(standing)
        return Found(await self._hits(message, ranked, similarities), pending)

    def _pending(self, standing: Standing) -> int:
        """How many entries cannot be found in every way yet."""
        return max(standing.pending, self._words.missing)

    async def _hits(
        self, message: Search, ranked: list[tuple[str, float]], similarities: dict[str, float]
    ) -> tuple[Hit, ...]:
        entries = await self._in_thread(self._log.entries, [id for id, _ in ranked])
        hits = [
            Hit(entries[id], similarities.get(id, math.nan), score)
            for id, score in ranked
            if id in entries
            and matches(message.where, entries[id].metadata)  # what replaced it is not indexed yet
        ]
        if message.threshold is not None:
            hits = [hit for hit in hits if hit.similarity >= message.threshold]
        return tuple(hits[: message.limit])

    async def _vector_of(self, text: str) -> bytes:
        vector = self._queries.get(text)
        if vector is None:
            (vector,) = await self._embed([text])
            while len(self._queries) >= QUERIES:
                del self._queries[next(iter(self._queries))]
            self._queries[text] = vector
        return vector

    async def _catch_up(self) -> None:
        """Wait for what was stored just before this search, if it is little."""
        log, wanted = self._log, self._log.changes
        with trio.move_on_after(CATCH_UP):
            while 0 < wanted - log.index_has <= LITTLE:
                await self._changed.wait()

    async def _nearest(self, vector: bytes, limit: int, message: Search) -> list[tuple[str, float]]:
        """Ask the index; once more where it turns out to be gone."""
        for is_last in (False, True):
            index = await self._available()
            try:
                return await index.nearest(vector, limit, message.where)
            except (MemoryUnreachable, IndexDamaged) as fault:
                self._lose(index, fault)
                if is_last:
                    raise MemoryUnreachable(
                        f"the index does not answer just now ({fault}); nothing is lost"
                    ) from fault
        raise AssertionError

    async def _available(self) -> ChromaIndex:
        with trio.move_on_after(PATIENCE):
            while self._index is None:
                await self._changed.wait()
        if self._index is None:
            reason = self._problem or f"it is {self._state}"
            raise MemoryUnreachable(f"there is no index yet: {reason}; nothing is lost")
        return self._index

    @Measure.handles(concurrent=True)
    async def measure(self, message: Measure) -> MemoryStatistics:
        del message
        standing = await self._in_thread(self._log.standing)
        return MemoryStatistics(
            entries=standing.entries,
            pending=self._pending(standing),
            state=self._state,
            problem=self._problem or self._words.problem,
            embedder=self._name,
            dimensions=self._log.dimensions,
            embedded=self._embedded,
            cached=self._cached,
            rebuilds=self._rebuilds + self._words.rebuilds,
            bytes=standing.bytes,
        )

    @WatchIndex.handles(concurrent=True)
    async def watch_index(self, message: WatchIndex, out: Sink[IndexProgress]) -> None:
        del message
        while True:
            changed = self._changed
            standing = await self._in_thread(self._log.standing)
            pending = self._pending(standing)
            is_done = self._state == "ready" and not pending
            state = self._state if is_done or self._state != "ready" else "indexing"
            problem = self._problem or self._words.problem
            await out.send(IndexProgress(state, pending, standing.entries, problem))
            if is_done:
                return
            await changed.wait()

    # The index

    def _now(self, state: str) -> None:
        """Say how the index is, to all who wait for it to change."""
        self._state = state
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _lose(self, index: ChromaIndex, fault: RuntimeFault) -> None:
        """End the session of an index that failed a search, unless there is another by now."""
        if self._index is index:
            self._index = None
            self._lost = fault
            self._session.cancel()

    async def _keep_index(self) -> None:
        """Have an index open and fed, whatever happens to it."""
        while True:
            self._lost = None
            try:
                with trio.CancelScope() as self._session:
                    await self._use_index()
                if self._lost is not None:
                    raise self._lost
            except IndexDamaged as fault:
                await self._make_anew(fault)
            except RuntimeFault as fault:  # `Measure` and every search say it
                self._problem = str(fault)
                self._now("connecting")
                await self._rest()

    async def _rest(self) -> None:
        await trio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _make_anew(self, fault: IndexDamaged) -> None:
        """Begin an empty index; one that is damaged again and again waits longer each time."""
        self._problem = str(fault)
        self._rebuilds += 1
        try:
            await self._in_thread(self._log.rebuild)
        except RuntimeFault as error:
            self._problem = str(error)
        self._now("rebuilding")
        await self._rest()

    async def _use_index(self) -> None:
        """Open the index, check it, and feed it until it fails."""
        standing = await self._in_thread(self._log.standing)
        url = self._chroma if isinstance(self._chroma, str) else await self._ask_address()
        async with open_index(url, self._log.id, standing.generation) as index:
            if self._state == "connecting":
                self._now("checking")
            least = await self._in_thread(self._log.in_index)
            expected = await self._in_thread(self._log.sample, NEWEST, OTHERS)
            await index.check(least, expected)
            self._index = index
            try:
                await self._feed(index, standing.generation)
            finally:
                self._index = None

    async def _ask_address(self) -> str:
        assert isinstance(self._chroma, Ref)
        return await self._chroma.ask(ChromaAddress())

    async def _feed(self, index: ChromaIndex, generation: int) -> None:
        while True:
            self._news = trio.Event()
            changes = await self._in_thread(self._log.pending, BATCH)
            if not changes:
                self._problem = ""
                self._now("ready")
                await self._news.wait()
                continue
            if self._state != "rebuilding":
                self._state = "indexing"
            await index.apply(changes, await self._vectors_of(changes))
            await self._in_thread(self._log.applied, changes[-1].number, generation)
            self._pause = FIRST_PAUSE
            self._now(self._state)

    async def _vectors_of(self, changes: Sequence[Change]) -> dict[bytes, bytes]:
        """Vectors by the hash of their text; those that are new are kept."""
        known = {each.hash: each.vector for each in changes if each.vector is not None}
        texts = {
            each.hash: each.text
            for each in changes
            if each.text is not None and each.hash not in known
        }
        self._cached += len(known)
        if texts:
            made = dict(zip(texts, await self._embed(list(texts.values())), strict=True))
            await self._in_thread(self._log.keep_vectors, made)
            known |= made
        return known

    async def _embed(self, texts: Sequence[str]) -> list[bytes]:
        embeddings = await self._embedder.ask(Embed(tuple(texts)))
        self._embedded += len(texts)
        return [struct.pack(f"<{len(vector)}f", *vector) for vector in embeddings.vectors]

    def described(self) -> str:
        return f"{self._file.name}, {self._state}"

    def __repr__(self) -> str:
        return f"<VectorMemory {self._file}, {self._state}>"
