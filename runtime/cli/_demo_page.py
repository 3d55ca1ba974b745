"""Where the demo writes: chapters, what is asked, what a model says, and remarks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import attrs
from rich.console import Console

from actors.chat import FinishReason, Recalled, Token, ToolEnd, ToolStart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.agents import AgentRun
    from actors.chat import Event

MARGIN: Final = "   "


class Page:
    """A console, and how the story looks on it."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
        self._in_line = False

    def chapter(self, number: int, title: str) -> None:
        self.console.print(f"\n[bold]{number}. {title}[/bold]")

    def remark(self, text: str) -> None:
        self.console.print(f"{MARGIN}{text}", style="dim", markup=False, highlight=False)

    def ask(self, text: str) -> str:
        self.console.print(f"{MARGIN}> {text}", style="cyan", markup=False, highlight=False)
        return text

    def write(self, text: str) -> None:
        """Go on with the line that is being written, or begin one."""
        indented = ("" if self._in_line else MARGIN) + text.replace("\n", f"\n{MARGIN}")
        self._in_line = True
        self.console.print(indented, end="", markup=False, highlight=False, soft_wrap=True)

    async def print_run(
        self,
        run: AgentRun,
        limit: int | None = None,
        recalled: Callable[[Recalled], Awaitable[None]] | None = None,
    ) -> Shown:
        """Print what comes, as it comes; what is `recalled` is shown before it.

        Args:
            run: It is left alone after `limit` tokens.
            limit: None for all of it.
            recalled: Shows what is sent beside what was said.
        """
        delays: list[float] = []
        async for event in run:
            if isinstance(event, Recalled):
                if recalled is not None:
                    await recalled(event)
            elif isinstance(event, Token):
                delays.append(time.time() - event.timestamp)
                self.write(event.content)
                if len(delays) == limit:
                    break
            else:
                self._show_tool(event)
        cut = limit is not None or run.response.finish_reason is FinishReason.LENGTH
        self.console.print(" …" if cut else "")
        self._in_line = False
        return Shown(delays, run.response.time_to_first_chunk)

    def _show_tool(self, event: Event) -> None:
        if isinstance(event, ToolStart):
            arguments = ", ".join(f"{k}={v!r}" for k, v in event.call.arguments.items())
            self.write(f"[calls {event.content}({arguments})")
        elif isinstance(event, ToolEnd):
            self.write(f" = {event.content}] ")


@attrs.frozen
class Shown:
    """What was measured while a run was shown, in seconds.

    Attributes:
        delays: For each chunk, from its bytes read to its event in hand.
        first: From the request to the first chunk; None if there was none.
    """

    delays: list[float]
    first: float | None


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"  # noqa: PLR2004
