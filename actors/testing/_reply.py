"""A request and an answer become what goes over the connection: a head, writes, an ending.

Faults are placed here, alike for every wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.chat import Request, StreamChunk, StreamResponse, user
from actors.providers import Fail, Reset, ScriptedPause, Stall, play

from ._fake_answers import FakeAnswer, Fault, Place
from ._wire import JSON, Asked, Failure, Frame, Kind, Task, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.providers import Happening

    from ._wire import Json, Wire

_SERVER_ERROR: Final = 500
Item = Frame | ScriptedPause | Fault


@attrs.frozen
class Reply:
    """One answer, ready to be sent.

    Attributes:
        writes: The body, in order, with what happens between its pieces. A fault is the last.
        whole_bytes: How long the body would be without a fault.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    writes: tuple[bytes | ScriptedPause | Fault, ...]
    whole_bytes: int

    @property
    def fault(self) -> Fault | None:
        last = self.writes[-1] if self.writes else None
        return last if isinstance(last, Fault) else None


def reply_to(asked: Asked, task: Task, given: FakeAnswer, wire: Wire) -> Reply:
    """The reply to one request.

    A whole answer that fails on the way has a status to say so; a streamed one has not.
    """
    asked = attrs.evolve(asked, usage=given.usage)
    items, status, kind = _items(asked, task, given, wire)
    whole = sum(len(item.data) for item in items if isinstance(item, Frame))
    if given.fault is not None:
        failure = wire.rendering(asked).failure(_FAULT)
        items = list(_broken(items, given.fault, given.place, list(failure)))
    writes = tuple(piece for item in items for piece in _pieces(item, given.split))
    named = dict(given.headers)
    request_id = ((wire.request_id, f"fake-{asked.number}"),) if wire.request_id else ()
    head = [("content-type", kind), *request_id, *given.headers]
    shown = tuple(h for h in head if h in given.headers or h[0] not in named)
    return Reply(status, shown, writes, whole)


_FAULT: Final = Failure(503, "The model is overloaded. Please try again later.")


def refuse(failure: Failure, number: int, wire: Wire) -> Reply:
    """The reply to a request that the provider would not answer."""
    body = encoded(wire.error_body(failure))
    request_id = ((wire.request_id, f"fake-{number}"),) if wire.request_id else ()
    return Reply(failure.status, (("content-type", JSON), *request_id), (body,), len(body))


def _items(asked: Asked, task: Task, given: FakeAnswer, wire: Wire) -> tuple[list[Item], int, str]:
    """The body as it would be without a fault of the connection, its status and type."""
    if given.body is not None:
        return _whole(given.body), given.status, given.content_type
    if given.message is not None:
        body = encoded(wire.error_body(Failure(given.status, given.message)))
        return _whole(body), given.status, JSON
    if task is Task.EMBED and wire.embeddings is not None:
        return _whole(encoded(wire.embeddings(asked))), given.status, JSON
    if task is Task.STREAM:
        return list(_streamed(asked, given, wire)), given.status, wire.content_type
    return _in_one(asked, given, wire)


def _whole(body: bytes) -> list[Item]:
    return [Frame(body, Kind.WHOLE)]


def _played(asked: Asked, given: FakeAnswer) -> Iterator[StreamChunk | Happening]:
    messages: Any = asked.body.get("messages")
    said = [user(_text(m)) for m in messages or () if m.get("role") == "user"]
    return play(given.script, Request(tuple(said)), asked.number)


def _text(message: Json) -> str:
    return str(message.get("content"))


def _streamed(asked: Asked, given: FakeAnswer, wire: Wire) -> Iterator[Item]:
    rendering = wire.rendering(asked)
    for item in _played(asked, given):
        if isinstance(item, StreamChunk):
            yield from rendering.chunk(item)
            if given.pings and rendering.ping and not item.is_final:
                yield Frame(rendering.ping, Kind.OPENING)
            continue
        yield from rendering.flush()
        if isinstance(item, ScriptedPause):
            yield item
        elif isinstance(item, Fail):
            yield from rendering.failure(_failure(item))
        else:
            yield _fault(item)


def _fault(step: Happening) -> Fault:
    match step:
        case Reset():
            return Fault.RESET
        case Stall():
            return Fault.STALL
        case _:
            return Fault.CLOSE


def _failure(item: Fail) -> Failure:
    return Failure(item.error.status or _SERVER_ERROR, str(item.error))


def _in_one(asked: Asked, given: FakeAnswer, wire: Wire) -> tuple[list[Item], int, str]:
    """Silence comes before the answer, and what breaks it breaks it in its middle."""
    response = StreamResponse()
    items: list[Item] = []
    fault: Fault | None = None
    for item in _played(asked, given):
        if isinstance(item, StreamChunk):
            response.add(item)
        elif isinstance(item, ScriptedPause):
            items.append(item)
        elif isinstance(item, Fail):
            failure = _failure(item)
            return [*items, *_whole(encoded(wire.error_body(failure)))], failure.status, JSON
        else:
            fault = _fault(item)
    body = _whole(encoded(wire.whole(asked, response)))
    broken = body if fault is None else list(_broken(body, fault, Place.INSIDE, []))
    return [*items, *broken], given.status, JSON


def _broken(items: list[Item], fault: Fault, place: Place, error: list[Frame]) -> Iterator[Item]:
    """`items` up to the place of the fault, and the fault."""
    end, half = _cut_at(items, place)
    yield from items[:end]
    if fault is Fault.ERROR:
        yield from error
        return
    if half:
        yield Frame(half)
    yield fault


def _cut_at(items: list[Item], place: Place) -> tuple[int, bytes]:
    """How many items are sent, and which bytes of the one behind them."""
    content = [
        index
        for index, item in enumerate(items)
        if isinstance(item, Frame) and item.kind in (Kind.CONTENT, Kind.WHOLE)
    ]
    if place is Place.FIRST or not content:
        return 0, b""
    index = content[-1] if place is Place.LAST else content[len(content) // 2]
    frame = items[index]
    assert isinstance(frame, Frame)
    if place is Place.INSIDE:
        return index, frame.data[: len(frame.data) // 2]
    return (index, frame.data[:-1]) if frame.kind is Kind.WHOLE else (index + 1, b"")


def _pieces(item: Item, split: int | None) -> Iterator[bytes | ScriptedPause | Fault]:
    if not isinstance(item, Frame):
        yield item
    elif split is None:
        yield item.data
    else:
        yield from (item.data[at : at + split] for at in range(0, len(item.data), split))
