"""Every error of the agents' half, split by whose doing it was.

All are `RuntimeFault`s: one that a handler leaves unhandled fails that message, not the actor.
None of them ever holds a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runtime import ActorRestarting, RuntimeFault

from .chat import StreamResponse, ToolCall, Usage

if TYPE_CHECKING:
    from decimal import Decimal


class ConfigurationError(RuntimeFault):
    """The caller asked for something that cannot be set up; nothing was started."""


class UnknownModel(ConfigurationError):
    """The model's name has no known provider; the text lists what can be written."""


class MissingKey(ConfigurationError):
    """The provider needs an API key and none was given; the text names the variable."""


class UnknownPrice(ConfigurationError):
    """A budget of money has no price for a model, so the call was not made; the text says more."""


class ModelNotPulled(ConfigurationError):
    """A local model's files are not on this machine; the text says how to fetch them."""


class RecordingUnusable(ConfigurationError):
    """A recording cannot be read or written: the text says which file, and which line of it."""


class ReplayMismatch(ConfigurationError):
    """The program asks what was not recorded: the text shows the first difference.

    Nothing was answered, and the recording goes on where it was.
    """


class JournalUnusable(ConfigurationError):
    """A journal's file cannot be opened: the text says which, and why. It was not changed."""


class MemoryUnusable(ConfigurationError):
    """A memory cannot be opened: the text says why. What it holds was not changed."""


class EmbedderMismatch(ConfigurationError):
    """A memory was filled with vectors of another embedder, which cannot be compared.

    Open it with that one, or store everything anew in another folder.
    """


class CapabilityMissing(ConfigurationError):
    """The request needs what its model cannot do; the text says what. Nothing was sent."""


class AddressRefused(ConfigurationError):
    """A host leads to an address that may not be asked, such as a private one. Nothing was sent."""


class PullFailed(ConfigurationError):
    """A local model's files could not be fetched; what had arrived is kept for the next try."""


class ModelServerEnded(RuntimeFault):
    """The process that serves a local model did not come up, or ended; nothing is left of it."""


class DocumentRefused(RuntimeFault):
    """A document is not read: the text says why, and what to do. Nothing of it was changed."""


class ReaderEnded(RuntimeFault):
    """The process that reads documents did not come up, or ended; nothing is left of it."""


class JournalNotWritten(RuntimeFault):
    """The disk did not take what was to be added: nothing of it is in the journal."""


class JournalDamaged(RuntimeFault):
    """What a journal holds cannot be read; the text names the row. Nothing was changed or lost."""


class MemoryNotWritten(RuntimeFault):
    """The disk did not take what was to be remembered: nothing of it is in the memory."""


class MemoryDamaged(RuntimeFault):
    """What a memory's log holds cannot be read; the text names it. Nothing was changed."""


class MemoryUnreachable(RuntimeFault):
    """The index of a memory does not answer just now. What was stored is safe; search again."""


class IndexDamaged(RuntimeFault):
    """The index of a memory lacks or garbles what it was given, and is made anew from the log."""


class ChromaEnded(RuntimeFault):
    """The process that serves Chroma did not come up, or ended; it is started again."""


class EmbedderEnded(RuntimeFault):
    """The process that makes vectors did not come up, or ended; it is started again."""


class AnswerFailed(RuntimeFault):
    """A model's answer did not come, or not whole: the root of all that goes wrong with one.

    Attributes:
        retryable: Whether the same request may succeed later.
        status: The HTTP status, or None where there was no answer.
        request_id: The provider's id of the request, for its support.
        retry_after: Seconds to wait before that makes sense, where somebody said so, or None.
        attempts: How often the request was sent; 0 if it was not.
        partial: Everything that arrived, readable as any response.
    """

    retryable = False

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        partial: StreamResponse | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = 0
        self.partial = partial if partial is not None else StreamResponse()


class StreamInterrupted(AnswerFailed):
    """A stream ended before its terminal frame; `partial` has what arrived."""

    retryable = True

    def __init__(self, text: str, *, partial: StreamResponse | None = None) -> None:
        super().__init__(text, partial=partial)


class StreamTruncated(StreamInterrupted):
    """The connection ended before the stream's terminal frame. A retry starts from nothing."""


class StreamStalled(StreamInterrupted):
    """The provider was silent for longer than a limit allows; the socket has been closed.

    Attributes:
        limit: Which one: "first_byte", "idle" or "total".
        seconds: Its length.
    """

    def __init__(
        self, text: str, *, limit: str, seconds: float, partial: StreamResponse | None = None
    ) -> None:
        super().__init__(text, partial=partial)
        self.limit = limit
        self.seconds = seconds


class RunInterrupted(StreamInterrupted):
    """Somebody else interrupted the run; `partial` has what this reader took of it.

    All of it is in the history, and the next run may begin. Whoever leaves a run by himself gets
    no such error.

    Attributes:
        reason: Why, in the words of whoever did it.
    """

    retryable = False

    def __init__(self, reason: str, *, partial: StreamResponse | None = None) -> None:
        super().__init__(f"the run was interrupted: {reason}", partial=partial)
        self.reason = reason


class NeedsApproval(RuntimeFault):
    """The run waits for somebody to approve or deny calls of tools; all else has ended.

    `async with agent.resume(fault.run, approve=[...], deny={...})` goes on, also after a restart of
    the program. The next run of the conversation denies what still waits.

    Attributes:
        run: Its id.
        pending: The calls that wait. One of an agent below says so: `by` is who asks for it.
        partial: What this reader took of the run.
    """

    def __init__(
        self,
        run: str,
        pending: tuple[ToolCall, ...],
        *,
        partial: StreamResponse | None = None,
    ) -> None:
        calls = ", ".join(
            f"{call.name} ({call.id}{call.by and f', asked for by {call.by}'})" for call in pending
        )
        super().__init__(
            f"these calls need approval: {calls}; go on with "
            f"`agent.resume({run!r}, approve=[...], deny={{id: reason}})`"
        )
        self.run = run
        self.pending = pending
        self.partial = partial if partial is not None else StreamResponse()


class RunNotOpen(RuntimeFault):
    """No run goes on, or not that one, or it cannot be resumed; nothing was changed."""


class OutputInvalid(AnswerFailed):
    """The model's answer is not of the type that was asked for, and will not be.

    It was told what was wrong as often as it may be, or it refused, or its answer was cut at the
    most tokens that it may have.

    Attributes:
        said: Its last answer.
        problems: What is wrong with that, a sentence each.
        usage: Of all its answers, as far as they were counted.
    """

    def __init__(
        self,
        problems: tuple[str, ...],
        *,
        output: str,
        attempts: int,
        usage: Usage,
        partial: StreamResponse,
    ) -> None:
        times = "in one answer" if attempts == 1 else f"in {attempts} answers"
        super().__init__(f"no {output} {times}: {'; '.join(problems)}", partial=partial)
        self.attempts = attempts
        self.said = partial.text
        self.problems = problems
        self.usage = usage


class GuardTripped(AnswerFailed):
    """A guard has stopped the run. Nothing of it goes on, and what it stopped is not sent again.

    What was shown until then is in the journal, marked as stopped.

    Attributes:
        guard: Its name.
        on: What it looked at: "input" or "output".
        reason: In its words.
    """

    def __init__(
        self,
        text: str,
        *,
        guard: str,
        on: Literal["input", "output"],
        reason: str,
        partial: StreamResponse,
    ) -> None:
        super().__init__(text, partial=partial)
        self.guard = guard
        self.on: Literal["input", "output"] = on
        self.reason = reason


class GuardFailed(GuardTripped):
    """A guard crashed, was too slow or gave no verdict, which counts as a no.

    The error of the guard, where it raised one, is the `__cause__`.
    """


class ProviderError(AnswerFailed):
    """The provider answered with an error, or could not be reached, or was not asked."""


class ProviderRejected(ProviderError):
    """The request itself is wrong (HTTP 400, 404, 413, 422): change it before trying again."""


class ProviderUnauthorized(ProviderError):
    """The key is wrong or lacks the right (HTTP 401, 403)."""


class ProviderRateLimited(ProviderError):
    """Too many requests (HTTP 429); wait for `retry_after` seconds.

    `retryable` is False where what is used up is the money and not the minute.
    """

    retryable = True


class ProviderUnavailable(ProviderError):
    """No server at the address, or the server failed (HTTP 5xx, an error in the stream)."""

    retryable = True


class CircuitOpen(ProviderUnavailable):
    """It failed too often in a row and is left alone for now; nothing was sent.

    `retry_after` is when it will be tried again; None while that is going on.
    """


class ProviderOverloaded(ProviderError):
    """Our own bounds for this provider are reached; nothing was sent.

    Its queue is full, or its rate would let the request go only after the caller's deadline.
    """

    retryable = True


class ProviderProtocolError(ProviderError):
    """The provider sent bytes that its protocol does not allow."""


class NoModelAnswered(ProviderError):
    """Each of several models failed before it said anything; the last error is the `__cause__`.

    Attributes:
        failures: What each failed with, in the order of the failures.
        retryable: Whether one of them may succeed later.
        retry_after: The shortest pause that one of them asks for, or None.
    """

    def __init__(self, text: str, *, failures: tuple[RuntimeFault, ...]) -> None:
        pauses = [each.retry_after for each in failures if isinstance(each, AnswerFailed)]
        known = [pause for pause in pauses if pause is not None]
        super().__init__(text, retry_after=min(known, default=None))
        self.failures = failures
        self.retryable = any(_may_pass(each) for each in failures)


def _may_pass(fault: RuntimeFault) -> bool:
    return (
        fault.retryable if isinstance(fault, AnswerFailed) else isinstance(fault, ActorRestarting)
    )


class LimitReached(RuntimeFault):
    """A run hit a limit of its `AgentOptions`; everything up to there is in the history.

    Attributes:
        limit: Which one, by its name in `RunLimits`.
    """

    def __init__(self, text: str, *, limit: str) -> None:
        super().__init__(text)
        self.limit = limit


class BudgetSpent(LimitReached):
    """A budget has run out: what went on below it was stopped, or a call was not made.

    Attributes:
        limit: Of what there was not enough: "calls", "tokens" or "cost".
        calls: How many were made below the budget.
        tokens: How many were used, some of them estimated.
        cost: How many US dollars; None where a price is not known.
        scope: The `Budget`.
    """

    def __init__(
        self, text: str, *, limit: str, used: tuple[int, int, Decimal | None], scope: object
    ) -> None:
        super().__init__(text, limit=limit)
        self.calls, self.tokens, self.cost = used
        self.scope = scope
