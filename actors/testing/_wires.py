"""All wires by name, and what their providers refuse. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ._wire import Asked, Failure
from ._wire_anthropic import ANTHROPIC
from ._wire_gemini import GEMINI
from ._wire_ollama import OLLAMA
from ._wire_openai_chat import OPENAI_CHAT
from ._wire_openai_responses import OPENAI_RESPONSES

if TYPE_CHECKING:
    from collections.abc import Mapping

WireName = Literal["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"]
WIRES: Final[tuple[WireName, ...]] = (
    "openai-chat",
    "openai-responses",
    "anthropic",
    "gemini",
    "ollama",
)
BY_NAME: Final = {
    wire.name: wire for wire in (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI, OLLAMA)
}


def refusal(wire: WireName, body: Mapping[str, Any], *, path: str = "") -> Failure | None:
    """What the provider would say to a request, where it would not answer it.

    For tests that look at requests without a server: `open_fake_provider` does it by itself.

    Args:
        wire: The format of the request.
        body: Its JSON.
        path: Gemini's, which says the model.

    Returns:
        The first thing that is wrong, or None.
    """
    headers = {"anthropic-version": "2023-06-01"}
    return BY_NAME[wire].refusal(Asked(path, dict(body), headers))
