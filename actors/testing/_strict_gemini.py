"""What Gemini refuses, in its own words. Pure.

Source: Google's reference of the Gemini API, and answers of the real API to such requests.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from ._json import object_of, objects
from ._wire import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._wire import Asked, Json

BAD_REQUEST: Final = 400
NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
FIELDS: Final = frozenset(
    {
        "contents",
        "tools",
        "toolConfig",
        "safetySettings",
        "systemInstruction",
        "generationConfig",
        "cachedContent",
        "model",
        "labels",
        "serviceTier",
        "store",
        "modelArmorConfig",
    }
)
DATA: Final = frozenset(
    {
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
    }
)
CALLED: Final = (
    "Please ensure that function call turn comes immediately after a user turn or after a "
    "function response turn."
)
ANSWERED: Final = (
    "Please ensure that function response turn comes immediately after a function call turn."
)
COUNTED: Final = (
    "Please ensure that the number of function response parts is equal to the number of function "
    "call parts of the function call turn."
)
UNNAMED: Final = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric "
    "(a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum "
    "length of 64."
)


def refusal(asked: Asked) -> Failure | None:
    """The first thing that is wrong; None for a request that would be answered."""
    return next(_complaints(asked), None)


def no(message: str) -> Failure:
    return Failure(BAD_REQUEST, message)


def _field(path: str, complaint: str) -> Failure:
    return no(f"* GenerateContentRequest.{path}: {complaint}\n")


def _complaints(asked: Asked) -> Iterator[Failure]:
    body = asked.body
    for name in body:
        if _camel(name) not in FIELDS:
            said = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            yield no(said)
    contents = objects(body.get("contents"))
    if not contents:
        yield _field("contents", "contents is not specified")
    for index, content in enumerate(contents):
        yield from _content(content, f"contents[{index}]")
    yield from _order(contents)
    yield from _declared(objects(body.get("tools")))
    if "/models/gemini-3" in asked.path:
        yield from _seals(contents)


def _declared(tools: list[Json]) -> Iterator[Failure]:
    for number, tool in enumerate(tools):
        for place, function in enumerate(objects(_get(tool, "functionDeclarations"))):
            if not NAME.fullmatch(str(function.get("name", ""))):
                path = f"tools[{number}].function_declarations[{place}].name"
                yield _field(path, UNNAMED)


def _camel(name: str) -> str:
    """Either spelling is taken: `generationConfig` and `generation_config`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _get(data: Json, name: str) -> Any:
    return next((value for key, value in data.items() if _camel(key) == name), None)


def _content(content: Json, path: str) -> Iterator[Failure]:
    if content.get("role", "user") not in ("user", "model", "function"):
        yield no("Please use a valid role: user, model.")
    parts = objects(content.get("parts"))
    if not parts:
        yield _field(f"{path}.parts", "contents.parts must not be empty.")
    for number, part in enumerate(parts):
        if not any(_camel(key) in DATA for key in part):
            required = "required oneof field 'data' must have one initialized field"
            yield _field(f"{path}.parts[{number}].data", required)
        for name, written in (
            ("functionCall", "function_call"),
            ("functionResponse", "function_response"),
        ):
            value = _get(part, name)
            if value is not None and not object_of(value).get("name"):
                yield _field(f"{path}.parts[{number}].{written}.name", "Name cannot be empty.")
        yield from _shown(object_of(_get(part, "functionResponse")), f"{path}.parts[{number}]")


def _shown(response: Json, path: str) -> Iterator[Failure]:
    for number, part in enumerate(objects(response.get("parts"))):
        if not object_of(_get(part, "inlineData")).get("data"):
            required = "required oneof field 'data' must have one initialized field"
            yield _field(f"{path}.function_response.parts[{number}].data", required)


def _parts(content: Json, name: str) -> list[Json]:
    found = (_get(part, name) for part in objects(content.get("parts")))
    return [object_of(value) for value in found if value is not None]


def _order(contents: list[Json]) -> Iterator[Failure]:
    for before, content in itertools.pairwise([{}, *contents, {}]):
        calls, results = _parts(before, "functionCall"), _parts(content, "functionResponse")
        if results and not calls:
            yield no(ANSWERED)
        if calls and len(results) != len(calls):
            yield no(COUNTED)
        if _parts(content, "functionCall") and before.get("role", "user") == "model":
            yield no(CALLED)
        if _parts(content, "functionCall") and not before:
            yield no(CALLED)


def _seals(contents: list[Json]) -> Iterator[Failure]:
    """Since the user last spoke, the first call of each turn carries its signature."""
    spoken = [
        index
        for index, content in enumerate(contents)
        if content.get("role", "user") == "user" and not _parts(content, "functionResponse")
    ]
    for index in range(spoken[-1] if spoken else 0, len(contents)):
        for part in objects(contents[index].get("parts")):
            call = _get(part, "functionCall")
            if call is None:
                continue
            if not _get(part, "thoughtSignature"):
                yield no(
                    "Function call is missing a thought_signature in functionCall parts. This is "
                    "required for tools to work correctly, and missing thought_signature may "
                    "lead to degraded model performance. Additional data, function call "
                    f"`default_api:{call.get('name')}` , position {index + 1}. Please refer to "
                    "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                )
            break
