"""One answer of Gemini, added up from its decoded pieces. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import FinishReason, Opaque, StreamChunk, ToolCallDelta, Usage
from actors.errors import ProviderProtocolError
from actors.providers.codecs._decoding import excerpt
from actors.providers.codecs._faults import error_in_stream
from actors.providers.codecs._framing import WireEvent

from ._calls import Calls
from ._wire import (
    FINISH_REASONS,
    NOTHING,
    WIRE,
    Candidate,
    Counts,
    FunctionCall,
    Part,
    Response,
    read_counts,
    read_object,
    read_part,
    read_response,
    usage_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec

    from actors.errors import ProviderError

_NOTHING: Final[tuple[StreamChunk, ...]] = ()
_NO_METADATA: Final[Mapping[str, Any]] = {}


class GeminiAnswer:
    """Turns the parts of an answer into chunks, one for each, in their order.

    There is no terminal frame: a finish reason may come early and more than once, and the usage
    after it, so an answer ends with its connection. See `Answer` for the contract.
    """

    def __init__(self) -> None:
        self.complete = False
        self.failure: ProviderError | None = None
        self._finish_reason: str | None = None
        self._blocked = False  # the prompt was, so that there is no candidate
        self._has_candidate = False
        self._begun = False
        self._name = ""
        self._count = 0
        self._calls = Calls()
        self._counts: Counts | None = None
        self._counted: msgspec.Raw = NOTHING  # what they were read from
        self._news = False  # they go out with the next chunk, once
        self._metadata: dict[str, Any] = {}  # likewise
        self._grounding: dict[str, Any] = {}
        self._ratings: object = None

    @property
    def may_end(self) -> bool:
        return self._finish_reason is not None or self._blocked

    def take(self, event: WireEvent, now: float) -> Sequence[StreamChunk]:
        """See `Answer.take`."""
        try:
            return self._take(read_response(event.data), now)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def whole(self, body: bytes, now: float) -> Sequence[StreamChunk]:
        """See `Answer.whole`."""
        chunks = self.take(WireEvent(body), now)
        if self.failure is None and not (self.may_end or self._has_candidate):
            raise ProviderProtocolError(f"the answer has no candidates: {excerpt(body)}")
        return chunks

    def _take(self, response: Response, now: float) -> Sequence[StreamChunk]:
        self._note(response)
        if response.error:
            self.failure = error_in_stream(response.error)
            return _NOTHING
        candidate = response.first
        if candidate is None:
            return _NOTHING
        self._has_candidate = True
        self._note_candidate(candidate)
        if candidate.content is None or not candidate.content.parts:
            return _NOTHING
        read = [self._read(part, now) for part in candidate.content.parts]
        return [chunk for chunk in read if chunk is not None]

    def final(self, now: float) -> StreamChunk:
        """See `Answer.final`."""
        metadata, self._metadata = self._metadata, {}
        if self._ratings:
            metadata["safetyRatings"] = self._ratings
        return StreamChunk(
            index=self._count,
            finish_reason=self._reason(),
            metadata=metadata,
            timestamp=now,
            is_final=True,
            usage=self._usage(),
            raw_finish_reason=self._finish_reason,
        )

    def _reason(self) -> FinishReason:
        if self._finish_reason is None and self._blocked:
            return FinishReason.CONTENT_FILTER
        reason = FINISH_REASONS.get(self._finish_reason or "", FinishReason.OTHER)
        if self._calls.used and reason is FinishReason.STOP:
            return FinishReason.TOOL_CALLS  # Gemini says STOP after calls, too
        return reason

    def _note(self, response: Response) -> None:
        if not self._begun:
            self._begun = True
            self._metadata["wire"] = WIRE
            if response.model_version is not None:
                self._metadata |= {"id": response.response_id, "model": response.model_version}
        self._name = self._name or response.response_id or ""
        counts = read_counts(response.usage_metadata) if response.usage_metadata else None
        if counts is not None and (self._counts is None or counts.total_token_count is not None):
            # One without a total counts nothing, and does not undo what was counted before.
            self._counts, self._counted = counts, response.usage_metadata
            self._news = True
        feedback = response.prompt_feedback
        if feedback:
            self._metadata["promptFeedback"] = feedback
            self._blocked = self._blocked or bool(feedback.get("blockReason"))

    def _note_candidate(self, candidate: Candidate) -> None:
        if candidate.finish_reason:
            self._finish_reason = candidate.finish_reason
        self._ratings = candidate.safety_ratings or self._ratings
        if candidate.finish_message:
            self._metadata["finishMessage"] = candidate.finish_message
        if candidate.citation_metadata:
            before = self._metadata.get("citations", [])
            self._metadata["citations"] = before + candidate.citation_metadata.all
        if candidate.grounding_metadata:
            self._grounding = self._grounding | candidate.grounding_metadata
            self._metadata["groundingMetadata"] = self._grounding
        if candidate.url_context_metadata:
            self._metadata["urlContextMetadata"] = candidate.url_context_metadata

    def _usage(self) -> Usage | None:
        if self._counts is None:
            return None
        try:
            raw = read_object(self._counted)
        except (ValueError, RecursionError):  # beside the counts stands what cannot be read
            raw = {}
        return usage_of(self._counts, raw)

    def _read(self, raw: msgspec.Raw, now: float) -> StreamChunk | None:
        """What a part says; None where it is empty."""
        part = read_part(raw)
        if not isinstance(part, Part):
            return self._opaque(part, now)
        if part.function_call is not None:
            return self._call(part, part.function_call, raw, now)
        text = part.text or ""
        if part.thought:
            return self._chunk(now, thinking=text, signature=part.thought_signature)
        return self._chunk(now, text, signature=part.thought_signature)

    def _call(
        self, part: Part, call: FunctionCall, raw: msgspec.Raw, now: float
    ) -> StreamChunk | None:
        deltas = self._calls.take(call, self._name, part.thought_signature)
        if deltas is None:  # without a name, and with nothing that it could go on with
            return self._opaque(read_object(raw), now)
        return self._chunk(now, calls=deltas) if deltas else None

    def _opaque(self, part: dict[str, Any], now: float) -> StreamChunk | None:
        """A part that goes back as it came: among others an empty text with a signature."""
        empty = not any(value for name, value in part.items() if name != "thought")
        return None if empty else self._chunk(now, opaque=(Opaque(WIRE, part),))

    def _chunk(
        self,
        now: float,
        content: str = "",
        *,
        thinking: str = "",
        signature: str | None = None,
        calls: tuple[ToolCallDelta, ...] = (),
        opaque: tuple[Opaque, ...] = (),
    ) -> StreamChunk:
        index = self._count
        self._count = index + 1
        usage = None
        if self._news and self._counts is not None:
            self._news = False
            usage = usage_of(self._counts, _NO_METADATA)
        metadata = _NO_METADATA
        if self._metadata:
            metadata, self._metadata = self._metadata, {}
        return StreamChunk(
            content,
            index,
            metadata=metadata,
            timestamp=now,
            thinking=thinking,
            signature=signature,
            tool_calls=calls,
            usage=usage,
            opaque=opaque,
        )
