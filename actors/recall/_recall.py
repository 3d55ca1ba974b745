"""What a memory is to an agent: it decides what of a conversation a request brings. Pure.

A memory acts by nothing but commands, at two times: `before` a request, for what it has to know
in order to choose, and `after` a run, for what can be done while nobody waits. The agent carries
them out, and gives what came of them with the next `Situation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import attrs

from actors.chat import Request
from actors.journal import SummedUp
from actors.providers import EmbedderApi, ProviderApi
from runtime import Ask, Ref

from ._exchange import Exchange, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Vector = tuple[float, ...]


@attrs.frozen
class Vectorise:
    """Turn texts into vectors: `Situation.vectors` has them then. Each text is asked for once.

    Attributes:
        embedder: Who does it.
        texts: None of them empty.
        seconds: How long a request waits for it.
    """

    embedder: Ref[EmbedderApi]
    texts: tuple[str, ...]
    seconds: float = 2.0


@attrs.frozen
class Consult:
    """Ask an actor, a store for instance: `Situation.answers` has its answer then.

    Asked again with every request of a run, unless its answer is there; with a new run anew.

    Attributes:
        whom: Who is asked.
        message: The question; it can be hashed.
        seconds: How long a request waits for it.
    """

    whom: Ref[Any]
    message: Ask[Any, Any]
    seconds: float = 2.0


@attrs.frozen
class SumUp:
    """Have a model sum up exchanges; the journal keeps what it says as `SummedUp`.

    For `after` only: an answer is not to wait for it.

    Attributes:
        run: The last run that is summed up.
        request: What the model is asked.
        provider: Who is asked; the agent's own model if None.
        seconds: How long it may take.
    """

    run: str
    request: Request
    provider: Ref[ProviderApi] | None = None
    seconds: float = 120.0


@attrs.frozen
class Keep:
    """Have a store keep what is worth it of a run; the journal keeps that it has (`Remembered`).

    For `after` only. A run that was kept is kept again only if it has gone on since, so whatever is
    stored must replace what it stored before.

    Attributes:
        run: Which run.
        by: The name of the memory that wants it.
        whom: The store.
        message: What the store is asked, made of what the model has answered, or of "" where none
            is asked. None if there is nothing to keep.
        request: What a model is asked first, if anything.
        provider: Who is asked; the agent's own model if None.
        seconds: How long all of it may take.
    """

    run: str
    by: str
    whom: Ref[Any]
    message: Callable[[str], Ask[Any, Any] | None]
    request: Request | None = None
    provider: Ref[ProviderApi] | None = None
    seconds: float = 30.0


Command = Vectorise | Consult | SumUp | Keep
NOTHING_ASKED: Final[Mapping[Ask[Any, Any], Any]] = {}
NO_VECTORS: Final[Mapping[str, Vector]] = {}


@attrs.define
class Situation:
    """What a memory decides by.

    Attributes:
        exchanges: All of the conversation, the oldest first. Before a request the last one is
            the one that goes on.
        room: Estimated tokens that the model has for the conversation, beside instructions,
            tools and answer; None where it is not known.
        rate: What an estimate is to be multiplied with to get tokens as the provider counts.
        summary: The latest.
        vectors: Of texts that were asked for with `Vectorise`.
        answers: To what was asked with `Consult`.
        problems: What could not be had; a memory does without.
        left_out: Ids of runs that will not be sent, whatever this memory chooses: by the others, or
            because the model's context does not take them.
        kept: Names of memories with runs that they have kept something of.
    """

    exchanges: tuple[Exchange, ...]
    room: float | None = None
    rate: float = 1.0
    summary: SummedUp | None = None
    vectors: Mapping[str, Vector] = NO_VECTORS
    answers: Mapping[Ask[Any, Any], Any] = NOTHING_ASKED
    problems: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()
    kept: frozenset[tuple[str, str]] = frozenset()

    @property
    def past(self) -> tuple[Exchange, ...]:
        """All but the one that goes on."""
        return self.exchanges[:-1]

    @property
    def message(self) -> str:
        """What the user said last."""
        return self.exchanges[-1].user if self.exchanges else ""


@attrs.frozen
class Choice:
    """What a request brings of a conversation. What the user says now is always among it.

    Attributes:
        left_out: Ids of runs that are not sent.
        rounds_left_out: So many rounds of tools of the run that goes on are not sent, its oldest.
        notes: What the model is told in their place, or beside.
        told_of: Those of the runs left out that a note stands for.
        scores: Of runs, or of what notes are made of: how well each fits what the user says.
        reasons: Why it is not what it should be, in words.
    """

    left_out: frozenset[str] = frozenset()
    rounds_left_out: int = 0
    notes: tuple[Note, ...] = ()
    told_of: frozenset[str] = frozenset()
    scores: Mapping[str, float] = attrs.field(factory=dict[str, float])
    reasons: tuple[str, ...] = ()


class Recall:
    """Decides what of a conversation a request brings. A frozen record; it keeps nothing.

    A memory of your own implements `choose`, which must give the same for the same situation.

    Attributes:
        is_last: Whether it is asked after the others, to know what they leave out.
    """

    __slots__ = ()
    is_last: ClassVar[bool] = False

    def before(self, situation: Situation) -> Iterable[Command]:
        """What must be known before `choose`; the request waits for it."""
        del situation
        return ()

    def choose(self, situation: Situation) -> Choice:
        """What the request brings. Runs that are pinned are sent in any case."""
        raise NotImplementedError(f"{type(self).__name__} has no `choose(situation)`")

    def after(self, situation: Situation) -> Iterable[Command]:
        """What shall be done now that a run has ended; nobody waits for it."""
        del situation
        return ()


@attrs.frozen
class Together(Recall):
    """Several memories: what one leaves out is left out, and what each notes is told."""

    memories: tuple[Recall, ...]

    def before(self, situation: Situation) -> Iterable[Command]:
        return [command for memory in self.memories for command in memory.before(situation)]

    def choose(self, situation: Situation) -> Choice:
        choice = Choice()
        for memory in sorted(self.memories, key=lambda each: each.is_last):
            known = attrs.evolve(situation, left_out=situation.left_out | choice.left_out)
            choice = _both(choice, memory.choose(known))
        return choice

    def after(self, situation: Situation) -> Iterable[Command]:
        return [command for memory in self.memories for command in memory.after(situation)]


def _both(one: Choice, other: Choice) -> Choice:
    return Choice(
        one.left_out | other.left_out,
        max(one.rounds_left_out, other.rounds_left_out),
        one.notes + other.notes,
        one.told_of | other.told_of,
        {**one.scores, **other.scores},
        one.reasons + other.reasons,
    )


def recall_of(given: Recall | Sequence[Recall]) -> Recall:
    """One memory of what can be given for one.

    Raises:
        TypeError: If it is none, or several with something else among them.
    """
    if isinstance(given, Recall):
        return given
    several = tuple(cast("Sequence[object]", given)) if isinstance(given, list | tuple) else ()
    memories = tuple(each for each in several if isinstance(each, Recall))
    if not memories or len(memories) != len(several):
        raise TypeError(
            f"{given!r} is no memory: write Window(turns=20), Summary(), Selective(), "
            "Semantic(memory) for what `open_memory` gives, or a list of such"
        )
    return memories[0] if len(memories) == 1 else Together(memories)
