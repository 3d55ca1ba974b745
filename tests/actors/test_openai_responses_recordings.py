"""Recorded answers of Responses servers, against what the official SDK read from the same bytes."""

from __future__ import annotations

import pytest
from chat_decoding import decode
from wire_recordings import cases, cuts_of, read, seen, wanted

from actors.providers import OpenAIResponses

CODEC = OpenAIResponses()

# Where we read something else than the SDK, and mean to.
DIFFERENT = {
    "openai/resp-vercel-openai-shell-container-1-0": (
        "its last event says another text than its deltas: what a reader was shown stays, and the "
        "other text is in the metadata as `final_text`"
    ),
}
# A custom tool takes text, not JSON: the SDK gives no arguments, we give the text and an error.
CUSTOM = {"openai/resp-vercel-openai-custom-tool-1-0", "openai/resp-dd-response-custom-tool-call-0"}


@pytest.mark.parametrize("case", cases("openai_responses", refused=False))
def test_a_recording_reads_as_the_official_sdk_reads_it(case: str) -> None:
    if case in DIFFERENT:
        pytest.skip(DIFFERENT[case])
    body, meta, oracle = read(case)

    response, error = decode(body, [], CODEC)

    expected = wanted(oracle)
    if case in CUSTOM:
        expected["calls"] = [(id, name, None) for id, name, _ in expected["calls"]]
        texts = [call.arguments_text for call in response.tool_calls]
        assert texts == [call["custom_input"] for call in oracle["tool_calls"]]
    assert seen(response) == expected
    assert (error is None) == (meta["expected_outcome"] == "ok")
    if oracle.get("refusal"):
        assert response.metadata["refusal"] == oracle["refusal"]


@pytest.mark.parametrize("case", cases("openai_responses", refused=False))
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = decode(body, [], CODEC)
    for cuts in cuts_of(case, body):
        again, error_again = decode(body, cuts, CODEC)
        assert seen(again) == seen(whole)
        assert again.turn == whole.turn
        assert again.metadata == whole.metadata
        assert type(error_again) is type(error)
