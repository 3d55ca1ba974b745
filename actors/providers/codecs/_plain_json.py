"""JSON in and out, where servers and users do not keep quite to it. Pure.

Also tool calls on wires that carry the arguments as a JSON object and know no ids, or not
always: there the text is taken over to the letter, and ids are made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from actors.chat import parse_arguments
from actors.errors import ConfigurationError

if TYPE_CHECKING:
    from actors.chat import ToolCall

_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 24  # other providers, who may get the history later, take ids of 40


def mended(payload: bytes) -> bytes:
    """JSON that msgspec can read, from what only Python's reader takes.

    Pairs of surrogates that are written as two escapes are joined, halves without a partner
    replaced; NaN and the infinities become null.

    Raises:
        ValueError: It is no JSON, even so.
    """
    try:
        value = json.loads(payload, parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def write_json(body: Mapping[str, Any]) -> bytes:
    """The body of a request.

    Raises:
        ConfigurationError: It holds what JSON cannot.
    """
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error


def _plain(value: object) -> object:
    """Mappings that are not dicts, such as the read-only views of a frozen schema."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def extended(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with the fields of `extra`: objects join objects, lists go on, others replace."""
    joined = dict(body)
    for name, value in extra.items():
        before: object = joined.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            inner = cast("Mapping[str, Any]", value)
            joined[name] = extended(cast("Mapping[str, Any]", before), inner)
        elif isinstance(before, list) and isinstance(value, list | tuple):
            joined[name] = [*cast("list[object]", before), *cast("list[object]", value)]
        else:
            joined[name] = value
    return joined


def arguments_text(arguments: msgspec.Raw) -> str:
    """The arguments of a call as the server wrote them; none at all are an empty object.

    Raises:
        ValueError: They are no JSON.
    """
    text = bytes(arguments)
    if text in (b"", b"null"):
        return "{}"
    try:
        value: object = msgspec.json.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value if isinstance(value, str) else text.decode()


def arguments_object(call: ToolCall) -> object:
    """The arguments of a call as an object of the request: as they came, where they still fit.

    Arguments that were cut are an empty object, as `ToolCall` has them: one such call makes a
    server refuse the conversation. The call stays, and its result says what was wrong.
    """
    arguments, error = parse_arguments(call.arguments_text)
    if error is not None or arguments != call.arguments:
        return call.arguments
    try:
        msgspec.json.decode(call.arguments_text or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return call.arguments
    return msgspec.Raw(call.arguments_text.encode() or b"{}")


def made_up_id(wire: str, answer: str, number: int) -> str:
    """An id for a call that came without one.

    The same bytes always give the same id. It is unique in its answer, and among answers as
    far as the server names them.
    """
    name = _NOT_IN_AN_ID.sub("", answer)[-_LONGEST_NAME:]
    return f"{wire}_{name}_{number}"


def is_made_up(wire: str, id: str) -> bool:
    """Whether an id is one of ours, which the server has never seen."""
    return id.startswith(f"{wire}_")
