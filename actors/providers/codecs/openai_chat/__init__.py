"""The codec of OpenAI Chat Completions, and its dialects."""

from ._codec import OpenAIChat
from ._wire import COMPATIBLE, OPENAI, Dialect

__all__ = ["COMPATIBLE", "OPENAI", "Dialect", "OpenAIChat"]
