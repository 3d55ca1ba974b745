"""One answer of OpenAI Responses, added up from its events. Pure.

What has been said by deltas is not said again by the events that repeat it whole (`*.done`, the
terminal event), but what they add is: some servers send only those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from actors.chat import FinishReason, Opaque, StreamChunk, ToolCallDelta, Usage
from actors.errors import ProviderProtocolError
from actors.providers.codecs._decoding import excerpt
from actors.providers.codecs._faults import error_in_stream
from actors.providers.codecs._values import mapping, mappings, whole

from ._items import Item, Items
from ._wire import (
    CALL_TEXT,
    FUNCTION,
    STATUSES,
    WIRE,
    Event,
    read_body,
    read_event,
    read_status,
    read_usage,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.errors import ProviderError
    from actors.providers.codecs._framing import WireEvent

_NOTHING: Final[tuple[StreamChunk, ...]] = ()
_ENDED: Final = ("completed", "incomplete", "failed")
# Kinds of text: of the answer, a refusal, a summary of the reasoning, it itself, a call.
TEXT, REFUSAL, SUMMARY, REASONING, CALL = "text", "refusal", "summary", "reasoning", "call"
_PARTS: Final[Mapping[str, tuple[str, str]]] = {  # type of a part -> kind of text, its field
    "output_text": (TEXT, "text"),
    "refusal": (REFUSAL, "refusal"),
    "summary_text": (SUMMARY, "text"),
    "reasoning_text": (REASONING, "text"),
}
_DELTAS: Final[Mapping[str, str]] = {
    "response.output_text.delta": TEXT,
    "response.refusal.delta": REFUSAL,
    "response.reasoning_summary_text.delta": SUMMARY,
    "response.reasoning_text.delta": REASONING,
    "response.function_call_arguments.delta": CALL,
    "response.custom_tool_call_input.delta": CALL,
}
_WHOLE_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "response.output_text.done": (TEXT, "text"),
    "response.refusal.done": (REFUSAL, "refusal"),
    "response.reasoning_summary_text.done": (SUMMARY, "text"),
    "response.reasoning_text.done": (REASONING, "text"),
    "response.function_call_arguments.done": (CALL, "arguments"),
    "response.custom_tool_call_input.done": (CALL, "input"),
}


class ResponsesAnswer:
    """Turns events into chunks, and holds back what belongs into the final one.

    See `Answer` for the contract.
    """

    def __init__(self) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._items = Items()
        self._calls = 0
        self._reasoned = False  # then what follows goes back whole: the API pairs them by ids
        self._refusal = ""
        self._status: str | None = None
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {"wire": WIRE}  # goes out with the next chunk, once
        self._count = 0
        self._now = 0.0
        self._out: list[StreamChunk] = []  # what the event at hand brings

    @property
    def may_end(self) -> bool:
        """No server leaves out the terminal event."""
        return False

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`."""
        payload, name = event
        if payload[:6] == b"[DONE]":
            return _NOTHING
        piece = read_event(payload)
        # OpenAI's own errors have a type, those of compatible servers may be the bare object.
        piece.type = piece.type or name or ("error" if piece.error else "")
        read = self.READERS.get(piece.type)
        if read is None:
            return _NOTHING  # progress of the provider's own tools, and what is yet to be invented
        self._now = now
        out: list[StreamChunk] = []
        self._out = out
        read(self, piece)
        return out

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """See `Answer.whole`."""
        self._now = now
        out: list[StreamChunk] = []
        self._out = out
        response = read_body(body)
        status = response.get("status") or "completed"
        if error := response.get("error"):
            self.failure = error_in_stream(error)
        elif not isinstance(response.get("output"), list):
            raise ProviderProtocolError(f"the answer has no output: {excerpt(body)}")
        elif status not in _ENDED:
            raise ProviderProtocolError(f"the answer is not finished: its status is {status!r}")
        else:
            self._end(response, "completed")
        return out

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        metadata, self._metadata = self._metadata, {}
        halves = [text.half for item in self._items.all for text in item.texts.values()]
        return StreamChunk(
            "\N{REPLACEMENT CHARACTER}" if any(halves) else "",
            index=self._count,
            finish_reason=self._reason(),
            metadata=metadata,
            timestamp=now,
            is_final=True,
            usage=self._usage,
            raw_finish_reason=self._status,
        )

    def _reason(self) -> FinishReason:
        if self._refusal:
            return FinishReason.REFUSAL
        reason = STATUSES.get(self._status or "", FinishReason.OTHER)
        if self._calls and reason is FinishReason.STOP:
            return FinishReason.TOOL_CALLS
        return reason

    def _emit(
        self,
        content: str = "",
        thinking: str = "",
        calls: tuple[ToolCallDelta, ...] = (),
        opaque: tuple[Opaque, ...] = (),
    ) -> None:
        metadata, self._metadata = self._metadata, {}
        self._out.append(
            StreamChunk(
                content,
                self._count,
                metadata=metadata,
                timestamp=self._now,
                thinking=thinking,
                tool_calls=calls,
                opaque=opaque,
            )
        )
        self._count += 1

    # The readers of the events, one a kind.

    def _begin(self, event: Event) -> None:
        self._identify(mapping(event.response))

    def _identify(self, response: Mapping[str, Any]) -> None:
        """The first identity counts: some servers give every event another."""
        if not self._count and "id" not in self._metadata and isinstance(response.get("id"), str):
            self._metadata |= {"id": response["id"], "model": response.get("model")}

    def _item_added(self, event: Event) -> None:
        data = mapping(event.item)
        kind, id = text_of(data.get("type")), text_of(data.get("id"))
        item = self._items.opened(event, kind, id)
        item.kind = kind
        if kind in CALL_TEXT:
            self._begin_call(item, data)

    def _item_done(self, event: Event) -> None:
        data = mapping(event.item)
        kind, id = text_of(data.get("type")), text_of(data.get("id"))
        self._finish(self._items.closed(event, kind, id), data)

    def _delta(self, event: Event) -> None:
        kind = _DELTAS[event.type]
        item = self._items.of(event)
        written = item.text(kind, _index(event, kind))
        self._say(item, kind, written.add(text_of(event.delta), mended=event.mended))

    def _text_done(self, event: Event) -> None:
        kind, field = _WHOLE_TEXTS[event.type]
        index = _index(event, kind)
        self._complete(self._items.of(event), kind, index, getattr(event, field))

    def _part_done(self, event: Event) -> None:
        part = mapping(event.part)
        kind, _ = _PARTS.get(text_of(part.get("type")), ("", ""))
        self._finish_part(self._items.of(event), _index(event, kind), part)

    def _annotation(self, event: Event) -> None:
        self._cite(self._items.of(event), [event.annotation])

    def _spoken(self, event: Event) -> None:
        """The words of sound are metadata (`transcript`, a list of pieces), not the text."""
        if words := text_of(event.delta):
            self._metadata["transcript"] = [whole(words)]
            self._emit()

    def _completed(self, event: Event) -> None:
        self._end(mapping(event.response), "completed")

    def _incomplete(self, event: Event) -> None:
        self._end(mapping(event.response), "incomplete")

    def _failed(self, event: Event) -> None:
        self._end(mapping(event.response), "failed")

    def _error(self, event: Event) -> None:
        flat = {"code": event.code, "message": event.message or "it does not say why"}
        self.failure = error_in_stream(event.error or flat)

    READERS: ClassVar[Mapping[str, Callable[[Any, Event], None]]] = {
        **dict.fromkeys(_DELTAS, _delta),
        **dict.fromkeys(_WHOLE_TEXTS, _text_done),
        "response.created": _begin,
        "response.in_progress": _begin,
        "response.queued": _begin,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.content_part.done": _part_done,
        "response.reasoning_summary_part.done": _part_done,
        "response.reasoning_part.done": _part_done,  # of vLLM alone
        "response.audio.transcript.delta": _spoken,
        "response.output_text.annotation.added": _annotation,
        "response.completed": _completed,
        "response.incomplete": _incomplete,
        "response.failed": _failed,
        "error": _error,
    }

    # What they have in common.

    def _say(self, item: Item, kind: str, text: str) -> None:
        if not text:
            return
        if kind == TEXT:
            self._emit(text)
        elif kind == CALL:
            self._emit(calls=(ToolCallDelta(self._slot(item), arguments=text),))
        elif kind == REFUSAL:
            self._refusal += text
            self._metadata["refusal"] = self._refusal
            self._emit()
        else:
            self._emit(thinking=text)

    def _complete(self, item: Item, kind: str, index: int, final: object) -> None:
        """A text, whole: say what its deltas have not.

        Where it contradicts them, what was shown cannot be taken back: it is noted.
        """
        text = text_of(final)
        rest = item.text(kind, index).rest_of(text)
        if rest is not None:
            self._say(item, kind, rest)
        elif kind == TEXT and text:
            self._metadata["final_text"] = text

    def _finish_part(self, item: Item, index: int, part: Mapping[str, Any]) -> None:
        kind, field = _PARTS.get(text_of(part.get("type")), ("", ""))
        if kind:
            self._complete(item, kind, index, part.get(field))
        self._cite(item, list(mappings(part.get("annotations"))))

    def _cite(self, item: Item, annotations: list[Any]) -> None:
        new = [found for found in annotations if found and found not in item.cited]
        if new:
            item.cited += new
            self._metadata["citations"] = new
            self._emit()

    def _begin_call(self, item: Item, data: Mapping[str, Any]) -> None:
        id, name = text_of(data.get("call_id")), text_of(data.get("name"))
        self._emit(calls=(ToolCallDelta(self._slot(item), id, name),))

    def _slot(self, item: Item) -> int:
        if item.slot is None:
            item.slot = self._calls
            self._calls += 1
        return item.slot

    def _finish(self, item: Item, data: dict[str, Any]) -> None:
        """An item, whole, maybe for the second time."""
        kind = item.kind = text_of(data.get("type"))
        for field in ("summary", "content"):
            for index, part in enumerate(mappings(data.get(field))):
                self._finish_part(item, index, part)
        if kind in CALL_TEXT:
            self._finish_call(item, data)
        elif kind and not item.done and (self._reasoned or _goes_back(data)):
            self._emit(opaque=(Opaque(WIRE, data),))
        self._reasoned = self._reasoned or kind == "reasoning"
        item.done = True

    def _finish_call(self, item: Item, data: Mapping[str, Any]) -> None:
        if item.slot is None or not item.done:
            self._begin_call(item, data)
        self._complete(item, CALL, 0, data.get(CALL_TEXT[item.kind]))
        if not item.done and (seal := _seal(data, with_id=self._reasoned)):
            self._emit(calls=(ToolCallDelta(self._slot(item), signature=seal),))

    def _end(self, response: Mapping[str, Any], usual: str) -> None:
        """The answer, whole."""
        self._identify(response)
        self._usage = read_usage(response.get("usage")) or self._usage
        self._status = read_status(response, usual)
        if self._status == "failed":
            self.failure = error_in_stream(response.get("error") or {"message": "it says no more"})
            return
        for place, data in enumerate(mappings(response.get("output"))):
            item = self._items.at(place, text_of(data.get("type")), text_of(data.get("id")))
            if item is not None:
                self._finish(item, data)
        self.complete = True


def _index(event: Event, kind: str) -> int:
    """Which text of its kind: a summary's have numbers of their own, a call has one."""
    if kind == CALL:
        return 0
    return event.summary_index if kind == SUMMARY else event.content_index


def _goes_back(data: Mapping[str, Any]) -> bool:
    """Whether an item says more than its text does, which would go back without it."""
    if data.get("type") != "message":
        return True
    plain = all(part.get("type") == "output_text" for part in mappings(data.get("content")))
    return not plain or data.get("phase") is not None


def _seal(data: Mapping[str, Any], *, with_id: bool) -> str | None:
    """What a call carries beside the call itself, as the text that goes back with it."""
    known = {"call_id", "name", CALL_TEXT[data["type"]]}
    if not with_id:
        known |= {"id", "status"}
    if data["type"] == FUNCTION:
        known.add("type")
    more = {name: value for name, value in data.items() if name not in known and value is not None}
    return msgspec.json.encode(more).decode() if more else None
