"""Fakes for the tests of those who build on this: real sockets, made-up answers."""

from ._fake_answers import Answer, answer, error, raw
from ._fake_openai import FakeOpenAI, Received, open_fake_openai

__all__ = ["Answer", "FakeOpenAI", "Received", "answer", "error", "open_fake_openai", "raw"]
