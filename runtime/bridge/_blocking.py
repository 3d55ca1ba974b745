"""The bridge for programs without a loop: every call blocks its thread until it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

import trio

from runtime import BridgeClosed

from ._block import Block
from ._call import Call, Promise, check_function
from ._thread import TrioThread
from ._waiting import ThreadSignal, comes_first, leave, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class BlockingStream(Generic[T]):
    """What `bridge.stream(...)` gives: `with bridge.stream(...) as items: for item in items`.

    Each item is asked for when the loop wants it, so nothing is read ahead. Leaving the block
    ends the stream, and returns when nothing of it is running. If several threads ask at once,
    each gets an item of its own, in the order in which they asked.
    """

    def __init__(self, bridge: Bridge, block: BlockingBlock[AsyncIterable[T]]) -> None:
        self._thread = bridge._thread  # noqa: SLF001 - of the same module
        self._bridge = bridge
        self._block = block
        self._items: AsyncIterator[T] | None = None
        self._kept = list[Call[T]]()

    def __enter__(self) -> Self:
        self._items = aiter(self._block.__enter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._block.__exit__(kind, error, traceback)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        refuse_loops()
        if self._items is None:
            raise RuntimeError("a stream is read inside its block, `with ... as items:`")
        if self._kept:
            return self._kept.pop(0).result()
        signal = ThreadSignal()
        call = Call(self._items.__anext__, signal.set, "next item")
        submit = self._block.block.submit
        try:
            signal.carry_out(
                lambda: self._thread.do(call, submit, call), partial(self._thread.cancel, call)
            )
        except BaseException:
            if call.has_value:  # it came together with the interrupt: the next one is this
                self._kept.append(call)
            raise
        try:
            return call.result()
        except StopAsyncIteration:
            raise StopIteration from None


class BlockingBlock(Generic[T]):
    """What `bridge.open(...)` gives: a block, for `with`."""

    def __init__(
        self, bridge: Bridge, make: Callable[[], AbstractAsyncContextManager[T, Any]]
    ) -> None:
        self._thread = bridge._thread  # noqa: SLF001 - of the same module
        self._bridge = bridge  # which is open as long as somebody has a block of it
        self._entered = ThreadSignal()
        self._was_used = False
        self._was_left = False
        self.block = Block(make, Promise[T](self._entered.set), cut_short=_leave_it_to_the_exit)

    def __enter__(self) -> T:
        refuse_loops()
        if self._was_used:
            raise RuntimeError("this block was used already: call `bridge.open(...)` again")
        self._was_used = True
        try:
            begin = partial(self._thread.start, self.block)
            self._entered.carry_out(begin, partial(self._thread.cancel, self.block))
            return self.block.entered.result()
        except BaseException as error:
            if self.block.entered.has_value:
                leave(self.block, self._thread, error)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if self._thread.is_elsewhere:  # this is a fork: the block goes on in the other process
            return False
        self._was_left = True
        try:
            return leave(self.block, self._thread, error)
        except BaseException as failure:
            if error is None or comes_first(failure, error):
                raise
            note(error, failure)
            return False

    def __del__(self) -> None:
        """Leave it after an interrupt between its begin and its body, where Python does not."""
        if self.block.entered.has_value and not self._was_left:
            with contextlib.suppress(BridgeClosed):
                self._thread.cancel(self.block, "it was thrown away")


class Bridge:
    """A trio program in a thread of its own, for code that blocks; see `open_bridge`.

    All methods can be called in several threads at once, and not in a trio or an asyncio
    program. Errors arrive bare, as they were raised. A Ctrl-C (or whatever else interrupts the
    wait) cancels what is waited for, waits for its end, and is raised.
    """

    def __init__(self) -> None:
        refuse_loops()
        begun, self._ended = ThreadSignal(), ThreadSignal()
        self._thread = TrioThread(begun.set, self._ended.set)
        begun.wait()

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an async function, and wait for what it returns: `bridge.run(ref.ask, Deposit(5))`.

        Raises:
            BridgeClosed: If the bridge has ended, or ends meanwhile.
            RuntimeError: In a trio or an asyncio program, which this would block.
            BaseException: What the function raises.
        """
        refuse_loops()
        check_function(function)
        signal = ThreadSignal()
        call = Call(partial(function, *args, **kwargs), signal.set, function)
        signal.carry_out(partial(self._thread.start, call), partial(self._thread.cancel, call))
        return call.result()

    def open(
        self,
        manager: Callable[P, AbstractAsyncContextManager[T, Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AbstractContextManager[T]:
        """Open an async block: `with bridge.open(open_system) as system: ...`.

        One trio task enters and leaves it. What it gives belongs to the bridge's thread:
        use it through `bridge.run`. If the block ends by itself, as a system does that gives
        up, calls into it say so, and leaving it raises why.
        """
        return BlockingBlock(self, partial(manager, *args, **kwargs))

    def stream(
        self,
        manager: Callable[P, AbstractAsyncContextManager[AsyncIterable[T], Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> BlockingStream[T]:
        """Open a stream: `with bridge.stream(ref.stream, History(10)) as lines: ...`."""
        return BlockingStream(self, BlockingBlock(self, partial(manager, *args, **kwargs)))

    def _close(self) -> None:
        self._thread.request_end()
        if not self._thread.is_elsewhere and not self._thread.is_current:
            self._ended.wait()
            self._thread.join()

    def __repr__(self) -> str:
        return f"<Bridge over {self._thread!r}>"


@contextmanager
def open_bridge() -> Generator[Bridge]:
    """Start trio in a thread of its own: `with` gives the bridge to it.

    Leaving cancels what still runs, and returns when all of it has ended, the thread included.

    Raises:
        RuntimeError: In a trio or an asyncio program.
    """
    bridge = Bridge()
    try:
        yield bridge
    finally:
        bridge._close()  # noqa: SLF001 - of the same module


def run_sync(function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call one async function of trio from blocking code, in any thread, and wait for its end.

    `run_sync(main)`. A Ctrl-C cancels it, waits for its end, and arrives as
    `KeyboardInterrupt`, never inside a group.

    Raises:
        RuntimeError: In a trio or an asyncio program, which this would block.
        BaseException: What the function raises.
    """
    with open_bridge() as bridge:
        return bridge.run(function, *args, **kwargs)


def refuse_loops() -> None:
    """Refuse to block a loop.

    Raises:
        RuntimeError: If one runs in this thread; it says what to write instead.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "this is a trio program already, and no bridge is needed: `await` the function, or "
            "use `async with` and `async for`"
        )
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - public by its docstring, and quick
        raise RuntimeError(
            "this would block the asyncio loop that runs in this thread: use "
            "`async with open_asyncio_bridge() as bridge`, and for agents "
            "`from actors.asyncio import open_agent`"
        )


def _leave_it_to_the_exit() -> None:
    """A thread that does something else cannot be interrupted; it hears when it comes back."""
