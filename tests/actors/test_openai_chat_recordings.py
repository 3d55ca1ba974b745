"""Recorded answers of real servers, against what the official SDK read from the same bytes.

The recordings are not part of this repository: `TROUPE_WIRE` says where they are, by default
`../shared/wire` beside the repository. Without them these tests are left out, and say so.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chat_decoding import decode

from actors.providers._faults import refusal

if TYPE_CHECKING:
    from actors.chat import StreamResponse

ROOT = Path(__file__).parents[2]
WIRE = Path(os.environ.get("TROUPE_WIRE") or ROOT.parent / "shared" / "wire")

# Where we read something else than the SDK, and mean to.
DIFFERENT = {
    "openai/chat-oadotnet-getchatcompletionmessageswithafteridpagination-3": (
        "a list of another API: no chat completion at all"
    ),
    "snowflake/chat-pai-snowflake-model-simple-0": (
        "an old function_call with neither name nor arguments is no call"
    ),
}


def folder() -> Path | None:
    found = [path.parent for path in (WIRE / "INDEX.json", WIRE / "given" / "INDEX.json")]
    return next((path for path in found if (path / "INDEX.json").exists()), None)


def cases(*, refused: bool) -> list[Any]:
    root = folder()
    if root is None:
        reason = f"no recordings at {WIRE}: set TROUPE_WIRE to their folder"
        return [pytest.param("", marks=pytest.mark.skip(reason=reason))]
    index = json.loads((root / "INDEX.json").read_text(encoding="utf-8"))["cases"]
    return [
        case["case"]
        for case in index
        if case["api"] == "openai_chat" and (case["status"] >= 400) == refused
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


@pytest.mark.parametrize("case", cases(refused=False))
def test_a_recording_reads_as_the_official_sdk_reads_it(case: str) -> None:
    if case in DIFFERENT:
        pytest.skip(DIFFERENT[case])
    body, meta, oracle = read(case)

    response, error = decode(body, [])

    assert seen(response) == wanted(oracle)
    assert (error is None) == (meta["expected_outcome"] == "ok")
    if oracle.get("refusal"):
        assert response.metadata["refusal"] == oracle["refusal"]


@pytest.mark.parametrize("case", cases(refused=False))
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = decode(body, [])
    every_byte = list(range(1, len(body))) if len(body) < 20_000 else list(range(1, len(body), 97))
    chance = random.Random(case)  # noqa: S311 - a seed, not a secret
    anywhere = sorted(chance.choices(range(len(body)), k=20))

    for cuts in (every_byte, anywhere):
        again, error_again = decode(body, cuts)
        assert seen(again) == seen(whole)
        assert type(error_again) is type(error)


@pytest.mark.parametrize("case", cases(refused=True))
def test_a_recorded_refusal_becomes_an_error_with_the_providers_words(case: str) -> None:
    body, meta, _ = read(case)

    error = refusal(meta["status"], meta.get("response_headers", {}), body, now=0.0)

    assert error.status == meta["status"]
    assert error.retryable == (meta["status"] == 429 or meta["status"] >= 500)
    assert str(error).partition(": ")[2] not in ("", "(no body)")
    assert "{" not in str(error)
