"""Ctrl-C at any moment ends the system, and leaves nothing half done that could hang."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio
from puppet import (
    Do,
    DoBeside,
    FeedBeside,
    Order,
    Puppet,
    alarm,
    crash,
    forwards,
    nothing,
    sleeps,
)
from trio.testing import MockClock

import runtime
from runtime import (
    Backoff,
    ChildOptions,
    Exit,
    RestartStrategy,
    RuntimeFault,
    Sink,
    open_system,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import FrameType

OURS = runtime.__path__[0]
STRIDE = 23  # lines: not each one, for there are thousands


async def patient(call: Awaitable[object]) -> None:
    with suppress(RuntimeFault):
        await call


async def a_bit_of_everything() -> None:
    async def get_busy(puppet: Puppet) -> None:
        await puppet.spawn(Puppet)
        puppet.after(1, Order(nothing))
        puppet.watch(second, lambda _: Order(nothing))
        puppet.start_soon(trio.sleep_forever)

    async def feed(_: Puppet, out: Sink[int]) -> None:
        await out.send_many(range(5))

    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.ONE_FOR_ALL)
        slow = await system.supervise("slow", backoff=Backoff(1, 1))
        first, second = await group.spawn(Puppet), await group.spawn(Puppet)
        third = await slow.spawn(Puppet)
        await third.ask(Do(get_busy))
        await patient(first.ask(Do(crash)))
        await patient(third.ask(Do(crash)))
        await patient(second.ask(Do(forwards(first, Do(nothing)))))
        await patient(second.ask(DoBeside(nothing)))
        with suppress(RuntimeFault):
            async with first.stream(FeedBeside(feed)) as items:
                async for _ in items:
                    pass
        with trio.move_on_after(1):
            await second.ask(Do(sleeps(5)))
        await trio.sleep(2)
        await third.stop()
        await second.tell(Order(sleeps(1)))
        await group.stop(drain=True)


@contextmanager
def interrupted_at(line: int, reached: list[str]) -> Generator[None]:
    """Have Ctrl-C come at the start of the runtime's so manieth line in the block."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal line
        if reached or not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            line -= 1
            if line == 0:
                reached.append(f"{frame.f_code.co_qualname}, line {frame.f_lineno}")
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_an_interrupt_at_any_line_of_the_runtime_ends_the_system() -> None:
    line = 0
    reached = [""]
    while reached:
        line += STRIDE
        reached = list[str]()
        with alarm():
            try:
                with interrupted_at(line, reached):
                    trio.run(a_bit_of_everything, clock=MockClock(autojump_threshold=0))
            except KeyboardInterrupt:
                assert reached
            except BaseException as error:
                raise AssertionError(f"interrupted in {reached[0]}, at line {line}") from error
            else:
                assert not reached
    assert line > 2_000


async def interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
    pytest.fail("this line is not reached")


def interrupted_factory() -> Puppet:
    signal.raise_signal(signal.SIGINT)
    pytest.fail("this line is not reached")


async def in_the_background(puppet: Puppet) -> None:
    puppet.start_soon(interrupt)
    await trio.sleep_forever()


class Unwilling(Puppet):
    def stopping(self) -> None:
        signal.raise_signal(signal.SIGINT)
        pytest.fail("this line is not reached")


async def stop(puppet: Puppet) -> None:
    puppet.stop()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (Puppet, Do(interrupt)),
        (Puppet, DoBeside(interrupt)),
        (Puppet, FeedBeside(interrupt)),
        (Puppet, Do(in_the_background)),
        (interrupted_factory, Do(nothing)),
        (lambda: Puppet(interrupt), Do(nothing)),
        (lambda: Puppet(nothing, interrupt), Do(stop)),
        (Unwilling, Do(stop)),
    ],
)
def test_an_interrupt_in_code_of_users_is_raised_right_there(
    factory: Callable[[], Puppet], message: Any
) -> None:
    async def main() -> None:
        async with open_system() as system:
            puppet = await system.spawn(factory)
            if isinstance(message, FeedBeside):
                async with puppet.stream(message) as items:
                    await items.take_many()
            else:
                await puppet.ask(message)
            await trio.sleep_forever()

    with alarm(), pytest.raises(KeyboardInterrupt):
        trio.run(main)


def test_an_interrupt_while_the_system_stops_cuts_the_grace_short() -> None:
    clock = MockClock(autojump_threshold=0)

    async def interrupted(_: Puppet, exit: Exit) -> None:
        raise KeyboardInterrupt(exit)

    async def main() -> None:
        async with open_system() as system:
            patient = await system.spawn(Puppet, options=ChildOptions(grace=1_000))
            await patient.tell(Order(sleeps(900)))
            await system.spawn(Puppet, nothing, interrupted)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=clock)
    assert clock.current_time() < 1


def test_an_interrupt_while_actors_clean_up_waits_for_them_and_leaves_bare() -> None:
    cleaned_up = list[Exit]()

    async def clean_up(_: Puppet, exit: Exit) -> None:
        await trio.sleep(2)
        cleaned_up.append(exit)

    @trio.lowlevel.enable_ki_protection  # so that it comes where the main task waits
    async def interrupt_later() -> None:
        await trio.sleep(1)
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt_later)
            with pytest.raises(KeyboardInterrupt):
                await fail_in_a_system()

    async def fail_in_a_system() -> None:
        async with open_system() as system:
            await system.spawn(Puppet, nothing, clean_up)
            raise OSError

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert cleaned_up == [Exit.STOPPED]
