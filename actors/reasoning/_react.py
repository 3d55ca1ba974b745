"""ReAct: thoughts, actions and observations as text, for models without tool calls. Pure.

An action is carried out when the model has ended, or goes on behind it, for instance with an
observation of its own: then its call is cut, and what it made up is not read. An answer without
any label is the final answer. A thought without an action is answered by a reminder, once; the
second in a row is the answer.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

import attrs
import msgspec

from actors.chat import Thought, Token, ToolEnd, ToolResult, ToolStart, Turn, assistant, user
from actors.errors import ConfigurationError
from actors.react import Trimmer, read_action

from ._machine import Emit, Exhausted, Machine, RunTool, StrategyCommand, Task, Transitions
from ._sections import Opened, Piece, SectionReader
from ._trace import ThoughtStep

LABELS: Final = ("Thought", "Action", "Action Input", "Observation", "Final Answer")
HOW: Final = """\
Answer the problem, with the help of these tools:
{tools}

Write exactly in this form:
Thought: what to do next
Action: the name of one tool
Action Input: its arguments as one JSON object
Then stop. You will be told its result as an Observation, and go on. When you know the answer:
Thought: why you know
Final Answer: the answer"""
REMINDER: Final = (
    "Observation: there was no action. Write `Action:` with a tool's name and `Action Input:` "
    "with its arguments, or `Final Answer:` with the answer."
)


class ReActPhase(enum.StrEnum):
    NEW = "new"
    MODEL = "model"
    TOOL = "tool"
    SPENT = "spent"
    ENDED = "ended"


@attrs.frozen
class ReAct:
    """Think, act, observe, until there is an answer.

    Attributes:
        max_steps: Calls of the model at most; `LimitReached` beyond.

    Raises:
        ValueError: If `max_steps` is below 1.
    """

    max_steps: int = 8

    def __attrs_post_init__(self) -> None:
        if self.max_steps < 1:
            raise ValueError(f"max_steps must be 1 or more, not {self.max_steps}")

    @property
    def name(self) -> str:
        return "react"

    @property
    def good_for(self) -> str:
        return "problems that need facts or figures that the tools can give"

    def machine(self, task: Task) -> ReActMachine:
        if not task.tools:
            raise ConfigurationError(
                "ReAct needs tools: write open_reasoner(..., tools=[...]), or another strategy"
            )
        return ReActMachine(task, self)


class ReActMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (ReActPhase.NEW, "begin"): {ReActPhase.MODEL},
        (ReActPhase.MODEL, "said"): {ReActPhase.MODEL, ReActPhase.TOOL, ReActPhase.ENDED},
        (ReActPhase.MODEL, "answered"): {
            ReActPhase.MODEL,
            ReActPhase.TOOL,
            ReActPhase.SPENT,
            ReActPhase.ENDED,
        },
        (ReActPhase.TOOL, "tool_ended"): {ReActPhase.MODEL, ReActPhase.SPENT},
    }

    def __init__(self, task: Task, strategy: ReAct) -> None:
        super().__init__(task, strategy.name, ReActPhase.NEW)
        self._strategy = strategy
        lines = (
            f"- {spec.name}: {spec.description}\n"
            f"  arguments: {msgspec.json.encode(spec.parameters).decode()}"
            for spec in task.tools
        )
        self._turns: list[Turn] = list(task.turns(HOW.format(tools="\n".join(lines))))
        self._steps = 0
        self._was_reminded = False
        self._clear()

    def _clear(self) -> None:
        self._reader = SectionReader(LABELS)
        self._trimmer = Trimmer()
        self._sections: dict[str, list[str]] = {}
        self._is_noted = False

    def begun(self, now: float) -> list[StrategyCommand]:
        return self._think("begin", now)

    def _think(self, input: str, now: float) -> list[StrategyCommand]:
        limit = self._strategy.max_steps
        if self._steps == limit:
            self.move(input, ReActPhase.SPENT)
            text = (
                f"there is no final answer after {limit} steps: raise ReAct(max_steps=...) or "
                "make the problem smaller"
            )
            return [Exhausted("max_steps", text)]
        self._steps += 1
        self._clear()
        self.move(input, ReActPhase.MODEL)
        return self.ask("react", tuple(self._turns), now)

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        shown: list[StrategyCommand] = [Emit((Thought(thinking, now),))] if thinking else []
        for item in self._reader.feed(text):
            if self._is_over(item):
                return [*self.cut((call,), now), *shown, *self._conclude("said", now)]
            shown += self._take(item, now)
        return shown

    def _is_over(self, item: Opened | Piece) -> bool:
        """Whether the model goes on behind its action or its answer, where it was to stop."""
        if not isinstance(item, Opened):
            return False
        if self._section("Action"):
            return item.label != "Action Input" or "Action Input" in self._sections
        return bool(self._section("Final Answer"))

    def _take(self, item: Opened | Piece, now: float) -> list[StrategyCommand]:
        if isinstance(item, Opened):
            noted = [] if item.label == "Thought" else self._note_thought(now)
            self._sections.setdefault(item.label, [])
            self._trimmer = Trimmer()
            return noted
        self._sections.setdefault(item.label, []).append(item.text)
        shown = ""
        if item.label in {"Thought", "Final Answer"}:
            shown = self._trimmer.feed(item.text)
        if not shown:
            return []
        kind = Token if item.label == "Final Answer" else Thought
        return [Emit((kind(shown, now),))]

    def _section(self, label: str) -> str:
        return "".join(self._sections.get(label, ())).strip()

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        del call
        shown = [command for item in self._reader.finish() for command in self._take(item, now)]
        if self._section("Action") or self._section("Final Answer"):
            return [*shown, *self._conclude("answered", now)]
        if self._was_reminded or not set(self._sections) - {""}:
            answer = self._section("Thought") or self._section("")
            last = self.show_and_finish("answered", ReActPhase.ENDED, answer, now)
            return [*shown, *self._note_thought(now), *last]
        self._was_reminded = True
        self._turns += [assistant(text.strip()), user(REMINDER)]
        return [*shown, *self._note_thought(now), *self._think("answered", now)]

    def _conclude(self, input: str, now: float) -> list[StrategyCommand]:
        """There is an action, or else an answer."""
        if self._section("Action"):
            return self._act(input, now)
        answer = self._section("Final Answer")
        return [*self._note_thought(now), *self.finish(input, ReActPhase.ENDED, answer, now)]

    def _note_thought(self, now: float) -> list[StrategyCommand]:
        """Once in a turn, as soon as something else comes."""
        thought = self._section("Thought")
        if not thought or self._is_noted:
            return []
        self._is_noted = True
        step = ThoughtStep(self.next_number, thought, timestamp=now)
        return [self.note(step, now), Emit((Thought("\n", now),))]

    def _act(self, input: str, now: float) -> list[StrategyCommand]:
        self._was_reminded = False
        given = self._section("Action Input") if "Action Input" in self._sections else None
        tools = self.task.tools
        call = read_action(self._section("Action"), given, tools, f"action-{self._steps}")
        noted = self._note_thought(now)
        self.move(input, ReActPhase.TOOL)
        said = [("Thought", self._section("Thought")), ("Action", self._section("Action"))]
        said += [] if given is None else [("Action Input", given)]
        lines = "\n".join(f"{label}: {text}" for label, text in said if text)
        self._turns.append(assistant(lines))
        started = Emit((ToolStart(call.name, call, now),))
        return [*noted, started, RunTool(call)]

    def observed(self, result: ToolResult, now: float) -> list[StrategyCommand]:
        ended = Emit((ToolEnd(result.content, result, now),))
        self._turns.append(user(f"Observation: {result.content}"))
        return [ended, *self._think("tool_ended", now)]
