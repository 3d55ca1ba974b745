"""The bridge for asyncio programs: `await`, `async with` and `async for` in their tasks.

A cancel crosses in both directions. Whoever is cancelled in asyncio cancels its part of the
trio program, and goes on when that has ended. A block that ends by itself in trio cancels the
asyncio task that is inside of it, as `asyncio.timeout` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

import trio

from runtime import BridgeClosed

from ._block import Block
from ._call import Call, Promise, check_function
from ._thread import TrioThread
from ._waiting import LOOK_SECONDS, comes_first, leave, note

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Generator,
    )
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class LoopSignal:
    """Wakes one asyncio task that waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future()
        self._is_set = False

    def set(self) -> None:
        """In any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_set = True
        if not self._future.done():
            self._future.set_result(None)

    async def wait_for(self, cancel: Callable[[str], None]) -> None:
        """Wait until it is set. Cancelled: cancel what sets it, and wait for that all the same."""
        cancelled: asyncio.CancelledError | None = None
        while not self._is_set:
            try:
                await self._future
            except asyncio.CancelledError as error:
                cancelled = error
                self._future = self._loop.create_future()
                with contextlib.suppress(BridgeClosed):  # which has settled it
                    cancel(str(error) or "the asyncio task was cancelled")
            except GeneratorExit:  # the coroutine is thrown away and cannot wait any longer
                with contextlib.suppress(BridgeClosed):
                    cancel("the asyncio task was thrown away")
                raise
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                del cancelled, self  # no cycle through the traceback


class AsyncioStream(Generic[T]):
    """What `bridge.stream(...)` gives: `async with bridge.stream(...) as items: async for ...`.

    Each item is asked for when the loop wants it, so nothing is read ahead. Leaving the block
    ends the stream, and returns when nothing of it is running. A wait for an item that is
    cancelled takes none: `asyncio.wait_for(anext(items), 0.1)` can be tried again. If several
    tasks ask at once, each gets an item of its own, in the order in which they asked.
    """

    def __init__(self, block: AsyncioBlock[AsyncIterable[T]], thread: TrioThread) -> None:
        self._block = block
        self._thread = thread
        self._items: AsyncIterator[T] | None = None
        self._kept = list[Call[T]]()

    async def __aenter__(self) -> Self:
        self._items = aiter(await self._block.__aenter__())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._items is None:
            raise RuntimeError("a stream is read inside its block, `async with ... as items:`")
        if self._kept:
            return self._kept.pop(0).result()
        signal = LoopSignal()
        call = Call(self._items.__anext__, signal.set, "next item")
        self._thread.do(call, self._block.block.submit, call)
        try:
            await signal.wait_for(partial(self._thread.cancel, call))
        except BaseException:
            if call.has_value:  # it came together with the cancel: the next one is this
                self._kept.append(call)
            raise
        return call.result()


class AsyncioBlock(Generic[T]):
    """What `bridge.open(...)` gives: a block, for `async with`."""

    def __init__(
        self,
        thread: TrioThread,
        make: Callable[[], AbstractAsyncContextManager[T, Any]],
    ) -> None:
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._entered = LoopSignal()
        # That is inside; weak, so that a task is thrown away if its loop is closed meanwhile.
        self._task: weakref.ref[asyncio.Task[Any]] | None = None
        self._cancels_before = 0
        self._is_cut_short = False
        self._has_cancelled = False  # the task that is inside
        self._was_used = False
        self.block = Block(make, Promise[T](self._entered.set), cut_short=self._tell)

    async def __aenter__(self) -> T:
        if self._was_used:
            raise RuntimeError("this block was used already: call `bridge.open(...)` again")
        self._was_used = True
        self._thread.start(self.block)
        try:
            await self._entered.wait_for(partial(self._thread.cancel, self.block))
        except BaseException as error:
            await self._leave(error)
            raise
        value = self.block.entered.result()
        task = asyncio.current_task()
        assert task is not None
        self._task = weakref.ref(task)
        self._cancels_before = task.cancelling()
        if self._is_cut_short:
            self._interrupt()
        return value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if self._thread.is_elsewhere:  # this is a fork: the block goes on in the other process
            return False
        is_ours = self._took_back(error)
        try:
            swallowed = await self._leave(error)
        except BaseException as failure:
            if error is None or is_ours or comes_first(failure, error):
                raise
            note(error, failure)
            return False
        return swallowed or is_ours

    async def _leave(self, error: BaseException | None) -> bool:
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - as in `refuse_loops`
            # It was closed, and what is left of its tasks is thrown away. Nobody is kept waiting.
            return leave(self.block, self._thread, error)
        signal = LoopSignal()
        left = Promise[bool](signal.set)
        self._thread.do(left, self.block.leave, left, error)
        await signal.wait_for(partial(self._thread.cancel, self.block))
        return left.result()

    def _took_back(self, error: BaseException | None) -> bool:
        """Take back our cancel of the task; return whether the error is that and no more."""
        task = None if self._task is None else self._task()
        self._task = None
        if task is None or not self._has_cancelled or asyncio.current_task() is not task:
            return False
        return task.uncancel() <= self._cancels_before and isinstance(error, asyncio.CancelledError)

    def _tell(self) -> None:
        """In the bridge's thread: the block has ended by itself."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks with it
            self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._is_cut_short = True
        task = None if self._task is None else self._task()
        if task is not None:
            self._has_cancelled = task.cancel("the block that it is in has ended")


class AsyncioBridge:
    """A trio program in a thread of its own, for asyncio; see `open_asyncio_bridge`.

    All methods can be called by several tasks at once, also in loops of other threads. Errors
    arrive bare, as they were raised.
    """

    def __init__(self, thread: TrioThread) -> None:
        self._thread = thread

    async def run(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call an async function of trio: `await bridge.run(ref.ask, Deposit(5))`.

        Cancelled: the function is cancelled in trio, and has ended when this goes on.

        Raises:
            BridgeClosed: If the bridge has ended, or ends meanwhile.
            BaseException: What the function raises.
        """
        check_function(function)
        signal = LoopSignal()
        call = Call(partial(function, *args, **kwargs), signal.set, function)
        self._thread.start(call)
        await signal.wait_for(partial(self._thread.cancel, call))
        return call.result()

    def open(
        self,
        manager: Callable[P, AbstractAsyncContextManager[T, Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AbstractAsyncContextManager[T]:
        """Open a block of trio: `async with bridge.open(open_system) as system: ...`.

        One trio task enters and leaves it, so here different tasks may. What it gives belongs
        to the bridge's thread: use it through `bridge.run`. If the block ends by itself, as a
        system does that gives up, the task that has entered it is cancelled, and leaving it
        raises why. If it is cancelled here, it is cancelled there, and has ended when this
        goes on.
        """
        return AsyncioBlock(self._thread, partial(manager, *args, **kwargs))

    def stream(
        self,
        manager: Callable[P, AbstractAsyncContextManager[AsyncIterable[T], Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AsyncioStream[T]:
        """Open a stream: `async with bridge.stream(ref.stream, History(10)) as lines: ...`."""
        block = AsyncioBlock(self._thread, partial(manager, *args, **kwargs))
        return AsyncioStream(block, self._thread)

    def __repr__(self) -> str:
        return f"<AsyncioBridge over {self._thread!r}>"


@asynccontextmanager
async def open_asyncio_bridge() -> AsyncGenerator[AsyncioBridge]:
    """Start trio in a thread of its own: `async with` gives the bridge to it.

    Leaving cancels what still runs, and goes on when all of it has ended, the thread included.

    Raises:
        RuntimeError: In a trio program, or without a loop of asyncio.
    """
    refuse_others()
    begun, ended = LoopSignal(), LoopSignal()
    thread = TrioThread(begun.set, ended.set)
    try:
        await begun.wait_for(lambda _: thread.request_end())
        with looking_up(asyncio.get_running_loop()):
            yield AsyncioBridge(thread)
    finally:
        thread.request_end()
        if asyncio._get_running_loop() is not None and not thread.is_elsewhere:  # noqa: SLF001 - as in `refuse_loops`
            await ended.wait_for(lambda _: None)
        thread.join()


class Looking:
    """Wakes a loop now and then."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._next = loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._next = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        self._next.cancel()


@contextmanager
def looking_up(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Wake a loop of the main thread now and then, as long as a bridge is open.

    A signal's handler does not wake the loop that it interrupts. What the handler only puts in
    the loop's line, as ipykernel's does with the cancel of a cell, would wait for the next event
    of a stream that may be silent.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    looking = Looking(loop)
    try:
        yield
    finally:
        looking.stop()


def refuse_others() -> None:
    """Refuse what is no asyncio program.

    Raises:
        RuntimeError: It says what to write instead.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "this is a trio program already, and no bridge is needed: `await` the function, or "
            "use `async with` and `async for`"
        )
    if asyncio._get_running_loop() is None:  # noqa: SLF001 - as in `refuse_loops`
        raise RuntimeError(
            "no asyncio loop runs here: use `with open_bridge() as bridge` in code that blocks"
        )
