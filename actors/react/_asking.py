"""How an agent asks its model: as it is, or with tools and their results as text. Pure.

Written as text, a history has user turns and assistant turns only, whatever was called in it,
and whichever kind of agent called it.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from actors.chat import (
    AssistantTurn,
    Request,
    StreamChunk,
    SystemTurn,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    ToolTurn,
    Turn,
    UserPart,
    UserTurn,
    assistant,
    user,
)
from actors.errors import LimitReached

from ._reader import NO_ACTION, SEAL, ReActReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.chat import ToolSpec

STOP: Final = "\nObservation:"
HOW: Final = """\
You can use these tools:
{tools}

Write in exactly this form:
Thought: what to do next, and why
Action: the name of one tool
Action Input: its arguments as one JSON object
Then stop. Its result is told to you as an Observation, and you go on in the same form.
As soon as you know the answer, write:
Thought: why you know it
Final Answer: the answer"""
REMINDER: Final = (
    "there was no action. Write `Action:` with the name of a tool and `Action Input:` with its "
    "arguments, or write `Final Answer:` with the answer."
)
AS_JSON: Final = (
    'Write `Action Input:` with one JSON object and nothing behind it, such as {"name": "value"}.'
)


class Asking(Protocol):
    """One call of a model.

    Attributes:
        request: What is sent.
        is_over: Nothing more of the answer is read.
    """

    @property
    def request(self) -> Request: ...
    @property
    def is_over(self) -> bool: ...
    def read(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        """The next chunks of the answer, as the agent reads them."""
        ...


class Style(Protocol):
    """How an agent's requests are put to its model, and its answers read."""

    def asking(self, request: Request) -> Asking: ...


@attrs.frozen
class AsItIs:
    """The model calls tools by itself: nothing is changed."""

    def asking(self, request: Request) -> Asking:
        return _Plain(request)


@attrs.frozen
class _Plain:
    request: Request
    is_over: bool = False

    def read(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        return chunks


@attrs.frozen
class ReActStyle:
    """Tools for a model that cannot call any: it writes thoughts and actions, and is told results.

    An answer that cannot be read goes back to the model, with what to write in its place.

    Attributes:
        attempts: So many answers in a row that cannot be read; then the run ends with
            `LimitReached`. The last one may be a mere thought: it is the answer then.
        stop: Whether the model's server is told where to stop, so that the model does not make
            up observations. Set it to False where a server knows no such words (OpenAI
            Responses): what is made up is not read either way, but may be paid for.

    Raises:
        ValueError: If `attempts` is below 1.
    """

    attempts: int = 3
    stop: bool = True

    def __attrs_post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be 1 or more, not {self.attempts}")

    def asking(self, request: Request) -> Asking:
        """What to send for a request, and how its answer is read.

        Raises:
            LimitReached: The model's latest answers could not be read.
        """
        failed = _unread(request.turns)
        if failed >= self.attempts:
            raise LimitReached(
                f"{failed} answers in a row were no action that can be read: raise "
                "ReActStyle(attempts=...), or take a model that calls tools by itself",
                limit="attempts",
            )
        rounds = sum(isinstance(turn, AssistantTurn) for turn in request.turns)
        is_last = failed + 1 == self.attempts
        reader = ReActReader(request.tools, f"action-{rounds + 1}", must_answer=is_last)
        return _Written(self._written(request), reader)

    def _written(self, request: Request) -> Request:
        settings = attrs.evolve(
            request.settings,
            stop=(*request.settings.stop, *((STOP,) if self.stop else ())),
            tool_choice=None,
            parallel_tool_calls=None,
        )
        turns = tuple(_joined(_texts(request.turns, _how(request.tools))))
        return attrs.evolve(request, turns=turns, tools=(), settings=settings)


@attrs.frozen
class _Written:
    request: Request
    reader: ReActReader

    @property
    def is_over(self) -> bool:
        return self.reader.is_over

    def read(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        return self.reader.read(chunks)


def _unread(turns: Sequence[Turn]) -> int:
    """How many answers at the end of a history were no action that can be read."""
    failed = 0
    for turn in reversed(turns):
        if isinstance(turn, ToolTurn):
            continue
        calls = turn.tool_calls if isinstance(turn, AssistantTurn) else ()
        if not any(map(_is_unreadable, calls)):
            break
        failed += 1
    return failed


def _is_unreadable(call: ToolCall) -> bool:
    return call.arguments_error is not None or call.name == NO_ACTION


def _how(tools: Iterable[ToolSpec]) -> str:
    lines = (
        f"- {tool.name}: {tool.description}\n"
        f"  arguments: {json.dumps(tool.parameters, ensure_ascii=False)}"
        for tool in tools
    )
    return HOW.format(tools="\n".join(lines) or "(none)")


def _texts(turns: Sequence[Turn], how: str) -> Iterator[Turn]:
    told = [turn.text for turn in turns if isinstance(turn, SystemTurn)]
    yield SystemTurn("\n\n".join([*told, how]))
    for turn, following in itertools.pairwise((*turns, None)):
        match turn:
            case UserTurn():
                yield turn
            case AssistantTurn():
                results = following.results if isinstance(following, ToolTurn) else ()
                yield from _answer(turn, results)
            case _:
                pass


def _answer(turn: AssistantTurn, results: Sequence[ToolResult]) -> Iterator[Turn]:
    """What a model said and called, each call with its observation behind it."""
    said: list[str] = []
    label = "Thought" if turn.tool_calls else "Final Answer"
    found = {result.call_id: result.content for result in results}
    for part in turn.parts:
        match part:
            case Thinking(text, signature) if signature == SEAL and turn.wire == SEAL:
                said.append(f"Thought: {text.strip()}")
            case Text(text) if text.strip():
                said.append(f"{label}: {text.strip()}")
            case ToolCall():
                said += _action(part)
                yield assistant("\n".join(said) or "Thought: (none)")
                yield user(f"Observation: {_observation(part, found.get(part.id, ''))}")
                said = []
            case _:
                pass
    if said:
        yield assistant("\n".join(said))


def _action(call: ToolCall) -> list[str]:
    if call.name == NO_ACTION:
        return []
    return [f"Action: {call.name}", f"Action Input: {call.arguments_text.strip() or '{}'}"]


def _observation(call: ToolCall, content: str) -> str:
    if call.name == NO_ACTION:
        return REMINDER
    return content if call.arguments_error is None else f"{content}. {AS_JSON}"


def _joined(turns: Iterable[Turn]) -> Iterator[Turn]:
    """With neighbouring turns of one side as one, for not every provider takes two."""
    before: Turn | None = None
    for turn in turns:
        match before, turn:
            case UserTurn(first), UserTurn(then):
                before = UserTurn(_parts(first, then))
            case AssistantTurn(), AssistantTurn():
                before = assistant(f"{before.text}\n{turn.text}")
            case _:
                if before is not None:
                    yield before
                before = turn
    if before is not None:
        yield before


def _parts(first: tuple[UserPart, ...], then: tuple[UserPart, ...]) -> tuple[UserPart, ...]:
    match first[-1:], then[:1]:
        case (Text(last),), (Text(next),):
            return (*first[:-1], Text(f"{last}\n\n{next}"), *then[1:])
        case _:
            return first + then
