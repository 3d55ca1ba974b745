"""What Anthropic Messages refuses, in its own words. Pure.

Source: Anthropic's documentation of tool use and extended thinking, and answers of the real
API to such requests.
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
NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
REQUIRED: Final = ("model", "max_tokens", "messages")
LEAST_BUDGET: Final = 1024
IN_RESULTS: Final = ("document", "image", "search_result", "text", "tool_reference")
THINKING: Final = ("thinking", "redacted_thinking")


def refusal(asked: Asked) -> Failure | None:
    """The first thing that is wrong; None for a request that would be answered."""
    if "anthropic-version" not in asked.headers:
        return no("anthropic-version: header is required")
    return next(_complaints(asked.body), None)


def no(message: str) -> Failure:
    return Failure(BAD_REQUEST, message)


def _complaints(body: Json) -> Iterator[Failure]:
    for name in REQUIRED:
        if name not in body:
            yield no(f"{name}: Field required")
    messages = objects(body.get("messages"))
    if not messages:
        yield no("messages: at least one message is required")
    yield from _roles(messages)
    for index, message in enumerate(messages):
        yield from _message(message, index, last=index == len(messages) - 1)
    yield from _results(messages)
    yield from _thinking(body, messages)
    for number, tool in enumerate(objects(body.get("tools"))):
        if "input_schema" in tool and not NAME.fullmatch(str(tool.get("name"))):
            yield no(f"tools.{number}.custom.name: String should match pattern '{_PATTERN}'")


_PATTERN: Final = "^[a-zA-Z0-9_-]{1,128}$"


def _roles(messages: list[Json]) -> Iterator[Failure]:
    for message in messages:
        role = message.get("role")
        if role == "system":
            yield no(
                'messages: Unexpected role "system". The Messages API accepts a top-level '
                '`system` parameter, not "system" as an input message role.'
            )
        elif role not in ("user", "assistant"):
            yield no(f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant"')
    if messages and messages[0].get("role") != "user":
        yield no('messages: first message must use the "user" role')


def _message(message: Json, index: int, *, last: bool) -> Iterator[Failure]:
    content: Any = message.get("content")
    spoken = message.get("role") == "assistant"
    if not isinstance(content, str | list):
        yield no(f"messages.{index}.content: Field required")
    if not content and not (last and spoken):
        yield no(
            f"messages.{index}: all messages must have non-empty content except for the "
            "optional final assistant message"
        )
    blocks = _blocks(message)
    for number, block in enumerate(blocks):
        yield from _block(block, f"messages.{index}.content.{number}")
    if spoken and blocks and blocks[-1].get("type") in THINKING:
        kind = blocks[-1]["type"]
        yield no(f"messages.{index}: The final block in an assistant message cannot be `{kind}`.")
    if spoken and last and blocks and str(blocks[-1].get("text", "")).endswith((" ", "\n")):
        yield no("messages: final assistant content cannot end with trailing whitespace")


def _blocks(message: Json) -> list[Json]:
    content: Any = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return objects(content)


def _block(block: Json, where: str) -> Iterator[Failure]:
    match block.get("type"):
        case "text":
            yield from _text(str(block.get("text") or ""))
        case "thinking":
            if "signature" not in block:
                yield no(f"{where}.thinking.signature: Field required")
            elif not block["signature"]:
                yield no(f"{where}: Invalid `signature` in `thinking` block")
        case "tool_use":
            yield from _call(block, f"{where}.tool_use")
        case "tool_result":
            yield from _result(block, f"{where}.tool_result")
        case None:
            yield no(f"{where}.type: Field required")
        case _:
            return


def _text(text: str) -> Iterator[Failure]:
    if not text:
        yield no("messages: text content blocks must be non-empty")
    elif not text.strip():
        yield no("messages: text content blocks must contain non-whitespace text")


def _call(block: Json, where: str) -> Iterator[Failure]:
    if not ID.fullmatch(str(block.get("id", ""))):
        yield no(f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not NAME.fullmatch(str(block.get("name", ""))):
        yield no(f"{where}.name: String should match pattern '{_PATTERN}'")
    if not isinstance(block.get("input"), dict):
        yield no(f"{where}.input: Input should be a valid dictionary")


def _result(block: Json, where: str) -> Iterator[Failure]:
    content = objects(block.get("content"))
    kinds = [str(each.get("type")) for each in content]
    for number, kind in enumerate(kinds):
        if kind not in IN_RESULTS:
            expected = ", ".join(f"'{each}'" for each in IN_RESULTS)
            yield no(
                f"{where}.content.{number}: Input tag '{kind}' found using 'type' does not "
                f"match any of the expected tags: {expected}"
            )
    if block.get("is_error") and any(kind != "text" for kind in kinds):
        yield no(f"{where}: all content must be type `text` if `is_error` is true")
    for each in content:
        if each.get("type") == "text":
            yield from _text(str(each.get("text") or ""))


def _results(messages: list[Json]) -> Iterator[Failure]:
    """All results of a message's calls stand together, first in the next message."""
    seen: set[str] = set()
    for index, message in enumerate(_merged(messages)):
        ids = [str(block.get("id")) for block in _of_type(message, "tool_use")]
        if len({*ids} | seen) < len(ids) + len(seen):
            yield no(f"messages.{index}: `tool_use` ids must be unique")
        seen.update(ids)
    merged = _merged(messages)
    for index, (before, message) in enumerate(itertools.pairwise([{}, *merged, {}])):
        calls = [str(block.get("id")) for block in _of_type(before, "tool_use")]
        yield from _unknown(message, calls, index)
        missing = [id for id in calls if id not in _first_results(message)]
        if missing:
            yield no(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )


def _merged(messages: list[Json]) -> list[Json]:
    """Neighbours of one role count as one message."""
    merged: list[Json] = []
    for message in messages:
        if merged and merged[-1]["role"] == message.get("role"):
            merged[-1]["content"] += _blocks(message)
        else:
            merged.append({"role": message.get("role"), "content": [*_blocks(message)]})
    return merged


def _of_type(message: Json, kind: str) -> list[Json]:
    return [block for block in _blocks(message) if block.get("type") == kind]


def _first_results(message: Json) -> list[str]:
    ids: list[str] = []
    for block in _blocks(message):
        if block.get("type") != "tool_result":
            break
        ids.append(str(block.get("tool_use_id")))
    return ids


def _unknown(message: Json, calls: list[str], index: int) -> Iterator[Failure]:
    answered: set[str] = set()
    for number, block in enumerate(_blocks(message)):
        if block.get("type") != "tool_result":
            continue
        id = str(block.get("tool_use_id"))
        if id not in calls:
            yield no(
                f"messages.{index}.content.{number}: unexpected `tool_use_id` found in "
                f"`tool_result` blocks: {id}. Each `tool_result` block must have a corresponding "
                "`tool_use` block in the previous message."
            )
        if id in answered:
            yield no(
                f"messages.{index}.content.{number}: each tool_use must have a single result. "
                f"Found multiple `tool_result` blocks with id: {id}"
            )
        answered.add(id)


def _thinking(body: Json, messages: list[Json]) -> Iterator[Failure]:
    settings = object_of(body.get("thinking"))
    if settings.get("type") != "enabled":
        return
    budget, longest = settings.get("budget_tokens"), body.get("max_tokens")
    if not isinstance(budget, int) or budget < LEAST_BUDGET:
        least = f"Input should be greater than or equal to {LEAST_BUDGET}"
        yield no(f"thinking.enabled.budget_tokens: {least}")
    elif not isinstance(longest, int) or budget >= longest:
        yield no("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature") not in (None, 1, 1.0):
        yield no("`temperature` may only be set to 1 when thinking is enabled.")
    # Only what was said since the user last spoke has to begin with its thinking.
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        first = object_of(next(iter(_blocks(message)), None)).get("type")
        if message.get("role") == "user" and not _of_type(message, "tool_result"):
            return
        if message.get("role") == "assistant" and first not in THINKING:
            yield no(
                f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, "
                f"but found `{first}`. When `thinking` is enabled, a final `assistant` message "
                "must start with a thinking block (preceeding the lastmost set of `tool_use` and "
                "`tool_result` blocks). We recommend you include thinking blocks from previous "
                "turns. To avoid this requirement, disable `thinking`."
            )
