"""What an answer carries beside text and calls: refusals, citations, audio, seals. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.chat import Opaque
from actors.providers.codecs._values import items, mapping, mappings

from ._wire import WIRE

if TYPE_CHECKING:
    from ._wire import Delta

NEWS: Final = frozenset({"refusal", "citations", "transcript"})  # worth a chunk of their own
_GROWING: Final = ("text", "summary")  # fields of reasoning details that come in pieces


class Extras:
    """Collects them while the answer arrives.

    Args:
        fields: Which fields of the message the server wants back as they came.
    """

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.refusal = ""
        self._fields = fields
        self._cited: list[object] = []
        self._details: list[dict[str, Any]] = []
        self._audio: str | None = None

    def take(self, delta: Delta, metadata: dict[str, Any]) -> None:
        """Note what is in `delta`; what a reader should hear of goes into `metadata`.

        The words of spoken audio are there (`transcript`, a list of pieces): they are not the
        text of the answer, which has none then.
        """
        if delta.refusal:
            self.refusal += delta.refusal
            metadata["refusal"] = self.refusal
        if delta.annotations is not None:
            self.cite(delta.annotations, metadata)
        if delta.reasoning_details is not None:
            self._add(mappings(delta.reasoning_details))
        if delta.audio is not None and (spoken := self._listen(mapping(delta.audio))):
            metadata["transcript"] = [spoken]

    def cite(self, given: object, metadata: dict[str, Any]) -> None:
        """Note citations; those that have been given before are no news."""
        new = [found for found in items(given) if found and found not in self._cited]
        if new:
            self._cited += new
            metadata["citations"] = [*metadata.get("citations", ()), *new]

    def _listen(self, audio: dict[str, Any]) -> str:
        if isinstance(audio.get("id"), str):
            self._audio = self._audio or audio["id"]
        words = audio.get("transcript")
        return words if isinstance(words, str) else ""

    def _add(self, details: list[dict[str, Any]]) -> None:
        """Pieces of one detail become one: a seal counts only for the whole text before it.

        Those of one chunk are different ones; the first may go on where the last chunk ended.
        """
        last = self._details[-1] if self._details else {}
        growing = any(name in last for name in _GROWING)
        for number, detail in enumerate(details):
            same = all(last.get(name) == detail.get(name) for name in ("type", "index"))
            if number == 0 and growing and same:
                _grow(last, detail)
            else:
                self._details.append(dict(detail))

    def sealed(self) -> tuple[Opaque, ...]:
        """What goes back, as the fields of a message."""
        data: dict[str, Any] = {}
        if self._details and "reasoning_details" in self._fields:
            data["reasoning_details"] = self._details
        if self._audio is not None and "audio" in self._fields:
            data["audio"] = {"id": self._audio}
        return (Opaque(WIRE, data),) if data else ()


def _grow(detail: dict[str, Any], piece: dict[str, Any]) -> None:
    for name, value in piece.items():
        if name in _GROWING and isinstance(value, str) and isinstance(detail.get(name), str):
            detail[name] += value
        elif value is not None:
            detail[name] = value
