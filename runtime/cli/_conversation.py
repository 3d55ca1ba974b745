"""A conversation: messages and commands in, answers out, one at a time.

Ctrl-C stops the answer and keeps what was said; Ctrl-C at the prompt (so: twice in a row),
Ctrl-D and /quit end the conversation with exit code 0. Where stdin is no terminal, each of its
lines is one message, the first Ctrl-C ends everything (130), no tool runs that the user would be
asked about, and the exit code is 2 if an answer failed. SIGTERM and SIGHUP end it with 143 and
129, everything below stopped.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final, Protocol

import trio

from actors.errors import NeedsApproval
from runtime import RuntimeFault

from ._approval import decide, denied
from ._complaints import line_for_fault
from ._interrupts import Interrupts
from ._lines import Lines, open_lines
from ._render import draw_tree
from ._screen import Screen, history_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from actors.chat import Event, Turn
    from runtime import System

    Answering = AbstractAsyncContextManager[AsyncIterable[Event]]

ANSWER_FAILED: Final = 2
HELP: Final = """\
/tree     the actors that are running
/history  what was said, as the model will get it next
/help     this
/quit     end the conversation; so does Ctrl-D, or Ctrl-C at the prompt
Ctrl-C    stop the answer; what was said so far stays in the history"""


class Talker(Protocol):
    """As much of an agent as a conversation needs."""

    @property
    def system(self) -> System: ...
    def stream(self, text: str, /) -> Answering: ...
    def resume(
        self, run: str, /, *, approve: Iterable[str], deny: Mapping[str, str]
    ) -> Answering: ...
    async def history(self) -> Sequence[Turn]: ...


async def converse(opened: AbstractAsyncContextManager[Talker], greeting: str) -> int:
    """Hold a conversation over this process's stdin and stdout; returns the exit code.

    Raises:
        RuntimeFault: What `opened` raises when it is entered, for instance a missing key.
    """
    screen = Screen(sys.stdout, sys.stderr)
    by_hand = sys.stdin.isatty()
    interrupts = Interrupts(spare_conversation=by_hand)
    conversation = Conversation(screen, interrupts, by_hand=by_hand)
    try:
        async with interrupts.conversation(), opened as agent:
            with open_lines(sys.stdin.fileno()) as lines:
                if by_hand:
                    screen.remark(greeting)
                await conversation.hold(agent, lines)
    finally:
        screen.end_line()
    if conversation.failed and not by_hand:
        return interrupts.exit_code or ANSWER_FAILED
    return interrupts.exit_code


class Conversation:
    """Takes line after line; `failed` says whether anything ended with an error."""

    def __init__(self, screen: Screen, interrupts: Interrupts, *, by_hand: bool) -> None:
        self.failed = False
        self._by_hand = by_hand
        self._screen = screen
        self._interrupts = interrupts
        self._commands: dict[str, Callable[[Talker], Awaitable[None]]] = {
            "/tree": self._tree,
            "/history": self._history,
            "/help": self._help,
        }

    async def hold(self, agent: Talker, lines: Lines) -> None:
        """Go on until the lines end or the user has had enough."""
        while True:
            if self._by_hand:
                self._screen.prompt()
            line = await lines.next()
            if lines.hung_up:  # the signal that says so may still be on its way, or went elsewhere
                self._interrupts.hear(signal.SIGHUP)
                return
            if line is None and self._by_hand:
                self._screen.print("")  # Ctrl-D does not move the cursor
            if line is None or line.strip() == "/quit":
                return
            try:
                await self._take(agent, lines, line.strip())
            except RuntimeFault as fault:  # the user hears of it, and may say something else
                self.failed = True
                self._screen.complain(line_for_fault(fault))

    async def _take(self, agent: Talker, lines: Lines, text: str) -> None:
        if text in self._commands:
            await self._commands[text](agent)
        elif text.startswith("/"):
            self._screen.complain(
                f"there is no command {text.split(maxsplit=1)[0]}; /help lists them"
            )
        elif text:
            await self._answer(agent, lines, text)

    async def _answer(self, agent: Talker, lines: Lines, text: str) -> None:
        with self._interrupts.answer() as scope:
            run: Answering | None = agent.stream(text)
            while run is not None:
                run = await self._show(run, agent, lines)
        if scope.cancelled_caught:
            self._screen.remark("stopped")
        self._screen.end_line()

    async def _show(self, run: Answering, agent: Talker, lines: Lines) -> Answering | None:
        """Show what comes; how it goes on, where that was for the user to say."""
        try:
            async with run as events:
                async for event in events:
                    self._screen.show(event)
        except NeedsApproval as needed:
            if self._by_hand and self._screen.is_terminal:
                decision = await decide(needed.pending, self._screen, lines)
            else:
                decision = denied(needed.pending, self._screen)
            if decision is not None:
                return agent.resume(needed.run, approve=decision.approve, deny=decision.deny)
        return None

    async def _tree(self, agent: Talker) -> None:
        self._screen.print(draw_tree(agent.system.tree(), trio.current_time()))

    async def _history(self, agent: Talker) -> None:
        for line in history_lines(await agent.history()):
            self._screen.print(line)

    async def _help(self, agent: Talker) -> None:  # noqa: ARG002 - as the other commands
        self._screen.print(HELP)
