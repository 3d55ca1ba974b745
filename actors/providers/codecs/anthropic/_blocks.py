"""The content blocks of an answer of Anthropic Messages while they arrive. Pure.

Each kind says what a reader sees of its beginning, its pieces and its end. Chunks are numbered
and dated by the answer that they belong to.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from actors.chat import Opaque, StreamChunk, ToolCallDelta
from actors.providers.codecs._framing import MAX_EVENT_BYTES
from actors.providers.codecs._values import mapping, mappings

from ._wire import WIRE, Fields, read_json, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CALL_FIELDS: Final = frozenset({"type", "id", "name", "input"})
_DIRECT: Final = {"type": "direct"}  # the model's own call, which goes without saying


class Block(Protocol):
    """A block that has begun. `kind` is its type, as far as we tell types apart."""

    kind: str

    def begin(self) -> StreamChunk | None: ...

    def add(self, delta: Fields) -> StreamChunk | None: ...

    def end(self) -> StreamChunk | None: ...


class TextBlock:
    kind = "text"

    def __init__(self, fields: Fields, _slot: int) -> None:
        self._fields = fields

    def begin(self) -> StreamChunk | None:
        text = text_of(self._fields.get("text"))
        citations = mappings(self._fields.get("citations"))
        metadata = {"citations": citations} if citations else {}
        return StreamChunk(text, metadata=metadata) if text or citations else None

    def add(self, delta: Fields) -> StreamChunk | None:
        if text := text_of(delta.get("text")):
            return StreamChunk(text)
        if citation := mapping(delta.get("citation")):
            return StreamChunk(metadata={"citations": [citation]})
        return None

    def end(self) -> StreamChunk | None:
        return None


class ThinkingBlock:
    kind = "thinking"

    def __init__(self, fields: Fields, _slot: int) -> None:
        self._text = text_of(fields.get("thinking"))
        self._signature = text_of(fields.get("signature"))

    def begin(self) -> StreamChunk | None:
        return StreamChunk(thinking=self._text) if self._text else None

    def add(self, delta: Fields) -> StreamChunk | None:
        self._signature = text_of(delta.get("signature")) or self._signature
        text = text_of(delta.get("thinking"))
        return StreamChunk(thinking=text) if text else None

    def end(self) -> StreamChunk | None:
        # Sealed even where there is no text to read: the signature stands for all of it.
        return StreamChunk(signature=self._signature) if self._signature else None


class CallBlock:
    """A call of one of our tools; `slot` counts the calls of the answer."""

    kind = "tool_use"

    def __init__(self, fields: Fields, slot: int) -> None:
        self._fields = fields
        self._slot = slot
        self._has_arguments = False

    def begin(self) -> StreamChunk | None:
        more = {name: value for name, value in self._fields.items() if name not in _CALL_FIELDS}
        if more.get("caller") == _DIRECT:
            del more["caller"]
        name, id = text_of(self._fields.get("name")), text_of(self._fields.get("id"))
        signature = msgspec.json.encode(more).decode() if more else None
        return StreamChunk(tool_calls=(ToolCallDelta(self._slot, id, name, signature=signature),))

    def add(self, delta: Fields) -> StreamChunk | None:
        text = text_of(delta.get("partial_json"))
        return StreamChunk(tool_calls=(self.add_arguments(text),)) if text else None

    def add_arguments(self, text: str) -> ToolCallDelta:
        self._has_arguments = True
        return ToolCallDelta(self._slot, arguments=text)

    def end(self) -> StreamChunk | None:
        """A call that a server's tool made, or that came whole, has its arguments in `input`."""
        given = self._fields.get("input")
        if self._has_arguments or not given:
            return None
        text = msgspec.json.encode(given).decode()
        return StreamChunk(tool_calls=(self.add_arguments(text),))


class OtherBlock:
    """A block that only the provider understands: it goes out whole, and back as it came."""

    kind = ""

    def __init__(self, fields: Fields, _slot: int) -> None:
        self._fields = fields
        self._pieces: dict[str, list[str]] = {}
        self._size = 0

    def begin(self) -> StreamChunk | None:
        return None

    def add(self, delta: Fields) -> StreamChunk | None:
        """Keep what comes: strings are pieces of longer ones, anything else is whole.

        Raises:
            ValueError: It is more than one event may be.
        """
        for name, value in delta.items():
            if name == "citation":
                self._fields["citations"] = [*mappings(self._fields.get("citations")), value]
            elif name != "type" and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
                self._size += len(value)
            elif name != "type":
                self._fields[name] = value
        if self._size > MAX_EVENT_BYTES:
            raise ValueError(f"its block has more than {MAX_EVENT_BYTES} characters")
        return None

    def end(self) -> StreamChunk | None:
        # Input that was cut off is no JSON: the block keeps what it began with, which is none.
        text = "".join(self._pieces.pop("partial_json", ()))
        with contextlib.suppress(ValueError):
            self._fields["input"] = read_json(text.encode())
        for name, pieces in self._pieces.items():
            self._fields[name] = text_of(self._fields.get(name)) + "".join(pieces)
        if not text_of(self._fields.get("type")):
            return None
        return StreamChunk(opaque=(Opaque(WIRE, self._fields),))


_KINDS: Final[Mapping[str, Callable[[Fields, int], Block]]] = {
    "text": TextBlock,
    "thinking": ThinkingBlock,
    "tool_use": CallBlock,
}
_KIND_OF_DELTA: Final[Mapping[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "citations_delta": "text",
}


def block_of(fields: Fields, slot: int) -> Block:
    """The block that begins with these fields."""
    return _KINDS.get(text_of(fields.get("type")), OtherBlock)(fields, slot)


def block_for(delta: Fields) -> Block | None:
    """The block that a piece belongs to whose beginning has not come, if that can be told."""
    kind = _KIND_OF_DELTA.get(text_of(delta.get("type")))
    return block_of({"type": kind}, 0) if kind is not None else None
