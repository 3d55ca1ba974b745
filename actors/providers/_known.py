"""The providers that are known by name: a table of where they are and what they want."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from actors.errors import ConfigurationError
from actors.local import REQUEST_FIELDS

from . import codecs
from ._compatible import SERVERS, Compatible
from .codecs import COMPATIBLE, DIALECTS, OPENAI, Codec, Dialect, EmbeddingCodec

LOCAL: Final = attrs.evolve(DIALECTS["llamacpp"], request_fields=REQUEST_FIELDS)


@attrs.frozen
class Known:
    """What is to be known of a provider.

    Attributes:
        example: What to write.
        codec: From a dialect to the codec, imported only then; None for models without a wire.
        embeddings: Makes the codec for vectors of texts; None where the provider has none.
        base_url: Its own address.
        base_url_variable: The environment variable that overrides it.
        read_address: How that variable is read; None for an address as it stands.
        key_variable: The environment variable that holds the key.
        older_key_variable: Another one, which goes before it.
        needs_key: Whether it refuses requests without one.
        key_header: The header that carries the key.
        key_prefix: What stands before the key there.
        headers: Further headers, each with the environment variable that holds it.
        address: What an address of the user's own looks like.
    """

    example: str
    codec: Callable[[Dialect | None], Codec] | None = None
    embeddings: Callable[[], EmbeddingCodec] | None = None
    base_url: str | None = None
    base_url_variable: str | None = None
    read_address: Callable[[str], str] | None = None
    key_variable: str | None = None
    older_key_variable: str | None = None
    needs_key: bool = False
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    headers: tuple[tuple[str, str], ...] = ()
    address: str = "http://127.0.0.1:8080/v1"


def _chat(usual: Dialect) -> Callable[[Dialect | None], Codec]:
    return lambda dialect: codecs.OpenAIChat(dialect or usual)


def _compatible(name: str, server: Compatible) -> Known:
    return Known(
        server.example,
        codec=_chat(DIALECTS[name]),
        embeddings=_openai_embeddings,
        base_url=server.base_url,
        base_url_variable=f"{server.prefix}_BASE_URL",
        key_variable=f"{server.prefix}_API_KEY",
        needs_key=server.needs_key,
        key_header=server.key_header,
        key_prefix=server.key_prefix,
        address=server.base_url or server.address,
    )


def _responses(dialect: Dialect | None) -> Codec:
    if dialect is not None:
        raise ConfigurationError("a dialect is for chat completions: openai-responses has none")
    return codecs.OpenAIResponses()


def _anthropic(_: Dialect | None) -> Codec:
    return codecs.AnthropicMessages()


def _gemini(_: Dialect | None) -> Codec:
    return codecs.Gemini()


def _ollama(_: Dialect | None) -> Codec:
    return codecs.Ollama()


def _ollama_host(host: str) -> str:
    return codecs.ollama_host(host)


def _openai_embeddings() -> EmbeddingCodec:
    return codecs.OpenAIEmbeddings()


def _gemini_embeddings() -> EmbeddingCodec:
    return codecs.GeminiEmbeddings()


def _ollama_embeddings() -> EmbeddingCodec:
    return codecs.OllamaEmbeddings()


_OPENAI: Final = Known(
    "openai:gpt-4o-mini",
    codec=_chat(OPENAI),
    embeddings=_openai_embeddings,
    base_url="https://api.openai.com/v1",
    base_url_variable="OPENAI_BASE_URL",
    key_variable="OPENAI_API_KEY",
    needs_key=True,
    headers=(
        ("openai-organization", "OPENAI_ORG_ID"),
        ("openai-project", "OPENAI_PROJECT_ID"),
    ),
)

KNOWN: Final[Mapping[str, Known]] = {
    "openai": _OPENAI,
    "openai-responses": attrs.evolve(
        _OPENAI,
        example="openai-responses:gpt-5-mini",
        codec=_responses,
    ),
    "openai-compatible": Known(
        "openai-compatible:NAME",
        codec=_chat(COMPATIBLE),
        embeddings=_openai_embeddings,
        base_url_variable="OPENAI_COMPATIBLE_BASE_URL",
        key_variable="OPENAI_COMPATIBLE_API_KEY",
    ),
    "anthropic": Known(
        "anthropic:claude-sonnet-5",
        codec=_anthropic,
        base_url="https://api.anthropic.com",
        base_url_variable="ANTHROPIC_BASE_URL",
        key_variable="ANTHROPIC_API_KEY",
        needs_key=True,
        key_header="x-api-key",
        key_prefix="",
    ),
    "gemini": Known(
        "gemini:gemini-flash-latest",
        codec=_gemini,
        embeddings=_gemini_embeddings,
        base_url="https://generativelanguage.googleapis.com",
        base_url_variable="GOOGLE_GEMINI_BASE_URL",
        key_variable="GEMINI_API_KEY",
        older_key_variable="GOOGLE_API_KEY",
        needs_key=True,
        key_header="x-goog-api-key",
        key_prefix="",
    ),
    "ollama": Known(
        "ollama:llama3.2",
        codec=_ollama,
        embeddings=_ollama_embeddings,
        base_url="http://127.0.0.1:11434",
        base_url_variable="OLLAMA_HOST",
        read_address=_ollama_host,
        key_variable="OLLAMA_API_KEY",
    ),
    **{name: _compatible(name, server) for name, server in SERVERS.items()},
    "local": Known(
        "local:smollm2",
        codec=_chat(LOCAL),
        embeddings=_openai_embeddings,
    ),
    "scripted": Known("scripted:echo"),
}
