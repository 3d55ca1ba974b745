"""The bridge for code that blocks: what crosses it, and what each end does to the other."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

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
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from runtime import (
    ActorCrashed,
    ActorStopped,
    BridgeClosed,
    RestartLimit,
    SystemFailed,
    carried,
    carry,
    open_system,
)
from runtime.bridge import Bridge, open_bridge, run_sync
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator

    from runtime import Ref

INTERRUPTS = 200
NAME = ContextVar("NAME", default="nobody")


async def double(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * number


# Calls


def test_run_sync_calls_an_async_function_and_leaves_nothing() -> None:
    with assert_no_leaks():
        assert run_sync(double, 21) == 42


def test_keyword_arguments_cross() -> None:
    assert run_sync(double, number=4) == 8


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_arrives_bare_as_the_very_object_that_was_raised(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    with open_bridge() as bridge:
        with pytest.raises(type(error)) as caught:
            bridge.run(fail)
        assert bridge.run(double, 1) == 2

    assert caught.value is error


def test_a_handlers_error_arrives_as_it_would_in_trio() -> None:
    with (
        open_bridge() as bridge,
        bridge.open(open_counter, Notes()) as counter,
        pytest.raises(ActorCrashed) as caught,
    ):
        bridge.run(counter.ask, Fail(ValueError("wrong")))

    assert str(caught.value.__cause__) == "wrong"


def test_threads_can_use_one_bridge_at_once() -> None:
    with (
        open_bridge() as bridge,
        bridge.open(open_counter, Notes()) as counter,
        ThreadPoolExecutor(8) as pool,
    ):
        asks = [pool.submit(bridge.run, counter.ask, Add(1)) for _ in range(400)]
        totals = [ask.result(SECONDS) for ask in asks]

    assert sorted(totals) == list(range(1, 401))


def test_the_callers_context_crosses_and_so_does_a_span() -> None:
    async def look() -> tuple[str, trace.Span]:
        return NAME.get(), trace.get_current_span()

    span = TracerProvider().get_tracer("test").start_span("request")
    token = context.attach(trace.set_span_in_context(span))
    NAME.set("caller")
    try:
        assert run_sync(look) == ("caller", span)
    finally:
        context.detach(token)


def test_what_belongs_to_another_trio_run_stays_there() -> None:
    async def look() -> tuple[object, ...]:
        return carried()

    async def main() -> tuple[object, ...]:
        with carry("a scope"):
            return await trio.to_thread.run_sync(run_sync, look)

    assert trio.run(main) == ()


# Where it cannot be used


async def test_a_trio_program_is_told_that_it_needs_no_bridge() -> None:
    with pytest.raises(RuntimeError, match="this is a trio program already"):
        run_sync(double, 1)
    with pytest.raises(RuntimeError, match="`async with`"), open_bridge():
        pass


def test_a_call_that_would_block_the_bridge_itself_is_refused() -> None:
    with open_bridge() as bridge:

        async def call_again() -> int:
            return bridge.run(double, 1)

        with pytest.raises(RuntimeError, match="this is a trio program already"):
            bridge.run(call_again)


def test_after_its_end_a_bridge_says_so() -> None:
    with open_bridge() as bridge:
        block = bridge.open(open_system)
        stream = bridge.stream(three)

    with pytest.raises(BridgeClosed, match="inside the block that opened it"):
        bridge.run(double, 1)
    with pytest.raises(BridgeClosed), block:
        pass
    with pytest.raises(BridgeClosed), stream:
        pass
    assert "ended" in repr(bridge)


def test_the_end_of_a_bridge_ends_what_other_threads_wait_for() -> None:
    notes = Notes()
    with ThreadPoolExecutor(1) as pool:
        with open_bridge() as bridge:
            waiting = pool.submit(bridge.run, notes.wait_for_ever)
            assert notes.busy.wait(SECONDS)
        assert notes.quiet.is_set()

        with pytest.raises(BridgeClosed, match="cut short"):
            waiting.result(SECONDS)


def test_a_bridge_whose_thread_dies_says_why() -> None:
    notes = Notes()
    with ThreadPoolExecutor(1) as pool, open_bridge() as bridge:
        waiting = pool.submit(bridge.run, notes.wait_for_ever)
        assert notes.busy.wait(SECONDS)
        bridge._thread.do(None, _raise, LookupError())  # noqa: SLF001 - trio's own bug, to trio

        with pytest.raises(BridgeClosed, match="cut short"):
            waiting.result(SECONDS)
        with pytest.raises(BridgeClosed) as caught:
            bridge.run(trio.sleep_forever)
        assert isinstance(caught.value.__cause__, trio.TrioInternalError)


def _raise(error: Exception) -> None:
    raise error


# Blocks


def test_one_task_enters_and_leaves_a_block() -> None:
    tasks: list[object] = []

    @contextlib.asynccontextmanager
    async def block() -> AsyncGenerator[trio.Nursery]:
        tasks.append(trio.lowlevel.current_task())
        async with trio.open_nursery() as nursery:
            yield nursery
        tasks.append(trio.lowlevel.current_task())

    with open_bridge() as bridge, bridge.open(block) as nursery:
        nursery_is_open = bridge.run(_start_in, nursery)

    assert nursery_is_open
    assert tasks[0] is tasks[1]


async def _start_in(nursery: trio.Nursery) -> bool:
    return bool(await nursery.start(_started))


async def _started(task_status: trio.TaskStatus[bool] = trio.TASK_STATUS_IGNORED) -> None:
    task_status.started(True)  # noqa: FBT003 - trio's own
    await trio.lowlevel.checkpoint()


def test_an_error_of_the_body_is_raised_inside_of_the_block_and_comes_back() -> None:
    seen: list[BaseException] = []
    error = ValueError("wrong")

    @contextlib.asynccontextmanager
    async def block() -> AsyncGenerator[None]:
        try:
            yield
        except ValueError as caught:
            seen.append(caught)
            raise

    with (
        open_bridge() as bridge,
        pytest.raises(ValueError, match="wrong") as caught,
        bridge.open(block),
    ):
        raise error

    assert caught.value is error
    assert seen == [error]


def test_a_block_may_swallow_the_error_of_its_body() -> None:
    @contextlib.asynccontextmanager
    async def block() -> AsyncGenerator[None]:
        with contextlib.suppress(ValueError):
            yield

    with open_bridge() as bridge:
        with bridge.open(block):
            raise ValueError("wrong")
        assert bridge.run(double, 1) == 2


def test_what_leaving_raises_is_raised_and_does_not_hide_the_error_of_the_body() -> None:
    @contextlib.asynccontextmanager
    async def block() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            raise LookupError("lost")

    with open_bridge() as bridge:
        with pytest.raises(LookupError), bridge.open(block):
            pass
        with pytest.raises(ValueError, match="wrong") as caught, bridge.open(block):
            raise ValueError("wrong")

    assert caught.value.__notes__ == ["leaving the block failed, too: LookupError: lost"]


def test_a_block_that_cannot_be_entered_raises_why() -> None:
    @contextlib.asynccontextmanager
    async def block() -> AsyncGenerator[None]:
        raise LookupError("lost")
        yield

    with open_bridge() as bridge:
        with pytest.raises(LookupError, match="lost"), bridge.open(block):
            pass
        assert bridge.run(double, 1) == 2


def test_a_block_is_used_once() -> None:
    with open_bridge() as bridge:
        block = bridge.open(Notes().block)
        with block as value:
            assert value == "inside"
        with pytest.raises(RuntimeError, match="used already"), block:
            pass


def test_a_generator_that_is_closed_leaves_its_block() -> None:
    notes = Notes()
    with open_bridge() as bridge:

        def lines() -> Generator[str]:
            with bridge.open(notes.block) as inside:
                yield inside

        generator = lines()
        assert next(generator) == "inside"
        generator.close()

        assert notes.quiet.is_set()
        assert notes.reason == "GeneratorExit"


def test_a_system_that_gives_up_reaches_whoever_leaves_its_block() -> None:
    error = ValueError("wrong")

    def use(bridge: Bridge) -> None:
        with bridge.open(open_system, limit=RestartLimit(restarts=0)) as system:
            counter = bridge.run(system.spawn, Counter, Notes())
            with pytest.raises(ActorCrashed):
                bridge.run(counter.ask, Fail(error))
            while bridge.run(counter.ask, Add(1)):  # it is gone, or will be
                pass

    with open_bridge() as bridge, pytest.raises(SystemFailed) as caught:
        use(bridge)

    assert isinstance(caught.value.__context__, ActorStopped)  # what the body saw of it
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is error


# Streams


def test_a_stream_is_read_item_by_item_and_nothing_is_read_ahead() -> None:
    notes = Notes()
    with open_bridge() as bridge, bridge.open(open_counter, notes) as counter:
        with bridge.stream(partial(counter.stream, buffer=0), CountUp()) as numbers:
            assert next(numbers) == 0
            bridge.run(trio.testing.wait_all_tasks_blocked)
            assert notes.sent == 1
            assert list(islice(numbers, 3)) == [1, 2, 3]
            bridge.run(trio.testing.wait_all_tasks_blocked)
            assert notes.sent == 4
        assert notes.quiet.is_set()
        assert notes.sent == 4


def test_a_stream_that_ends_ends_the_loop() -> None:
    with open_bridge() as bridge, bridge.stream(three) as numbers:
        assert list(numbers) == [0, 1, 2]
        assert list(numbers) == []


@contextlib.asynccontextmanager
async def three() -> AsyncGenerator[AsyncIterator[int]]:
    send, receive = trio.open_memory_channel[int](3)
    with send:
        for number in range(3):
            send.send_nowait(number)
    with receive:
        yield receive


def test_a_stream_is_read_only_inside_its_block() -> None:
    with open_bridge() as bridge:
        numbers = bridge.stream(three)
        with pytest.raises(RuntimeError, match="inside its block"):
            next(numbers)
        with numbers:
            pass
        with pytest.raises(BridgeClosed, match="has ended"):
            next(numbers)


def test_threads_that_read_one_stream_get_an_item_each() -> None:
    with (
        open_bridge() as bridge,
        bridge.open(open_counter, Notes()) as counter,
        bridge.stream(counter.stream, CountUp()) as numbers,
        ThreadPoolExecutor(4) as pool,
    ):
        reads = [pool.submit(next, numbers) for _ in range(100)]
        taken = [read.result(SECONDS) for read in reads]

    assert sorted(taken) == list(range(100))


def test_a_thread_that_leaves_a_stream_ends_the_wait_of_another() -> None:
    notes = Notes()
    with (
        ThreadPoolExecutor(1) as pool,
        open_bridge() as bridge,
        bridge.open(open_counter, notes) as counter,
    ):
        with bridge.stream(counter.stream, Silence()) as nothing:
            waiting = pool.submit(next, nothing)
            assert notes.busy.wait(SECONDS)
        assert notes.quiet.is_set()
        with pytest.raises(BridgeClosed):
            waiting.result(SECONDS)


# A Ctrl-C


def test_a_ctrl_c_during_a_call_ends_it_first_and_arrives_bare() -> None:
    notes = Notes()

    def wait(bridge: Bridge) -> None:
        try:
            bridge.run(notes.wait_for_ever)
        finally:
            assert notes.quiet.is_set()

    with assert_no_leaks(), open_bridge() as bridge:
        with interrupting(notes.busy), pytest.raises(KeyboardInterrupt):
            wait(bridge)
        assert bridge.run(double, 2) == 4

    assert notes.reason == "KeyboardInterrupt"


def test_a_ctrl_c_during_a_blocking_iteration_ends_all() -> None:
    notes = Notes()

    def read() -> None:
        with (
            open_bridge() as bridge,
            bridge.open(open_counter, notes) as counter,
            bridge.stream(counter.stream, Silence()) as nothing,
        ):
            for _ in nothing:
                pass

    with assert_no_leaks(), interrupting(notes.busy), pytest.raises(KeyboardInterrupt):
        read()

    assert notes.quiet.is_set()


def test_a_second_ctrl_c_waits_no_longer_for_what_does_not_end() -> None:
    first, second, over = threading.Event(), threading.Event(), threading.Event()

    async def shield() -> None:
        first.set()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                second.set()
                await trio.to_thread.run_sync(over.wait, SECONDS)
            raise

    with open_bridge() as bridge:
        with interrupting(first), interrupting(second), pytest.raises(KeyboardInterrupt):
            bridge.run(shield)
        assert second.is_set()
        over.set()


def test_many_random_ctrl_cs_leave_nothing() -> None:
    dice = random.Random(5)  # noqa: S311

    def interrupt(seconds: float) -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    def use(bridge: Bridge, counter: Ref[Counter], interrupter: threading.Thread) -> None:
        interrupter.start()
        while True:
            bridge.run(counter.ask, Add(1))
            with bridge.stream(counter.stream, CountUp()) as numbers:
                for number in numbers:
                    if number % 7 == 6:
                        break

    with (
        assert_no_leaks(),
        open_bridge() as bridge,
        bridge.open(open_counter, Notes()) as counter,
    ):
        for number in range(INTERRUPTS):
            thread = threading.Thread(target=interrupt, args=(dice.random() / 100,))
            with pytest.raises(KeyboardInterrupt):
                use(bridge, counter, thread)
            thread.join()
            assert bridge.run(counter.ask, Add(1)) > number
            assert "0 waiting" in repr(bridge)


def test_a_coroutine_in_place_of_its_function_is_refused_and_leaves_no_warning() -> None:
    async def main() -> int:
        raise AssertionError

    wrong: Any
    for wrong, said in ((main(), r"main, not main\(...\)"), (5, "5 is no function")):
        with pytest.raises(TypeError, match=said):
            run_sync(wrong)
