"""What `assert_no_leaks` finds, and what it lets pass."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import trio

from runtime import Actor, open_system
from runtime.testing import assert_no_leaks


async def test_a_block_that_leaves_nothing_passes() -> None:
    with assert_no_leaks():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint)


async def test_a_task_that_is_still_there_is_named(nursery: trio.Nursery) -> None:
    async def straggler() -> None:
        await trio.sleep_forever()

    with pytest.raises(AssertionError, match=r"left over.*the task .*straggler"):
        async with assert_no_leaks():
            nursery.start_soon(straggler)
    nursery.cancel_scope.cancel()


async def test_what_was_there_before_is_nobodys_leak(nursery: trio.Nursery) -> None:
    nursery.start_soon(trio.sleep_forever)
    with assert_no_leaks():
        await trio.lowlevel.checkpoint()
    nursery.cancel_scope.cancel()


async def test_an_actor_of_a_system_that_is_still_open_is_a_leak() -> None:
    class Idle(Actor): ...

    async with open_system() as system:
        with pytest.raises(AssertionError, match="the task /late"):
            async with assert_no_leaks():
                await system.spawn(Idle, name="late")


async def test_a_system_that_was_opened_and_left_is_none() -> None:
    class Idle(Actor): ...

    async with assert_no_leaks(), open_system() as system:
        await system.spawn(Idle)


def test_a_thread_that_still_runs_is_a_leak_also_outside_of_trio() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="slow")
    with pytest.raises(AssertionError, match="the thread slow"), assert_no_leaks():
        thread.start()
    done.set()
    thread.join()


async def test_a_worker_thread_of_trio_is_a_leak_while_it_works() -> None:
    begun, done = trio.Event(), threading.Event()

    def work() -> None:
        trio.from_thread.run_sync(begun.set)
        done.wait()

    async with trio.open_nursery() as nursery:
        leaks = assert_no_leaks().__enter__()
        nursery.start_soon(trio.to_thread.run_sync, work)
        await begun.wait()
        with pytest.raises(AssertionError, match="the thread work from"):
            leaks.__exit__(None, None, None)
        done.set()


async def test_a_worker_thread_of_trio_that_idles_is_none() -> None:
    with assert_no_leaks():
        await trio.to_thread.run_sync(int)


def test_an_open_file_is_a_leak() -> None:
    leaks = assert_no_leaks().__enter__()
    with open(os.devnull, "rb"), pytest.raises(AssertionError, match="the file descriptor"):  # noqa: PTH123
        leaks.__exit__(None, None, None)


def test_a_descriptor_that_was_closed_and_opened_on_another_file_is_a_leak() -> None:
    old, write_end = os.pipe()
    leaks = assert_no_leaks().__enter__()
    os.close(old)
    again = os.open(os.devnull, os.O_RDONLY)
    try:
        assert again == old
        with pytest.raises(AssertionError, match=f"the file descriptor {old}"):
            leaks.__exit__(None, None, None)
    finally:
        os.close(again)
        os.close(write_end)


def test_a_child_process_is_a_leak_until_it_was_waited_for() -> None:
    leaks = assert_no_leaks().__enter__()
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
        with pytest.raises(AssertionError, match=rf"the child process {child.pid} \(python"):
            leaks.__exit__(None, None, None)
    with assert_no_leaks():
        pass


def test_a_child_process_that_was_there_may_take_another_name() -> None:
    program = "input(); import os; os.execlp('cat', 'cat')"
    with subprocess.Popen(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with assert_no_leaks():
            child.stdin.write(b"go on\n" + b"x" * 9000)
            child.stdin.flush()
            child.stdout.read(1)  # by now it is `cat`
        child.stdin.close()


def test_an_error_of_the_block_passes_when_nothing_is_left() -> None:
    with pytest.raises(KeyError), assert_no_leaks():
        raise KeyError


async def test_a_leak_wins_over_the_error_of_the_block_and_keeps_it_as_its_context(
    nursery: trio.Nursery,
) -> None:
    async def fail() -> None:
        nursery.start_soon(trio.sleep_forever)
        raise KeyError

    with pytest.raises(AssertionError, match="sleep_forever") as caught, assert_no_leaks():
        await fail()
    assert isinstance(caught.value.__context__, KeyError)
    nursery.cancel_scope.cancel()


async def test_a_cancel_passes_through_it() -> None:
    with trio.move_on_after(0) as scope:
        async with assert_no_leaks():
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
