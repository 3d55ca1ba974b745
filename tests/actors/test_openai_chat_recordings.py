"""Recorded answers of chat servers, against what the official SDK read from the same bytes."""

from __future__ import annotations

import pytest
from chat_decoding import decode
from wire_recordings import cases, cuts_of, read, seen, wanted

# Where we read something else than the SDK, and mean to.
DIFFERENT = {
    "openai/chat-oadotnet-getchatcompletionmessageswithafteridpagination-3": (
        "a list of another API: no chat completion at all"
    ),
    "snowflake/chat-pai-snowflake-model-simple-0": (
        "an old function_call with neither name nor arguments is no call"
    ),
}


@pytest.mark.parametrize("case", cases("openai_chat", refused=False))
def test_a_recording_reads_as_the_official_sdk_reads_it(case: str) -> None:
    if case in DIFFERENT:
        pytest.skip(DIFFERENT[case])
    body, meta, oracle = read(case)

    response, error = decode(body, [])

    assert seen(response) == wanted(oracle)
    assert (error is None) == (meta["expected_outcome"] == "ok")
    if oracle.get("model"):
        assert response.metadata["model"] == oracle["model"]
    if oracle.get("refusal"):
        assert response.metadata["refusal"] == oracle["refusal"]


@pytest.mark.parametrize("case", cases("openai_chat", refused=False))
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = decode(body, [])
    for cuts in cuts_of(case, body):
        again, error_again = decode(body, cuts)
        assert seen(again) == seen(whole)
        assert type(error_again) is type(error)
