"""The bridge in asyncio programs: cancels in both directions, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
import trio
from bridge_actors import (
    SECONDS,
    Add,
    Counter,
    CountUp,
    Fail,
    Notes,
    Silence,
    interrupting,
    open_counter,
)

from runtime import ActorCrashed, BridgeClosed, RestartLimit, SystemFailed, open_system
from runtime.bridge import open_asyncio_bridge, open_bridge, run_sync
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from runtime import Ref
    from runtime.bridge import AsyncioBridge

CANCELS = 1000
NAME = ContextVar("NAME", default="nobody")


def run(program: Coroutine[object, object, None]) -> None:
    """Run an asyncio program that must leave nothing."""
    with assert_no_leaks():
        asyncio.run(asyncio.wait_for(program, SECONDS * 6))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread without one that waits: it would count as a leak."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def when(event: threading.Event) -> None:
    await until(event.is_set)


async def double(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * number


def test_calls_and_their_errors_cross() -> None:
    async def main() -> None:
        async with open_asyncio_bridge() as bridge, bridge.open(open_counter, Notes()) as counter:
            assert await bridge.run(counter.ask, Add(2)) == 2
            with pytest.raises(ActorCrashed) as caught:
                await bridge.run(counter.ask, Fail(ValueError("wrong")))
            assert str(caught.value.__cause__) == "wrong"

    run(main())


def test_tasks_and_loops_can_use_one_bridge_at_once() -> None:
    async def add(bridge: AsyncioBridge, counter: Ref[Counter]) -> list[int]:
        return await asyncio.gather(*(bridge.run(counter.ask, Add(1)) for _ in range(50)))

    def add_there(bridge: AsyncioBridge, counter: Ref[Counter], into: list[int]) -> None:
        into += asyncio.run(add(bridge, counter))

    async def main() -> None:
        async with open_asyncio_bridge() as bridge, bridge.open(open_counter, Notes()) as counter:
            there: list[int] = []
            thread = threading.Thread(target=add_there, args=(bridge, counter, there))
            thread.start()
            here = await add(bridge, counter)
            await until(lambda: not thread.is_alive())
            assert sorted(here + there) == list(range(1, 101))

    run(main())


def test_the_context_of_the_task_crosses() -> None:
    async def look() -> str:
        return NAME.get()

    async def main() -> None:
        NAME.set("task")
        async with open_asyncio_bridge() as bridge:
            assert await bridge.run(look) == "task"

    run(main())


# A cancel from asyncio


def test_a_cancelled_task_goes_on_when_its_call_has_ended() -> None:
    notes = Notes()

    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            task = asyncio.create_task(bridge.run(notes.wait_for_ever))
            await when(notes.busy)
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError):
                await task
            assert notes.quiet.is_set()
            assert notes.reason == "enough"
            assert await bridge.run(double, 1) == 2

    run(main())


def test_a_timeout_of_asyncio_ends_a_stream_before_its_block_is_left() -> None:
    notes = Notes()

    async def read(bridge: AsyncioBridge, counter: Ref[Counter]) -> None:
        async with bridge.stream(counter.stream, Silence()) as nothing:
            async for _ in nothing:
                pass

    async def main() -> None:
        async with open_asyncio_bridge() as bridge, bridge.open(open_counter, notes) as counter:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(read(bridge, counter), 0.05)
            assert notes.quiet.is_set()
            assert await bridge.run(counter.ask, Add(1)) == 1

    run(main())


def test_a_cancel_while_a_block_is_entered_or_left_leaves_nothing_of_it() -> None:
    notes = Notes()

    @contextlib.asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        await notes.wait_for_ever()
        yield

    async def enter(bridge_open: contextlib.AbstractAsyncContextManager[None]) -> None:
        async with bridge_open:
            raise AssertionError

    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            task = asyncio.create_task(enter(bridge.open(slow)))
            await when(notes.busy)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert notes.quiet.is_set()

    run(main())


def test_a_wait_for_an_item_that_is_cut_short_loses_none() -> None:
    async def main() -> None:
        async with open_asyncio_bridge() as bridge, bridge.open(open_counter, Notes()) as counter:
            got: list[int] = []
            dice = random.Random(5)  # noqa: S311
            async with bridge.stream(counter.stream, CountUp()) as numbers:
                while len(got) < 200:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(dice.random() / 2000):
                            got.append(await anext(numbers))
            assert got == list(range(200))

    run(main())


def test_a_thousand_random_cancels_leave_nothing() -> None:
    async def use(bridge: AsyncioBridge, counter: Ref[Counter]) -> None:
        await bridge.run(counter.ask, Add(1))
        async with bridge.stream(counter.stream, CountUp()) as numbers:
            async for number in numbers:
                if number % 7 == 6:
                    break
        await bridge.run(counter.ask, Add(1))

    async def main() -> None:
        dice = random.Random(5)  # noqa: S311
        outcomes = {"cancelled": 0, "done": 0}
        async with open_asyncio_bridge() as bridge, bridge.open(open_counter, Notes()) as counter:
            for _ in range(CANCELS):
                task = asyncio.create_task(use(bridge, counter))
                await asyncio.sleep(dice.random() / 300)
                task.cancel()
                (result,) = await asyncio.gather(task, return_exceptions=True)
                assert result is None or isinstance(result, asyncio.CancelledError)
                outcomes["done" if result is None else "cancelled"] += 1
                assert "0 waiting" in repr(bridge)
            assert await bridge.run(counter.ask, Add(1)) > outcomes["done"]
        assert min(outcomes.values()) > 0

    run(main())


def test_what_a_signals_handler_asks_of_the_loop_is_done_while_a_call_is_silent() -> None:
    notes = Notes()

    async def silent() -> None:
        await trio.sleep(0.05)  # the loop is asleep by then
        await notes.wait_for_ever()

    async def interrupted(task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(SECONDS):
            with interrupting(notes.busy):
                await task

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with open_asyncio_bridge() as bridge:
            task = loop.create_task(bridge.run(silent))

            def cancel(*_: object) -> None:
                loop.call_soon(task.cancel)  # wakes nobody

            before = signal.signal(signal.SIGINT, cancel)
            try:
                with pytest.raises(asyncio.CancelledError):
                    await interrupted(task)
            finally:
                signal.signal(signal.SIGINT, before)
            assert notes.quiet.is_set()

    run(main())


# An end that comes from trio


def test_a_system_that_gives_up_cancels_the_task_that_is_inside_and_says_why() -> None:
    async def inside(bridge: AsyncioBridge) -> None:
        async with bridge.open(open_system, limit=RestartLimit(restarts=0)) as system:
            counter = await bridge.run(system.spawn, Counter, Notes())
            with contextlib.suppress(ActorCrashed):
                await bridge.run(counter.ask, Fail(ValueError("wrong")))
            await asyncio.sleep(3600)

    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            with pytest.raises(SystemFailed) as caught:
                await inside(bridge)
            assert caught.value.__cause__ is not None
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0)  # no cancel is left over
            assert await bridge.run(double, 1) == 2

    run(main())


@contextlib.asynccontextmanager
async def short(seconds: float) -> AsyncGenerator[None]:
    with trio.move_on_after(seconds):
        yield


def test_a_block_that_ends_by_itself_ends_the_body_and_the_task_goes_on() -> None:
    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            async with bridge.open(short, 0.02):
                await asyncio.sleep(3600)
            assert await bridge.run(double, 1) == 2

    run(main())


def test_a_task_that_is_cancelled_as_well_stays_cancelled() -> None:
    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            cancelled: list[str] = []

            async def inside() -> None:
                async with bridge.open(short, 0.02):
                    try:
                        await asyncio.sleep(3600)
                    finally:
                        current = asyncio.current_task()
                        assert current is not None
                        current.cancel()  # by somebody else, at the same time
                cancelled.append("went on")

            task = asyncio.create_task(inside())
            with pytest.raises(asyncio.CancelledError):
                await task
            assert cancelled == []

    run(main())


def test_a_task_group_may_stand_between_the_block_and_the_loop() -> None:
    async def main() -> None:
        async with (
            open_asyncio_bridge() as bridge,
            bridge.open(short, 0.02),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(asyncio.sleep(3600))

    run(main())


def test_the_end_of_a_bridge_ends_what_other_tasks_wait_for() -> None:
    notes = Notes()

    async def main() -> None:
        async with open_asyncio_bridge() as bridge:
            task = asyncio.create_task(bridge.run(notes.wait_for_ever))
            await when(notes.busy)
        assert notes.quiet.is_set()
        with pytest.raises(BridgeClosed, match="cut short"):
            await task
        with pytest.raises(BridgeClosed, match="inside the block that opened it"):
            await bridge.run(double, 1)

    run(main())


# Where it cannot be used


def test_what_would_block_the_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="would block the asyncio loop"):
            run_sync(double, 1)
        with pytest.raises(RuntimeError, match="async with open_asyncio_bridge"), open_bridge():
            pass

    run(main())


async def test_a_trio_program_is_told_that_it_needs_no_bridge() -> None:
    with pytest.raises(RuntimeError, match="this is a trio program already"):
        async with open_asyncio_bridge():
            pass
