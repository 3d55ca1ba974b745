"""Fake providers in a process of their own, so that only what they see of us is shared.

Run as a program, it is the server: a line of JSON in, a line of JSON out. `Host` is its client.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import attrs
import msgspec
import trio

from actors.providers import Step, call, say, together, usage
from actors.testing import FakeAnswer, FakeProvider, Received, WireName, answer, open_fake_provider

if TYPE_CHECKING:
    from collections.abc import Generator

CALLS: tuple[Step, ...] = (
    call("look", number=1),
    call("count", number=2),
    call("fail"),
    call("helper", task="Help!"),
)
ROUND = answer(say("Let me see. ", pieces=3), together(*CALLS), usage(20, 4), slow=0.001)
ANSWER = answer(say("Two, and an error.", pieces=4), usage(5, 5), slow=0.001)
BELOW = (
    answer(say("I look. "), call("look", number=3), slow=0.001),
    answer(say("Seen.", pieces=2), usage(3, 3), slow=0.001),
)
SERVED: dict[str, tuple[FakeAnswer, ...]] = {
    "above": (ROUND, ANSWER),
    "below": BELOW,
    "next": (answer("Fine."),),
}
PATIENCE = 2.0  # seconds until the closes of all connections have been seen


@attrs.frozen
class Seen:
    """What the providers of one run have seen.

    Attributes:
        requests: How many each has got.
        refused: What a provider would refuse of them.
        open: Connections that were not closed.
        open_answers: Answers that neither were written to their ends nor saw a close.
    """

    requests: dict[str, int]
    refused: list[str]
    open: int
    open_answers: int


class Host:
    """The process of the servers: `with open_host() as host`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def open(self, wire: WireName) -> dict[str, str]:
        """Begin with new servers; what to give as `base_url`, by their names."""
        return self._do({"wire": wire})

    def seen(self, *, idle: bool = False) -> Seen:
        """What they have seen so far; waits a while for closes that are on their way.

        Args:
            idle: Do not wait for those of connections over which nothing is being answered.
        """
        return Seen(**self._do({"idle": idle}))

    def _do(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(msgspec.json.encode(order).decode(), file=self._process.stdin, flush=True)
        return msgspec.json.decode(self._process.stdout.readline())


@contextmanager
def open_host() -> Generator[Host]:
    """Run the process for the length of the block."""
    with subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Host(process)  # the end of its input ends it


class Servers:
    """In the process: the servers of one run."""

    def __init__(self, stack: AsyncExitStack, servers: dict[str, FakeProvider]) -> None:
        self._stack = stack
        self._servers = servers
        self.urls = {name: server.base_url for name, server in servers.items()}

    @classmethod
    async def start(cls, wire: WireName) -> Self:
        stack = AsyncExitStack()
        servers = {
            name: await stack.enter_async_context(open_fake_provider(*answers, wire=wire))
            for name, answers in SERVED.items()
        }
        return cls(stack, servers)

    async def close(self) -> None:
        await self._stack.aclose()

    async def seen(self, *, idle: bool) -> Seen:
        with trio.move_on_after(PATIENCE):
            while self._open_answers if idle else self._open:  # noqa: ASYNC110
                await trio.sleep(0.001)
        return Seen(
            {name: len(server.requests) for name, server in self._servers.items()},
            [each.refused for each in self._requests if each.refused is not None],
            self._open,
            self._open_answers,
        )

    @property
    def _requests(self) -> list[Received]:
        return [request for server in self._servers.values() for request in server.requests]

    @property
    def _open(self) -> int:
        return sum(server.open_connections for server in self._servers.values())

    @property
    def _open_answers(self) -> int:
        return sum(not (each.finished or each.closed.is_set()) for each in self._requests)


async def serve() -> None:
    servers: Servers | None = None
    while line := await trio.to_thread.run_sync(sys.stdin.readline):
        order = msgspec.json.decode(line)
        reply: object = None
        if "wire" in order:
            if servers is not None:
                await servers.close()
            servers = await Servers.start(order["wire"])
            reply = servers.urls
        elif servers is not None:
            reply = attrs.asdict(await servers.seen(idle=order["idle"]))
        sys.stdout.write(msgspec.json.encode(reply).decode() + "\n")
        sys.stdout.flush()
    if servers is not None:
        await servers.close()


if __name__ == "__main__":
    trio.run(serve)
