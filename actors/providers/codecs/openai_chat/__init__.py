"""The codec of OpenAI Chat Completions."""

from ._codec import OpenAIChat

__all__ = ["OpenAIChat"]
