"""The codec of Gemini's generateContent."""

from ._codec import Gemini

__all__ = ["Gemini"]
