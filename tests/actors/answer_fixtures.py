"""Bodies written by hand from a documented format, with what must come out of each.

`NAME.body` is what a server sends, `NAME.json` what must come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from actors.chat import Opaque, ToolCall

if TYPE_CHECKING:
    from actors.chat import Part, StreamResponse
    from runtime import RuntimeFault

FIXTURES = Path(__file__).parents[1] / "fixtures"

TEXTS = st.sampled_from(["", "x", "null", "{}", "$.a", "$.a[0]", "Grüße", "\ud83c", "\udf0d"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS


def json_of(*names: str) -> st.SearchStrategy[Any]:
    """Any JSON, with these names in its objects."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner),
        max_leaves=8,
    )


def names_of(wire: str) -> list[str]:
    return sorted(path.stem for path in (FIXTURES / wire).glob("*.body"))


def load(wire: str, name: str) -> tuple[bytes, dict[str, Any]]:
    folder = FIXTURES / wire
    expected = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return (folder / f"{name}.body").read_bytes(), expected


def seen(response: StreamResponse, error: RuntimeFault | None) -> dict[str, Any]:
    usage = response.usage
    return {
        "outcome": "complete" if error is None else type(error).__name__,
        "text": response.text,
        "thinking": response.thinking,
        "tool_calls": [
            [call.id, call.name, None if call.arguments_error else dict(call.arguments)]
            for call in response.tool_calls
        ],
        "finish_reason": response.finish_reason and response.finish_reason.value,
        "raw_finish_reason": response.raw_finish_reason,
        "usage": [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.reasoning_tokens,
        ],
    }


def told(part: Part) -> list[Any]:
    """A part as the fixtures write it."""
    match part:
        case Opaque(_, data):
            return ["opaque", dict(data)]
        case ToolCall(id, signature=signature):
            return ["call", id, signature]
        case _:
            return [type(part).__name__.lower(), part.text, part.signature]
