"""Writes docs/reference/*.md: each public name with the first sentence of its docstring.

Run it after a change of a public name or docstring: `python tests/reference_pages.py`. A test
fails while a page is stale.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any, Final

import attrs

from runtime import RuntimeFault

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"
ERRORS_PAGE: Final = FOLDER / "messages-and-errors.md"
PACKAGES: Final = (
    "runtime",
    "runtime.testing",
    "runtime.telemetry",
    "runtime.bridge",
    "actors",
    "actors.asyncio",
    "actors.blocking",
    "actors.chat",
    "actors.output",
    "actors.providers",
    "actors.tools",
    "actors.journal",
    "actors.memory",
    "actors.reasoning",
    "actors.recall",
    "actors.react",
    "actors.agents",
    "actors.budget",
    "actors.errors",
    "actors.http",
    "actors.local",
    "actors.testing",
)
REMARK: Final = "<!-- Written by tests/reference_pages.py: change the docstrings instead. -->"
SENTENCE: Final = re.compile(r"(?<=\.) (?=[A-Z`])")


def pages() -> dict[Path, str]:
    """What each page of the reference should hold."""
    return {FOLDER / f"{package}.md": _page(package) for package in PACKAGES}


def all_errors() -> list[type[RuntimeFault]]:
    """Every error of the project, each after its parents."""
    found: list[type[RuntimeFault]] = [RuntimeFault]
    for error in found:
        found += [each for each in error.__subclasses__() if each not in found]
    return [each for each in found if each.__module__.startswith(("runtime", "actors"))]


def _page(package: str) -> str:
    module = importlib.import_module(package)
    lines = [f"# `{package}`", "", REMARK, "", inspect.getdoc(module) or "", ""]
    named = {name: getattr(module, name) for name in public_names(module)}
    for title, members in _by_kind(named).items():
        lines += [f"## {title}", ""]
        lines += [f"- `{name}`: {_line(value)}" for name, value in members]
        lines.append("")
    return "\n".join(lines)


def public_names(module: types.ModuleType) -> list[str]:
    """What a package exports, or a module has of its own."""
    names: list[str] | None = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
        ]
    return sorted(names, key=str.lower)


def _by_kind(named: dict[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    kinds: dict[str, list[tuple[str, Any]]] = {
        "Classes": [],
        "Errors": [],
        "Functions": [],
        "Values and unions": [],
    }
    for name, value in named.items():
        if isinstance(value, type) and issubclass(value, BaseException):
            kinds["Errors"].append((name, value))
        elif isinstance(value, type):
            kinds["Classes"].append((name, value))
        elif inspect.isroutine(value):
            kinds["Functions"].append((name, value))
        else:
            kinds["Values and unions"].append((name, value))
    return {title: members for title, members in kinds.items() if members}


def _line(value: Any) -> str:
    own = value.__doc__ if isinstance(value, type) or inspect.isroutine(value) else None
    if own is None:
        return _fact(value)
    paragraph = " ".join(inspect.cleandoc(own).split("\n\n")[0].split())
    return SENTENCE.split(paragraph)[0]


def _fact(value: Any) -> str:
    """What can be said of something that has no docstring."""
    if isinstance(value, types.UnionType):
        return "one of " + ", ".join(f"`{each.__name__}`" for each in typing.get_args(value)) + "."
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return "one of " + ", ".join(f"`{each.name}`" for each in value) + "."
    if isinstance(value, type) and attrs.has(value):
        return "fields " + ", ".join(f"`{field.name}`" for field in attrs.fields(value)) + "."
    if inspect.isroutine(value):
        return f"`{inspect.signature(value)}`".replace("'", "")
    alias = re.sub(r"\w+\.", "", str(value)) if typing.get_origin(value) else type(value).__name__
    return f"`{alias}`."


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
