"""The codec of OpenAI Chat Completions, and its dialects."""

from ._codec import OpenAIChat
from ._dialects import COMPATIBLE, DIALECTS, OPENAI, Dialect, azure_deployment

__all__ = ["COMPATIBLE", "DIALECTS", "OPENAI", "Dialect", "OpenAIChat", "azure_deployment"]
