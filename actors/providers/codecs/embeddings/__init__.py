"""Texts to vectors, on the three wires that have them: a codec each."""

from ._answer import vectors_of
from ._gemini import GeminiEmbeddings
from ._ollama import OllamaEmbeddings
from ._openai import OpenAIEmbeddings

__all__ = [
    "GeminiEmbeddings",
    "OllamaEmbeddings",
    "OpenAIEmbeddings",
    "vectors_of",
]
