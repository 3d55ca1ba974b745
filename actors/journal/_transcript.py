"""A conversation to take away: as JSON Lines, as Markdown, as the events that a reader saw.

Pure. JSON Lines hold everything and can be read again; the others are for people.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from actors.chat import (
    Answer,
    ApprovalNeeded,
    AssistantTurn,
    Complete,
    Event,
    Outcome,
    RunCancelled,
    RunFailed,
    StreamChunk,
    StreamResponse,
    Text,
    Thinking,
    Thought,
    Token,
    ToolEnd,
    ToolResult,
    ToolStart,
    ToolStatus,
    Usage,
    in_words,
)

from ._entries import (
    ApprovalAsked,
    AssistantSaid,
    CallApproved,
    CallDenied,
    Entry,
    GuardStopped,
    HandedOver,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    SubRunEnded,
    SummedUp,
    ToolCalled,
    ToolSealed,
    UserSaid,
    read_entry,
    write_entry,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

BETWEEN: Final = "\n\n"


def to_json_lines(entries: Iterable[Entry]) -> str:
    """Write entries, each as a line of JSON in ASCII."""
    return "".join(write_entry(entry) + "\n" for entry in entries)


def from_json_lines(text: str) -> tuple[Entry, ...]:
    """Read what `to_json_lines` wrote.

    Raises:
        ValueError: If a line is no entry; the text says which one.
    """
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entries.append(read_entry(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return tuple(entries)


def to_markdown(entries: Iterable[Entry]) -> str:
    """Write a conversation for people to read: what was said, called and found, and every end."""
    blocks = [block for entry in entries if (block := _block(entry))]
    return BETWEEN.join(blocks) + "\n" if blocks else ""


def _block(entry: Entry) -> str:
    match entry:
        case UserSaid(_, text):
            return f"## User{BETWEEN}{text}"
        case AssistantSaid(_, turn, complete):
            end = "" if complete else f"{BETWEEN}*(interrupted)*"
            return f"## Assistant{BETWEEN}{_said(turn)}{end}"
        case ToolCalled(_, call):
            return f"### Tool `{call.name}`{BETWEEN}{_fenced(_indented(call.arguments_text))}"
        case ToolSealed(_, _, name, content, status):
            sealed = "" if status is ToolStatus.OK else f", {status}"
            shown = "".join(f"{BETWEEN}*(it shows {in_words(part)})*" for part in entry.shown)
            return f"### Result of `{name}`{sealed}{BETWEEN}{_fenced(content)}{shown}"
        case RunEnded(_, outcome, reason) if outcome is not Outcome.DONE:
            return f"*The run ended: {outcome}{reason and f' ({reason})'}*"
        case _:
            return _decision(entry)


def _decision(entry: Entry) -> str:
    """What somebody decided on a run."""
    match entry:
        case ApprovalAsked(_, call):
            asked = f"### Approval is needed for `{call.name}`"
            return f"{asked}{BETWEEN}{_fenced(_indented(call.arguments_text))}"
        case CallApproved(_, call_id):
            return f"*The call {call_id} was approved*"
        case CallDenied(_, call_id, reason):
            return f"*The call {call_id} was denied{reason and f' ({reason})'}*"
        case RunPaused():
            return "*The run was paused*"
        case RunResumed():
            return "*The run goes on*"
        case _:
            return _others(entry)


def _others(entry: Entry) -> str:
    """What other agents, and guards, did."""
    match entry:
        case HandedOver(_, to):
            return f"*Handed over to {to}.*"
        case SubRunEnded(_, agent, _, conversation, outcome):
            where = conversation and f", in the conversation `{conversation}`"
            return f"*{agent} was asked{where}: {outcome}.*"
        case SummedUp(_, text):
            return f"### Summed up, up to here{BETWEEN}{text}"
        case GuardStopped(_, guard, on, reason):
            what = "the run" if on == "input" else "the answer above"
            return f"*The guard {guard} stopped {what}, which is not sent again: {reason}*"
        case _:
            return ""


def _said(turn: AssistantTurn) -> str:
    said: list[str] = []
    for part in turn.parts:
        if isinstance(part, Text) and part.text:
            said.append(part.text)
        if isinstance(part, Thinking) and part.text:
            said.append("\n".join(f"> {line}".rstrip() for line in part.text.splitlines()))
    return BETWEEN.join(said) or "*(no text)*"


def _indented(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except ValueError:  # cut off: as the model wrote it
        return arguments


def _fenced(text: str) -> str:
    """Text in a code block that it cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def replay(entries: Iterable[Entry]) -> tuple[Event, ...]:
    """Give the events of a conversation again, in the order in which they were shown.

    A piece of an answer is a part of it, not a chunk: how the chunks were cut is not recorded.
    An interrupted run ends with `RunCancelled`, one that failed with `RunFailed`, and one that
    needs approval with what it has shown. What was recorded of a run after its end, and before
    it was resumed, was never shown, and is left out.
    """
    replaying = _Replay()
    for entry in entries:
        replaying.take(entry)
    return tuple(replaying.events)


class _Replay:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self._open: set[str] = set()  # ids of calls
        self._over: set[str] = set()  # ids of runs
        self._usage = Usage()
        self._below: dict[str, Usage] = {}  # by the ids of runs below
        self._response = StreamResponse()  # of the run's last call

    def take(self, entry: Entry) -> None:
        if isinstance(entry, RunResumed):
            self._over.discard(entry.run)
        if entry.run in self._over:
            return
        match entry:
            case RunStarted():
                self._usage, self._response = Usage(), StreamResponse(entry.timestamp)
                self._below.clear()
                self._open.clear()
            case AssistantSaid():
                self._assistant(entry)
            case RunEnded():
                self._over.add(entry.run)
                self._ended(entry)
            case SubRunEnded():
                self._below[entry.sub_run] = entry.usage
            case _:
                self._tool(entry)

    def _tool(self, entry: Entry) -> None:
        match entry:
            case ToolCalled(_, call, timestamp):
                self._open.add(call.id)
                self.events.append(ToolStart(call.name, call, timestamp))
            case ApprovalAsked(_, call, timestamp):
                self.events.append(ApprovalNeeded(call.name, call, timestamp))
            case CallDenied():
                self._open.add(entry.call_id)
            case ToolSealed():
                self._sealed(entry)
            case _:
                pass

    def _assistant(self, entry: AssistantSaid) -> None:
        response, now = StreamResponse(self._response.started_at), entry.timestamp
        for part in entry.turn.parts:
            index = len(response.chunks)
            if isinstance(part, Text):
                self.events.append(Token(part.text, now))
                response.add(StreamChunk(part.text, index, timestamp=now))
            elif isinstance(part, Thinking):
                self.events.append(Thought(part.text, now))
                response.add(StreamChunk(index=index, timestamp=now, thinking=part.text))
        self._usage += entry.usage
        response.usage = sum(self._below.values(), self._usage)
        response.is_complete = entry.complete
        response.finish_reason = entry.finish_reason
        self._response = response

    def _sealed(self, entry: ToolSealed) -> None:
        if entry.call_id not in self._open:
            return
        self._open.remove(entry.call_id)
        result = ToolResult(entry.call_id, entry.name, entry.content, entry.status, entry.shown)
        self.events.append(ToolEnd(entry.content, result, entry.timestamp))

    def _ended(self, entry: RunEnded) -> None:
        text, now = self._response.text, entry.timestamp
        match entry.outcome:
            case Outcome.DONE:
                self.events += [Answer(text, now), Complete(text, self._response, now)]
            case Outcome.CANCELLED:
                self.events.append(RunCancelled(entry.reason, now))
            case Outcome.NEEDS_APPROVAL:
                pass  # `ApprovalNeeded` has said so
            case outcome:
                self.events.append(RunFailed(entry.reason, outcome, now))
