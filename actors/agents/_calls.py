"""The tool calls of one run: which are open, which wait for approval, what is known of each.

Pure. Gives entries for the journal; a call is sealed once, and what is known beside that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from actors.chat import Part, ToolCall, ToolResult, ToolStatus, Usage
from actors.journal import (
    ApprovalAsked,
    CallApproved,
    CallDenied,
    Entry,
    ToolCalled,
    ToolSealed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


@attrs.frozen
class Resumption:
    """Where a run was, and what has been decided since.

    Attributes:
        usage: Of its model calls so far.
        ids: Of its tool calls so far.
        waiting: Its calls that wait for approval.
        approve: Ids of those that may run now.
        deny: Ids of those that may not, each with the reason that the model is told.
        asked_by: Who spoke when they had to be approved, by their ids; "" for the first.
        unsure: What the user has said that no guard is known to have let pass.
    """

    usage: Usage
    ids: frozenset[str] = frozenset()
    waiting: tuple[ToolCall, ...] = ()
    approve: frozenset[str] = frozenset()
    deny: Mapping[str, str] = attrs.field(factory=dict[str, str])
    asked_by: Mapping[str, str] = attrs.field(factory=dict[str, str])
    unsure: tuple[str, ...] = ()


class Calls:
    """The calls of one run, by their ids.

    Attributes:
        open: Those that were recorded as called and are not sealed, in order.
        waiting: Those that wait for approval, in order.
    """

    def __init__(self, run: str) -> None:
        self.open: dict[str, ToolCall] = {}
        self.waiting: dict[str, ToolCall] = {}
        self._run = run
        self._late: dict[str, ToolResult] = {}  # what is known of open calls beside their end
        self._ids: set[str] = set()  # of all calls so far

    def distinct(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
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

    def begin(self, free: Iterable[ToolCall], asked: Iterable[ToolCall], now: float) -> list[Entry]:
        """A round begins: some calls run at once, others wait for approval."""
        self.open = {call.id: call for call in free}
        self.waiting = {call.id: call for call in asked}
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
        self.waiting = {call.id: call for call in resumption.waiting}
        entries: list[Entry] = []
        denied: list[ToolResult] = []
        for call in resumption.waiting:
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

    def end(self, result: ToolResult, now: float) -> list[Entry]:
        """An open call has its result."""
        assert result.call_id in self.open, f"{result.call_id} is none of {tuple(self.open)}"
        del self.open[result.call_id]
        late = self._late.pop(result.call_id, None)
        return [self.seal(each, now) for each in (result, late) if each is not None]

    def note(self, result: ToolResult, now: float) -> list[Entry]:
        """Something is known of a call beside its end; of an open one, it waits for that."""
        if result.call_id in self.open:
            self._late[result.call_id] = result
            return []
        return [self.seal(result, now)]

    def cut(self, reason: str, now: float) -> list[Entry]:
        """The run is over: seal what is open."""
        sealed: list[Entry] = []
        for call in self.open.values():
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
