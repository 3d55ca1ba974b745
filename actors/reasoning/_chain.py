"""Chain of thought: one call, its steps read while they stream. Pure.

A step has the evidence and the confidence that the model states beside it. What stands before
the first step is shown and is no step. Where the model keeps to no format: without an `Answer:`,
the last step is the answer; without steps, the whole text is both the one step and the answer.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

import attrs

from actors.chat import Thought, Token
from actors.react import Trimmer

from ._machine import Emit, Machine, StrategyCommand, Task, Transitions
from ._reading import read_share
from ._sections import Opened, Piece, SectionReader
from ._trace import ThoughtStep

LABELS: Final = ("Step", "Evidence", "Confidence", "Answer", "Final Answer")
ANSWERS: Final = ("Answer", "Final Answer")
HOW: Final = """\
Think step by step before you answer. Write exactly in this form, one label a line:
Step 1: one thought
Evidence: the facts that it rests on, separated by semicolons
Confidence: a number from 0 to 1
Step 2: ...
Answer: the answer alone, as short as it can be"""


@attrs.frozen
class Draft:
    """A step as the model wrote it; complete when the next one begins."""

    thought: str
    evidence: tuple[str, ...] = ()
    confidence: float | None = None


@attrs.frozen
class Thinking:
    """A piece of a thought's text."""

    text: str


@attrs.frozen
class Answering:
    """A piece of the answer's text."""

    text: str


class ChainReader:
    """Reads steps and the answer from a text that may be cut anywhere.

    The pieces of a thought add up to its text and a line feed; those of the answer to its text.
    Of several answers the first that says something counts, since it has been shown.

    Attributes:
        drafts: The steps that are complete.
    """

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self._sections = SectionReader(LABELS)
        self._trimmer = Trimmer()
        self._label = ""
        self._written: dict[str, list[str]] = {}  # of the step that goes on, by its labels
        self._answer: list[str] = []
        self._preamble = ""

    @property
    def answer(self) -> str:
        """Known when the text is at its end."""
        if self._answer or not self.drafts:
            return "".join(self._answer)
        return self.drafts[-1].thought

    @property
    def has_stated_answer(self) -> bool:
        return bool(self._answer)

    def feed(self, text: str) -> list[Thinking | Answering | Draft]:
        """The next piece of the text."""
        return [each for item in self._sections.feed(text) for each in self._take(item)]

    def finish(self) -> list[Thinking | Answering | Draft]:
        """The text is at its end."""
        read = [each for item in self._sections.finish() for each in self._take(item)]
        read += self._complete()
        if not self.drafts and self._preamble:
            self.drafts.append(Draft(self._preamble))
            read.append(self.drafts[-1])
        return read

    def _take(self, item: Opened | Piece) -> list[Thinking | Answering | Draft]:
        if isinstance(item, Piece):
            return self._write(item.text)
        read: list[Thinking | Answering | Draft] = []
        if item.label == "Step" or item.label in ANSWERS:
            read = self._complete()
            self._trimmer = Trimmer()
            self._label = item.label if item.label == "Step" or not self._answer else "more"
        elif self._label != "":
            self._label = item.label
        self._written.setdefault(self._label, [])
        return read

    def _write(self, text: str) -> list[Thinking | Answering | Draft]:
        if self._label in {"Evidence", "Confidence", "more"}:
            self._written[self._label].append(text)
            return []
        shown = self._trimmer.feed(text)
        if not shown:
            return []
        if self._label in ANSWERS:
            self._answer.append(shown)
            return [Answering(shown)]
        self._written.setdefault(self._label, []).append(shown)
        return [Thinking(shown)]

    def _complete(self) -> list[Thinking | Answering | Draft]:
        """The section of a step, or what stands before the first, is at its end."""
        written = {label: "".join(pieces).strip() for label, pieces in self._written.items()}
        self._written = {}
        self._preamble = written.get("") or self._preamble
        thought = written.get("Step", "")
        if not thought:
            return [Thinking("\n")] if written.get("") else []
        evidence = (part.strip() for part in written.get("Evidence", "").split(";"))
        draft = Draft(
            thought, tuple(filter(None, evidence)), read_share(written.get("Confidence", ""))
        )
        self.drafts.append(draft)
        return [Thinking("\n"), draft]


def read_chain(text: str) -> tuple[tuple[Draft, ...], str]:
    """The steps and the answer of a whole text, whatever its form; see the module."""
    reader = ChainReader()
    reader.feed(text)
    reader.finish()
    return tuple(reader.drafts), reader.answer


class ChainPhase(enum.StrEnum):
    NEW = "new"
    THINKING = "thinking"
    ENDED = "ended"


@attrs.frozen
class ChainOfThought:
    """Think step by step, in one call."""

    @property
    def name(self) -> str:
        return "chain of thought"

    @property
    def good_for(self) -> str:
        return "most problems that take a few steps"

    def machine(self, task: Task) -> ChainMachine:
        return ChainMachine(task, self.name)


class ChainMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (ChainPhase.NEW, "begin"): {ChainPhase.THINKING},
        (ChainPhase.THINKING, "said"): {ChainPhase.THINKING},
        (ChainPhase.THINKING, "answered"): {ChainPhase.ENDED},
    }

    def __init__(self, task: Task, name: str) -> None:
        super().__init__(task, name, ChainPhase.NEW)
        self._reader = ChainReader()

    def begun(self, now: float) -> list[StrategyCommand]:
        self.move("begin", ChainPhase.THINKING)
        return self.ask("chain", self.task.turns(HOW), now)

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        del call
        shown: list[StrategyCommand] = [Emit((Thought(thinking, now),))] if thinking else []
        return shown + self._show(self._reader.feed(text), now)

    def _show(self, read: list[Thinking | Answering | Draft], now: float) -> list[StrategyCommand]:
        return [self._shown(item, now) for item in read]

    def _shown(self, item: Thinking | Answering | Draft, now: float) -> Emit:
        match item:
            case Thinking(text):
                return Emit((Thought(text, now),))
            case Answering(text):
                return Emit((Token(text, now),))
            case Draft(thought, evidence, confidence):
                number = self.next_number
                return self.note(
                    ThoughtStep(number, thought, confidence, evidence, timestamp=now), now
                )

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        del call, text
        commands = self._show(self._reader.finish(), now)
        answer = self._reader.answer
        end = self.finish if self._reader.has_stated_answer else self.show_and_finish
        return commands + end("answered", ChainPhase.ENDED, answer, now)
