"""The wire formats of providers, each a pure codec that knows nothing of the others."""

from ._codec import Codec, Decoder, WireRequest
from ._faults import ERROR_BODY_BYTES, error_in_stream, refusal, retry_after
from .openai_chat import COMPATIBLE, OPENAI, Dialect, OpenAIChat
from .openai_responses import OpenAIResponses

__all__ = [
    "COMPATIBLE",
    "ERROR_BODY_BYTES",
    "OPENAI",
    "Codec",
    "Decoder",
    "Dialect",
    "OpenAIChat",
    "OpenAIResponses",
    "WireRequest",
    "error_in_stream",
    "refusal",
    "retry_after",
]
