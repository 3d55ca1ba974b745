"""The keywords of a memory that is open: searched, and made anew where they are damaged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, TypeVarTuple

import trio

from actors.errors import MemoryDamaged
from runtime import RuntimeFault

from ._keyword_healing import Words, add_words, words_after, words_at_opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._log import MemoryLog
    from ._memory import Search

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
PAUSE: Final = 1.0  # seconds after a failure
logger = logging.getLogger("actors.memory")


class InThread(Protocol):
    """Calls a function in the thread that has the log."""

    async def __call__(self, function: Callable[[*Ts], T], *args: *Ts) -> T: ...


class WordKeeper:
    """Searches by keyword in what is there, and puts in what is missing.

    Args:
        log: Where the keywords are.
        in_thread: How it is called.
        tell: Called whenever it has come further.

    Attributes:
        missing: So many entries are not found by their words yet.
        problem: Why not, or the last failure; "" if there was none.
        rebuilds: How often the keywords were made anew.
    """

    def __init__(self, log: MemoryLog, in_thread: InThread, tell: Callable[[], object]) -> None:
        self.missing = 0
        self.problem = ""
        self.rebuilds = 0
        self._log = log
        self._in_thread = in_thread
        self._tell = tell
        self._news = trio.Event()

    async def check(self) -> None:
        """See whether they are whole; from then on they can be written."""
        try:
            self._use(await self._in_thread(words_at_opening, self._log))
        except RuntimeFault as fault:  # `Measure` says it, and a search tries again
            self.problem = str(fault)

    def _use(self, words: Words) -> None:
        self.missing, self.problem = words.missing, words.problem
        if words.problem:
            self.rebuilds += 1
            logger.warning("the keywords are made anew: %s", words.problem)
        self._news.set()

    async def find(self, search: Search, limit: int) -> list[tuple[str, float]]:
        """Ids with their BM25, the best first.

        Raises:
            MemoryDamaged: If the entries cannot be read.
            MemoryNotWritten: If the keywords were to be made anew, and the disk did not take it.
        """
        asked = search.text, limit, search.where
        try:
            return await self._in_thread(self._log.by_words, *asked)
        except MemoryDamaged as fault:
            words = await self._in_thread(words_after, self._log, fault)
            if words is not None:
                self._use(words)
            return await self._in_thread(self._log.by_words, *asked)

    async def keep(self) -> None:
        """Put in what is missing, whenever something is."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            after = 0
            while self.missing:
                try:
                    after, added = await self._in_thread(add_words, self._log, after)
                except RuntimeFault as fault:  # `Measure` says it
                    self.problem = str(fault)
                    await trio.sleep(PAUSE)
                    continue
                self.missing = max(1, self.missing - added) if after else 0
                self.problem = self.problem if after else ""
                self._tell()
