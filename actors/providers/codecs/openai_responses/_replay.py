"""An earlier answer as input items, in the order in which they were given. Pure.

What the API refuses is left out, so that a history is always sendable: reasoning without the
item that followed it (the answer was cut there), reasoning that it has not kept and that is not
sealed, and calls of the provider's own tools that nobody has answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.chat import Opaque, Text, Thinking, ToolCall
from actors.providers.codecs._values import mapping, mappings

from ._wire import CALL_TEXT, CUSTOM, FUNCTION, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.chat import AssistantTurn

Fields = dict[str, Any]


def replayed(turn: AssistantTurn, *, stateless: bool) -> list[Fields]:
    """The items that say again what `turn` says.

    Args:
        turn: With no seals but of this wire.
        stateless: The provider has kept nothing of it.
    """
    items: list[Fields] = []
    text = ""  # said since the last item; a message that is kept whole has it as its own text
    for part in turn.parts:
        match part:
            case Text():
                text += part.text
            case Thinking():
                pass  # the sealed item that follows has it; without a seal the API takes none
            case Opaque(data=data):
                own = _text_of_message(data)
                items += _message(text.removesuffix(own))
                items.append(dict(data))
                text = ""
            case ToolCall():
                items += _message(text)
                items.append(_call(part))
                text = ""
    return _sendable(items + _message(text), stateless=stateless)


def _message(text: str) -> list[Fields]:
    return [{"role": "assistant", "content": text}] if text else []


def _text_of_message(data: Mapping[str, Any]) -> str:
    if data.get("type") != "message":
        return ""
    parts = mappings(data.get("content"))
    return "".join(text_of(part.get("text")) for part in parts if part.get("type") == "output_text")


def _call(call: ToolCall) -> Fields:
    seal = _unsealed(call.signature)
    kind = CUSTOM if seal.get("type") == CUSTOM else FUNCTION
    said = call.arguments_text
    if kind == FUNCTION and (call.arguments_error is not None or not said.strip()):
        # Arguments that were cut are not JSON, and one such call makes the provider refuse the
        # whole conversation: the call stays, its result says what was wrong.
        said = "{}"
    return {"type": kind, "call_id": call.id, "name": call.name, CALL_TEXT[kind]: said, **seal}


def _unsealed(signature: str | None) -> Fields:
    try:
        return mapping(msgspec.json.decode(signature or "{}"))
    except (msgspec.DecodeError, RecursionError):
        return {}  # of a journal that somebody else wrote


def _sendable(items: list[Fields], *, stateless: bool) -> list[Fields]:
    """Without what the API refuses."""
    answered = {text_of(item.get("call_id")) for item in items if _is_output(item)}
    kept: list[Fields] = []
    for thoughts, following in _groups([item for item in items if not _waits(item, answered)]):
        if _fits(thoughts, following, stateless=stateless):
            kept += thoughts + following
        elif thoughts:  # an id would ask for the reasoning that is missing
            kept += [_without_id(item) for item in following]
        else:
            kept += following
    return kept


def _groups(items: list[Fields]) -> list[tuple[list[Fields], list[Fields]]]:
    """Reasoning, and what was said after it until there was more reasoning."""
    groups: list[tuple[list[Fields], list[Fields]]] = [([], [])]
    for item in items:
        if item.get("type") != "reasoning":
            groups[-1][1].append(item)
        elif groups[-1][1]:
            groups.append(([item], []))
        else:
            groups[-1][0].append(item)
    return groups


def _fits(thoughts: list[Fields], following: list[Fields], *, stateless: bool) -> bool:
    """Whether the API takes reasoning with what follows it: it pairs the two by their ids."""
    sealed = all(
        item.get("encrypted_content") or item.get("content") or not stateless for item in thoughts
    )
    if not following or not sealed:
        return False
    first = following[0]
    as_it_came = first.get("id") or first.get("type", FUNCTION) not in CALL_TEXT
    return bool(as_it_came) or not any(item.get("id") for item in thoughts)


def _without_id(item: Fields) -> Fields:
    if item.get("type") not in ("message", *CALL_TEXT):
        return item
    return {name: value for name, value in item.items() if name != "id"}


def _is_output(item: Fields) -> bool:
    return text_of(item.get("type")).endswith("_output")


def _waits(item: Fields, answered: set[str]) -> bool:
    """Whether it is a call of a built-in tool that the client should have answered."""
    kind = text_of(item.get("type"))
    own = kind.endswith("_call") and kind not in CALL_TEXT
    return own and item.get("call_id") is not None and text_of(item["call_id"]) not in answered
