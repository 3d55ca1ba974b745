"""What Ollama refuses, in its own words. Pure.

Source: Ollama's server. It checks the shape of a request and hands the rest to the template of
the model: a call without a result, or the reverse, is not refused.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, cast

from ._json import kind_of, object_of, objects
from ._wire import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._wire import Asked, Json

BAD_REQUEST: Final = 400
ROLES: Final = ("system", "user", "assistant", "tool")


def refusal(asked: Asked) -> Failure | None:
    """The first thing that is wrong; None for a request that would be answered."""
    return next(_complaints(asked.body), None)


def no(message: str) -> Failure:
    return Failure(BAD_REQUEST, message)


def _mismatch(value: object, field: str, kind: str) -> Failure:
    """As Go's decoder of JSON says it."""
    got = {"a decimal": "number", "an integer": "number", "a boolean": "bool"}.get(
        kind_of(value), kind_of(value).partition(" ")[2]
    )
    return no(f"json: cannot unmarshal {got} into Go struct field {field} of type {kind}")


def _complaints(body: Json) -> Iterator[Failure]:
    if not body:
        yield no("missing request body")
    if not body.get("model"):
        yield no("model is required")
    for message in objects(body.get("messages")):
        yield from _message(message)


def _message(message: Json) -> Iterator[Failure]:
    role: Any = message.get("role")
    if role not in ROLES:
        yield no(f"invalid role: {role}")
    for name in ("content", "thinking", "tool_name", "tool_call_id"):
        value: Any = message.get(name)
        if value is not None and not isinstance(value, str):
            yield _mismatch(value, f"ChatRequest.messages.{name}", "string")
    for picture in cast("list[object]", message.get("images") or []):
        yield from _picture(picture)
    for call in objects(message.get("tool_calls")):
        arguments: Any = object_of(call.get("function")).get("arguments")
        if arguments is not None and not isinstance(arguments, dict):
            field = "ChatRequest.messages.tool_calls.function.arguments"
            yield _mismatch(arguments, field, "api.ToolCallFunctionArguments")


def _picture(picture: object) -> Iterator[Failure]:
    try:
        base64.b64decode(str(picture), validate=True)
    except (binascii.Error, ValueError):
        yield no("illegal base64 data at input byte 0")
