"""A service that is told to end drains, and one that is asked shows what it is doing."""

# ruff: noqa: ARG001 - autojump_clock makes time virtual
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import trio
from puppet import Do, Order, Puppet, nothing, sleeps

from runtime import ActorStopped, ChildOptions, System, open_system

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

ROOT = Path(__file__).parents[2]
SECONDS = 20  # generous: the machine may be busy
SERVICE = """
import os, signal, sys, time
import trio
from puppet import Order, Puppet, sleeps
from runtime import open_system


def say(line):
    print(line, flush=True)


def says(line, seconds):
    async def work(_):
        await trio.sleep(seconds)
        say(line)

    return work


async def hog(_):
    os.write(1, b"hogging\\n")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass


async def main(how):
    async with open_system(signals=True, drain_seconds=2.0 if how == "slow" else 60.0) as system:
        worker = await system.spawn(Puppet, name="worker")
        if how == "hog":
            await worker.tell(Order(hog))
        for number in range(3):
            await worker.tell(Order(says(number, 100 if how in ("slow", "twice") else 0.1)))
        say("ready")
        try:
            await trio.sleep_forever()
        finally:
            say("told to end")
    say("left")


before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
trio.run(main, sys.argv[1])
assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
say("over")
"""


class Service:
    """A small service in a process of its own; killed when the block is left."""

    def __init__(self, how: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-W", "error", "-c", SERVICE, how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        )

    def __enter__(self) -> Self:
        self.read_until("ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def read_until(self, line: str, *, errors: bool = False) -> list[str]:
        source = self._process.stderr if errors else self._process.stdout
        assert source is not None
        lines = list[str]()
        while not lines or line not in lines[-1]:
            lines.append(source.readline())
            assert lines[-1], f"{line!r} never appeared, but {lines}"
        return lines

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, out, err


def test_a_service_that_is_told_to_end_finishes_its_work_and_exits_with_0() -> None:
    with Service("drains") as service:
        service.send(signal.SIGTERM)
        assert service.end() == (0, "told to end\n0\n1\n2\nleft\nover\n", "")


def test_a_service_that_cannot_finish_in_time_is_cut_short_and_exits_with_0() -> None:
    with Service("slow") as service:
        begun = time.monotonic()
        service.send(signal.SIGTERM)
        assert service.end() == (0, "told to end\nleft\nover\n", "")
        assert 1.5 < time.monotonic() - begun < SECONDS


def test_a_second_sigterm_does_not_wait() -> None:
    with Service("twice") as service:
        service.send(signal.SIGTERM)
        service.read_until("told to end")
        service.send(signal.SIGTERM)
        assert service.end() == (0, "left\nover\n", "")


def test_the_tree_is_printed_although_a_handler_hogs_the_loop() -> None:
    with Service("hog") as service:
        service.read_until("hogging")
        service.send(signal.SIGUSR1)
        head, root, worker = service.read_until("worker", errors=True)
    assert head.startswith("Actors of process ")
    assert "now in hog (<string>:" in head
    assert root == "/ one_for_one\n"
    assert worker.startswith("  /worker Puppet: running, handling Order for ")
    assert worker.endswith(" s, 3 queued\n")


# In this process, on virtual time


async def terminated(work: Callable[[System], Awaitable[Any]], **options: Any) -> float:
    """Run `work` in a system until SIGTERM ends it; how long after the signal that was."""
    async with open_system(signals=True, **options) as system:
        await work(system)
        await trio.testing.wait_all_tasks_blocked()
        begun = trio.current_time()
        signal.raise_signal(signal.SIGTERM)
        await trio.sleep_forever()
    return trio.current_time() - begun


def busy(seconds: float) -> Callable[[System], Awaitable[Any]]:
    async def work(system: System) -> None:
        puppet = await system.spawn(Puppet, name="p", options=ChildOptions(grace=1))
        await puppet.tell(Order(sleeps(seconds)))
        await puppet.tell(Order(sleeps(seconds)))

    return work


@pytest.mark.parametrize(
    ("work", "bound", "took"), [(10, 30, 20), (10, 15, 15), (1, 0, 0), (100, float("inf"), 200)]
)
async def test_a_drain_takes_as_long_as_the_work_but_not_longer_than_its_bound(
    work: float, bound: float, took: float, autojump_clock: MockClock
) -> None:
    assert await terminated(busy(work), drain_seconds=bound) == took


async def test_the_bound_begins_with_the_signal_also_where_the_block_takes_long_to_leave(
    autojump_clock: MockClock,
) -> None:
    async def main() -> None:
        async with open_system(signals=True, drain_seconds=10) as system:
            puppet = await system.spawn(Puppet, name="p")
            with trio.CancelScope(shield=True):
                signal.raise_signal(signal.SIGTERM)
                with pytest.raises(ActorStopped) as caught:
                    await puppet.ask(Do(sleeps(100)))
                assert caught.value.started
                assert trio.current_time() == 10

    await main()
    assert trio.current_time() == 10


async def test_a_second_sigterm_cancels_also_what_the_block_still_waits_for(
    autojump_clock: MockClock,
) -> None:
    async with open_system(signals=True) as system, trio.open_nursery() as nursery:
        puppet = await system.spawn(Puppet, name="p")

        async def signal_twice() -> None:
            with trio.CancelScope(shield=True):
                for _ in range(3):
                    signal.raise_signal(signal.SIGTERM)
                    await trio.sleep(1)

        nursery.start_soon(signal_twice)
        with trio.CancelScope(shield=True), pytest.raises(ActorStopped):
            await puppet.ask(Do(sleeps(100)))
        assert trio.current_time() == 1


async def test_a_sigterm_while_the_system_stops_bounds_that(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:

        async def signal_soon() -> None:
            await trio.sleep(1)
            signal.raise_signal(signal.SIGTERM)

        async with open_system(signals=True, drain_seconds=3) as system:
            puppet = await system.spawn(Puppet, options=ChildOptions(grace=100))
            await puppet.tell(Order(sleeps(50)))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(signal_soon)
        assert trio.current_time() == 4


async def test_an_error_of_the_cancelled_block_is_not_lost(autojump_clock: MockClock) -> None:
    async def main() -> None:
        async with open_system(signals=True) as system:
            await system.spawn(Puppet)
            try:
                signal.raise_signal(signal.SIGTERM)
                await trio.sleep_forever()
            finally:
                raise OSError("while it closes its files")

    with pytest.raises(OSError, match="closes its files"):
        await main()


async def test_without_signals_the_process_keeps_its_handlers() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    async with open_system():
        inside = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    assert inside == before


async def test_the_handlers_are_restored_whatever_leaves_the_block() -> None:
    def mine(*_: object) -> None: ...

    async def main() -> None:
        async with open_system(signals=True):
            assert signal.getsignal(signal.SIGTERM) is not mine
            raise KeyError

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with pytest.raises(KeyError):
            await main()
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_handler_that_the_block_installed_is_left_alone() -> None:
    def mine(*_: object) -> None: ...

    try:
        async with open_system(signals=True):
            signal.signal(signal.SIGUSR1, mine)
        assert signal.getsignal(signal.SIGUSR1) is mine
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


async def test_a_process_has_its_signals_once() -> None:
    async with open_system(signals=True):
        async with open_system() as inner:
            await inner.spawn(Puppet)
        with pytest.raises(RuntimeError, match="another system that is open has signals=True"):
            async with open_system(signals=True):
                pass
    async with open_system(signals=True) as later:
        await later.spawn(Puppet)


async def test_a_system_inside_the_block_ends_with_it(autojump_clock: MockClock) -> None:
    async with open_system(signals=True), open_system() as inner:
        puppet = await inner.spawn(Puppet)
        await puppet.tell(Order(sleeps(10)))
        signal.raise_signal(signal.SIGTERM)
        await trio.sleep_forever()
    assert trio.current_time() == 0  # left by a cancel, it does not wait
    assert puppet.statistics().state == "ended"


def test_signals_are_for_the_main_thread() -> None:
    errors = list[BaseException]()

    async def main() -> None:
        async with open_system(signals=True):
            pass

    def run() -> None:
        try:
            trio.run(main)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "works in the main thread only" in str(errors[0])


@pytest.mark.parametrize("wrong", [-1, float("nan")])
async def test_a_drain_of_less_than_no_time_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="drain_seconds must be 0 or more, not"):
        async with open_system(drain_seconds=wrong):
            pass


async def test_the_tree_goes_to_standard_error_in_one_piece(
    capfd: pytest.CaptureFixture[str], autojump_clock: MockClock
) -> None:
    async with open_system(signals=True) as system:
        group = await system.supervise("group")
        for number in range(2_000):
            await group.spawn(Puppet, name=f"puppet-{number}")
        signal.raise_signal(signal.SIGUSR1)
        assert capfd.readouterr().err.partition("\n")[2] == f"{system.tree()}\n"
        await group.stop()


async def test_a_closed_standard_error_harms_nobody() -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        async with open_system(signals=True) as system:
            puppet = await system.spawn(Puppet)
            signal.raise_signal(signal.SIGUSR1)
            await puppet.ask(Do(nothing))
    finally:
        os.dup2(kept, 2)
        os.close(kept)
