"""How a model is asked for JSON: the schema as providers take it, and in words. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from actors.chat import OutputSchema, Request, SystemTurn
from actors.schema import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")  # as OpenAI has it, the narrowest
# Providers take different ones, and refuse a schema with others (OpenAI: no lengths; Anthropic:
# no limits at all; llama.cpp: few patterns). The decoder checks them; the model reads of them.
IN_WORDS: Final = {key: text for key, text in LIMITS.items() if key != "format"}
LEFT_OUT: Final = {*IN_WORDS, "uniqueItems", "default"}


def output_schema(name: str, schema: Mapping[str, Any]) -> OutputSchema:
    """The schema of an answer, as far as every provider takes it.

    All fields are required and no others allowed, as OpenAI wants it for its strict mode. What
    cannot be written so (a `dict`, `Any`, a tuple) is sent without that mode.

    Args:
        name: Of the class.
        schema: Without references.
    """
    wanted = cast("dict[str, Any]", _required(schema))
    return OutputSchema(wanted, NOT_IN_NAMES.sub("_", name)[:64], strict=_can_be_strict(wanted))


def _required(node: object) -> object:
    if isinstance(node, list):
        return [_required(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    wanted = {key: _inside(key, value) for key, value in schema.items() if key not in LEFT_OUT}
    if "properties" in wanted:
        wanted["required"] = list(wanted["properties"])
    limits = [text.format(schema[key]) for key, text in IN_WORDS.items() if key in schema]
    if limits:
        said = " and ".join(limits)
        before = wanted.get("description")
        wanted["description"] = f"{before} ({said})" if before else said
    return wanted


def _inside(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _required(item) for name, item in value.items()}
    return value if key == "enum" else _required(value)


def _can_be_strict(schema: Mapping[str, Any]) -> bool:
    if "anyOf" in schema:
        return all(_can_be_strict(each) for each in schema["anyOf"])
    if "enum" in schema:
        return True
    match schema.get("type"):
        case None:
            return False
        case "object":
            fields: Mapping[str, Any] = schema.get("properties", {})
            closed = schema.get("additionalProperties") is False
            return closed and all(map(_can_be_strict, fields.values()))
        case "array":
            return "items" in schema and bool(schema["items"]) and _can_be_strict(schema["items"])
        case _:
            return True


def in_instructions(output: OutputSchema) -> str:
    """What a model is told that cannot be held to a schema."""
    return (
        "Answer with one JSON object alone, without any words around it, by this JSON schema: "
        + json.dumps(output.schema, ensure_ascii=False)
    )


def asked_for(request: Request, output: OutputSchema, *, held: bool) -> Request:
    """The request with what its answer must be.

    Args:
        request: Without an output.
        output: What is wanted.
        held: Whether the provider holds the model to it; if not, the instructions ask for it.
    """
    if held:
        return attrs.evolve(request, output=output)
    asked = SystemTurn(in_instructions(output))
    match request.turns:
        case (SystemTurn(text), *rest):
            turns = (SystemTurn(f"{text}\n\n{asked.text}"), *rest)
        case turns:
            turns = (asked, *turns)
    return attrs.evolve(request, turns=turns)
