"""What a conversation looks like: on a terminal, and as plain text where there is none.

On a terminal thinking, tools and remarks are dim and stand between the pieces of the answer.
Elsewhere stdout has the answers and what a command asks for, nothing else, without a control
code; tools and remarks go to stderr. What a model says cannot steer the terminal.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from rich.console import Console

from actors.chat import (
    AssistantTurn,
    Event,
    Opaque,
    Part,
    Recalled,
    SystemTurn,
    Text,
    Thinking,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolProgress,
    ToolStart,
    ToolTurn,
    Turn,
    UserTurn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_REMARK: Final = 200  # characters of a tool's arguments or result; the rest is "…"
DIM: Final = "dim"
BOLD: Final = "bold"

# Escape, bell and their like become the signs that stand for them, C1 codes a replacement; of
# "\r\n" the "\n" is left.
VISIBLE: Final[dict[int, int | None]] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x0D: None,
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


class Screen:
    """Writes a conversation to `out`, complaints to `errors`."""

    def __init__(self, out: IO[str], errors: IO[str]) -> None:
        self.is_terminal = out.isatty()
        self._out = _console(out)
        self._errors = _console(errors)
        self._in_line = False  # whether the last thing written has not ended its line

    def prompt(self) -> None:
        self._write("> ")
        self._in_line = False  # the user's Enter ends it

    def question(self, text: str) -> None:
        """Ask something; the answer is typed behind it."""
        self._write(text, BOLD)
        self._in_line = False  # the user's Enter ends it

    def show_call(self, call: ToolCall) -> None:
        """Show a call with all of its arguments, as they are: the user is to decide about it."""
        self.end_line()
        self._write(f"The model wants to call {call.name}:\n", BOLD)
        for name, value in call.arguments.items():
            self._write(f"  {name} = {value!r}\n")

    def show(self, event: Event) -> None:
        """Show an event of a run as it comes."""
        match event:
            case Token():
                self._write(event.content)
            case Thought() if self.is_terminal:
                self._write(event.content, DIM)
            case Recalled() if event.notes or event.reasons:
                self.remark(_recalled(event))
            case ToolStart():
                self.remark(f"{event.content}({_arguments(event.call.arguments)}) ...")
            case ToolProgress() if self.is_terminal:
                self.remark(f"{event.call.name}: {_short(event.content)}")
            case ToolEnd():
                self.remark(f"{event.result.name}: {event.result.status}: {_short(event.content)}")
            case _:
                pass  # the others repeat what has been shown

    def end_line(self) -> None:
        """Begin the next thing on a line of its own."""
        if self._in_line:
            self._write("\n")

    def remark(self, text: str) -> None:
        """A line that is no part of the answer."""
        self.end_line()
        console = self._out if self.is_terminal else self._errors
        console.out(visible(text), style=DIM, highlight=False)

    def complain(self, text: str) -> None:
        """A line about something that went wrong; the conversation goes on."""
        self.end_line()
        self._errors.out(f"runtime: {visible(text)}", style="red", highlight=False)

    def print(self, text: object) -> None:
        """What a command was asked for: lines, or something that rich can draw."""
        self.end_line()
        if isinstance(text, str):
            self._write(f"{text}\n")
        else:
            self._out.print(text, soft_wrap=True)

    def _write(self, text: str, style: str | None = None) -> None:
        if not text:
            return
        self._in_line = not text.endswith("\n")
        if style is None:  # to the letter: rich would turn tabs into spaces
            self._out.file.write(visible(text))
            self._out.file.flush()
        else:
            self._out.out(visible(text), style=style, end="", highlight=False)


def history_lines(turns: Sequence[Turn]) -> list[str]:
    """The conversation as the model will get it next, a line or more for each turn."""
    return [line for turn in turns for line in _turn_lines(turn)]


def _turn_lines(turn: Turn) -> list[str]:
    match turn:
        case SystemTurn():
            return [f"instructions: {turn.text}"]
        case UserTurn():
            return [f"you: {turn.text}"]
        case ToolTurn():
            return [f"tool {r.name}: {r.status}: {_short(r.content)}" for r in turn.results]
        case AssistantTurn():
            return [_part_line(part) for part in turn.parts]


def _part_line(part: Part) -> str:
    match part:
        case Opaque():
            return f"{part.wire}: {part.data.get('type', 'something')} for the model alone"
        case Text():
            return f"model: {part.text}"
        case Thinking():
            return f"thought: {_short(part.text)}"
        case ToolCall():
            return f"call: {part.name}({_arguments(part.arguments)})"


def _recalled(event: Recalled) -> str:
    likeness = ", ".join(f"{score:.2f}" for score in event.scores.values())
    return f"{event.content}; similarity {likeness}" if likeness else event.content


def _arguments(arguments: Mapping[str, Any]) -> str:
    return _short(", ".join(f"{name}={value!r}" for name, value in arguments.items()))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REMARK else f"{line[: LONGEST_REMARK - 1]}…"


def visible(text: str) -> str:
    """Text that cannot steer a terminal."""
    return text.translate(VISIBLE)


def _console(file: IO[str]) -> Console:
    return Console(
        file=file,
        force_terminal=file.isatty(),
        markup=False,
        emoji=False,
        highlight=False,
    )
