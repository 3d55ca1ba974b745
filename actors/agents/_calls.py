"""The tool calls of one run: which are open, which wait for approval, what is known of each.

Pure. Gives entries for the journal; a call is sealed once, and what is known beside that follows.
A call that asks an agent waits with it. What that one asks for is listed here under the ids of
both, `call_1/call_2`; what is decided on it is handed down when the call goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from actors.chat import (
    ApprovalNeeded,
    Event,
    Part,
    ToolCall,
    ToolEnd,
    ToolResult,
    ToolStart,
    ToolStatus,
    Usage,
)
from actors.journal import (
    ApprovalAsked,
    CallApproved,
    CallDenied,
    Entry,
    SubRunEnded,
    ToolCalled,
    ToolSealed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

BELOW: Final = "/"  # in an id: the call to the left has asked the agent whose call is to the right


@attrs.frozen
class Below:
    """A call that waits with the agent that it asks.

    Attributes:
        call: The call.
        sub_run: The id of that agent's run.
        conversation: Where that is kept; "" for an agent that was running already.
        waiting: What waits for approval there, or further below, by ids that lead there from here.
    """

    call: ToolCall
    sub_run: str
    conversation: str
    waiting: tuple[ToolCall, ...] = ()

    @classmethod
    def of(cls, call: ToolCall, ended: SubRunEnded, pending: Iterable[ToolCall]) -> Below:
        """Its agent has said what waits, by its own ids."""
        waiting = (
            attrs.evolve(
                each,
                id=f"{call.id}{BELOW}{each.id}",
                by=f"{call.name}{BELOW}{each.by}" if each.by else call.name,
            )
            for each in pending
        )
        return cls(call, ended.sub_run, ended.conversation, tuple(waiting))


@attrs.frozen
class Decided:
    """What was decided on the calls of a run below, by its own ids; see `Below`."""

    sub_run: str
    conversation: str
    approve: frozenset[str]
    deny: Mapping[str, str]


@attrs.frozen
class Waiting:
    """What of a run waits for approval: calls of its own, and calls that wait with an agent."""

    own: tuple[ToolCall, ...] = ()
    below: tuple[Below, ...] = ()

    @classmethod
    def read(cls, entries: Iterable[Entry]) -> Waiting:
        """Read the entries of one run, in their order."""
        reading = _Reading()
        for entry in entries:
            reading.take(entry)
        below = (
            attrs.evolve(each, waiting=tuple(asked))
            for each in reading.in_order()
            if (asked := [c for id, c in reading.asked.items() if _above(id) == each.call.id])
        )
        own = (call for id, call in reading.asked.items() if not _above(id))
        return cls(tuple(own), tuple(below))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Those that somebody can decide on."""
        return (*self.own, *(call for each in self.below for call in each.waiting))


class _Reading:
    def __init__(self) -> None:
        self.asked: dict[str, ToolCall] = {}
        self.below: dict[str, Below] = {}
        self._called: dict[str, ToolCall] = {}

    def in_order(self) -> list[Below]:
        """Those that wait with agents, as they were called, and not as those came to wait."""
        return [self.below[id] for id in self._called if id in self.below]

    def take(self, entry: Entry) -> None:
        match entry:
            case ApprovalAsked():
                self.asked[entry.call.id] = entry.call
            case ToolCalled():
                self._called[entry.call.id] = entry.call
                self._goes_on(entry.call.id)
            case CallDenied() | ToolSealed():
                self._goes_on(entry.call_id)
            case SubRunEnded() if entry.call_id in self._called:
                call = self._called[entry.call_id]
                self.below[call.id] = Below.of(call, entry, ())
            case _:
                pass

    def _goes_on(self, id: str) -> None:
        """It waits no longer, nor does what waited below it."""
        self.below.pop(id, None)
        for asked in [each for each in self.asked if id in {each, _above(each)}]:
            del self.asked[asked]


def _above(id: str) -> str:
    """The id of the call that has asked the agent whose call this is; "" for one of its own."""
    above, below, _ = id.partition(BELOW)
    return above if below else ""


@attrs.frozen
class Resumption:
    """Where a run was, and what has been decided since.

    Attributes:
        usage: Of its model calls so far.
        ids: Of its tool calls so far.
        waiting: What waits for approval.
        approve: Ids of those that may run now.
        deny: Ids of those that may not, each with the reason that the model is told.
        asked_by: Who spoke when its calls were asked for, by their ids; "" for the first.
        usage_below: Of the runs below it so far, by their ids.
        unsure: What the user has said that no guard is known to have let pass.
    """

    usage: Usage
    ids: frozenset[str] = frozenset()
    waiting: Waiting = Waiting()
    approve: frozenset[str] = frozenset()
    deny: Mapping[str, str] = attrs.field(factory=dict[str, str])
    asked_by: Mapping[str, str] = attrs.field(factory=dict[str, str])
    usage_below: Mapping[str, Usage] = attrs.field(factory=dict[str, Usage])
    unsure: tuple[str, ...] = ()

    def decided(self) -> dict[str, Decided]:
        """What the agents below are told, by the ids of the calls that asked them."""
        found: dict[str, Decided] = {}
        for each in self.waiting.below:
            ids = {call.id.removeprefix(each.call.id + BELOW): call.id for call in each.waiting}
            approve = frozenset(id for id, here in ids.items() if here in self.approve)
            deny = {id: self.deny[here] for id, here in ids.items() if here in self.deny}
            if approve or deny:
                found[each.call.id] = Decided(each.sub_run, each.conversation, approve, deny)
        return found


class Calls:
    """The calls of one run, by their ids.

    Attributes:
        open: Those that were recorded as called, and whose tools have not ended; in order.
        waiting: Those that wait for approval, in order.
        below: Those that wait with the agent that they ask.
    """

    def __init__(self, run: str) -> None:
        self.open: dict[str, ToolCall] = {}
        self.waiting: dict[str, ToolCall] = {}
        self.below: dict[str, Below] = {}
        self._order: list[str] = []  # ids of the calls that were begun in this round
        self._run = run
        self._late: dict[str, ToolResult] = {}  # what is known of open calls beside their end
        self._ids: set[str] = set()  # of all calls so far

    def distinct(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """The calls under ids that are unique in this run; some servers repeat or omit them."""
        distinct: list[Part] = []
        for part in parts:
            if isinstance(part, ToolCall):
                name = part.id.replace(BELOW, "-")
                id, again = name, 1
                while id in self._ids:
                    again += 1
                    id = f"{name}-{again}"
                self._ids.add(id)
                distinct.append(attrs.evolve(part, id=id))
            else:
                distinct.append(part)
        return tuple(distinct)

    def begin(self, free: Iterable[ToolCall], asked: Iterable[ToolCall], now: float) -> list[Entry]:
        """A round begins: some calls run at once, others wait for approval."""
        self.open = {call.id: call for call in free}
        self.waiting = {call.id: call for call in asked}
        self.below = {}
        self._order = list(self.open)
        return [
            *(ToolCalled(run=self._run, timestamp=now, call=call) for call in self.open.values()),
            *(ApprovalAsked(run=self._run, timestamp=now, call=c) for c in self.waiting.values()),
        ]

    def resume(self, resumption: Resumption, now: float) -> tuple[list[Entry], list[ToolResult]]:
        """A round goes on: calls that waited are approved or denied, or wait on.

        Returns:
            What to record, and the results of those that were denied.
        """
        self._ids |= resumption.ids
        self.waiting = {call.id: call for call in resumption.waiting.own}
        entries: list[Entry] = self._resume_below(resumption, now)
        denied: list[ToolResult] = []
        for call in resumption.waiting.own:
            if call.id in resumption.deny:
                reason = resumption.deny[call.id]
                text = f"the call was denied: {reason}" if reason else "the call was denied"
                denied.append(ToolResult(call.id, call.name, text, ToolStatus.ERROR))
                entries += [CallDenied(self._run, call.id, reason, now), self.seal(denied[-1], now)]
                del self.waiting[call.id]
            elif call.id in resumption.approve:
                entries += [CallApproved(self._run, call.id, now), ToolCalled(self._run, call, now)]
                self.open[call.id] = self.waiting.pop(call.id)
        return entries, denied

    def _resume_below(self, resumption: Resumption, now: float) -> list[Entry]:
        """Calls go on with their agents where something was decided there; the others wait on."""
        entries: list[Entry] = []
        decided = resumption.decided()
        self._order = [each.call.id for each in resumption.waiting.below]
        for each in resumption.waiting.below:
            if each.call.id not in decided:
                self.below[each.call.id] = each
                continue
            for call in each.waiting:
                if call.id in resumption.approve:
                    entries.append(CallApproved(self._run, call.id, now))
                elif call.id in resumption.deny:
                    entries.append(CallDenied(self._run, call.id, resumption.deny[call.id], now))
            entries.append(ToolCalled(self._run, each.call, now))
            self.open[each.call.id] = each.call
        return entries

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """What somebody can decide on."""
        below = tuple(self.below[id] for id in self._order if id in self.below)
        return Waiting(tuple(self.waiting.values()), below).calls

    def announced(self, now: float) -> tuple[Event, ...]:
        """What a reader is told of a round that begins, or goes on."""
        return (
            *(ToolStart(call.name, call, now) for call in self.open.values()),
            *(ApprovalNeeded(call.name, call, now) for call in self.pending),
        )

    def wait_below(self, ended: SubRunEnded, pending: Iterable[ToolCall]) -> list[Entry]:
        """The agent that an open call asks waits for approvals: so does the call, from now on."""
        below = Below.of(self.open[ended.call_id], ended, pending)
        self.below[ended.call_id] = below
        return [ApprovalAsked(self._run, call, ended.timestamp) for call in below.waiting]

    def end(self, result: ToolResult, now: float) -> tuple[list[Entry], tuple[Event, ...]]:
        """The tool of an open call has ended: the call has its result, unless it waits.

        Returns:
            What to record, and what the reader is told.
        """
        assert result.call_id in self.open, f"{result.call_id} is none of {tuple(self.open)}"
        del self.open[result.call_id]
        late = self._late.pop(result.call_id, None)
        if result.call_id in self.below:
            waiting = self.below[result.call_id].waiting
            return [], tuple(ApprovalNeeded(call.name, call, now) for call in waiting)
        sealed: list[Entry] = [self.seal(each, now) for each in (result, late) if each is not None]
        return sealed, (ToolEnd(result.content, result, now),)

    def note(self, result: ToolResult, now: float) -> list[Entry]:
        """Something is known of a call beside its end; of an open one, it waits for that."""
        if result.call_id in self.below:  # its end is to come
            return []
        if result.call_id in self.open:
            self._late[result.call_id] = result
            return []
        return [self.seal(result, now)]

    def cut(self, reason: str, now: float) -> list[Entry]:
        """The run is over: seal what is open. What waits for approval waits on."""
        sealed: list[Entry] = []
        for call in self.open.values():
            if call.id in self.below:
                continue
            text = f"the call was cancelled: {reason}"
            cancelled = ToolResult(call.id, call.name, text, ToolStatus.CANCELLED)
            sealed.append(self.seal(self._late.get(call.id, cancelled), now))
        self.open = {}
        return sealed

    def seal(self, result: ToolResult, now: float) -> ToolSealed:
        return ToolSealed(
            run=self._run,
            timestamp=now,
            call_id=result.call_id,
            name=result.name,
            content=result.content,
            status=result.status,
            shown=result.shown,
        )
