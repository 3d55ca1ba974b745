"""An agent that answers by heart, and a program that holds a conversation with it.

Messages: "think", "tool", "escape", "fault", "crash"; "approve" asks the user before it goes on;
"wait" answers half and then never ends; anything else is said back. With the argument "never" the
agent never opens.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import trio

from actors.chat import (
    AssistantTurn,
    Event,
    Text,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolResult,
    ToolStart,
    Turn,
    UserTurn,
)
from actors.errors import NeedsApproval, StreamTruncated
from runtime import Actor, System, open_system
from runtime.cli._conversation import converse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

CALL = ToolCall("1", "multiply", {"a": 12, "b": 31})
EVENTS: dict[str, list[Event]] = {
    "think": [Thought("hmm, a greeting"), Token("hello")],
    "tool": [
        Token("let me see"),
        ToolStart("multiply", CALL),
        ToolEnd("372", ToolResult("1", "multiply", "372")),
        Token("372"),
    ],
    "escape": [Token("\x1b[2Jwiped\x07")],
    "wait": [Token("half")],
    "fault": [Token("half")],
    "approve": [],
}


class FakeRun:
    """The events of one answer, and what the history keeps of them."""

    def __init__(self, text: str, turns: list[Turn]) -> None:
        self.text = text
        self.turns = turns

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in EVENTS.get(self.text, [Token(f"you said {self.text}")]):
            await trio.lowlevel.checkpoint()
            if isinstance(event, Token):
                self.turns.append(AssistantTurn((Text(event.content),)))
            yield event
        if self.text == "wait":
            await trio.sleep_forever()
        if self.text == "fault":
            raise StreamTruncated("the connection ended\nbefore the answer did")
        if self.text == "approve":
            raise NeedsApproval("run", (CALL,))
        if self.text == "crash":
            raise ZeroDivisionError("a bug of ours")


class Memory(Actor):
    """Something to see in the tree."""


class FakeTalker:
    def __init__(self, system: System) -> None:
        self.turns: list[Turn] = []
        self.system = system

    @contextlib.asynccontextmanager
    async def stream(self, text: str, /) -> AsyncGenerator[FakeRun]:
        self.turns.append(UserTurn(text))
        yield FakeRun(text, self.turns)

    def resume(
        self, run: str, /, *, approve: Iterable[str], deny: Mapping[str, str]
    ) -> AbstractAsyncContextManager[FakeRun]:
        return self.stream(f"{run}: {[*approve]} may, {dict(deny)} may not")

    async def history(self) -> list[Turn]:
        return self.turns


@contextlib.asynccontextmanager
async def open_talker(*, never: bool = False) -> AsyncGenerator[FakeTalker]:
    if never:
        sys.stdout.write("[talker opens]\n")
        sys.stdout.flush()
        await trio.sleep_forever()
    async with open_system() as system:
        await system.spawn(Memory, name="memory")
        try:
            yield FakeTalker(system)
        finally:
            sys.stdout.write("[talker closed]\n")


if __name__ == "__main__":
    raise SystemExit(trio.run(converse, open_talker(never="never" in sys.argv), "fake"))
