"""Fakes for the tests of those who build on this: real sockets, made-up answers.

`open_fake_provider` speaks the wire formats of five providers, with faults on demand, and
refuses what the providers refuse.
"""

from ._fake_answers import CUTS, FakeAnswer, Fault, Place, answer, error, raw
from ._fake_provider import FakeProvider, Received, open_fake_openai, open_fake_provider
from ._wire import Failure
from ._wires import WIRES, WireName, refusal

FakeOpenAI = FakeProvider

__all__ = [
    "CUTS",
    "WIRES",
    "Failure",
    "FakeAnswer",
    "FakeOpenAI",
    "FakeProvider",
    "Fault",
    "Place",
    "Received",
    "WireName",
    "answer",
    "error",
    "open_fake_openai",
    "open_fake_provider",
    "raw",
    "refusal",
]
