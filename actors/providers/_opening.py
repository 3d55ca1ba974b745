"""A choice among models is made before anything is said: what counts as said, what as failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs
from trio.lowlevel import checkpoint

from actors.errors import (
    AnswerFailed,
    CapabilityMissing,
    ModelServerEnded,
    NoModelAnswered,
    ProviderRejected,
    StreamTruncated,
)
from runtime import (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    MailboxFull,
    MessageDropped,
    Ref,
    RuntimeFault,
    Sink,
)

from ._api import ProviderApi

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.chat import StreamChunk

WRONG_REQUEST: Final = frozenset({400, 413, 422})
"""What other servers would say as well; a 402 or 404 is about the account or the place."""

_OF_ONE_MODEL: Final = (
    ActorCrashed,
    ActorRestarting,
    ActorStopped,
    AnswerFailed,
    CapabilityMissing,
    MailboxFull,
    MessageDropped,
    ModelServerEnded,
)
_LONGEST: Final = 200  # characters of one failure in the text for all


@attrs.frozen
class Candidate:
    """One of several models, by the name that errors call it."""

    name: str
    ref: Ref[ProviderApi]


@attrs.frozen
class Failure:
    """What one model failed with before it said anything."""

    name: str
    error: RuntimeFault


def says_something(chunk: StreamChunk) -> bool:
    """Whether a reader would miss it; facts about the answer alone decide nothing."""
    return bool(chunk.content or chunk.thinking or chunk.tool_calls or chunk.is_final)


def concerns_one_model(error: RuntimeFault) -> bool:
    """Whether another model may do better with the same request.

    A request that is itself wrong, a limit and a budget are the caller's, whoever is asked.
    """
    if isinstance(error, ProviderRejected) and error.status in WRONG_REQUEST:
        return False
    return isinstance(error, _OF_ONE_MODEL)


def said_nothing() -> RuntimeFault:
    """For a provider that returned without a word: its answer was cut."""
    return StreamTruncated("the stream ended before it had said anything")


def conclusion(failures: Sequence[Failure]) -> RuntimeFault:
    """The one error to raise when all have failed; its cause is the last of theirs."""
    for failure in failures:
        if not concerns_one_model(failure.error):
            return failure.error
    texts = [f"{each.name}: {_brief(each.error)}" for each in failures]
    error = NoModelAnswered(
        f"none of {len(failures)} models answered: " + "; ".join(texts),
        failures=tuple(each.error for each in failures),
    )
    error.__cause__ = failures[-1].error
    return error


def _brief(error: RuntimeFault) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


class Tally:
    """Who answered how often; `str` says it for the tree."""

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._without = 0

    def answered(self, name: str) -> None:
        self._answers[name] += 1

    def not_answered(self) -> None:
        self._without += 1

    def __str__(self) -> str:
        words = [f"{count} answered by {name}" for name, count in self._answers.items()]
        if self._without:
            words.append(f"{self._without} by none")
        return ", ".join(words)


def _always() -> bool:
    return True


class Opening:
    """A sink that holds back until something is said, and from then on hands on.

    Args:
        out: Where to.
        name: Of the model; the first chunk's metadata have it as `answered_by`.
        claim: Asked once something is said: whether this model is the one that speaks. What a
            model says that may not is dropped.

    Attributes:
        has_begun: Whether anything was handed on.
    """

    def __init__(
        self, out: Sink[StreamChunk], name: str, claim: Callable[[], bool] = _always
    ) -> None:
        self.has_begun = False
        self._out = out
        self._name = name
        self._claim = claim
        self._held: list[StreamChunk] = []

    async def send(self, item: StreamChunk) -> None:
        if self.has_begun:
            await self._out.send(item)
        else:
            await self._begin([item])

    async def send_many(self, items: Sequence[StreamChunk]) -> None:
        if self.has_begun:
            await self._out.send_many(items)
        else:
            await self._begin(items)

    @property
    def taken(self) -> int:
        return self._out.taken

    def sign(self, fault: RuntimeFault) -> None:
        """Let what came before an error say whose it is, as what was handed on does."""
        if self.has_begun and isinstance(fault, AnswerFailed):
            fault.partial.metadata.setdefault("answered_by", self._name)

    async def _begin(self, items: Sequence[StreamChunk]) -> None:
        self._held += items
        if not any(says_something(item) for item in items):
            await checkpoint()
            return
        held, self._held = self._held, []
        if not self._claim():
            await checkpoint()
            return
        self.has_begun = True
        metadata = {"answered_by": self._name, **held[0].metadata}
        held[0] = attrs.evolve(held[0], metadata=metadata)
        await self._out.send_many(held)
