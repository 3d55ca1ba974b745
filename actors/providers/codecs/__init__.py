"""The wire formats of providers, each a pure codec that knows nothing of the others."""

from ._codec import Codec, Decoder, WireRequest
from ._faults import ERROR_BODY_BYTES, error_in_stream, refusal, retry_after
from .openai_chat import COMPATIBLE, DIALECTS, OPENAI, Dialect, OpenAIChat, azure_deployment
from .openai_responses import OpenAIResponses

__all__ = [
    "COMPATIBLE",
    "DIALECTS",
    "ERROR_BODY_BYTES",
    "OPENAI",
    "Codec",
    "Decoder",
    "Dialect",
    "OpenAIChat",
    "OpenAIResponses",
    "WireRequest",
    "azure_deployment",
    "error_in_stream",
    "refusal",
    "retry_after",
]
