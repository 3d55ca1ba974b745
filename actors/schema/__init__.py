"""JSON schemas from Python's type hints, for what models are to send: arguments and answers."""

from ._docstring import Docstring, read_docstring
from ._hints import Bounds, Hints
from ._json_schema import in_words, json_schema, shown

__all__ = ["Bounds", "Docstring", "Hints", "in_words", "json_schema", "read_docstring", "shown"]
