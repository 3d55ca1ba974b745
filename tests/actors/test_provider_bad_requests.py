"""What cannot be sent is the asker's doing: it hears so, and the provider goes on."""

from __future__ import annotations

from typing import Any, Final

import pytest

from actors.chat import AssistantTurn, Request, Settings, ToolSpec, ToolTurn, user
from actors.errors import ConfigurationError
from actors.providers import Generate, Model, open_provider
from actors.testing import WIRES, WireName, open_fake_provider
from runtime import Crashed, open_system
from runtime.testing import record_facts

PROVIDERS: Final[dict[WireName, str]] = {
    "openai-chat": "openai",
    "openai-responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}
WRONG: Final[list[dict[str, Any]]] = [
    {"turns": (AssistantTurn(("Hello",)),)},  # type: ignore[arg-type]
    {"turns": (ToolTurn(("42",)),)},  # type: ignore[arg-type]
    {"turns": ("Hello",)},
    {"turns": (user("\ud800"),)},
    {"tools": (ToolSpec("add", "Adds", {"type": object()}),)},
    {"settings": Settings(extra={"user": object()})},
    {"settings": Settings(max_tokens="many")},  # type: ignore[arg-type]
    {"settings": {"temperature": 1}},
]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_request_that_cannot_be_sent_fails_alone(wire: WireName) -> None:
    async with open_fake_provider(wire=wire) as server, open_system() as system:
        model = Model(f"{PROVIDERS[wire]}:m", base_url=server.base_url, api_key="a-key")
        async with record_facts(system) as facts, open_provider(model, system=system) as provider:
            for wrong in WRONG:
                fields: dict[str, Any] = {"turns": (user("Hi"),), **wrong}
                request = Request(**fields)
                with pytest.raises(ConfigurationError):
                    async with provider.ref.stream(Generate(request)) as stream:
                        await anext(stream)
            assert (await provider.complete([user("Hi")])).text == "Hello"

    assert len(server.requests) == 1
    assert facts.of(Crashed) == []
