"""Chain of thought: one call, its steps read while they stream. Pure.

A step has the evidence and the confidence that the model states beside it. Where the model
keeps to no format: without an `Answer:`, the last step is the answer; without steps, the whole
text is both the one step and the answer.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from actors.chat import Thought, Token

from ._machine import Command, Emit, Machine, Task, Transitions
from ._reading import read_share
from ._sections import Opened, Piece, SectionReader, Trimmer, sections
from ._trace import ThoughtStep

if TYPE_CHECKING:
    from ._trace import ReasoningEvent

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
    """A step as the model wrote it."""

    thought: str
    evidence: tuple[str, ...] = ()
    confidence: float | None = None


def read_chain(text: str) -> tuple[tuple[Draft, ...], str]:
    """The steps and the answer of a whole text, whatever its form; see the module."""
    drafts: list[Draft] = []
    answer: str | None = None
    for label, said in sections(text, LABELS):
        if label in ANSWERS:
            answer = said
        elif label in {"Step", ""}:
            drafts.append(Draft(said))
        elif drafts:
            drafts[-1] = _with(drafts[-1], label, said)
    drafts = [draft for draft in drafts if draft.thought]
    if answer is None:
        answer = drafts[-1].thought if drafts else ""
    return tuple(drafts), answer


def _with(draft: Draft, label: str, said: str) -> Draft:
    if label == "Confidence":
        return attrs.evolve(draft, confidence=read_share(said))
    evidence = tuple(part.strip() for part in said.split(";") if part.strip())
    return attrs.evolve(draft, evidence=draft.evidence + evidence)


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
        self._reader = SectionReader(LABELS)
        self._trimmer = Trimmer()
        self._answer: list[str] | None = None
        self._seen = ""  # complete lines belong to steps that can be read again
        self._noted = 0

    def begun(self, now: float) -> list[Command]:
        self.move("begin", ChainPhase.THINKING)
        return self.ask("chain", self.task.turns(HOW), now)

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[Command]:
        del call
        events: list[ReasoningEvent] = [Thought(thinking, now)] if thinking else []
        commands: list[Command] = []
        for item in self._reader.feed(text):
            self._take(item, events, commands, now)
        return [*commands, Emit(tuple(events))] if events else commands

    def _take(
        self,
        item: Opened | Piece,
        events: list[ReasoningEvent],
        commands: list[Command],
        now: float,
    ) -> None:
        if isinstance(item, Opened):
            if item.label == "Step" or item.label in ANSWERS:
                if events:
                    commands.append(Emit(tuple(events)))
                    events.clear()
                commands += self._note_steps(now)
                self._trimmer = Trimmer()
            if item.label in ANSWERS:
                self._answer = []
            self._seen += f"\n{item.label}: "
            return
        self._seen += item.text
        if item.label in {"Evidence", "Confidence"}:
            return
        shown = self._trimmer.feed(item.text)
        if not shown:
            return
        if item.label in ANSWERS:
            assert self._answer is not None
            self._answer.append(shown)
            events.append(Token(shown, now))
        else:
            events.append(Thought(shown, now))

    def _note_steps(self, now: float) -> list[Command]:
        """Those that are complete and not in the trace yet."""
        drafts, _ = read_chain(self._seen)
        new = drafts[self._noted :]
        self._noted = len(drafts)
        return [
            self.note(
                ThoughtStep(
                    self.next_number, each.thought, each.confidence, each.evidence, timestamp=now
                )
            )
            for each in new
        ]

    def concluded(self, call: str, text: str, now: float) -> list[Command]:
        del call
        events: list[ReasoningEvent] = []
        commands: list[Command] = []
        for item in self._reader.finish():
            self._take(item, events, commands, now)
        if events:
            commands.append(Emit(tuple(events)))
        commands += self._note_steps(now)
        if self._answer is not None:
            answer = "".join(self._answer)
            return [*commands, *self.finish("answered", ChainPhase.ENDED, answer, now)]
        _, answer = read_chain(text)
        return [*commands, *self.show_and_finish("answered", ChainPhase.ENDED, answer, now)]
