"""The server's process lives exactly as long as its actor. Real processes, a fake engine."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import fake_engine
import pytest
import trio
from processes import is_alive, seconds_until_gone, servers, until
from wheel_index import make_model

from actors.errors import ModelNotPulled, ModelServerEnded, UnknownModel
from actors.local import Address, LocalServer, ModelServer, Pid
from runtime import Actor, Ask, Crashed, Ref, Restarted, RestartStrategy, System, open_system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


Event = TypeVar("Event", Crashed, Restarted)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path / "cache"))


async def first(kind: type[Event], events: AsyncIterator[object], path: str = "") -> Event:
    """The next fact of this kind, about the actor with this path."""
    with trio.fail_after(10):
        async for event in events:
            if isinstance(event, kind) and getattr(event, "path", "").endswith(path):
                return event
    raise AssertionError("the events ended")


async def kill_and_see_it_restarted(system: System, server: Ref[ModelServer]) -> None:
    async with system.events() as events:
        os.kill(await server.ask(Pid()), signal.SIGKILL)
        await first(Restarted, events, server.path)


async def test_the_server_listens_on_this_machine_only_and_ends_with_the_system(
    tmp_path: Path,
) -> None:
    async with open_system() as system:
        server = await system.spawn(ModelServer, fake_engine.install(tmp_path / "index"))
        address = await server.ask(Address())
        assert servers() == [await server.ask(Pid())]

    assert address.startswith("http://127.0.0.1:")
    assert address.endswith("/v1")
    assert servers() == []


async def test_an_error_in_the_program_ends_the_server(tmp_path: Path) -> None:
    async def program() -> None:
        async with open_system() as system:
            await system.spawn(ModelServer, fake_engine.install(tmp_path / "index"))
            assert len(servers()) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await program()

    assert servers() == []


async def test_stopping_the_actor_ends_the_server(tmp_path: Path) -> None:
    async with open_system() as system:
        server = await system.spawn(ModelServer, fake_engine.install(tmp_path / "index"))

        await server.stop()

        assert servers() == []


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    model = fake_engine.install(tmp_path / "index", fake_engine.SLOW)
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.spawn, ModelServer, model)
        await until(servers)

        nursery.cancel_scope.cancel()

    assert servers() == []


async def test_a_killed_server_is_replaced_at_a_new_address(tmp_path: Path) -> None:
    async with open_system() as system:
        server = await system.spawn(ModelServer, fake_engine.install(tmp_path / "index"))
        before = await server.ask(Pid())

        await kill_and_see_it_restarted(system, server)

        after = await server.ask(Pid())
        assert after != before
        assert servers() == [after]


class Reader:
    """Whoever depends on the server."""


class WhereIsIt(Ask[Reader, str]):
    """Asks for the address that the reader knows."""


class Client(Actor, Reader):
    def __init__(self, server: Ref[LocalServer]) -> None:
        self.server = server
        self.known = ""

    async def started(self) -> None:
        self.known = await self.server.ask(Address())

    @WhereIsIt.handles
    async def where(self, _: WhereIsIt) -> str:
        return self.known


async def test_what_depends_on_the_server_is_restarted_after_it(tmp_path: Path) -> None:
    async with open_system() as system:
        group = await system.supervise("group", strategy=RestartStrategy.REST_FOR_ONE)
        model = fake_engine.install(tmp_path / "index")
        server = await group.spawn(ModelServer, model, name="server")
        client = await group.spawn(Client, server, name="client")
        async with system.events() as events:
            os.kill(await server.ask(Pid()), signal.SIGKILL)
            await first(Restarted, events, client.path)

        assert await client.ask(WhereIsIt()) == await server.ask(Address())


async def test_a_server_that_cannot_start_says_its_exit_and_its_last_words(tmp_path: Path) -> None:
    model = fake_engine.install(tmp_path / "index", fake_engine.BROKEN)
    async with open_system() as system:
        with pytest.raises(ModelServerEnded, match=r"(?s)status 1;.*these are no weights"):
            await system.spawn(ModelServer, model)

    assert servers() == []


async def test_a_server_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    model = fake_engine.install(tmp_path / "index", fake_engine.SLOW)
    async with open_system() as system:
        with pytest.raises(ModelServerEnded, match=r"not ready within 0\.2 s"):
            await system.spawn(ModelServer, model, 0.2)

        assert servers() == []


async def test_a_server_that_ignores_its_end_is_killed_within_bounds(tmp_path: Path) -> None:
    model = fake_engine.install(tmp_path / "index", fake_engine.STUBBORN)
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.spawn, ModelServer, model)
        await until(lambda: fake_engine.is_loading(tmp_path))
        started = trio.current_time()

        nursery.cancel_scope.cancel()

    assert servers() == []
    assert 1.5 < trio.current_time() - started < 4


async def test_what_a_server_says_is_read_so_that_it_never_waits_and_only_its_end_is_kept(
    tmp_path: Path,
) -> None:
    model = fake_engine.install(tmp_path / "index", fake_engine.CHATTY)
    async with open_system() as system:
        with trio.fail_after(10):
            server = await system.spawn(ModelServer, model)
        async with system.events() as events:
            os.kill(await server.ask(Pid()), signal.SIGKILL)
            crash = await first(Crashed, events)

    said = str(crash.error)
    assert isinstance(crash.error, ModelServerEnded)
    assert "ended by SIGKILL" in said
    assert said.endswith("bye")
    assert len(said) < 5_000


async def test_restarts_leak_no_file_descriptor(tmp_path: Path) -> None:
    async with open_system() as system:
        group = await system.supervise("group")
        server = await group.spawn(ModelServer, fake_engine.install(tmp_path / "index"))
        await kill_and_see_it_restarted(system, server)
        before = os.listdir("/dev/fd")  # noqa: PTH208 - names are all we want

        await kill_and_see_it_restarted(system, server)
        await kill_and_see_it_restarted(system, server)

        assert len(os.listdir("/dev/fd")) == len(before)  # noqa: PTH208


async def test_a_model_that_is_not_pulled_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with open_system() as system:
        with pytest.raises(ModelNotPulled, match="runtime pull tiny"):
            await system.spawn(ModelServer, make_model(tmp_path / "index"))


def test_a_server_of_an_unknown_model_or_without_time_is_refused() -> None:
    with pytest.raises(UnknownModel, match="local:smollm2"):
        ModelServer("gpt-9")
    with pytest.raises(ValueError, match="start_seconds"):
        ModelServer("smollm2", 0)


PROGRAM = """
import sys, os, trio
sys.path[:0] = sys.argv[1:3]
import fake_engine
from pathlib import Path
from actors.local import ModelServer
from runtime import open_system

async def main():
    async with open_system() as system:
        behaviour = fake_engine.SLOW if sys.argv[4] == "slow" else fake_engine.HEALTHY
        model = fake_engine.install(Path(sys.argv[3]), behaviour)
        server = await system.spawn(ModelServer, model)
        if sys.argv[4] == "forks" and os.fork() == 0:
            import time; time.sleep(600)
        print("ready", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def start_program(tmp_path: Path, kind: str) -> tuple[trio.Process, int]:
    """A program with a server that has started, or never will; and the id of that process."""
    here = os.path.dirname(__file__)  # noqa: PTH120 - for an argument
    root = os.path.dirname(os.path.dirname(here))  # noqa: PTH120
    program = await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM, root, here, str(tmp_path / "index"), kind],
        stdout=-1,
        stderr=-3,
        start_new_session=True,
    )
    assert program.stdout is not None
    if kind == "slow":
        await until(lambda: fake_engine.is_loading(tmp_path))
    else:
        await program.stdout.receive_some()
    (server,) = servers(program.pid)
    return program, server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_server_outlives_a_program_that_is_ended_by(
    number: signal.Signals, tmp_path: Path
) -> None:
    program, server = await start_program(tmp_path, "plain")
    assert is_alive(server)

    program.send_signal(number)
    await program.wait()

    assert await seconds_until_gone(server) < 2
    assert program.stdout is not None
    await program.stdout.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends once it has loaded")
async def test_a_server_that_still_loads_does_not_outlive_a_killed_program(tmp_path: Path) -> None:
    program, server = await start_program(tmp_path, "slow")

    program.kill()
    await program.wait()

    assert await seconds_until_gone(server) < 2
    assert program.stdout is not None
    await program.stdout.aclose()


async def test_no_server_outlives_a_killed_program_whose_fork_holds_its_pipes(
    tmp_path: Path,
) -> None:
    program, server = await start_program(tmp_path, "forks")

    program.kill()
    await program.wait()

    try:
        assert await seconds_until_gone(server) < 3
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # the fork
    assert program.stdout is not None
    await program.stdout.aclose()
