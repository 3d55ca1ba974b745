"""Who may ask the provider now: so many at once, so many in line, no faster than the rates allow.

Whoever is cancelled while waiting here has taken nothing: no place, no share of a rate.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import trio

from actors.errors import ProviderOverloaded, ProviderRateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from ._rates import Rates


class Gate:
    """The one way to the server.

    Attributes:
        passing: Requests that have their turn.
        waiting: Requests that wait, for their turn or for the rates.
    """

    def __init__(self, running: int, places: int, rates: Rates) -> None:
        self._semaphore = trio.Semaphore(running)
        self._places = places
        self._rates = rates
        self._line = trio.Lock()  # who waits for the rates goes in the order of arrival
        self._in_line = 0
        self._tokens_in_line = 0.0
        self.passing = 0
        self.waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, and have it.

        Raises:
            ProviderOverloaded: Too many wait already.
        """
        try:
            self._semaphore.acquire_nowait()
        except trio.WouldBlock:
            with self._place():
                await self._semaphore.acquire()
        self.passing += 1
        try:
            yield
        finally:
            self.passing -= 1
            self._semaphore.release()

    async def pace(self, tokens: float) -> None:
        """Wait until a request with so many tokens may go, and count it.

        Raises:
            ProviderOverloaded: Too many wait already, or the caller's deadline would come first.
            ProviderRateLimited: It would, because the provider has asked for quiet.
        """
        now = trio.current_time()
        if self._rates.is_free and not self._rates.quiet(now):
            return
        if not self._in_line and not self._rates.seconds(tokens, now):
            self._rates.take(tokens, now)
            return
        self._refuse_late(tokens, now)
        with self._place(), self._counted(tokens):
            async with self._line:
                await self._sleep(tokens)
                self._rates.take(tokens, trio.current_time())

    async def _sleep(self, tokens: float) -> None:
        """Wait for the rates, which may be slowed down meanwhile."""
        while True:
            seconds = self._rates.seconds(tokens, trio.current_time())
            if not seconds:
                return
            await trio.sleep(seconds)

    def _refuse_late(self, tokens: float, now: float) -> None:
        """Raise at once what would otherwise be a deadline that passes in the line."""
        left = trio.current_effective_deadline() - now
        quiet = self._rates.quiet(now)
        if quiet >= left:
            raise ProviderRateLimited(
                f"the provider has asked for no request for another {quiet:.1f} s, which is "
                "after the deadline of this one",
                retry_after=quiet,
            )
        seconds = self._rates.seconds_behind(self._in_line, self._tokens_in_line, tokens, now)
        if seconds >= left:
            raise ProviderOverloaded(
                f"the rate lets this request go in {seconds:.1f} s, which is after its deadline: "
                "give it more time, or the Model a higher `rate`, or ask less",
                retry_after=seconds,
            )

    @contextmanager
    def _place(self) -> Generator[None]:
        if self.waiting >= self._places:
            raise ProviderOverloaded(
                f"{self.passing} requests run and {self.waiting} wait: give the Model "
                "more `concurrency` or `waiting`, or ask less at once"
            ) from None
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def _counted(self, tokens: float) -> Generator[None]:
        self._in_line += 1
        self._tokens_in_line += tokens
        try:
            yield
        finally:
            self._in_line -= 1
            self._tokens_in_line -= tokens
