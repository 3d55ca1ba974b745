"""Providers and servers that speak OpenAI's chat completions under names of their own. Data.

Addresses and variables are those of the providers' documentation; what else is special about
them is their dialect. A name that is not here is reached as `openai-compatible:`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen
class Compatible:
    """Where a provider is and how it wants its key.

    Attributes:
        example: What to write.
        base_url: Its own address; None where every user has one.
        prefix: What its variables begin with: PREFIX_API_KEY, PREFIX_BASE_URL.
        needs_key: Whether it refuses requests without one.
        key_header: The header that carries the key.
        key_prefix: What stands before the key in it.
        address: What a user's own address looks like.
    """

    example: str
    base_url: str | None
    prefix: str
    needs_key: bool = True
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    address: str = ""


SERVERS: Final[Mapping[str, Compatible]] = {
    "azure": Compatible(
        "azure:DEPLOYMENT",
        None,
        "AZURE_OPENAI",
        key_header="api-key",
        key_prefix="",
        address="https://NAME.openai.azure.com/openai/v1",
    ),
    "deepseek": Compatible("deepseek:deepseek-chat", "https://api.deepseek.com", "DEEPSEEK"),
    "groq": Compatible("groq:openai/gpt-oss-20b", "https://api.groq.com/openai/v1", "GROQ"),
    "llamacpp": Compatible("llamacpp:NAME", "http://127.0.0.1:8080/v1", "LLAMA", needs_key=False),
    "mistral": Compatible("mistral:mistral-small-latest", "https://api.mistral.ai/v1", "MISTRAL"),
    "openrouter": Compatible(
        "openrouter:openai/gpt-5-mini", "https://openrouter.ai/api/v1", "OPENROUTER"
    ),
    "perplexity": Compatible("perplexity:sonar", "https://api.perplexity.ai", "PERPLEXITY"),
    "together": Compatible("together:openai/gpt-oss-20b", "https://api.together.ai/v1", "TOGETHER"),
    "vllm": Compatible("vllm:NAME", "http://127.0.0.1:8000/v1", "VLLM", needs_key=False),
    "xai": Compatible("xai:grok-4", "https://api.x.ai/v1", "XAI"),
}
"""By the names that stand before the colon, which are also those of their dialects."""
