"""Recorded answers of real servers, and what the official SDK read from the same bytes.

The recordings are not part of this repository: `TROUPE_WIRE` says where they are, by default
`../shared/wire` beside the repository. Without them the tests that read them are left out, and
say so.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from actors.chat import StreamResponse

ROOT = Path(__file__).parents[2]
WIRE = Path(os.environ.get("TROUPE_WIRE") or ROOT.parent / "shared" / "wire")


def folder() -> Path | None:
    found = [path.parent for path in (WIRE / "INDEX.json", WIRE / "given" / "INDEX.json")]
    return next((path for path in found if (path / "INDEX.json").exists()), None)


def cases(api: str, *, refused: bool) -> list[Any]:
    """The recordings of one API, as parameters of a test."""
    root = folder()
    if root is None:
        reason = f"no recordings at {WIRE}: set TROUPE_WIRE to their folder"
        return [pytest.param("", marks=pytest.mark.skip(reason=reason))]
    index = json.loads((root / "INDEX.json").read_text(encoding="utf-8"))["cases"]
    return [
        case["case"] for case in index if case["api"] == api and (case["status"] >= 400) == refused
    ]


def read(case: str) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    path = (folder() or WIRE) / case
    oracle = path / "oracle.json"
    return (
        (path / "response.body").read_bytes(),
        json.loads((path / "meta.json").read_text(encoding="utf-8")),
        json.loads(oracle.read_text(encoding="utf-8")) if oracle.exists() else {},
    )


def seen(response: StreamResponse) -> dict[str, Any]:
    usage = response.usage
    return {
        "text": response.text,
        "thinking": response.thinking,
        "calls": [
            (call.id, call.name, None if call.arguments_error else dict(call.arguments))
            for call in response.tool_calls
        ],
        "finish_reason": response.raw_finish_reason,
        "usage": (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.reasoning_tokens,
        ),
    }


def wanted(oracle: dict[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = oracle["usage"] or {}
    return {
        "text": oracle["text"],
        "thinking": oracle["thinking_text"],
        "calls": [
            (
                call["id"],
                call["name"],
                None if call.get("arguments_error") else call["arguments"] or {},
            )
            for call in oracle["tool_calls"]
        ],
        "finish_reason": oracle["finish_reason"],
        "usage": tuple(usage.get(k) or 0 for k in ("input", "output", "cache_read", "reasoning")),
    }


def cuts_of(case: str, body: bytes) -> tuple[list[int], list[int]]:
    """Where to cut `body`: at every byte, up to a bound, and at random."""
    every_byte = list(range(1, len(body))) if len(body) < 20_000 else list(range(1, len(body), 97))
    chance = random.Random(case)  # noqa: S311 - a seed, not a secret
    return every_byte, sorted(chance.choices(range(len(body)), k=20))
