"""One run of an agent as a state machine: inputs in, commands out.

Pure: no tasks, no clock, no model. The agent carries out the commands in their order and
reports back what happened. `TRANSITIONS` is the whole truth about which input is good when;
docs/agents.md draws it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import (
    Answer,
    AssistantTurn,
    Complete,
    Event,
    FinishReason,
    Outcome,
    Part,
    StreamChunk,
    StreamResponse,
    Text,
    Thinking,
    Thought,
    Token,
    ToolCall,
    ToolEnd,
    ToolProgress,
    ToolResult,
    ToolStart,
    ToolStatus,
    Usage,
)
from actors.errors import OutputInvalid
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunStarted,
    ToolCalled,
    ToolSealed,
    UserSaid,
)
from actors.output import Output, Wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.tools import Progress


class Phase(enum.Enum):
    NEW = "new"
    MODEL = "model"  # a model call is streaming
    TOOLS = "tools"  # a round of tools is running
    SPENT = "spent"  # a limit forbids the next model call, or the answer stays wrong
    ENDED = "ended"


TRANSITIONS: Final[dict[tuple[Phase, str], set[Phase]]] = {
    (Phase.NEW, "begin"): {Phase.MODEL},
    (Phase.MODEL, "told"): {Phase.MODEL},
    (Phase.MODEL, "chunks"): {Phase.MODEL},
    # A provider that pauses wants to be called again with what it has said so far.
    (Phase.MODEL, "model_ended"): {Phase.TOOLS, Phase.ENDED, Phase.MODEL, Phase.SPENT},
    (Phase.TOOLS, "tool_ended"): {Phase.TOOLS, Phase.MODEL, Phase.SPENT},
    (Phase.TOOLS, "progressed"): {Phase.TOOLS},
    (Phase.MODEL, "stopped"): {Phase.ENDED},
    (Phase.TOOLS, "stopped"): {Phase.ENDED},
    (Phase.SPENT, "stopped"): {Phase.ENDED},
    (Phase.ENDED, "stopped"): {Phase.ENDED},
    # A tool's thread may outlive its call, its round and its run.
    (Phase.MODEL, "late"): {Phase.MODEL},
    (Phase.TOOLS, "late"): {Phase.TOOLS},
    (Phase.SPENT, "late"): {Phase.SPENT},
    (Phase.ENDED, "late"): {Phase.ENDED},
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


@attrs.frozen
class Refuse:
    """The answer is not what was asked for, and will not be: end the run with the fault."""

    fault: OutputInvalid


Command = Record | Emit | CallModel | RunTools | Exhausted | Refuse


@attrs.frozen
class Wanted:
    """What the answer of a run shall be, and how often the model may answer for it."""

    output: Output[Any]
    attempts: int


class TurnMachine:
    """One run.

    Args:
        run: Its id, written into every entry.
        max_calls: How many model calls it may make.
        wanted: What its answer shall be; None for words.
    """

    def __init__(self, run: str, max_calls: int, wanted: Wanted | None = None) -> None:
        self.phase = Phase.NEW
        self.usage = Usage()
        self.outcome: Outcome | None = None
        self.calls = 0
        self._run = run
        self._max_calls = max_calls
        self._wanted = wanted
        self._attempts = 0  # answers so far, where one is wanted
        self._response = StreamResponse()
        self._emitted = 0  # events so far
        self._emitted_before = 0  # events before the present model call
        self._open: dict[str, ToolCall] = {}  # recorded and not sealed, in order
        self._late: dict[str, ToolResult] = {}  # what is known of open calls beside their end
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
        self._check("begin")
        started = RunStarted(run=self._run, timestamp=now)
        said = UserSaid(run=self._run, timestamp=now, text=text)
        return [Record((started, said)), self._call_model("begin", now)]

    def told(self, event: Event) -> Emit:
        """The reader is told something before the model says anything; no part of its answer."""
        self._check("told")
        assert self._emitted == self._emitted_before, "the model has said something"
        emit = self._emit(event)
        self._emitted_before = self._emitted
        return emit

    def chunks(self, chunks: Sequence[StreamChunk]) -> list[Event]:
        """The model has said something: what the reader gets to see of it."""
        self._check("chunks")
        events: list[Event] = []
        add = self._response.add
        for chunk in chunks:
            add(chunk)
            if chunk.thinking:
                events.append(Thought(chunk.thinking, chunk.timestamp))
            if chunk.content:
                events.append(Token(chunk.content, chunk.timestamp))
        self._emitted += len(events)
        return events

    def model_ended(self, now: float) -> list[Command]:
        """The model call is complete: the run is done, or tools come next."""
        self._check("model_ended")
        response = self._response
        self.usage += response.usage
        parts = self._distinct(response.turn.parts)
        calls = tuple(part for part in parts if isinstance(part, ToolCall))
        said = self._said(parts, now, complete=True)
        if calls:
            return self._call_tools(said, calls, now)
        if response.finish_reason is FinishReason.PAUSE:
            return [Record((said,)), self._go_on("model_ended", now)]
        value = None if self._wanted is None else self._wanted.output.read(response)
        if isinstance(value, Wrong):
            return self._correct(said, value, now)
        response.value = value
        return self._done(said, now)

    def _correct(self, said: AssistantSaid, wrong: Wrong, now: float) -> list[Command]:
        """Tell the model what is wrong, as the user would, as long as it may try again."""
        assert self._wanted is not None
        self._attempts += 1
        output = self._wanted.output
        if wrong.can_improve and self._attempts < self._wanted.attempts:
            told = UserSaid(run=self._run, timestamp=now, text=output.correction(wrong))
            return [Record((said, told)), self._go_on("model_ended", now)]
        self._move("model_ended", Phase.SPENT)
        fault = output.fault(wrong, self._response, attempts=self._attempts, usage=self.usage)
        return [Record((said,)), Refuse(fault)]

    def _distinct(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """The calls under ids that are unique in this run; some servers repeat or omit them."""
        distinct: list[Part] = []
        for part in parts:
            if isinstance(part, ToolCall):
                id, again = part.id, 1
                while id in self._ids:
                    again += 1
                    id = f"{part.id}-{again}"
                self._ids.add(id)
                distinct.append(attrs.evolve(part, id=id))
            else:
                distinct.append(part)
        return tuple(distinct)

    def _call_tools(
        self, said: AssistantSaid, calls: tuple[ToolCall, ...], now: float
    ) -> list[Command]:
        self._move("model_ended", Phase.TOOLS)
        self._open = {call.id: call for call in calls}
        called = (ToolCalled(run=self._run, timestamp=now, call=call) for call in calls)
        return [
            Record((said, *called)),
            self._emit(*(ToolStart(call.name, call, now) for call in calls)),
            RunTools(calls),
        ]

    def _done(self, said: AssistantSaid, now: float) -> list[Command]:
        self._move("model_ended", Phase.ENDED)
        self.outcome = Outcome.DONE
        text = self._response.text
        self._response.usage = self.usage
        ended = RunEnded(run=self._run, timestamp=now, outcome=Outcome.DONE, reason="")
        # The journal first: whoever sees `Complete` can rely on it.
        return [
            Record((said, ended)),
            self._emit(Answer(text, now), Complete(text, self._response, now)),
        ]

    def progressed(self, call_id: str, progress: Progress, now: float) -> Emit:
        """One of the calls says how far it has come; nothing that anybody relies on."""
        self._move("progressed", self.phase)
        return self._emit(self._progress(call_id, progress, now))

    def _progress(self, call_id: str, progress: Progress, now: float) -> ToolProgress:
        return ToolProgress(progress.content, self._open[call_id], progress.fraction, now)

    def tool_ended(
        self, result: ToolResult, now: float, progress: Progress | None = None
    ) -> list[Command]:
        """One of the calls has its result, after what it said last of its progress."""
        self._check("tool_ended")
        assert result.call_id in self._open, f"{result.call_id} is none of {self.open_calls}"
        said = [] if progress is None else [self._progress(result.call_id, progress, now)]
        del self._open[result.call_id]
        late = self._late.pop(result.call_id, None)
        sealed = [self._seal(each, now) for each in (result, late) if each is not None]
        commands: list[Command] = [
            Record(tuple(sealed)),
            self._emit(*said, ToolEnd(result.content, result, now)),
        ]
        if self._open:
            self._move("tool_ended", Phase.TOOLS)
        else:
            commands.append(self._go_on("tool_ended", now))
        return commands

    def late(self, result: ToolResult, now: float) -> list[Command]:
        """Something is known of a tool beside its call's end: a fact, never sent to the model."""
        self._move("late", self.phase)
        if result.call_id in self._open:  # its own end is sealed first
            self._late[result.call_id] = result
            return []
        return [Record((self._seal(result, now),))]

    def stopped(self, outcome: Outcome, reason: str, *, taken: int, now: float) -> list[Command]:
        """The run ends early: keep what was shown, seal what is open. Good at any point.

        Args:
            outcome: Why; ignored if the run had ended already.
            reason: The same in words.
            taken: How many events the reader has taken, of all that were emitted.
            now: Seconds since the epoch.
        """
        self._check("stopped")
        if self.phase is Phase.ENDED:
            return []
        entries: list[Entry] = []
        if self.phase is Phase.MODEL:
            self.usage += self._response.usage
            shown = self._shown(taken - self._emitted_before)
            entries.append(self._said(shown, now, complete=False))
        for call in self._open.values():
            text = f"the call was cancelled: {reason}"
            cancelled = ToolResult(call.id, call.name, text, ToolStatus.CANCELLED)
            entries.append(self._seal(self._late.get(call.id, cancelled), now))
        self._open = {}
        self._move("stopped", Phase.ENDED)
        self.outcome = outcome
        entries.append(RunEnded(run=self._run, timestamp=now, outcome=outcome, reason=reason))
        return [Record(tuple(entries))]

    def _shown(self, events: int) -> tuple[Part, ...]:
        """What the first `events` events of the present model call said."""
        thinking: list[str] = []
        text: list[str] = []
        for chunk in self._response.chunks:
            for piece, said in ((chunk.thinking, thinking), (chunk.content, text)):
                if piece and len(thinking) + len(text) < events:
                    said.append(piece)
        parts: list[Part] = [Thinking("".join(thinking))] if thinking else []
        return (*parts, Text("".join(text))) if text else tuple(parts)

    def _check(self, input: str) -> None:
        assert (self.phase, input) in TRANSITIONS, f"{input} is no input of {self.phase}"

    def _move(self, input: str, phase: Phase) -> None:
        allowed = TRANSITIONS.get((self.phase, input), set[Phase]())
        assert phase in allowed, f"{input} in {self.phase} leads to {allowed}, not {phase}"
        self.phase = phase

    def _go_on(self, input: str, now: float) -> CallModel | Exhausted:
        if self.calls < self._max_calls:
            return self._call_model(input, now)
        self._move(input, Phase.SPENT)
        return Exhausted("model_calls")

    def _call_model(self, input: str, now: float) -> CallModel:
        self._move(input, Phase.MODEL)
        self.calls += 1
        self._response = StreamResponse(now)
        self._emitted_before = self._emitted
        return CallModel()

    def _emit(self, *events: Event) -> Emit:
        self._emitted += len(events)
        return Emit(events)

    def _said(self, parts: tuple[Part, ...], now: float, *, complete: bool) -> AssistantSaid:
        response = self._response
        return AssistantSaid(
            run=self._run,
            timestamp=now,
            turn=AssistantTurn(parts, str(response.metadata.get("wire", ""))),
            complete=complete,
            usage=response.usage,
            finish_reason=response.finish_reason if complete else None,
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
