"""One run of an agent as a state machine: inputs in, commands out.

Pure: no tasks, no clock, no model. The agent carries out the commands in their order and
reports back what happened. `TRANSITIONS` says which input is good when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    Usage,
)
from actors.journal import (
    AssistantSaid,
    Entry,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
    UserSaid,
)
from actors.output import Wrong

from ._calls import Calls, Resumption
from ._commands import (
    AskApproval,
    CallModel,
    Command,
    Emit,
    Exhausted,
    Hold,
    Record,
    Refuse,
    RunTools,
    Wanted,
)
from ._phases import TRANSITIONS, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.tools import Progress


class TurnMachine:
    """One run.

    Args:
        run: Its id, written into every entry.
        max_calls: How many model calls it may make.
        wanted: What its answer shall be; None for words.
        needs_approval: Which tool calls somebody has to approve.

    Attributes:
        emitted: Events so far.
        steered: What the user has said since the run began, and the model does not know yet.
        pausing: Whether no further model call is made for now.
    """

    def __init__(
        self,
        run: str,
        max_calls: int,
        wanted: Wanted | None = None,
        needs_approval: Callable[[ToolCall], bool] = lambda _: False,
    ) -> None:
        self.phase = Phase.NEW
        self.by = ""  # who speaks
        self.outcome: Outcome | None = None
        self.calls = 0
        self.steered: list[str] = []
        self.pausing = False
        self._run = run
        self._max_calls = max_calls
        self._wanted = wanted
        self._needs_approval = needs_approval
        self._attempts = 0  # answers so far, where one is wanted
        self._response = StreamResponse()
        self.emitted = self._emitted_before = 0  # the latter before the present model call
        self._tools = Calls(run)
        self._own_usage = Usage()  # of its model calls
        self._usage_below: dict[str, Usage] = {}  # of runs below it, by their ids

    @property
    def usage(self) -> Usage:
        """Of its own model calls, and of all runs below it."""
        return sum(self._usage_below.values(), self._own_usage)

    @property
    def open_calls(self) -> tuple[str, ...]:
        """Ids of the calls that were recorded as called and not sealed yet."""
        return tuple(self._tools.open)

    @property
    def partial(self) -> StreamResponse:
        """What the present model call has brought so far."""
        return self._response

    @property
    def is_open(self) -> bool:
        """Whether it may still be steered, paused or interrupted."""
        return (self.phase, "steer") in TRANSITIONS

    def asks_after(self, call_id: str) -> bool:
        """Whether the end of this call ends the run, since others wait for approval."""
        return self.open_calls == (call_id,) and bool(self._tools.pending)

    def begin(self, text: str, now: float) -> list[Command]:
        """The user has spoken."""
        self._check("begin")
        started = RunStarted(run=self._run, timestamp=now)
        said = UserSaid(run=self._run, timestamp=now, text=text)
        return self._go_on("begin", now, started, said)

    def resume(self, resumption: Resumption, now: float) -> list[Command]:
        """A run that had ended goes on, and nobody has spoken."""
        self._check("resume")
        self._own_usage = resumption.usage
        self._usage_below |= resumption.usage_below
        decided, denied = self._tools.resume(resumption, now)
        resumed = RunResumed(run=self._run, timestamp=now)
        events: tuple[Event, ...] = (
            *(ToolEnd(result.content, result, now) for result in denied),
            *self._tools.announced(now),
        )
        if self._tools.open:
            self._move("resume", Phase.TOOLS)
            calls = tuple(self._tools.open.values())
            return [Record((resumed, *decided)), self._emit(*events), RunTools(calls)]
        if self._tools.pending:
            return self._wait_for_approval("resume", now, resumed, *decided, events=events)
        return self._go_on("resume", now, resumed, *decided, events=events)

    def steer(self, text: str) -> None:
        """The user says more: it lands before the next model call, or makes one."""
        self._move("steer", self.phase)
        self.steered.append(text)

    def pause(self) -> None:
        """No further model call before `unpause`; what has begun ends as ever."""
        self._move("pause", self.phase)
        self.pausing = True

    def unpause(self) -> None:
        self._move("unpause", self.phase)
        self.pausing = False

    def released(self, now: float) -> list[Command]:
        """A run that is held, and no longer paused, goes on."""
        self._check("released")
        landed = self._landed(now)
        resumed = RunResumed(run=self._run, timestamp=now)
        return [Record((*landed, resumed)), self._call_model("released", now)]

    def told(self, event: Event) -> Emit:
        """The reader is told something before the model says anything; no part of its answer."""
        self._check("told")
        emit = self._emit(event)
        self._emitted_before = self.emitted
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
        self.emitted += len(events)
        return events

    def model_ended(self, now: float) -> list[Command]:
        """The model call is complete: the run is done, or tools come next."""
        self._check("model_ended")
        response = self._response
        self._own_usage += response.usage
        parts = self._tools.distinct(response.turn.parts)
        calls = tuple(part for part in parts if isinstance(part, ToolCall))
        said = self._said(parts, now, complete=True)
        if calls:
            return self._call_tools(said, calls, now)
        if self.steered or response.finish_reason is FinishReason.PAUSE:
            return self._go_on("model_ended", now, said)
        value = None if self._wanted is None else self._wanted.output.read(response)
        if isinstance(value, Wrong):
            return self._correct(said, value, now)
        response.value = value
        return self._done(said, now)

    def run_below_ended(self, ended: SubRunEnded, pending: Sequence[ToolCall]) -> list[Entry]:
        """A run that this one had begun is over, or waits; a call waits with what is pending."""
        self._usage_below[ended.sub_run] = ended.usage
        return [ended, *(self._tools.wait_below(ended, pending) if pending else ())]

    def _correct(self, said: AssistantSaid, wrong: Wrong, now: float) -> list[Command]:
        """Tell the model what is wrong, as the user would, as long as it may try again."""
        assert self._wanted is not None
        self._attempts += 1
        output = self._wanted.output
        if wrong.can_improve and self._attempts < self._wanted.attempts:
            told = UserSaid(run=self._run, timestamp=now, text=output.correction(wrong))
            return self._go_on("model_ended", now, said, told)
        self._move("model_ended", Phase.SPENT)
        fault = output.fault(wrong, self._response, attempts=self._attempts, usage=self.usage)
        return [Record((said,)), Refuse(fault)]

    def _call_tools(
        self, said: AssistantSaid, calls: tuple[ToolCall, ...], now: float
    ) -> list[Command]:
        asked = [call for call in calls if self._needs_approval(call)]
        free = tuple(call for call in calls if call not in asked)
        entries = self._tools.begin(free, asked, now)
        if not free:
            events = self._tools.announced(now)
            return self._wait_for_approval("model_ended", now, said, *entries, events=events)
        self._move("model_ended", Phase.TOOLS)
        return [Record((said, *entries)), self._emit(*self._tools.announced(now)), RunTools(free)]

    def _wait_for_approval(
        self, input: str, now: float, *before: Entry, events: tuple[Event, ...]
    ) -> list[Command]:
        """Nothing runs, and calls wait: the run ends, to be resumed."""
        self._move(input, Phase.ENDED)
        self.outcome = Outcome.NEEDS_APPROVAL
        calls = self._tools.pending
        reason = f"calls need approval: {', '.join(call.name for call in calls)}"
        ended = RunEnded(run=self._run, timestamp=now, outcome=self.outcome, reason=reason)
        # The end first: whoever is told what waits can resume the run.
        return [
            Record((*before, *self._landed(now, at_the_end=True), ended)),
            self._emit(*events),
            AskApproval(calls),
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
            self._emit(Answer(text, now), Complete(text, self._response, now, self.by)),
        ]

    def progressed(self, call_id: str, progress: Progress, now: float) -> Emit:
        """One of the calls says how far it has come; nothing that anybody relies on."""
        self._move("progressed", self.phase)
        return self._emit(self._progress(call_id, progress, now))

    def _progress(self, call_id: str, progress: Progress, now: float) -> ToolProgress:
        return ToolProgress(progress.content, self._tools.open[call_id], progress.fraction, now)

    def tool_ended(
        self, result: ToolResult, now: float, progress: Progress | None = None
    ) -> list[Command]:
        """One of the calls has its result, after what it said last of its progress."""
        self._check("tool_ended")
        said = [] if progress is None else [self._progress(result.call_id, progress, now)]
        sealed, told = self._tools.end(result, now)
        events = (*said, *told)
        if self._tools.open:
            self._move("tool_ended", Phase.TOOLS)
            return [Record(tuple(sealed)), self._emit(*events)]
        if self._tools.pending:
            return self._wait_for_approval("tool_ended", now, *sealed, events=events)
        return self._go_on("tool_ended", now, *sealed, events=events)

    def late(self, result: ToolResult, now: float) -> list[Command]:
        """Something is known of a tool beside its call's end: a fact, never sent to the model."""
        self._move("late", self.phase)
        entries = self._tools.note(result, now)
        return [Record(tuple(entries))] if entries else []

    def stopped(
        self,
        outcome: Outcome,
        reason: str,
        *,
        taken: int,
        now: float,
        marks: tuple[Entry, ...] = (),
    ) -> list[Command]:
        """The run ends early: keep what was shown, seal what is open. Good at any point.

        Args:
            outcome: Why; ignored if the run had ended already.
            reason: The same in words.
            taken: How many events the reader has taken, of all that were emitted.
            now: Seconds since the epoch.
            marks: What else is to be recorded before the end.
        """
        self._check("stopped")
        if self.phase is Phase.ENDED:
            return []
        entries: list[Entry] = []
        if self.phase is Phase.MODEL:
            self._own_usage += self._response.usage
            shown = self._shown(taken - self._emitted_before)
            entries.append(self._said(shown, now, complete=False))
        entries += self._tools.cut(reason, now)
        entries += self._landed(now, at_the_end=True)
        self._move("stopped", Phase.ENDED)
        self.outcome = outcome
        entries += marks
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

    def _go_on(
        self, input: str, now: float, *before: Entry, events: tuple[Event, ...] = ()
    ) -> list[Command]:
        """Call the model, unless it may not be called, or not yet. What was steered lands here."""
        entries = [*before, *self._landed(now)]
        command: Command | None = None
        if self.calls >= self._max_calls:
            self._move(input, Phase.SPENT)
            command = Exhausted("model_calls")
        elif self.pausing:
            self._move(input, Phase.HELD)
            entries.append(RunPaused(run=self._run, timestamp=now))
            command = Hold()
        shown = [self._emit(*events)] if events else []
        return [Record(tuple(entries)), *shown, command or self._call_model(input, now)]

    def _landed(self, now: float, *, at_the_end: bool = False) -> list[Entry]:
        """What the user has said meanwhile, for the journal.

        A provider that pauses is answered by what it has said and by nothing else.
        """
        if self._response.finish_reason is FinishReason.PAUSE and not at_the_end:
            return []
        landed: list[Entry] = [UserSaid(self._run, text, now) for text in self.steered]
        self.steered.clear()
        return landed

    def _call_model(self, input: str, now: float) -> CallModel:
        self._move(input, Phase.MODEL)
        self.calls += 1
        self._response = StreamResponse(now)
        self._emitted_before = self.emitted
        return CallModel()

    def _emit(self, *events: Event) -> Emit:
        self.emitted += len(events)
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
