"""The codec of Ollama's chat."""

from ._codec import Ollama
from ._host import ollama_host

__all__ = ["Ollama", "ollama_host"]
