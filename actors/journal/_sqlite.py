"""The journal on disk: conversations in one file, which survive the program and `kill -9`.

All work on the file is done in a thread, one piece at a time, so that no write holds up the
loop. Appends that arrive during a commit share the next one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import attrs
import trio

from actors.errors import JournalNotWritten
from runtime import Actor

from ._file import JournalFile
from ._journal import Append, Fork, Journal, ListConversations, Read

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from runtime import Exit

    from ._entries import Entry

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@attrs.define(eq=False)
class _Waiting:
    """An append that is not on the disk yet.

    Attributes:
        result: How many entries the conversation has now, or why nothing was written.
        leads: Whether it is the one that commits what waits.
    """

    message: Append
    result: int | JournalNotWritten | None = None
    leads: bool = False
    woken: trio.Event = attrs.field(factory=trio.Event)


class SqliteJournal(Actor, Journal):
    """Keeps conversations in a file, which is made if it is not there.

    One program at a time, and one of these, has the file. An append is acknowledged when it is
    on the disk. One whose asker is cancelled is in as a whole or not at all: it is taken back
    if its commit has not begun.

    A crash of this actor loses nothing. Stopping it, with grace or without, waits for the
    commit that goes on, for as long as the disk takes.

    Args:
        path: The file. Only its owner may read a new one.

    Raises:
        JournalUnusable: When it starts: if the file cannot be opened, made or locked, or is
            something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._file: JournalFile | None = None
        self._waiting: list[_Waiting] = []
        self._is_writing = False
        self._commits = 0
        self._appends = 0

    async def started(self) -> None:
        self._file = await self._in_thread(JournalFile, self._path)

    async def stopped(self, exit: Exit) -> None:
        del exit
        if self._file is not None:
            with trio.CancelScope(shield=True):  # else the file stays locked
                await self._in_thread(self._file.close)

    @Append.handles(concurrent=True)
    async def append(self, message: Append) -> int:
        mine = _Waiting(message, leads=not self._is_writing)
        self._waiting.append(mine)
        if mine.leads:
            self._is_writing = True
        else:
            await self._wait(mine)
        if mine.leads:
            await self._commit()
        assert mine.result is not None
        if isinstance(mine.result, JournalNotWritten):
            raise mine.result
        return mine.result

    async def _wait(self, mine: _Waiting) -> None:
        try:
            await mine.woken.wait()
        except trio.Cancelled:
            if mine in self._waiting:  # else it is being written, as a whole
                self._waiting.remove(mine)
            if mine.leads:  # it was chosen after its cancel had come
                self._hand_over()
            raise

    def _hand_over(self) -> None:
        """Let the first one that waits write, if there is one."""
        self._is_writing = bool(self._waiting)
        for first in self._waiting[:1]:
            first.leads = True
            first.woken.set()

    async def _commit(self) -> None:
        """Write all that waits, and let the first one that has come since do the same."""
        batch, self._waiting = self._waiting, []
        appends = [each.message for each in batch]
        try:
            with trio.CancelScope(shield=True):
                results = await self._in_thread(self._opened.write, appends)
                for each, result in zip(batch, results, strict=True):
                    each.result = result
                    each.woken.set()
            self._commits += 1
            self._appends += len(batch)
        finally:
            self._hand_over()

    @Read.handles(concurrent=True)
    async def read(self, message: Read) -> tuple[Entry, ...]:
        return await self._in_thread(self._opened.read, message.conversation)

    @ListConversations.handles(concurrent=True)
    async def conversations(self, message: ListConversations) -> tuple[str, ...]:
        del message
        return await self._in_thread(self._opened.conversations)

    @Fork.handles(concurrent=True)
    async def fork(self, message: Fork) -> int:
        return await self._in_thread(self._opened.fork, message)

    @property
    def _opened(self) -> JournalFile:
        assert self._file is not None  # since `started`
        return self._file

    async def _in_thread(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call it in the thread that has its turn; a cancel waits for it once it has begun."""
        return await trio.to_thread.run_sync(function, *args, limiter=self._one_at_a_time)

    def described(self) -> str:
        return f"{self._path.name}: {self._appends} appends in {self._commits} commits"

    def __repr__(self) -> str:
        state = "closed" if self._file is None else f"{len(self._waiting)} waiting"
        return f"<SqliteJournal {self._path}, {state}>"
