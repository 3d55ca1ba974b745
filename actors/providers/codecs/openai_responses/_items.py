"""The items of one answer: which event belongs to which, and what of each has been said. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.providers.codecs._values import whole

if TYPE_CHECKING:
    from ._wire import Event


@attrs.define
class Written:
    """A text while its pieces arrive, so that a whole that follows them is not said twice."""

    pieces: list[str] = attrs.field(factory=list[str])
    half: str = ""  # the first half of a surrogate pair that was cut in two

    def add(self, text: str, *, mended: bool) -> str:
        """Take the next piece; return what can be shown of it."""
        if mended or self.half:
            text = self.half + text
            self.half = ""
            if "\ud800" <= text[-1:] <= "\udbff":
                text, self.half = text[:-1], text[-1]
            text = whole(text)
        self.pieces.append(text)
        return text

    def rest_of(self, final: str) -> str | None:
        """What `final` adds to the pieces; None where it begins differently."""
        said = "".join(self.pieces)
        if not final.startswith(said):
            return None
        self.half = ""
        self.pieces = [final]
        return final[len(said) :]


@attrs.define
class Item:
    """One item of the output.

    Attributes:
        kind: Its type, "" until it is known.
        slot: The number of the tool call that it is.
        cited: The annotations that were handed on.
        done: All of it has come, and what goes back to the provider was handed on.
    """

    kind: str = ""
    slot: int | None = None
    texts: dict[tuple[str, int], Written] = attrs.field(factory=dict[tuple[str, int], Written])
    cited: list[Any] = attrs.field(factory=list[Any])
    done: bool = False

    def text(self, kind: str, index: int) -> Written:
        found = self.texts.get((kind, index))
        if found is None:
            found = self.texts[kind, index] = Written()
        return found


class Items:
    """All items so far.

    An event belongs to the item of its `output_index`; by its id only where it has none, since
    some servers give an item a new id with every event; else to the item that came last.
    """

    def __init__(self) -> None:
        self.all: list[Item] = []
        self._by_index: dict[int, Item] = {}
        self._by_id: dict[str, Item] = {}

    def of(self, event: Event) -> Item:
        """The item of an event that is about a part of it."""
        index, id = event.output_index, event.item_id
        if index is not None:
            return self._by_index.get(index) or self._new(index, id or "")
        if id:
            return self._by_id.get(id) or self._new(None, id)
        return self.all[-1] if self.all else self._new(None, "")

    def opened(self, event: Event, kind: str, id: str) -> Item:
        """The item of an event that begins one; a number given twice is another item."""
        index = event.output_index
        item = self._by_index.get(index) if index is not None else self._by_id.get(id)
        if item is None or item.done or item.kind not in ("", kind):
            item = self._new(index, id)
        return item

    def closed(self, event: Event, kind: str, id: str) -> Item:
        """The item of an event that has all of it."""
        index = event.output_index
        item = self._by_index.get(index) if index is not None else self._by_id.get(id)
        if item is None or item.kind not in ("", kind):
            item = self._new(index, id)
        return item

    def at(self, place: int, kind: str, id: str) -> Item | None:
        """The item at a place of the finished output; None where it cannot be told which."""
        for item in (self._by_id.get(id), self._by_index.get(place)):
            if item is not None and item.kind in ("", kind):
                return item
        return self._new(place, id) if place >= len(self.all) else None

    def _new(self, index: int | None, id: str) -> Item:
        item = Item()
        self.all.append(item)
        if index is not None:
            self._by_index[index] = item
        if id:
            self._by_id[id] = item
        return item
