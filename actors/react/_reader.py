"""Reads the answer of a model that writes ReAct, while it streams. Pure.

Chunks in, chunks out: what stands behind `Thought:` becomes thinking, behind `Final Answer:`
text, and an action a tool call. What a model writes behind its action is not read, for it would
be made up: the tool has not run yet. An answer without any label is the final answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import FinishReason, StreamChunk, ToolCallDelta

from ._action import read_action
from ._labels import Label, LabelFinder, Piece, Trimmer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from actors.chat import ToolCall, ToolSpec

WIRE: Final = "react"
SEAL: Final = "react"  # tells thoughts from a model's own reasoning, which does not go back
OWN: Final = "own"
NO_ACTION: Final = "no_action"
"""The name of the call that stands for an answer with neither action nor final answer."""
BETWEEN: Final = "\n\n"
NO_FACTS: Final[Mapping[str, Any]] = {}
ENDS_AS_IT_IS: Final = (
    FinishReason.LENGTH,
    FinishReason.CONTENT_FILTER,
    FinishReason.REFUSAL,
    FinishReason.PAUSE,
)


class ReActReader:
    """One answer.

    Args:
        tools: Those that there are.
        id: Of the call, if it makes one.
        must_answer: Whether a thought without an action is taken for the final answer.

    Attributes:
        is_over: The action is known, and the model goes on: nothing more of it is read.
    """

    def __init__(self, tools: Iterable[ToolSpec], id: str, *, must_answer: bool = False) -> None:
        self.is_over = False
        self._tools = tuple(tools)
        self._id = id
        self._must_answer = must_answer
        self._finder = LabelFinder()
        self._label: Label | None = None
        self._trimmer = Trimmer()
        self._action: list[str] | None = None
        self._given: list[str] | None = None
        self._thoughts: list[str] = []
        self._unsealed = ""  # by what the thinking before this will be sealed
        self._has_answer = False
        self._begins_anew = True  # the next text stands below a label of its own
        self._index = 0

    def read(self, chunks: Iterable[StreamChunk]) -> list[StreamChunk]:
        """The next chunks, as an agent reads them; the last one of the answer is final."""
        out: list[StreamChunk] = []
        for chunk in chunks:
            if self.is_over:
                break
            self._take(chunk, out)
        return out

    def _take(self, chunk: StreamChunk, out: list[StreamChunk]) -> None:
        self._pass_on(chunk, out)
        for item in self._found(chunk):
            if isinstance(item, Piece):
                self._write(item.text, chunk.timestamp, out)
            elif self._may_open(item):
                self._open(item, chunk.timestamp, out)
            else:
                self._end(chunk, out)
                return
        if chunk.is_final:
            self._end(chunk, out)

    def _found(self, chunk: StreamChunk) -> Iterator[Label | Piece]:
        yield from self._finder.feed(chunk.content)
        if chunk.is_final:
            yield from self._finder.finish()

    def _pass_on(self, chunk: StreamChunk, out: list[StreamChunk]) -> None:
        """What is not read here: the model's own reasoning, counts, facts."""
        if chunk.thinking:
            self._think(chunk.thinking, OWN, chunk.timestamp, out)
        if not chunk.is_final and (chunk.usage or chunk.metadata):
            passed = StreamChunk(
                usage=chunk.usage, metadata=chunk.metadata, timestamp=chunk.timestamp
            )
            self._put(passed, out)

    def _put(self, chunk: StreamChunk, out: list[StreamChunk]) -> None:
        out.append(attrs.evolve(chunk, index=self._index))
        self._index += 1

    def _may_open(self, label: Label) -> bool:
        """Whether the model may write this label; else it should have stopped before it."""
        if label is Label.OBSERVATION:
            return False
        if label is Label.INPUT:
            return self._given is None
        return self._action is None

    def _open(self, label: Label, now: float, out: list[StreamChunk]) -> None:
        self._seal(now, out)
        match label:
            case Label.ACTION:
                self._action = []
            case Label.INPUT:
                self._given = []
            case Label.ANSWER:  # where such words are its own
                self._finder.stop()
            case _:
                pass
        self._label, self._trimmer, self._begins_anew = label, Trimmer(), True

    def _write(self, text: str, now: float, out: list[StreamChunk]) -> None:
        if self._label is Label.ACTION:
            assert self._action is not None
            self._action.append(text)
        elif self._label is Label.INPUT:
            assert self._given is not None
            self._given.append(text)
        elif shown := self._trimmer.feed(text):
            self._show(shown, now, out)

    def _show(self, text: str, now: float, out: list[StreamChunk]) -> None:
        before = BETWEEN if self._begins_anew else ""
        self._begins_anew = False
        if self._label is Label.THOUGHT:
            text = (before if self._thoughts else "") + text
            self._thoughts.append(text)
            self._think(text, SEAL, now, out)
        else:
            text = (before if self._has_answer else "") + text
            self._has_answer = True
            self._put(StreamChunk(text, timestamp=now), out)

    def _think(self, text: str, seal: str, now: float, out: list[StreamChunk]) -> None:
        if self._unsealed != seal:
            self._seal(now, out)
        self._unsealed = seal
        self._put(StreamChunk(thinking=text, timestamp=now), out)

    def _seal(self, now: float, out: list[StreamChunk]) -> None:
        if self._unsealed:
            self._put(StreamChunk(signature=self._unsealed, timestamp=now), out)
            self._unsealed = ""

    def _end(self, last: StreamChunk, out: list[StreamChunk]) -> None:
        """The answer is complete, or is cut where it should have ended."""
        self.is_over = True
        self._seal(last.timestamp, out)
        call = self._call(last)
        if call is None and not self._has_answer and self._must_answer and self._thoughts:
            text = "".join(self._thoughts).strip()
            self._put(StreamChunk(text, timestamp=last.timestamp), out)
        reason = FinishReason.STOP if last.finish_reason is None else last.finish_reason
        facts = last.metadata if last.is_final else NO_FACTS
        final = StreamChunk(
            finish_reason=FinishReason.TOOL_CALLS if call else reason,
            raw_finish_reason=last.raw_finish_reason,
            metadata={**facts, "wire": WIRE},
            timestamp=last.timestamp,
            is_final=True,
            tool_calls=() if call is None else (call,),
            usage=last.usage,
        )
        self._put(final, out)

    def _call(self, last: StreamChunk) -> ToolCallDelta | None:
        if self._action is not None:
            given = None if self._given is None else "".join(self._given)
            return _delta(read_action("".join(self._action), given, self._tools, self._id))
        if self._has_answer or last.finish_reason in ENDS_AS_IT_IS:
            return None
        if self._must_answer and self._thoughts:
            return None
        return ToolCallDelta(0, self._id, NO_ACTION)


def _delta(call: ToolCall) -> ToolCallDelta:
    """The call as a stream brings it: its arguments as JSON, or as written if they are none."""
    is_read = call.arguments_text and call.arguments_error is None
    text = json.dumps(call.arguments) if is_read else call.arguments_text
    return ToolCallDelta(0, call.id, call.name, text)
