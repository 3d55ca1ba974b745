"""Which files there are below folders. Blocks; no trio."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from actors.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PATTERNS: Final = ("*.md", "*.markdown", "*.txt", "*.rst", "*.pdf")
MOST: Final = 100_000  # files: whoever has more names a part of them


def files_of(paths: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The files that are meant, absolute, in order, each once.

    Args:
        paths: Files, taken as they are, and folders, with all that is below them. Left out there
            are hidden files and folders, and links to folders.
        patterns: One of them has to match the end of a file's path: "*.md", "guide/*.md".

    Raises:
        ConfigurationError: If a path is not there, or there are too many.
    """
    found: dict[str, None] = {}
    for path in paths:
        for file in _below(Path(path).absolute(), patterns):
            found[file] = None
            if len(found) > MOST:
                raise ConfigurationError(
                    f"there are more than {MOST} files: ingest one folder after the other"
                )
    return tuple(found)


def _below(path: Path, patterns: Sequence[str]) -> Iterator[str]:
    if not path.exists():
        raise ConfigurationError(f"there is no {path}")
    if not path.is_dir():
        yield os.path.normpath(path)
        return
    for folder, folders, files in os.walk(os.path.normpath(path)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = PurePath(folder, name)
            if not name.startswith(".") and any(map(file.match, patterns)):
                yield str(file)


def missing_below(sources: Iterable[str], paths: Sequence[str]) -> list[str]:
    """Those of the sources that are below one of the paths, and whose file is gone."""
    roots = [os.path.normpath(Path(path).absolute()) for path in paths]
    return [
        source
        for source in sources
        if any(source == root or source.startswith(root + os.sep) for root in roots)
        and not Path(source).exists()
    ]
