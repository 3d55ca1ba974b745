"""One run of an agent as a state machine: inputs in, commands out.

Pure: no tasks, no clock, no model. The agent carries out the commands in their order and
reports back what happened. `TRANSITIONS` is the whole truth about which input is good when.

    begin ─▶ MODEL ─ model_ended ─▶ TOOLS ─ last tool_ended ─▶ MODEL …
               └──── model_ended without calls ─▶ ENDED ◀── stopped, at any point
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from actors.chat import (
    Answer,
    AssistantTurn,
    Complete,
    Event,
    Outcome,
    StreamChunk,
    StreamResponse,
    Text,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolResult,
    ToolStart,
    ToolStatus,
    Usage,
)
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunStarted,
    ToolCalled,
    ToolSealed,
    UserSaid,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Phase(enum.Enum):
    NEW = "new"
    MODEL = "model"  # a model call is streaming
    TOOLS = "tools"  # a round of tools is running
    ENDED = "ended"


TRANSITIONS: Final[dict[tuple[Phase, str], set[Phase]]] = {
    (Phase.NEW, "begin"): {Phase.MODEL},
    (Phase.MODEL, "chunks"): {Phase.MODEL},
    (Phase.MODEL, "model_ended"): {Phase.TOOLS, Phase.ENDED},
    (Phase.TOOLS, "tool_ended"): {Phase.TOOLS, Phase.MODEL, Phase.ENDED},
    (Phase.NEW, "stopped"): {Phase.ENDED},
    (Phase.MODEL, "stopped"): {Phase.ENDED},
    (Phase.TOOLS, "stopped"): {Phase.ENDED},
    (Phase.ENDED, "stopped"): {Phase.ENDED},
}


@attrs.frozen
class Record:
    """Write the entries to the journal before anything that follows."""

    entries: tuple[Entry, ...]


@attrs.frozen
class Emit:
    """Send the events to the reader."""

    events: tuple[Event, ...]


@attrs.frozen
class CallModel:
    """Send the history, as it is now, to the model."""


@attrs.frozen
class RunTools:
    """Run the calls side by side."""

    calls: tuple[ToolCall, ...]


@attrs.frozen
class Exhausted:
    """The run has used up a limit: end it with `LimitReached`."""

    limit: str


Command = Record | Emit | CallModel | RunTools | Exhausted


class TurnMachine:
    """One run.

    Args:
        run: Its id, written into every entry.
        max_calls: How many model calls it may make.
    """

    def __init__(self, run: str, max_calls: int) -> None:
        self.phase = Phase.NEW
        self.usage = Usage()
        self.outcome: Outcome | None = None
        self.calls = 0
        self._run = run
        self._max_calls = max_calls
        self._response = StreamResponse()
        self._open: dict[str, ToolCall] = {}  # recorded and not sealed, in order
        self._ids: set[str] = set()  # of all calls so far

    @property
    def open_calls(self) -> tuple[str, ...]:
        """Ids of the calls that were recorded and not sealed yet."""
        return tuple(self._open)

    @property
    def partial(self) -> StreamResponse:
        """What the present model call has brought so far."""
        return self._response

    def begin(self, text: str, now: float) -> list[Command]:
        """The user has spoken."""
        self._move("begin", Phase.MODEL)
        started = RunStarted(run=self._run, timestamp=now)
        return [
            Record((started, UserSaid(run=self._run, timestamp=now, text=text))),
            self._call_model(now),
        ]

    def chunks(self, chunks: Sequence[StreamChunk]) -> list[Event]:
        """The model has said something: what the reader gets to see of it."""
        events: list[Event] = []
        for chunk in chunks:
            self._response.add(chunk)
            if chunk.thinking:
                events.append(Thought(chunk.thinking, chunk.timestamp))
            if chunk.content:
                events.append(Token(chunk.content, chunk.timestamp))
        return events

    def model_ended(self, now: float) -> list[Command]:
        """The model call is complete: the run is done, or tools come next."""
        response = self._response
        self.usage += response.usage
        calls = self._distinct(response.tool_calls)
        spoken = tuple(part for part in response.turn.parts if not isinstance(part, ToolCall))
        said = self._said(AssistantTurn(spoken + calls), now, complete=True)
        if not calls:
            return self._done(said, now)
        self._move("model_ended", Phase.TOOLS)
        self._open = {call.id: call for call in calls}
        called = (ToolCalled(run=self._run, timestamp=now, call=call) for call in calls)
        return [
            Record((said, *called)),
            Emit(tuple(ToolStart(call.name, call, now) for call in calls)),
            RunTools(calls),
        ]

    def _distinct(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """The calls under ids that are unique in this run; some servers repeat or omit them."""
        distinct: list[ToolCall] = []
        for call in calls:
            id, again = call.id, 1
            while id in self._ids:
                again += 1
                id = f"{call.id}-{again}"
            self._ids.add(id)
            distinct.append(attrs.evolve(call, id=id))
        return tuple(distinct)

    def _done(self, said: AssistantSaid, now: float) -> list[Command]:
        self._move("model_ended", Phase.ENDED)
        self.outcome = Outcome.DONE
        text = self._response.text
        self._response.usage = self.usage
        ended = RunEnded(run=self._run, timestamp=now, outcome=Outcome.DONE, reason="")
        # The journal first: whoever sees `Complete` can rely on it.
        return [
            Record((said, ended)),
            Emit((Answer(text, now), Complete(text, self._response, now))),
        ]

    def tool_ended(self, result: ToolResult, now: float) -> list[Command]:
        """One of the calls has its result."""
        del self._open[result.call_id]
        commands: list[Command] = [
            Record((self._seal(result, now),)),
            Emit((ToolEnd(result.content, result, now),)),
        ]
        if self._open:
            self._move("tool_ended", Phase.TOOLS)
        elif self.calls >= self._max_calls:
            commands.append(Exhausted("model_calls"))
        else:
            self._move("tool_ended", Phase.MODEL)
            commands.append(self._call_model(now))
        return commands

    def stopped(
        self, outcome: Outcome, reason: str, *, shown: str, late: Mapping[str, str], now: float
    ) -> list[Command]:
        """The run ends early: keep what was shown, seal what is open. Good at any point.

        Args:
            outcome: Why; ignored if the run had ended already.
            reason: The same in words.
            shown: The text of the present model call that the reader has taken.
            late: What is known of tools that did not stop, by call id.
            now: Seconds since the epoch.
        """
        if self.phase is Phase.ENDED:
            return []
        entries: list[Entry] = []
        if self.phase is Phase.MODEL:
            self.usage += self._response.usage
            turn = AssistantTurn((Text(shown),) if shown else ())
            entries.append(self._said(turn, now, complete=False))
        for call in self._open.values():
            known = late.get(call.id)
            status = ToolStatus.CANCELLED if known is None else ToolStatus.UNKNOWN
            text = known or f"the call was cancelled: {reason}"
            entries.append(self._seal(ToolResult(call.id, call.name, text, status), now))
        self._open = {}
        self._move("stopped", Phase.ENDED)
        self.outcome = outcome
        entries.append(RunEnded(run=self._run, timestamp=now, outcome=outcome, reason=reason))
        return [Record(tuple(entries))]

    def _move(self, input: str, phase: Phase) -> None:
        allowed = TRANSITIONS.get((self.phase, input), set[Phase]())
        assert phase in allowed, f"{input} in {self.phase} leads to {allowed}, not {phase}"
        self.phase = phase

    def _call_model(self, now: float) -> CallModel:
        self.calls += 1
        self._response = StreamResponse(now)
        return CallModel()

    def _said(self, turn: AssistantTurn, now: float, *, complete: bool) -> AssistantSaid:
        response = self._response
        return AssistantSaid(
            run=self._run,
            timestamp=now,
            turn=turn,
            complete=complete,
            usage=response.usage,
            finish_reason=response.finish_reason,
        )

    def _seal(self, result: ToolResult, now: float) -> ToolSealed:
        return ToolSealed(
            run=self._run,
            timestamp=now,
            call_id=result.call_id,
            name=result.name,
            content=result.content,
            status=result.status,
        )


def shown_text(events: Sequence[Event], taken: int) -> str:
    """The text of the first `taken` events: what a reader has been handed."""
    return "".join(event.content for event in events[:taken] if isinstance(event, Token))
