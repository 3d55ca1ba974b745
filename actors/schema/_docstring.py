"""Reads what a docstring in Google's style says: the first paragraph and its named entries.

Pure. Understands one list of entries, headed `Args:` (or `Arguments:`, and `Attributes:` for
classes); every other section is for human readers and is left out.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Final

import attrs

HEADINGS: Final = frozenset({"Args:", "Arguments:", "Attributes:"})
ENTRY: Final = re.compile(r"(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)")


@attrs.frozen
class Docstring:
    """`description` is one line, "" where there is none; `entries` map a name to one line."""

    description: str
    entries: Mapping[str, str]


def read_docstring(text: str | None) -> Docstring:
    """Read a docstring as it stands in the source; None is an empty one."""
    lines = inspect.cleandoc(text or "").splitlines()
    first = lines[: lines.index("")] if "" in lines else lines
    if first and first[0].strip() in HEADINGS:
        first = []
    return Docstring(" ".join(line.strip() for line in first), _entries(_section(lines)))


def _section(lines: list[str]) -> list[str]:
    """The lines below the heading, up to the next line that stands at its level."""
    start = next((i for i, line in enumerate(lines) if line.strip() in HEADINGS), len(lines))
    body = lines[start + 1 :]
    end = next((i for i, line in enumerate(body) if line and not line[0].isspace()), len(body))
    return [line for line in body[:end] if line.strip()]


def _entries(section: list[str]) -> dict[str, str]:
    entries: dict[str, str] = {}
    level = min((_indent(line) for line in section), default=0)
    name = ""
    for line in section:
        match = ENTRY.fullmatch(line.strip()) if _indent(line) == level else None
        if match:
            name = match["name"]
            entries[name] = match["text"]
        elif name:
            entries[name] = f"{entries[name]} {line.strip()}".strip()
    return entries


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
