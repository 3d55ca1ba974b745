"""The documents of a memory, in its log; and the half of the memory actor that answers for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import attrs

from ._documents import (
    Document,
    DocumentIds,
    FindDocument,
    ForgetDocument,
    KeepDocument,
    Library,
    ListDocuments,
    document_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._log import MemoryLog

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

COLUMNS: Final = "source, fingerprint, chunks, time"
IDS: Final = (
    "SELECT id FROM entries WHERE id >= ?1 AND id < ?2"
    " UNION SELECT id FROM sources WHERE id >= ?1 AND id < ?2"
)


class OnLog(ABC):
    """What a part of the memory actor may use of the whole."""

    @property
    @abstractmethod
    def _log(self) -> MemoryLog: ...

    @abstractmethod
    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T: ...

    @abstractmethod
    def _now_seconds(self) -> float: ...

    @abstractmethod
    def _was_changed(self) -> None:
        """Have the index told."""


class Shelf(OnLog, Library):
    """Answers for documents."""

    @KeepDocument.handles(concurrent=True)
    async def keep_document(self, message: KeepDocument) -> None:
        document = Document(
            message.source, message.fingerprint, message.chunks, self._now_seconds()
        )
        await self._in_thread(keep_document, self._log, document)

    @FindDocument.handles(concurrent=True)
    async def find_document(self, message: FindDocument) -> Document | None:
        found = await self._in_thread(documents, self._log, message.source)
        return found[0] if found else None

    @ListDocuments.handles(concurrent=True)
    async def list_documents(self, message: ListDocuments) -> tuple[Document, ...]:
        del message
        return await self._in_thread(documents, self._log, None)

    @DocumentIds.handles(concurrent=True)
    async def document_ids(self, message: DocumentIds) -> tuple[str, ...]:
        return await self._in_thread(document_ids, self._log, message.source)

    @ForgetDocument.handles(concurrent=True)
    async def forget_document(self, message: ForgetDocument) -> int:
        count = await self._in_thread(forget_document, self._log, message.source)
        self._was_changed()
        return count


def keep_document(log: MemoryLog, document: Document) -> None:
    with log.writing():
        log.connection.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", attrs.astuple(document)
        )


def documents(log: MemoryLog, source: str | None) -> tuple[Document, ...]:
    """The one with this source, or all of them."""
    with log.reading():
        rows = log.connection.execute(
            f"SELECT {COLUMNS} FROM documents WHERE ?1 IS NULL OR source = ?1 ORDER BY source",  # noqa: S608 - a constant
            (source,),
        )
        return tuple(Document(*row) for row in rows)


def document_ids(log: MemoryLog, source: str) -> tuple[str, ...]:
    """Of its entries, and of those that have been merged into others."""
    prefix = document_prefix(source)
    with log.reading():
        rows = log.connection.execute(IDS, (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)))
        return tuple(id for (id,) in rows)


def forget_document(log: MemoryLog, source: str) -> int:
    # The entries last: while there are some, nothing says that all are there.
    with log.writing():
        log.connection.execute("DELETE FROM documents WHERE source = ?", (source,))
    return log.forget(document_ids(log, source))
