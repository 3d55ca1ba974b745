"""The actor that brings documents into a memory.

A chunk's id is made of its source and its text, so that a chunk that is there is not stored again,
whatever happened before, and one that moved keeps its vector. A document is noted as complete when
all of its chunks are stored and those are forgotten that it has no more.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from pathlib import PurePath
from typing import Any, Final

import attrs
import trio

from actors.errors import ConfigurationError, DocumentRefused, ReaderEnded
from actors.memory import (
    DocumentIds,
    FindDocument,
    Forget,
    ForgetDocument,
    Get,
    Item,
    KeepDocument,
    ListDocuments,
    Store,
    VectorMemory,
    document_prefix,
)
from runtime import Actor, Ref, Sink

from ._files import files_of, missing_below
from ._messages import Ingest, IngestOptions, IngestState, IngestStep, IngestTotals, Librarian
from ._reader import ReaderProcess
from ._reading import NEEDS_PDF

BATCH: Final = 32  # chunks that are stored together
HOW: Final = 1  # raised when the same text is cut differently by a later version


class Ingester(Actor, Librarian):
    """Reads files in a process of its own, and stores what they say.

    Args:
        memory: Where to.
    """

    def __init__(self, memory: Ref[VectorMemory]) -> None:
        self._memory = memory
        self._reader: ReaderProcess | None = None

    @Ingest.handles
    async def ingest(self, message: Ingest, out: Sink[IngestStep]) -> None:
        files = await trio.to_thread.run_sync(files_of, message.paths, message.patterns)
        if any(file.lower().endswith(".pdf") for file in files) and not _has_pdf():
            raise ConfigurationError(NEEDS_PDF)
        try:
            totals = IngestTotals()
            for number, source in enumerate(files, 1):
                step = IngestStep(IngestState.READING, source, number, len(files), totals=totals)
                totals = await _File(self._memory, message.options, step, out).ingest(self)
        finally:
            await self._end_reader()
        if message.options.forget_missing:
            totals = await self._forget_missing(message.paths, len(files), totals, out)
        end = IngestStep(IngestState.FINISHED, "", len(files), len(files), totals=totals)
        await out.send(end)

    async def _forget_missing(
        self, paths: tuple[str, ...], files: int, totals: IngestTotals, out: Sink[IngestStep]
    ) -> IngestTotals:
        known = [each.source for each in await self._memory.ask(ListDocuments())]
        for source in await trio.to_thread.run_sync(missing_below, known, paths):
            count = await self._memory.ask(ForgetDocument(source))
            totals = attrs.evolve(totals, forgotten=totals.forgotten + count)
            await out.send(IngestStep(IngestState.FORGOTTEN, source, files, files, totals=totals))
        return totals

    async def reader(self) -> ReaderProcess:
        """The process that reads, started where there is none.

        Raises:
            ReaderEnded: It cannot be started.
        """
        if self._reader is None or self._reader.gone.is_set():
            self._reader = ReaderProcess()
            self.start_soon(self._reader.carry)
            await self._reader.ready.wait()
            if self._reader.gone.is_set():
                raise ReaderEnded(self._reader.why)
        return self._reader

    async def _end_reader(self) -> None:
        if self._reader is not None:
            self._reader.scope.cancel()
            with trio.CancelScope(shield=True):  # it is killed: some milliseconds
                await self._reader.gone.wait()
            self._reader = None


def _has_pdf() -> bool:
    return importlib.util.find_spec("pypdf") is not None


class _File:
    """One file on its way into the memory."""

    def __init__(
        self,
        memory: Ref[VectorMemory],
        options: IngestOptions,
        step: IngestStep,
        out: Sink[IngestStep],
    ) -> None:
        self._memory = memory
        self._options = options
        self._step = step
        self._out = out
        self._prefix = ""
        self._seen: Counter[str] = Counter()  # how often each text has come
        self._ids: set[str] = set()
        self._waiting: list[Item] = []

    async def ingest(self, ingester: Ingester) -> IngestTotals:
        """Read it and store what is new; the totals after it."""
        try:
            await self._read(ingester)
        except DocumentRefused as refusal:
            await self._tell(IngestState.REFUSED, refused=1, problem=str(refusal))
        return self._step.totals

    async def _read(self, ingester: Ingester) -> None:
        source, options = self._step.source, self._options
        try:
            self._prefix = document_prefix(source)
        except UnicodeEncodeError as error:
            raise DocumentRefused("its name is not UTF-8: give it another") from error
        known = await self._memory.ask(FindDocument(source))
        way = _way_of(options)
        before, _, cut = known.fingerprint.partition(" ") if known is not None else ("", "", "")
        reader = await ingester.reader()
        request = {
            "path": source,
            "known": before if cut == way else None,
            "largest": options.largest_bytes,
            "encoding": options.encoding,
            "size": options.chunking.size,
            "overlap": options.chunking.overlap,
        }
        try:
            await reader.ask(request)
            while not await self._take(await self._answer(reader), way):
                pass
        except ReaderEnded as fault:
            raise DocumentRefused(f"it ended the process that reads it: {fault}") from fault

    async def _answer(self, reader: ReaderProcess) -> dict[str, Any]:
        seconds = self._options.page_seconds
        with trio.move_on_after(seconds):
            return await reader.answer()
        reader.scope.cancel()
        await reader.gone.wait()
        page = f"its page {self._step.page}" if self._step.page else "it"
        raise DocumentRefused(
            f"{page} takes more than {seconds:g} s: raise IngestOptions(page_seconds=...)"
        )

    async def _take(self, answer: dict[str, Any], way: str) -> bool:
        """Act on an answer; whether it was the last one."""
        match answer["state"]:
            case "page":
                self._step = attrs.evolve(self._step, page=answer["page"], pages=answer["pages"])
                await self._tell(IngestState.READING)
                return False
            case "chunk":
                await self._add(answer["text"], answer["headings"], answer["page"])
                return False
            case "unchanged":
                await self._tell(IngestState.UNCHANGED, unchanged=1)
            case "refused":
                raise DocumentRefused(answer["problem"])
            case _:
                await self._finish(f"{answer['fingerprint']} {way}")
        return True

    async def _add(self, text: str, headings: list[str], page: int) -> None:
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        id = f"{self._prefix}{digest}-{self._seen[digest]}"
        self._seen[digest] += 1
        self._ids.add(id)
        self._step = attrs.evolve(self._step, chunks=self._step.chunks + 1)
        metadata: dict[str, str | int | float | bool] = dict(self._options.metadata)
        metadata["source"] = self._step.source
        metadata["name"] = PurePath(self._step.source).name
        metadata["part"] = self._step.chunks
        if page:
            metadata["page"] = page
        if headings:
            metadata["heading"] = " > ".join(headings)
        self._waiting.append(Item(text, metadata, id))
        if len(self._waiting) >= BATCH:
            await self._store()
            await self._tell(IngestState.READING)

    async def _store(self) -> None:
        """Store those of the chunks that wait which are not there, or stand elsewhere now."""
        waiting, self._waiting = self._waiting, []
        there = await self._memory.ask(Get(tuple(str(item.id) for item in waiting)))
        known = {each.id: dict(each.metadata) for each in there}
        new = tuple(item for item in waiting if known.get(str(item.id)) != dict(item.metadata))
        if new:
            await self._memory.ask(Store(new))
        self._count(stored=len(new), kept=len(waiting) - len(new))

    async def _finish(self, fingerprint: str) -> None:
        await self._store()
        source = self._step.source
        had = await self._memory.ask(DocumentIds(source))
        stale = tuple(id for id in had if id not in self._ids)
        if stale:
            self._count(forgotten=await self._memory.ask(Forget(stale)))
        await self._memory.ask(KeepDocument(source, fingerprint, self._step.chunks))
        await self._tell(IngestState.INGESTED, ingested=1)

    def _count(self, **more: int) -> None:
        totals = self._step.totals
        sums = {name: getattr(totals, name) + count for name, count in more.items()}
        self._step = attrs.evolve(self._step, totals=attrs.evolve(totals, **sums))

    async def _tell(self, state: IngestState, *, problem: str = "", **more: int) -> None:
        self._count(**more)
        await self._out.send(attrs.evolve(self._step, state=state, problem=problem))


def _way_of(options: IngestOptions) -> str:
    """How a file's chunks are made of it: what is made otherwise is made anew."""
    way = (
        HOW,
        options.chunking.size,
        options.chunking.overlap,
        options.encoding,
        sorted(options.metadata.items()),
    )
    return hashlib.sha256(json.dumps(way).encode()).hexdigest()[:16]
