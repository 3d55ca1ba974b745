"""The wire formats of providers, each a pure codec that knows nothing of the others."""

from ._codec import Codec, Decoder, WireRequest
from ._faults import (
    ERROR_BODY_BYTES,
    error_in_stream,
    refusal,
    request_id_of,
    retry_after,
    says_spent,
)
from .anthropic import AnthropicMessages
from .embeddings import (
    EmbeddingCodec,
    GeminiEmbeddings,
    OllamaEmbeddings,
    OpenAIEmbeddings,
    vectors_of,
)
from .gemini import Gemini
from .ollama import Ollama, ollama_host
from .openai_chat import COMPATIBLE, DIALECTS, OPENAI, Dialect, OpenAIChat, azure_deployment
from .openai_responses import OpenAIResponses

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
