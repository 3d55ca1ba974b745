"""Changes answers where it hurts: in their JSON and in their events, not only in their bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

STRANGE: Final[list[Any]] = json.loads(
    r"""[null, true, false, 0, -1, 1, 1.5, 1e308, 9223372036854775808, -1180591620717411303424,
    "", " ", "0", "null", "[DONE]", "{", "\ud83d", "\ud83d\ude00", "\ude00", "\u2028", "e\u0301",
    [], {}, [null], [[]], {"": null}, ["text"], {"type": "text", "text": "x"},
    {"error": {"message": "no"}}, "stop", "tool_calls"]"""
)
PIECES: Final = (
    b"\n", b"\n\n", b"\r", b"\r\n", b"data:", b"data: [DONE]\n\n", b"event: error\n", b": ping\n\n",
    b"\xef\xbb\xbf", b"\x00", b"\xff", b"{}", b"[", b"]", b",", b"[{}]", b"data: {}\n\n",
)  # fmt: skip
EVENT: Final = re.compile(rb"(?:\r\n|\r|\n){2}")


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The answer with one change."""
    change: Callable[[bytes, random.Random], bytes] = chance.choices(
        (_change_json, _move_events, _insert), (6, 2, 1)
    )[0]
    return change(data, chance)


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(PIECES) + data[place:]


def _move_events(data: bytes, chance: random.Random) -> bytes:
    """Leave out, repeat, move or cut an event."""
    gap = b"\n" if b"\n\n" not in data and b"\r" not in data else b"\n\n"
    events = EVENT.split(data) if gap == b"\n\n" else data.split(b"\n")
    place = chance.randrange(len(events))
    event = events.pop(place)
    match chance.randrange(4):
        case 0:
            pass
        case 1:
            events[place:place] = [event] * chance.choice((2, 2, 20))
        case 2:
            events.insert(chance.randrange(len(events) + 1), event)
        case _:
            events.insert(place, event[: chance.randrange(len(event) + 1)])
    return gap.join(events)


def _change_json(data: bytes, chance: random.Random) -> bytes:
    """Change a value in one of the JSON objects, wherever they stand."""
    spans = list(_objects(data))
    if not spans:
        return _insert(data, chance)
    start, end, value = chance.choice(spans)
    changed = _changed(value, chance)
    try:
        text = json.dumps(changed, ensure_ascii=chance.random() < 0.5, separators=(",", ":"))
    except RecursionError:
        return data
    return data[:start] + text.encode("utf-8", "surrogatepass") + data[end:]


def _objects(data: bytes) -> Any:
    """Every JSON value that begins a line or the data of an event, with its place."""
    for found in re.finditer(rb"(?:^|\n|\r|data:) ?(?=[{\[])", data):
        start = found.end()
        line = re.split(rb"[\r\n]", data[start:], maxsplit=1)[0]
        for end in (start + len(line), len(data)):
            try:
                yield start, end, json.loads(data[start:end])
            except (ValueError, RecursionError):
                continue
            break


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one place in it changed, deep ones as likely as others."""
    places = list(_places(value))
    if not places:
        return chance.choice(STRANGE)
    holder, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            cast("list[Any]", holder).insert(key, holder[key])
        case 2:
            holder[key] = [holder[key]]
        case 3:
            other, place = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[place]))
        case 4 if isinstance(holder[key], str):
            text: str = holder[key]
            cut = chance.randrange(len(text) + 1)
            holder[key] = text[:cut] + str(chance.choice(STRANGE)) + text[cut:]
        case _:
            holder[key] = chance.choice(STRANGE)
    return value


def _places(value: Any) -> Any:
    waiting: list[Any] = [value]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict | list):
            items = cast("dict[Any, Any] | list[Any]", holder)
            keys: list[Any] = list(items) if isinstance(items, dict) else list(range(len(items)))
            for key in keys:
                yield items, key
                waiting.append(items[key])
