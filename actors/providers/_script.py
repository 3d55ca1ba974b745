"""Scripts: what a model shall answer, step by step, with pauses and faults. Pure.

`Scripted` plays them without a network; the fake server of `actors.testing` plays the same
scripts as bytes. Example:

    script(say("Let me see.", pieces=3), call("multiply", a=2, b=3))
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.chat import (
    FinishReason,
    Opaque,
    Request,
    StreamChunk,
    ToolCallDelta,
    Usage,
    UserTurn,
)
from actors.errors import ConfigurationError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@attrs.frozen
class Say:
    text: str
    pieces: int = 1


@attrs.frozen
class Think:
    text: str
    pieces: int = 1
    signature: str | None = None


@attrs.frozen
class CallTool:
    name: str
    arguments_text: str
    pieces: int = 1


@attrs.frozen
class CallTogether:
    """Several calls whose pieces come in turn."""

    calls: tuple[CallTool, ...]


@attrs.frozen
class Keep:
    """Something that only its own wire format understands, and wants back as it came."""

    item: Opaque


@attrs.frozen
class Echo:
    """Says what the last user turn says, word by word."""


@attrs.frozen
class Count:
    usage: Usage


@attrs.frozen
class Finish:
    reason: FinishReason


@attrs.frozen
class ScriptedPause:
    seconds: float


@attrs.frozen
class Truncate:
    """The stream ends here, without its final chunk."""


@attrs.frozen
class Reset:
    """The connection breaks here."""


@attrs.frozen
class Stall:
    """Nothing more comes, and the stream does not end."""


@attrs.frozen
class Fail:
    error: ProviderError


@attrs.frozen
class Crash:
    """The provider itself breaks."""

    text: str = "the script says: crash"


Happening = ScriptedPause | Truncate | Reset | Stall | Fail | Crash
Step = Say | Think | CallTool | CallTogether | Keep | Echo | Count | Finish | Happening


def say(text: str, *, pieces: int = 1) -> Say:
    """Text, cut into so many pieces."""
    return Say(text, pieces)


def think(text: str, *, pieces: int = 1, signature: str | None = None) -> Think:
    """Reasoning, cut into so many pieces, and what seals it."""
    return Think(text, pieces, signature)


def call(name: str, /, **arguments: object) -> CallTool:
    """A tool call, in three pieces as OpenAI sends them: the name, then halves of the JSON."""
    return CallTool(name, msgspec.json.encode(arguments).decode(), pieces=2)


def call_text(name: str, arguments_text: str, *, pieces: int = 1) -> CallTool:
    """A tool call with its arguments to the letter: also ones that are no JSON."""
    return CallTool(name, arguments_text, pieces)


def together(*calls: CallTool) -> CallTogether:
    """Several calls at once, their pieces in turn: `together(call("a"), call("b"))`."""
    return CallTogether(calls)


def opaque(wire: str, **data: object) -> Keep:
    """A part that only the format `wire` knows: `opaque("anthropic", type="...", ...)`."""
    return Keep(Opaque(wire, data))


def echo() -> Echo:
    """What the last user turn said, word by word."""
    return Echo()


def usage(input_tokens: int, output_tokens: int, *, cached: int = 0, reasoning: int = 0) -> Count:
    """The tokens that the provider counts, reported at the end."""
    return Count(
        Usage(input_tokens, output_tokens, cache_read_tokens=cached, reasoning_tokens=reasoning)
    )


def finish(reason: FinishReason) -> Finish:
    """Why the model stopped; without it STOP, or TOOL_CALLS after a call."""
    return Finish(reason)


def pause(seconds: float) -> ScriptedPause:
    return ScriptedPause(seconds)


def truncate() -> Truncate:
    return Truncate()


def reset() -> Reset:
    return Reset()


def stall() -> Stall:
    return Stall()


def fail(error: ProviderError) -> Fail:
    """The provider reports this error, here."""
    return Fail(error)


def crash(text: str = "the script says: crash") -> Crash:
    """The provider actor breaks with an undeclared error; its supervisor restarts it."""
    return Crash(text)


@attrs.frozen
class Script:
    """One answer; `repeat` gives it to every later request as well."""

    steps: tuple[Step, ...]
    repeat: bool = False


def script(*steps: Step | str, repeat: bool = False) -> Script:
    """One answer of a scripted model; a bare string is said in one piece.

    Raises:
        ConfigurationError: A step is none; the text says what is.
    """
    taken = tuple(Say(step) if isinstance(step, str) else step for step in steps)
    for step in taken:
        if not isinstance(step, Step):  # pyright: ignore[reportUnnecessaryIsInstance] - tests are seldom type-checked
            raise ConfigurationError(
                f"{step!r} is not a step of a script: write say(...), think(...), call(...), "
                "usage(...), pause(...), truncate(), stall(), fail(error) or crash()"
            )
    return Script(taken, repeat)


def play(answer: Script, request: Request, number: int) -> Iterator[StreamChunk | Happening]:
    """What happens when `answer` is given to `request`, in order. Timestamps are left at 0.

    Args:
        answer: The script.
        request: What was asked, for `echo`.
        number: The number of this request, which makes the ids of its calls unique.
    """
    index = calls = 0
    for step in answer.steps:
        if isinstance(step, Happening):
            yield step
            if not isinstance(step, ScriptedPause):
                return
        for piece in _pieces(step, request, number, calls):
            yield attrs.evolve(piece, index=index)
            index += 1
        calls += len(_calls(step))
    yield attrs.evolve(_final(answer, calls), index=index)


def _pieces(step: Step, request: Request, number: int, slot: int) -> Iterator[StreamChunk]:
    match step:
        case Say(text, pieces):
            yield from (StreamChunk(piece) for piece in cut(text, pieces))
        case Think(text, pieces, signature):
            yield from (StreamChunk(thinking=piece) for piece in cut(text, pieces))
            if signature is not None:
                yield StreamChunk(signature=signature)
        case Keep(item):
            yield StreamChunk(opaque=(item,))
        case Echo():
            said = [turn.text for turn in request.turns if isinstance(turn, UserTurn)]
            words = said[-1].split(" ") if said else []
            yield from (StreamChunk(f" {word}" if n else word) for n, word in enumerate(words))
        case CallTool() | CallTogether():
            yield from _in_turn(_calls(step), number, slot)
        case _:
            return


def _calls(step: Step) -> tuple[CallTool, ...]:
    match step:
        case CallTool():
            return (step,)
        case CallTogether(calls):
            return calls
        case _:
            return ()


def _in_turn(calls: tuple[CallTool, ...], number: int, first: int) -> Iterator[StreamChunk]:
    """The names first, then a piece of each call's arguments after the other."""
    for slot, each in enumerate(calls, first):
        yield StreamChunk(tool_calls=(ToolCallDelta(slot, f"call_{number}_{slot}", each.name),))
    rounds = itertools.zip_longest(*(cut(each.arguments_text, each.pieces) for each in calls))
    for pieces in rounds:
        for slot, piece in enumerate(pieces, first):
            if piece is not None:
                yield StreamChunk(tool_calls=(ToolCallDelta(slot, arguments=piece),))


def _final(answer: Script, calls: int) -> StreamChunk:
    reason = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    counted = None
    for step in answer.steps:
        if isinstance(step, Count):
            counted = step.usage
        elif isinstance(step, Finish):
            reason = step.reason
    return StreamChunk(
        finish_reason=reason, is_final=True, usage=counted, raw_finish_reason=reason.value
    )


def cut(text: str, pieces: int) -> Iterator[str]:
    """`text` in about equal parts, none of them empty."""
    size = max(1, -(-len(text) // max(1, pieces)))
    return (text[start : start + size] for start in range(0, len(text), size))


class Playback:
    """The scripts of one model, and how far they have been played.

    It outlives the actor that plays it, so that a crash does not start it over.
    """

    def __init__(self, *answers: Script) -> None:
        self.requests: list[Request] = []
        self._answers = answers

    def next(self, request: Request) -> tuple[int, Script]:
        """Note the request; return its number, from 0, and its answer.

        Raises:
            ConfigurationError: The scripts are at their end.
        """
        number = len(self.requests)
        self.requests.append(request)
        if number < len(self._answers):
            return number, self._answers[number]
        if self._answers and self._answers[-1].repeat:
            return number, self._answers[-1]
        raise ConfigurationError(
            f"the script has {len(self._answers)} answers and this is request {number + 1}: "
            "add a script(...), or let the last one be script(..., repeat=True)"
        )


BY_NAME: Mapping[str, Script] = {"echo": Script((Echo(),), repeat=True)}
"""Scripted models that need no script of their own."""
