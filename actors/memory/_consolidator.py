"""The actor that consolidates a memory: on demand, and every so often.

One consolidation at a time. Each batch is one commit of the memory's log, so it can end at any
moment, by a cancel or by a kill, and nothing is lost: what was merged stays so, and can be undone.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Final

import attrs
import trio

from actors.chat import FinishReason, StreamResponse
from actors.errors import AnswerFailed
from actors.providers import Clock, Generate
from runtime import Actor, Ref, RuntimeFault, Sink, Stream, Tell

from ._consolidation import (
    Check,
    Consolidation,
    Quality,
    Summarised,
    quality_of,
    text_kept,
)
from ._memory import Measure, Search, WatchIndex
from ._merges import FindAlike, Merge, Merged, Successors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ._entries import MemoryEntry
    from ._merges import Merges, Source

log = logging.getLogger("actors.memory")

FIRST: Final = 5  # hits of a check
PATIENCE: Final = 30.0  # seconds for the index to catch up


class Consolidates:
    """The interface of who consolidates a memory."""


@attrs.frozen
class ConsolidationProgress:
    """How far a consolidation has come; the first one comes before anything is merged.

    Attributes:
        run: Its id, by which it can be undone, also where it is cut short.
        compared: Entries that were compared with all before them.
        total: Entries when it began. Merged ones are compared again, so there may be more.
        merged: Groups that have become one entry.
        entries: How many there are now.
    """

    run: str
    compared: int
    total: int
    merged: int
    entries: int


@attrs.frozen
class Consolidated:
    """What a consolidation has done.

    Attributes:
        run: Its id, by which it can be undone.
        before, after: How many entries there were, and are.
        merged: Groups that have become one entry.
        failed: Groups that stay as they are, since the model did not answer for them, or since an
            entry has changed meanwhile.
        unseen: Entries that were not compared: their vectors are not there yet.
        quality_before, quality_after: How well the checks were answered; None without checks.
        problem: The last failure, "" if there was none.
    """

    run: str
    before: int
    after: int
    merged: int = 0
    failed: int = 0
    unseen: int = 0
    quality_before: Quality | None = None
    quality_after: Quality | None = None
    problem: str = ""


ConsolidationStep = ConsolidationProgress | Consolidated


@attrs.frozen
class Consolidate(Stream[Consolidates, ConsolidationStep]):
    """Consolidate now; the last item is `Consolidated`.

    Cancelled: what was merged by then stays merged, and can be undone; nothing is half done.

    Attributes:
        plan: How; as the actor does it by itself, if None.
        checks: Questions that are asked before and after.

    Raises:
        MemoryNotWritten: The disk did not take a batch; those before it are in.
    """

    plan: Consolidation | None = None
    checks: tuple[Check, ...] = ()


@attrs.frozen
class ItIsTime(Tell[Consolidates]):
    """Consolidate what has come since the last time."""


class Consolidator(Actor, Consolidates):
    """Consolidates a memory.

    Args:
        memory: Which.
        plan: How, and how often by itself.
    """

    def __init__(self, memory: Ref[Merges], plan: Consolidation) -> None:
        self._memory = memory
        self._plan = plan
        self._upto = 0  # the change up to which all is consolidated by the plan

    async def started(self) -> None:
        if self._plan.every is not None:
            self.every(self._plan.every, ItIsTime())

    @ItIsTime.handles
    async def it_is_time(self, message: ItIsTime) -> None:
        del message

        async def hear(step: ConsolidationProgress) -> None:
            log.debug("consolidation: %s", step)

        working = _Working(self._memory, self._plan, hear)
        try:
            report = await working.consolidate(self._upto)
        except RuntimeFault as fault:  # the log hears of it; it is tried again the next time
            log.warning("the memory was not consolidated: %s", fault)
            return
        if not report.failed and not report.unseen:
            self._upto = working.upto
        log.info("%s", report)

    @Consolidate.handles
    async def consolidate(self, message: Consolidate, out: Sink[ConsolidationStep]) -> None:
        working = _Working(self._memory, message.plan or self._plan, out.send)
        before = await working.quality(message.checks)
        report = await working.consolidate(0)
        try:
            after = await working.quality(message.checks)
        except RuntimeFault as fault:  # the report says so
            report, after = attrs.evolve(report, problem=str(fault)), None
        await out.send(attrs.evolve(report, quality_before=before, quality_after=after))


class _Working:
    """One consolidation.

    Attributes:
        upto: The change up to which all has been compared.
    """

    def __init__(
        self,
        memory: Ref[Merges],
        plan: Consolidation,
        tell: Callable[[ConsolidationProgress], Awaitable[object]],
    ) -> None:
        self.upto = 0
        self._memory = memory
        self._plan = plan
        self._tell = tell
        self._run = uuid.uuid4().hex
        self._problem = ""

    async def consolidate(self, after: int) -> Consolidated:
        await self._caught_up()
        before = await self._count()
        merged = failed = compared = unseen = 0
        self.upto = after
        await self._tell(ConsolidationProgress(self._run, 0, before, 0, before))
        while True:
            alike = await self._memory.ask(FindAlike(self._plan, self.upto))
            self.upto, unseen = alike.upto, alike.unseen
            if not alike.compared:
                break
            done = await self._merge(alike.groups)
            compared += alike.compared
            merged += done
            failed += len(alike.groups) - done
            await self._tell(
                ConsolidationProgress(self._run, compared, before, merged, await self._count())
            )
        count = await self._count()
        return Consolidated(self._run, before, count, merged, failed, unseen, problem=self._problem)

    async def _caught_up(self) -> None:
        """Wait for the vectors of what was stored just before."""
        with trio.move_on_after(PATIENCE):
            async with self._memory.stream(WatchIndex()) as steps:
                async for _ in steps:
                    pass

    async def _count(self) -> int:
        return (await self._memory.ask(Measure())).entries

    async def _merge(self, groups: Sequence[tuple[Source, ...]]) -> int:
        """Merge a batch; how many of its groups became one."""
        due: list[Merged] = []
        for group in groups:
            text = await self._text(group)
            if text is not None:
                due.append(Merged({each.entry.id: each.change for each in group}, text))
        return len(await self._memory.ask(Merge(self._run, tuple(due)))) if due else 0

    async def _text(self, group: tuple[Source, ...]) -> str | None:
        entries = [each.entry for each in sorted(group, key=lambda each: each.change)]
        keep = self._plan.keep
        if not isinstance(keep, Summarised):
            return text_kept(entries, keep)
        try:
            with trio.fail_after(keep.seconds):
                return await _answered(keep, entries)
        except (RuntimeFault, trio.TooSlowError) as error:  # the report says so
            self._problem = str(error) or f"the model took longer than {keep.seconds} s"
            log.warning("consolidation: %s", self._problem)
            return None

    async def quality(self, checks: Sequence[Check]) -> Quality | None:
        """How well checks are answered now."""
        if not checks:
            return None
        await self._caught_up()
        answers: list[tuple[list[str], list[str]]] = []
        for check in checks:
            found = await self._memory.ask(Search(check.query, FIRST))
            now = await self._memory.ask(Successors(check.expected))
            answers.append(([hit.entry.id for hit in found], [now[id] for id in check.expected]))
        return quality_of(answers)


async def _answered(keep: Summarised, entries: Sequence[MemoryEntry]) -> str:
    response = StreamResponse(Clock().now())
    async with keep.provider.stream(Generate(keep.request(entries))) as stream:
        async for chunk in stream:
            response.add(chunk)
    text = response.text.strip()
    if not text or not response.is_complete or response.finish_reason is not FinishReason.STOP:
        raise AnswerFailed(f"the model wrote no note ({response.finish_reason})")
    return text.encode(errors="replace").decode()
