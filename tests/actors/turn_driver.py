"""A turn machine, driven as its agent does it, and what may come from a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from strict_history import refusals

from actors.agents._commands import (
    AskApproval,
    CallModel,
    Command,
    Emit,
    Exhausted,
    Hold,
    Record,
    RunTools,
)
from actors.agents._control import Resume, resumption_of
from actors.agents._phases import Phase
from actors.agents._turn import TurnMachine
from actors.chat import (
    AssistantTurn,
    Event,
    FinishReason,
    Outcome,
    StreamChunk,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    ToolSealed,
    UserSaid,
    closing,
    project,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = 7.0
END = StreamChunk(finish_reason=FinishReason.STOP, is_final=True)


def calls(*ids: str) -> tuple[StreamChunk, ...]:
    """One chunk a call, and the end."""
    deltas = (ToolCallDelta(index, id, "tool", "{}") for index, id in enumerate(ids))
    return (*(StreamChunk(tool_calls=(delta,)) for delta in deltas), END)


def result_of(call: ToolCall, text: str = "4") -> ToolResult:
    return ToolResult(call.id, call.name, text)


class Driver:
    """Takes commands as the agent does, but for the waiting.

    Calls whose ids begin with `ask` need approval.
    """

    def __init__(self, max_calls: int = 3) -> None:
        self.max_calls = max_calls
        self.machine = self._made()
        self.entries: list[Entry] = []
        self.events: list[Event] = []
        self.asked = 0
        self.running: list[ToolCall] = []
        self.exhausted = False
        self.waiting: tuple[ToolCall, ...] = ()

    def _made(self) -> TurnMachine:
        return TurnMachine(
            "run", self.max_calls, needs_approval=lambda call: call.id.startswith("ask")
        )

    def obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Record(entries):
                    self.entries += entries
                    self.assert_sendable()
                case Emit(events):
                    self.events += events
                case CallModel():
                    self.asked += 1
                    self.assert_spoken_to()
                case RunTools(asked):
                    self.running += asked
                case _:
                    self._wait_or_end(command)

    def _wait_or_end(self, command: Command) -> None:
        match command:
            case Exhausted():
                self.exhausted = True
            case AskApproval(waiting):
                self.waiting = waiting
            case Hold():
                assert self.machine.phase is Phase.HELD
            case _:
                raise AssertionError("no run here asks for an instance of a class")

    def assert_spoken_to(self) -> None:
        """A model that is called answers somebody, or goes on with what its provider paused."""
        said = self.said()
        paused = bool(said) and said[-1].finish_reason is FinishReason.PAUSE
        assert paused or not isinstance(project(self.entries)[-1], AssistantTurn)

    def assert_sendable(self) -> None:
        """Whatever comes next: the run goes on, or a crash comes between."""
        left_open = closing(self.entries, reason="crash", timestamp=NOW)
        for following in ((), left_open, (*left_open, UserSaid("next", "Go on."))):
            assert refusals(project([*self.entries, *following])) == []

    def begin(self) -> Driver:
        self.obey(self.machine.begin("How much is 2 + 2?", NOW))
        return self

    def resume(self, *approve: str, deny: Mapping[str, str] | None = None) -> Driver:
        """The run goes on in a machine of its own, by what the journal has."""
        message = Resume("run", approve, deny or {})
        resumption = resumption_of(self.entries, message)
        self.machine, self.running, self.waiting = self._made(), [], ()
        self.obey(self.machine.resume(resumption, NOW))
        return self

    def release(self) -> Driver:
        self.machine.unpause()
        self.obey(self.machine.released(NOW))
        return self

    def users(self) -> list[str]:
        """All that the user said."""
        return [entry.text for entry in self.entries if isinstance(entry, UserSaid)]

    def hear(self, *chunks: StreamChunk) -> Driver:
        self.events += self.machine.chunks(chunks)
        return self

    def model_ends(self, *chunks: StreamChunk) -> Driver:
        self.hear(*chunks)
        self.obey(self.machine.model_ended(NOW))
        return self

    def tool_ends(self, text: str = "4") -> Driver:
        self.obey(self.machine.tool_ended(result_of(self.running.pop(0), text), NOW))
        return self

    def stop(self, outcome: Outcome = Outcome.CANCELLED, *, taken: int | None = None) -> Driver:
        known = len(self.events) if taken is None else taken
        self.obey(self.machine.stopped(outcome, "why", taken=known, now=NOW))
        return self

    def said(self) -> list[AssistantSaid]:
        return [entry for entry in self.entries if isinstance(entry, AssistantSaid)]

    def sealed(self) -> list[ToolSealed]:
        return [entry for entry in self.entries if isinstance(entry, ToolSealed)]

    def ended(self) -> list[RunEnded]:
        return [entry for entry in self.entries if isinstance(entry, RunEnded)]


TEXTS = st.sampled_from(["", "a", " ", "word ", "\n"])
DELTAS = st.builds(
    ToolCallDelta,
    st.integers(0, 2),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(["", "tool", "no tool!"]),
    st.sampled_from(["", "{}", '{"a"', "[]"]),
)
CHUNKS = st.builds(
    StreamChunk,
    TEXTS,
    thinking=TEXTS,
    tool_calls=st.lists(DELTAS, max_size=2).map(tuple),
    usage=st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    finish_reason=st.none() | st.sampled_from(FinishReason),
)
