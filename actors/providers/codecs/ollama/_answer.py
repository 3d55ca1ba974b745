"""One answer of Ollama's chat, added up from its lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import FinishReason, StreamChunk, ToolCallDelta
from actors.providers.codecs._faults import error_in_stream
from actors.providers.codecs._framing import WireEvent
from actors.providers.codecs._plain_json import arguments_text, made_up_id

from ._wire import FINISH_REASONS, WIRE, Call, Line, durations_of, read_line, usage_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.errors import ProviderError

_NOTHING: Final[tuple[StreamChunk, ...]] = ()
_NO_CALLS: Final[tuple[ToolCallDelta, ...]] = ()


class OllamaAnswer:
    """Turns lines into chunks. See `Answer` for the contract."""

    def __init__(self) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._begun = ""  # when the answer did, as the server says
        self._count = 0
        self._calls = 0
        self._last = Line()
        self._metadata: dict[str, Any] = {"wire": WIRE}  # goes out with the next chunk, once

    @property
    def may_end(self) -> bool:
        """Never before the line that says so."""
        return False

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`."""
        line = read_line(event.data)
        if line.error:
            self.failure = error_in_stream(line.error)
            return _NOTHING
        if self._count == 0 and line.model is not None:
            self._metadata["model"] = line.model
        self._begun = self._begun or line.created_at or ""
        if line.done:
            self.complete = True
            self._last = line
        message = line.message
        if message is None:
            return _NOTHING
        calls = tuple(map(self._call, message.tool_calls)) if message.tool_calls else _NO_CALLS
        if not (message.content or message.thinking or calls):
            return _NOTHING
        index = self._count
        self._count = index + 1
        metadata, self._metadata = self._metadata, {}
        return (
            StreamChunk(
                message.content or "",
                index,
                metadata=metadata,
                timestamp=now,
                thinking=message.thinking or "",
                tool_calls=calls,
            ),
        )

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """An answer in one piece is one line."""
        return self.take(WireEvent(body), now)

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        return StreamChunk(
            index=self._count,
            finish_reason=self._reason(),
            metadata=self._metadata | durations_of(self._last),
            timestamp=now,
            is_final=True,
            usage=usage_of(self._last),
            raw_finish_reason=self._last.done_reason,
        )

    def _reason(self) -> FinishReason:
        reason = FINISH_REASONS.get(self._last.done_reason or "", FinishReason.OTHER)
        if self._calls and reason is FinishReason.STOP:
            return FinishReason.TOOL_CALLS  # Ollama says "stop" after calls, too
        return reason

    def _call(self, call: Call) -> ToolCallDelta:
        """Every call comes whole; they are numbered as they appear."""
        slot = self._calls
        self._calls = slot + 1
        id = call.id or made_up_id(WIRE, self._begun, slot)
        if call.function is None:
            return ToolCallDelta(slot, id, "", "{}")
        arguments = arguments_text(call.function.arguments)
        return ToolCallDelta(slot, id, call.function.name or "", arguments)
