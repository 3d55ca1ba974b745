"""The codec of OpenAI Responses."""

from ._codec import OpenAIResponses

__all__ = ["OpenAIResponses"]
