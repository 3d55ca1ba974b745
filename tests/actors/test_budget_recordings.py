"""On recorded answers of real servers, what a budget counts is in the end what the server said."""

from __future__ import annotations

import pytest
from chat_decoding import decode
from wire_recordings import cases, read

from actors.budget._arithmetic import CallCount, Rates
from actors.providers import AnthropicMessages, Codec, Gemini, Ollama, OpenAIChat, OpenAIResponses

CODECS: dict[str, Codec] = {
    "anthropic_messages": AnthropicMessages(),
    "gemini_generate": Gemini(),
    "ollama_chat": Ollama(),
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
}


@pytest.mark.parametrize("api", CODECS)
@pytest.mark.parametrize("bytes_a_read", [200, 10**6])
def test_the_count_of_a_recording_stands_whenever_it_comes(api: str, bytes_a_read: int) -> None:
    compared = 0
    for case in cases(api, refused=False):
        if not isinstance(case, str):
            pytest.skip("no recordings are here")
        body, _, _ = read(case)
        response, _ = decode(body, list(range(bytes_a_read, len(body), bytes_a_read)), CODECS[api])
        call = CallCount(Rates(), 100)
        for chunk in response.chunks:
            before = call.usage
            call.note([chunk])
            if chunk.usage is None:  # an estimate: only more
                assert call.usage.output_tokens >= before.output_tokens
        said = response.usage
        assert said.input_tokens in (call.usage.input_tokens, 0), case
        if response.is_complete and said.output_tokens:
            assert call.usage.output_tokens == said.output_tokens, case
            compared += 1
    assert compared > 5
