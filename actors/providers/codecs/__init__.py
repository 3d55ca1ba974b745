"""The wire formats of providers, each a pure codec that knows nothing of the others.

A codec is imported when it is first asked for: all of them together take longer than trio itself
takes in half, and most programs talk to one provider.
"""

from typing import TYPE_CHECKING

from actors._late import late

from ._codec import Codec, Decoder, EmbeddingCodec, WireRequest
from ._dialects import COMPATIBLE, DIALECTS, OPENAI, Dialect, azure_deployment
from ._faults import (
    ERROR_BODY_BYTES,
    error_in_stream,
    refusal,
    request_id_of,
    retry_after,
    says_spent,
)

if TYPE_CHECKING:
    from .anthropic import AnthropicMessages
    from .embeddings import GeminiEmbeddings, OllamaEmbeddings, OpenAIEmbeddings, vectors_of
    from .gemini import Gemini
    from .ollama import Ollama, ollama_host
    from .openai_chat import OpenAIChat
    from .openai_responses import OpenAIResponses
else:
    __getattr__ = late(
        __name__,
        {
            "anthropic": ("AnthropicMessages",),
            "embeddings": (
                "GeminiEmbeddings",
                "OllamaEmbeddings",
                "OpenAIEmbeddings",
                "vectors_of",
            ),
            "gemini": ("Gemini",),
            "ollama": ("Ollama", "ollama_host"),
            "openai_chat": ("OpenAIChat",),
            "openai_responses": ("OpenAIResponses",),
        },
    )

__all__ = [
    "COMPATIBLE",
    "DIALECTS",
    "ERROR_BODY_BYTES",
    "OPENAI",
    "AnthropicMessages",
    "Codec",
    "Decoder",
    "Dialect",
    "EmbeddingCodec",
    "Gemini",
    "GeminiEmbeddings",
    "Ollama",
    "OllamaEmbeddings",
    "OpenAIChat",
    "OpenAIEmbeddings",
    "OpenAIResponses",
    "WireRequest",
    "azure_deployment",
    "error_in_stream",
    "ollama_host",
    "refusal",
    "request_id_of",
    "retry_after",
    "says_spent",
    "vectors_of",
]
