"""The guards of one run at work.

Those of the input run beside the run and end it when one says no: the model call is cancelled
and its socket closed before the fault goes on. Whatever a guard does that is no verdict is a no.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import trio

from actors.chat import FinishReason, StreamResponse
from actors.errors import GuardFailed, GuardTripped
from actors.journal import GuardStopped

from ._guards import Guard, Looks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.chat import StreamChunk

MAX_REASON = 1_000  # characters


class Guarding:
    """What the guards say of one run.

    Args:
        guards: Of the agent.
        partial: Gives what was answered so far.

    Attributes:
        fault: Why the run has to end; None as long as it may go on.
    """

    def __init__(self, guards: Sequence[Guard], partial: Callable[[], StreamResponse]) -> None:
        self.fault: GuardTripped | None = None
        self._inputs = [guard for guard in guards if guard.on == "input"]
        self._outputs = [guard for guard in guards if guard.on == "output"]
        self._looks: list[Looks] = []
        self._length = 0  # characters of the present answer
        self._seen = 0  # so many of which every guard that looks while it streams has seen
        self._partial = partial
        self._texts: list[str] = []  # which the guards of the input have still to begin with
        self._unpassed = 0  # texts
        self._changed = trio.Event()  # one of these two has
        self._scope = trio.CancelScope()

    def check(self, text: str) -> None:
        """The user has said something: have it looked at, beside all that goes on."""
        if self._inputs:
            self._texts.append(text)
            self._unpassed += 1
            self._changed.set()

    async def around(self, run: Callable[[], Awaitable[None]]) -> None:
        """Carry out a run while its input is being checked.

        Raises:
            GuardTripped: When nothing of the run goes on any more.
        """
        if not self._inputs:
            await run()
            return
        error: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._check_all)
            with self._scope:
                try:
                    await run()
                except Exception as caught:  # noqa: BLE001 - raised again below, not in a group
                    error = caught
            nursery.cancel_scope.cancel("the run is over")
        if self.fault is not None:
            raise self.fault
        if error is not None:
            raise error

    async def _check_all(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                while self._texts:
                    nursery.start_soon(self._check_input, self._texts.pop(0))
                await self._change()

    async def _check_input(self, text: str) -> None:
        if await self._let_pass(self._inputs, text):
            self._unpassed -= 1
            self._changed.set()
        else:
            assert self.fault is not None
            self._scope.cancel(str(self.fault))

    async def _change(self) -> None:
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()

    async def wait_passed(self) -> None:
        """Return when all that the user has said so far has passed, and in that very step."""
        while self._unpassed:
            await self._change()

    async def _let_pass(self, guards: Sequence[Guard], text: str) -> bool:
        """Ask all of them side by side; the first that says no ends the others."""

        async def ask(guard: Guard) -> None:
            fault = await self._judge(guard, text)
            if fault is not None and self.fault is None:
                self.fault = fault
                nursery.cancel_scope.cancel(str(fault))

        async with trio.open_nursery() as nursery:
            for guard in guards:
                nursery.start_soon(ask, guard)
        return self.fault is None

    async def _judge(self, guard: Guard, text: str) -> GuardTripped | None:
        verdict: object = None
        with trio.move_on_after(guard.timeout) as scope:
            try:
                verdict = await _verdict(guard, text)
            except Exception as error:  # noqa: BLE001 - it is the cause of a fault
                # A budget that is spent says so by a cancel, too, which is the better reason.
                await trio.lowlevel.checkpoint_if_cancelled()
                return self._failed(guard, f"{type(error).__name__}: {error}", error)
            except BaseExceptionGroup as group:
                if group.split((trio.Cancelled, Exception))[1] is not None:
                    raise  # a KeyboardInterrupt or the like
                # Its cleanup has failed: what cancels it goes on, and alone.
                await trio.lowlevel.checkpoint_if_cancelled()
                raise
        if scope.cancelled_caught:
            return self._failed(guard, f"it took longer than {guard.timeout} s")
        if verdict is None:
            return None
        if not isinstance(verdict, str):
            return self._failed(
                guard, f"it returned {verdict!r}, and not None to let pass, or a reason"
            )
        reason = _bounded(verdict) or "it gave no reason"
        text = f"the guard {guard.name} has stopped the run, for its {guard.on}: {reason}"
        return GuardTripped(
            text, guard=guard.name, on=guard.on, reason=reason, partial=self._partial()
        )

    def _failed(self, guard: Guard, why: str, cause: Exception | None = None) -> GuardFailed:
        reason = _bounded(f"the guard failed: {why}")
        text = f"the guard {guard.name}, on the {guard.on}, failed, which counts as a no: {why}"
        fault = GuardFailed(
            text, guard=guard.name, on=guard.on, reason=reason, partial=self._partial()
        )
        fault.__cause__ = cause
        return fault

    # While the model answers

    def begin_answer(self) -> None:
        """A model call begins."""
        self._looks = [Looks(guard) for guard in self._outputs if guard.every is not None]
        self._length = self._seen = 0

    @property
    def is_watching(self) -> bool:
        """Whether somebody looks at the answer while it streams."""
        return bool(self._looks)

    async def look(self, chunks: Sequence[StreamChunk]) -> None:
        """More of the answer has come: have those look at it whose turn it is.

        Raises:
            GuardTripped: One of them says no; the piece has not been shown.
        """
        self._length += sum(len(chunk.content) for chunk in chunks)
        due = [each.guard for each in self._looks if each.is_due(self._length)]
        if due:
            await self._require(due)
            if len(due) == len(self._looks):
                self._seen = self._length

    async def before_end(self, answer: StreamResponse, *, effect: bool) -> None:
        """A model call is complete: wait for what has to be known before it counts.

        Args:
            answer: What it brought.
            effect: Whether it calls a tool with an effect.

        Raises:
            GuardTripped: A guard says no.
        """
        is_final = not answer.tool_calls and answer.finish_reason is not FinishReason.PAUSE
        looking = self._outputs if is_final else [each.guard for each in self._looks]
        if is_final or self._seen < self._length:
            await self._require(looking)
        if is_final or effect:  # last, since the user may have said more meanwhile
            await self.wait_passed()

    async def _require(self, guards: Sequence[Guard]) -> None:
        if guards and not await self._let_pass(guards, self._partial().text):
            assert self.fault is not None
            raise self.fault

    def mark(self, run: str, now: float) -> tuple[GuardStopped, ...]:
        """What the journal says of a run that has not come to its end.

        Words that were not checked count as stopped: a later run would send them, too.
        """
        if self.fault is not None:
            fault = self.fault
            return (GuardStopped(run, fault.guard, fault.on, fault.reason, now),)
        if self._unpassed:
            names = ", ".join(guard.name for guard in self._inputs)
            return (GuardStopped(run, names, "input", "the run ended before it was checked", now),)
        return ()


async def _verdict(guard: Guard, text: str) -> object:
    """What the check returns, which is not always what its type says."""
    verdict = guard.check(text)
    return await verdict if inspect.isawaitable(verdict) else verdict


def _bounded(reason: str) -> str:
    return reason[:MAX_REASON].encode("utf-8", "replace").decode("utf-8")
