"""Recorded answers of Gemini and Vertex AI, against what google-genai read from the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_decoding import decode
from wire_recordings import cases, cuts_of, folder, read, seen, wanted

from actors.chat import Opaque
from actors.errors import ProviderError, StreamTruncated
from actors.providers import Gemini

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

# Where we read something else than the SDK, and mean to.
PIECES = "gemini/gen-vercel-google-stream-tool-call-arguments-0"
DIFFERENT = {
    PIECES: "the SDK lists the pieces of arguments, we put them together: see the last test",
}
ERRORS = {"error_in_stream": ProviderError, "incomplete": StreamTruncated}


def reading(body: bytes, cuts: list[int]) -> tuple[StreamResponse, RuntimeFault | None]:
    return decode(body, cuts, Gemini())


def as_counted(response: StreamResponse) -> dict[str, Any]:
    """What was seen, with ids of our own left out and the tokens as Gemini counts them.

    Thoughts and what tools put into the prompt are apart there; with us they are in the sums.
    """
    found = seen(response)
    usage = response.usage
    tools = usage.raw.get("toolUsePromptTokenCount", 0)
    found["usage"] = (
        usage.input_tokens - tools,
        usage.output_tokens - usage.reasoning_tokens,
        usage.cache_read_tokens,
        usage.reasoning_tokens,
    )
    found["calls"] = [
        (None if id.startswith("gemini_") else id, name, arguments)
        for id, name, arguments in found["calls"]
    ]
    return found


@pytest.mark.parametrize("case", cases("gemini_generate", refused=False))
def test_a_recording_reads_as_the_official_sdk_reads_it(case: str) -> None:
    if case in DIFFERENT:
        pytest.skip(DIFFERENT[case])
    body, meta, oracle = read(case)

    response, error = reading(body, [])

    assert as_counted(response) == wanted(oracle)
    assert (error is None) == (meta["expected_outcome"] in ("ok", "ok_blocked"))
    if error is not None:
        assert isinstance(error, ERRORS[meta["expected_outcome"]])


@pytest.mark.parametrize("case", cases("gemini_generate", refused=False))
def test_the_sums_of_a_recording_are_what_gemini_adds_up_to(case: str) -> None:
    response, error = reading(read(case)[0], [])

    if error is None and response.usage.raw.get("totalTokenCount"):
        assert response.usage.total_tokens == response.usage.raw["totalTokenCount"]


@pytest.mark.parametrize("case", cases("gemini_generate", refused=False))
def test_no_part_and_no_signature_of_a_recording_is_lost(case: str) -> None:
    _, _, oracle = read(case)
    parts = reading(read(case)[0], [])[0].turn.parts
    opaque = [part.data for part in parts if isinstance(part, Opaque)]
    sealed = [part for part in parts if not isinstance(part, Opaque) and part.signature]
    signatures = [*sealed, *(data for data in opaque if "thoughtSignature" in data)]
    others = [name for data in opaque for name in data if name not in ("text", "thoughtSignature")]

    assert len(signatures) == oracle["signatures"]
    assert len(others) == sum(oracle["other_parts"].values())


@pytest.mark.parametrize("case", cases("gemini_generate", refused=False))
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = reading(body, [])
    for cuts in cuts_of(case, body):
        again, error_again = reading(body, cuts)
        assert seen(again) == seen(whole)
        assert again.turn == whole.turn
        assert type(error_again) is type(error)


@pytest.mark.skipif(folder() is None, reason="no recordings: set TROUPE_WIRE to their folder")
@pytest.mark.parametrize("case", DIFFERENT)
def test_recorded_arguments_in_pieces_are_put_together(case: str) -> None:
    response, error = reading(read(case)[0], [])

    assert error is None
    assert [(call.name, dict(call.arguments)) for call in response.tool_calls] == [
        ("getWeather", {"location": "Boston"}),
        ("getWeather", {"location": "San Francisco"}),
    ]
    assert response.tool_calls[0].signature is not None
    assert response.raw_finish_reason == "STOP"
