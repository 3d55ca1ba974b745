"""JSON schemas from Python's type hints, for what models are to send: arguments and answers."""

from ._docstring import Docstring, read_docstring
from ._hints import TAG, Bounds, Hints, RecordField, is_record, record_fields
from ._json_schema import LIMITS, in_words, json_schema, shown

__all__ = [
    "LIMITS",
    "TAG",
    "Bounds",
    "Docstring",
    "Hints",
    "RecordField",
    "in_words",
    "is_record",
    "json_schema",
    "read_docstring",
    "record_fields",
    "shown",
]
