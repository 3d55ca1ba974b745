"""Carries out what a memory decides, for one agent: the shell around what is pure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from actors.chat import FinishReason, Recalled, Request, StreamResponse, Turn, Usage
from actors.errors import AnswerFailed
from actors.journal import Entry, Pinned, Remembered, RunResumed, SummedUp, project
from actors.providers import Clock, Embed, Generate, ProviderApi

from ._exchange import Exchange, by_run, composed
from ._recall import Choice, Command, Consult, Keep, Recall, Situation, SumUp, Vector, Vectorise
from ._tokens import tokens_of, tokens_of_request
from ._window import Full, within_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from runtime import Ask, Ref

log = logging.getLogger("actors.recall")

MARGIN: Final = 0.1  # of the context: what an estimate may be wrong by
SLACK: Final = 0.25  # of the room: what goes at once when it is full
ANSWER: Final = 8_192  # tokens that an answer has, where nobody says
RATES: Final = (0.25, 4.0)  # beyond, a provider counts something else
TOLERANCE: Final = 0.1  # a rate that changes all the time would move the cut all the time
AT_ONCE: Final = 64  # texts to an embedder
MOST_VECTORS: Final = 10_000
UNUSABLE: Final = (FinishReason.REFUSAL, FinishReason.CONTENT_FILTER)


class Remembers(Protocol):
    """What a keeper needs of its agent."""

    def provider(self) -> AbstractContextManager[Ref[ProviderApi]]: ...
    async def record(self, entries: Sequence[Entry]) -> None: ...


@attrs.frozen
class Frame:
    """What stands around a conversation in a request.

    Attributes:
        request: Instructions, tools and output, without the conversation.
        context: Tokens that the model takes, with its answer; None where it is not known.
        answer: Tokens that the answer may have; None where nobody says.
    """

    request: Request
    context: int | None = None
    answer: int | None = None


@attrs.frozen
class Recollection:
    """What is sent of a conversation, and what the reader is told of it, if anything."""

    turns: tuple[Turn, ...]
    event: Recalled | None = None


class Keeper:
    """The memory of one agent.

    Args:
        memory: Decides.
        agent: Whose.
        entries: Of its conversation, as they are when it is called.
    """

    def __init__(
        self, memory: Recall, agent: Remembers, entries: Callable[[], Sequence[Entry]]
    ) -> None:
        self._memory = memory
        self._agent = agent
        self._entries = entries
        self._known: dict[str, Exchange] = {}  # with what was estimated of them
        self._vectors: dict[str, Vector] = {}
        self._answers: dict[Ask[Any, Any], Any] = {}
        self._failed: list[Command] = []  # in this run: it does not wait for them again
        self._problems: list[str] = []  # not told yet
        self._run = ""
        self._told: object = None  # by the latest event of this run
        self._rate = 1.0
        self._sent = 0.0  # estimated tokens of the latest request
        self._is_summing_up = False
        self._keeping = trio.Lock()  # one at a time, so that what goes on beside is bounded

    @property
    def is_idle(self) -> bool:
        """Whether the memory never wants anything done."""
        return isinstance(self._memory, Full)

    async def recall(self, run: str, frame: Frame) -> Recollection:
        """What the next request of a run brings. Cancelled: as if it was not called."""
        if run != self._run:
            self._run, self._told = run, None
            self._answers.clear()
            self._failed.clear()
        self._sent = 0.0
        if frame.context is None and self.is_idle:
            return Recollection(project(self._entries()))
        situation = self._situation(frame, run)
        if await self._find_out(self._memory.before(situation)):
            situation = self._situation(frame, run)
        choice = _fitting(self._memory.choose(situation), situation)
        turns = project(
            composed(situation.exchanges, choice.left_out, choice.rounds_left_out, choice.notes)
        )
        self._sent = self._estimated(frame, situation, choice)
        return Recollection(turns, self._event(situation, choice))

    def counted(self, usage: Usage) -> None:
        """A provider has counted the latest request."""
        if not self._sent or not usage.input_tokens:
            return
        least, most = RATES
        rate = min(max(usage.input_tokens / self._sent, least), most)
        if abs(rate / self._rate - 1) > TOLERANCE:
            self._rate = rate

    async def run_ended(self, frame: Frame) -> None:
        """Do what shall be done while nobody waits. Cancelled: it is done after the next run."""
        await self._all(self._memory.after(self._situation(frame)))

    async def catch_up(self, frame: Frame) -> None:
        """Return when all that is to be kept of the runs so far has been, or could not be."""
        commands = self._memory.after(self._situation(frame))
        await self._all([each for each in commands if isinstance(each, Keep)])

    def _situation(self, frame: Frame, run: str | None = None) -> Situation:
        entries = self._entries()
        pinned: dict[str, bool] = {}
        summary: SummedUp | None = None
        for entry in entries:
            if isinstance(entry, Pinned):
                pinned[entry.run] = entry.pinned
            elif isinstance(entry, SummedUp):
                summary = entry
        runs = by_run(entries)
        if run is not None:
            runs[run] = runs.pop(run, [])  # it goes on, so it comes last
        exchanges = tuple(
            self._exchange(each, said, is_pinned=pinned.get(each, False))
            for each, said in runs.items()
        )
        room = self._room(frame)
        situation = Situation(
            exchanges,
            room,
            self._rate,
            summary,
            self._vectors,
            self._answers,
            kept=self._kept(),
        )
        if room is not None and run is not None:
            situation.left_out = within_tokens(Choice(), situation, room, SLACK).left_out
        return situation

    def _kept(self) -> frozenset[tuple[str, str]]:
        """Names of memories with runs; a run that has gone on since is not among them."""
        kept: set[tuple[str, str]] = set()
        for entry in self._entries():
            if isinstance(entry, Remembered):
                kept.add((entry.by, entry.run))
            elif isinstance(entry, RunResumed):
                kept = {each for each in kept if each[1] != entry.run}
        return frozenset(kept)

    def _exchange(self, run: str, said: Sequence[Entry], *, is_pinned: bool) -> Exchange:
        known = self._known.get(run)
        if known is None or len(known.entries) != len(said):
            known = self._known[run] = Exchange(run, said)
        known.is_pinned = is_pinned
        return known

    def _room(self, frame: Frame) -> float | None:
        if frame.context is None:
            return None
        answer = frame.answer or min(ANSWER, frame.context // 4)
        tokens = (frame.context * (1 - MARGIN) - answer) / self._rate
        return max(0.0, tokens - tokens_of_request(frame.request))

    def _estimated(self, frame: Frame, situation: Situation, choice: Choice) -> float:
        said = sum(each.tokens for each in situation.exchanges if each.run not in choice.left_out)
        present = situation.exchanges[-1]
        dropped = sum(map(present.tokens_of_round, range(choice.rounds_left_out)))
        notes = sum(tokens_of(note.text) for note in choice.notes)
        return said - dropped + notes + tokens_of_request(frame.request)

    def _event(self, situation: Situation, choice: Choice) -> Recalled | None:
        reasons = (*choice.reasons, *self._problems)
        self._problems.clear()
        now = (choice.left_out, choice.rounds_left_out, choice.notes, reasons)
        if now == self._told or not any(now):
            return None
        self._told = now
        runs = [each.run for each in situation.exchanges]
        tokens = round(self._sent * self._rate)
        return Recalled(
            _in_words(len(runs), tokens, choice, reasons),
            tuple(run for run in runs if run in choice.left_out),
            tuple(run for run in runs if run in choice.told_of),
            tuple(note.text for note in choice.notes),
            tokens,
            choice.scores,
            reasons,
            Clock().now(),
        )

    async def _find_out(self, commands: Iterable[Command]) -> bool:
        """Carry out what a request waits for, side by side; False if there was nothing."""
        new = [command for command in commands if self._is_new(command)]
        await self._all(new)
        return bool(new)

    async def _all(self, commands: Iterable[Command]) -> None:
        several = list(commands)
        if len(several) > 1:
            async with trio.open_nursery() as nursery:
                for command in several:
                    nursery.start_soon(self._carry_out, command)
        elif several:
            await self._carry_out(several[0])

    def _is_new(self, command: Command) -> bool:
        if command in self._failed:
            return False
        match command:
            case Vectorise(_, texts):
                return any(text not in self._vectors for text in texts)
            case Consult(_, message):
                return message not in self._answers
            case SumUp():
                raise TypeError("SumUp is a command for `after`: no answer waits for a summary")
            case Keep():
                raise TypeError("Keep is a command for `after`: no answer waits for a store")

    async def _carry_out(self, command: Command) -> None:
        what = type(command).__name__
        problem = f"{what} took longer than {command.seconds} s"
        with trio.move_on_after(command.seconds) as scope:
            try:
                await self._do(command)
            except Exception as error:  # noqa: BLE001 - a memory does without; the event says so
                problem = f"{what} failed: {error}"
            else:
                problem = ""
        if problem or scope.cancelled_caught:
            log.warning("memory: %s", problem)
            self._failed.append(command)
            self._problems.append(problem)

    async def _do(self, command: Command) -> None:
        match command:
            case Vectorise(embedder, texts):
                missing = [text for text in texts if text not in self._vectors]
                for start in range(0, len(missing), AT_ONCE):
                    some = tuple(missing[start : start + AT_ONCE])
                    answer = await embedder.ask(Embed(some))
                    self._vectors.update(zip(some, answer.vectors, strict=True))
                for text in list(self._vectors)[:-MOST_VECTORS]:
                    del self._vectors[text]
            case Consult(whom, message):
                self._answers[message] = await whom.ask(message)
            case SumUp() if not self._is_summing_up:
                self._is_summing_up = True
                try:
                    await self._sum_up(command)
                finally:
                    self._is_summing_up = False
            case SumUp():
                pass  # the one that goes on comes first; the rest is due after the next run
            case Keep():
                async with self._keeping:
                    await self._keep(command)

    async def _sum_up(self, command: SumUp) -> None:
        response = await self._asked(command.provider, command.request, "summary")
        summary = SummedUp(command.run, response.text.strip(), response.usage, Clock().now())
        await self._agent.record([summary])

    async def _keep(self, command: Keep) -> None:
        if (command.by, command.run) in self._kept():
            return
        text = ""
        if command.request is not None:
            text = (await self._asked(command.provider, command.request, "answer")).text
        message = command.message(text)
        if message is not None:
            await command.whom.ask(message)
        await self._agent.record([Remembered(command.run, command.by, Clock().now())])

    async def _asked(
        self, provider: Ref[ProviderApi] | None, request: Request, what: str
    ) -> StreamResponse:
        if provider is not None:
            response = await _answered(provider, request)
        else:
            with self._agent.provider() as own:
                response = await _answered(own, request)
        is_usable = response.is_complete and response.finish_reason not in UNUSABLE
        if not response.text.strip() or not is_usable:
            raise AnswerFailed(f"the model wrote no {what} ({response.finish_reason})")
        return response


async def _answered(provider: Ref[ProviderApi], request: Request) -> StreamResponse:
    response = StreamResponse(Clock().now())
    async with provider.stream(Generate(request)) as stream:
        async for chunk in stream:
            response.add(chunk)
    return response


def _fitting(choice: Choice, situation: Situation) -> Choice:
    """A choice with what is always sent, that the model's context takes as far as is known."""
    pinned = {each.run for each in situation.exchanges if each.is_pinned}
    present = situation.exchanges[-1]
    rounds = min(choice.rounds_left_out, max(0, len(present.rounds) - 1))
    left_out = choice.left_out - pinned - {present.run}
    choice = attrs.evolve(choice, left_out=left_out, rounds_left_out=rounds)
    if situation.room is None:
        return choice
    limit = situation.room - sum(tokens_of(note.text) for note in choice.notes)
    fitting = within_tokens(choice, situation, limit, SLACK)
    if fitting == choice:
        return choice
    why = "the conversation is longer than the model's context"
    return attrs.evolve(fitting, reasons=(*fitting.reasons, why))


def _in_words(turns: int, tokens: int, choice: Choice, reasons: Sequence[str]) -> str:
    words = [f"{turns - len(choice.left_out)} of {turns} turns are sent, some {tokens} tokens"]
    words += [note.about for note in choice.notes if note.about]
    summed_up = len(choice.told_of & choice.left_out)
    if summed_up:
        words.append(f"{summed_up} are summed up")
    if choice.rounds_left_out:
        words.append(f"the first {choice.rounds_left_out} rounds of tools are left out")
    return "; ".join([*words, *reasons])
