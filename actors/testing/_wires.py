"""All wires by name. Pure."""

from __future__ import annotations

from typing import Final, Literal

from ._wire_anthropic import ANTHROPIC
from ._wire_gemini import GEMINI
from ._wire_ollama import OLLAMA
from ._wire_openai_chat import OPENAI_CHAT
from ._wire_openai_responses import OPENAI_RESPONSES

WireName = Literal["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"]
WIRES: Final = {
    wire.name: wire for wire in (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI, OLLAMA)
}
