"""What OpenAI Chat Completions refuses, in its own words. Pure.

Source: the API reference, and answers of the real API to such requests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ._json import kind_of, object_of, objects
from ._wire import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._wire import Asked, Json

BAD_REQUEST: Final = 400
NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
LONGEST_NAME: Final = 64
LONGEST_ID: Final = 40
ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
NEED_TOOLS: Final = ("tool_choice", "parallel_tool_calls")


def refusal(asked: Asked) -> Failure | None:
    """The first thing that is wrong; None for a request that would be answered."""
    return next(_complaints(asked.body), None)


def _complaints(body: Json) -> Iterator[Failure]:
    if not body.get("model"):
        yield no("you must provide a model parameter")
    if "messages" not in body:
        yield no(
            "Missing required parameter: 'messages'.", "missing_required_parameter", "messages"
        )
    messages = objects(body.get("messages"))
    if not messages:
        yield _empty("messages")
    for index, message in enumerate(messages):
        yield from _message(message, index)
    yield from _results(messages)
    yield from _options(body)


def no(message: str, code: str | None = None, param: str | None = None) -> Failure:
    return Failure(BAD_REQUEST, message, code, param)


def _empty(name: str) -> Failure:
    expected = "Expected an array with minimum length 1, but got an empty array instead."
    return no(f"Invalid '{name}': empty array. {expected}", "empty_array", name)


def too_long(where: str, text: str, longest: int) -> Failure:
    expected = f"Expected a string with maximum length {longest}, but got a string with length"
    said = f"Invalid '{where}': string too long. {expected} {len(text)} instead."
    return no(said, "string_above_max_length", where)


def check_name(where: str, name: object) -> Iterator[Failure]:
    """A function's name."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        expected = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        said = f"Invalid '{where}': string does not match pattern. {expected}"
        yield no(said, "invalid_value", where)
    elif len(name) > LONGEST_NAME:
        yield too_long(where, name, LONGEST_NAME)


def _message(message: Json, index: int) -> Iterator[Failure]:
    role: Any = message.get("role")
    where = f"messages[{index}]"
    if role not in ROLES:
        listed = ", ".join(f"'{each}'" for each in ROLES[:-1])
        said = f"Invalid value: '{role}'. Supported values are: {listed}, and '{ROLES[-1]}'."
        yield no(said, "invalid_value", f"{where}.role")
    content: Any = message.get("content")
    calls = message.get("tool_calls")
    spoken = role == "assistant" and (calls or message.get("audio") or message.get("refusal"))
    if content is None and not spoken:
        said = "Invalid value for 'content': expected a string, got null."
        yield no(said, param=f"messages.[{index}].content")
    elif not isinstance(content, str | list | None):
        expected = f"expected a string or an array of objects, but got {kind_of(content)} instead."
        yield no(f"Invalid type for '{where}.content': {expected}", "invalid_type", where)
    for number, part in enumerate(objects(message.get("content")) if role == "tool" else []):
        if part.get("type") != "text":
            name = f"{where}.content[{number}].type"
            said = f"Invalid value: '{part.get('type')}'. Supported values are: 'text'."
            yield no(said, "invalid_value", name)
    if calls == []:
        yield _empty(f"{where}.tool_calls")
    for number, call in enumerate(objects(calls)):
        yield from _call(call, f"{where}.tool_calls[{number}]")


def _call(call: Json, where: str) -> Iterator[Failure]:
    id: Any = call.get("id")
    function = object_of(call.get("function"))
    if not isinstance(id, str):
        name = f"{where}.id"
        yield no(f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
    elif len(id) > LONGEST_ID:
        yield too_long(f"{where}.id", id, LONGEST_ID)
    if call.get("type") == "custom":
        return
    if call.get("type") != "function":
        name = f"{where}.type"
        yield no(f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
    yield from check_name(f"{where}.function.name", function.get("name"))
    arguments: Any = function.get("arguments")
    if not isinstance(arguments, str):
        name = f"{where}.function.arguments"
        got = f"expected a string, but got {kind_of(arguments)} instead."
        yield no(f"Invalid type for '{name}': {got}", "invalid_type", name)


def _results(messages: list[Json]) -> Iterator[Failure]:
    """Every call has one result right behind it, and every result its call before it."""
    open_ids: list[str] = []
    answered: set[str] = set()
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            id = str(message.get("tool_call_id"))
            if id in answered:
                yield no(f"Duplicate value for 'tool_call_id' of '{id}' in message[{index}]")
            if id not in open_ids:
                yield no(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            answered.add(id)
            continue
        yield from _unanswered(open_ids, answered, index)
        open_ids = [str(call.get("id")) for call in objects(message.get("tool_calls"))]
        answered = set()
    yield from _unanswered(open_ids, answered, len(messages))


def _unanswered(ids: list[str], answered: set[str], index: int) -> Iterator[Failure]:
    missing = [id for id in ids if id not in answered]
    if missing:
        yield no(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(missing),
            param=f"messages.[{index}].role",
        )


def _options(body: Json) -> Iterator[Failure]:
    tools = body.get("tools")
    if tools == []:
        yield _empty("tools")
    for number, tool in enumerate(objects(tools)):
        if tool.get("type") == "function":
            name = object_of(tool.get("function")).get("name")
            yield from check_name(f"tools[{number}].function.name", name)
    if not tools:
        for name in NEED_TOOLS:
            if body.get(name) is not None:
                yield no(f"'{name}' is only allowed when 'tools' are specified.", param=name)
    if body.get("stream_options") is not None and not body.get("stream"):
        said = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield no(said, param="stream_options")
