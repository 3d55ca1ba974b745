"""Recorded refusals of every API: whoever refuses, it becomes an error in the provider's words."""

from __future__ import annotations

import pytest
from wire_recordings import cases, read

from actors.providers.codecs import refusal

APIS = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "ollama_chat",
)


@pytest.mark.parametrize("case", [case for api in APIS for case in cases(api, refused=True)])
def test_a_recorded_refusal_becomes_an_error_with_the_providers_words(case: str) -> None:
    body, meta, oracle = read(case)

    error = refusal(meta["status"], meta.get("response_headers", {}), body, now=0.0)

    assert error.status == meta["status"]
    assert error.retryable == (meta["status"] == 429 or meta["status"] >= 500)
    words = str(error).partition(": ")[2]
    assert words not in ("", "(no body)")
    assert "{" not in words
    if meta["api"] == "anthropic_messages":  # whose official client gives the body, too
        assert words == oracle["error"]["body"]["error"]["message"]
