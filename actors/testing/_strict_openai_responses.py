"""What OpenAI Responses refuses, in its own words. Pure.

Source: the API reference, and answers of the real API to such requests. What depends on stored
responses (`previous_response_id`, `conversation`) is not judged.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from ._json import kind_of, objects
from ._strict_openai_chat import check_name, no, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._wire import Asked, Failure, Json

LONGEST_ID: Final = 64
ROLES: Final = ("assistant", "system", "developer", "user")
GIVEN: Final = (
    "input_text",
    "input_image",
    "output_text",
    "refusal",
    "input_file",
    "computer_screenshot",
    "summary_text",
)
SHOWN: Final = ("input_text", "input_image", "input_file")
SPOKEN: Final = ("output_text", "refusal")
OUTPUTS: Final = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
}


def refusal(asked: Asked) -> Failure | None:
    """The first thing that is wrong; None for a request that would be answered."""
    return next(_complaints(asked.body), None)


def _complaints(body: Json) -> Iterator[Failure]:
    if not body.get("model"):
        yield no("Missing required parameter: 'model'.", "missing_required_parameter", "model")
    given: Any = body.get("input")
    stored = any(body.get(name) for name in ("previous_response_id", "conversation", "prompt"))
    if not given and not stored:
        yield no(
            'One of "input" or "previous_response_id" or "prompt" or "conversation" must be '
            "provided.",
            "missing_required_parameter",
        )
    items = objects(given)
    for index, item in enumerate(items):
        yield from _item(item, f"input[{index}]")
    yield from _reasoning(items)
    if not stored:
        yield from _results(items)
    for number, tool in enumerate(objects(body.get("tools"))):
        if tool.get("type") == "function":
            yield from check_name(f"tools[{number}].name", tool.get("name"))


def _item(item: Json, where: str) -> Iterator[Failure]:
    kind: str = item.get("type", "message")
    if kind == "message":
        yield from _message(item, where)
    elif kind == "function_call":
        yield from check_name(f"{where}.name", item.get("name"))
        yield from _text(item, where, "arguments")
    elif kind == "function_call_output":
        yield from _output(item, where)
    id = str(item.get("call_id", ""))
    if len(id) > LONGEST_ID:
        yield too_long(f"{where}.call_id", id, LONGEST_ID)


def _output(item: Json, where: str) -> Iterator[Failure]:
    if not isinstance(item.get("output"), list):
        yield from _text(item, where, "output")
    for number, part in enumerate(objects(item.get("output"))):
        if part.get("type") not in SHOWN:
            yield _unsupported(part.get("type"), SHOWN, f"{where}.output[{number}].type")


def _text(item: Json, where: str, name: str) -> Iterator[Failure]:
    value: Any = item.get(name)
    if not isinstance(value, str):
        got = f"expected a string, but got {kind_of(value)} instead."
        yield no(f"Invalid type for '{where}.{name}': {got}", "invalid_type", f"{where}.{name}")


def _message(item: Json, where: str) -> Iterator[Failure]:
    role: Any = item.get("role")
    if role not in ROLES:
        yield _unsupported(role, ROLES, f"{where}.role")
    content: Any = item.get("content")
    if not isinstance(content, str | list):
        expected = "expected one of an array of objects or string, but got"
        said = f"Invalid type for '{where}.content': {expected} {kind_of(content)} instead."
        yield no(said, "invalid_type", f"{where}.content")
    for number, part in enumerate(objects(item.get("content"))):
        kinds = SPOKEN if role == "assistant" else GIVEN
        if part.get("type") not in kinds:
            yield _unsupported(part.get("type"), kinds, f"{where}.content[{number}].type")


def _unsupported(value: object, known: tuple[str, ...], where: str) -> Failure:
    *first, last = (f"'{each}'" for each in known)
    comma = "," if len(first) > 1 else ""
    listed = f"{', '.join(first)}{comma} and {last}"
    return no(f"Invalid value: '{value}'. Supported values are: {listed}.", "invalid_value", where)


def _reasoning(items: list[Json]) -> Iterator[Failure]:
    """Reasoning stands once, and right before the item that it led to.

    The API pairs the two by their ids: reasoning that is sent without one needs no partner.
    """
    seen: set[str] = set()
    for item, following in itertools.pairwise([*items, {}]):
        id = str(item.get("id", ""))
        if id and id in seen:
            yield no(
                f"Duplicate item found with id {id}. Remove duplicate items from your input "
                "and try again.",
                param="input",
            )
        seen.add(id)
        if item.get("type") == "reasoning" and id and not _is_output(following):
            yield no(
                f"Item '{id}' of type 'reasoning' was provided without its required following "
                "item.",
                param="input",
            )


def _is_output(item: Json) -> bool:
    """Whether it came from the model; a message that somebody wrote has no id."""
    kind = str(item.get("type", "message"))
    if kind == "message":
        return item.get("role") == "assistant" and bool(item.get("id"))
    return kind == "reasoning" or kind.endswith("_call")


def _results(items: list[Json]) -> Iterator[Failure]:
    """Every call has an output somewhere behind it, and every output its call before it."""
    calls: list[str] = []
    outputs = {str(item.get("call_id")) for item in items if item.get("type") in OUTPUTS}
    for item in items:
        id = str(item.get("call_id"))
        kind: str = item.get("type", "message")
        if kind in OUTPUTS.values():
            calls.append(id)
        elif kind in OUTPUTS and id not in calls:
            said = f"No tool call found for function call output with call_id {id}."
            yield no(said, param="input")
    for id in calls:
        if id not in outputs:
            yield no(f"No tool output found for function call {id}.", param="input")
