"""Recorded answers of Ollama, against what its official client read from the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from chat_decoding import decode
from wire_recordings import cases, cuts_of, read, seen, wanted

from actors.errors import ProviderError, StreamTruncated
from actors.providers import Ollama

if TYPE_CHECKING:
    from actors.chat import StreamResponse
    from runtime import RuntimeFault

ERRORS = {"error_in_stream": ProviderError, "incomplete": StreamTruncated}


def reading(body: bytes, cuts: list[int]) -> tuple[StreamResponse, RuntimeFault | None]:
    return decode(body, cuts, Ollama())


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    """The official client does not read the ids of calls."""
    found["calls"] = [(name, arguments) for _, name, arguments in found["calls"]]
    return found


@pytest.mark.parametrize("case", cases("ollama_chat", refused=False))
def test_a_recording_reads_as_the_official_client_reads_it(case: str) -> None:
    body, meta, oracle = read(case)

    response, error = reading(body, [])

    assert without_ids(seen(response)) == without_ids(wanted(oracle))
    assert (error is None) == (meta["expected_outcome"] == "ok")
    if error is None:
        assert response.usage.raw == oracle["usage"]["raw"]
        assert (
            response.usage.raw.items()
            >= {
                name: response.metadata[name] for name in response.usage.raw if "duration" in name
            }.items()
        )
    else:
        assert isinstance(error, ERRORS[meta["expected_outcome"]])


@pytest.mark.parametrize("case", cases("ollama_chat", refused=False))
def test_the_ids_of_recorded_calls_are_their_own_and_never_the_same(case: str) -> None:
    body, _, _ = read(case)
    response, _ = reading(body, [])
    ids = [call.id for call in response.tool_calls]

    assert len(set(ids)) == len(ids)
    assert all(id.startswith("ollama_") or f'"id":"{id}"'.encode() in body for id in ids)


@pytest.mark.parametrize("case", cases("ollama_chat", refused=False))
def test_a_recording_reads_the_same_however_it_is_cut(case: str) -> None:
    body, _, _ = read(case)
    whole, error = reading(body, [])
    for cuts in cuts_of(case, body):
        again, error_again = reading(body, cuts)
        assert seen(again) == seen(whole)
        assert again.turn == whole.turn
        assert type(error_again) is type(error)
