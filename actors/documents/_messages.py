"""What ingesting is to those who ask for it: an interface, its message, and what it tells."""

from __future__ import annotations

import codecs
import enum
import os
from collections.abc import Iterable
from typing import Any, Final, cast

import attrs

from actors.errors import ConfigurationError
from actors.memory import NOTHING, Metadata, checked_metadata
from runtime import Stream

from ._chunks import Chunking
from ._files import PATTERNS

OURS: Final = ("source", "name", "part", "page", "heading")  # in the metadata of a chunk


class Librarian:
    """The interface of those who bring documents into a memory."""


def _checked_metadata(metadata: object) -> Metadata:
    checked = checked_metadata(metadata)
    taken = [name for name in OURS if name in checked]
    if taken:
        raise ConfigurationError(
            f"the name {taken[0]!r} in metadata says where a chunk came from: choose another one"
        )
    return checked


def _checked_encoding(encoding: Any) -> str | None:
    if encoding is None:
        return None
    try:
        return codecs.lookup(encoding).name
    except (LookupError, TypeError):
        raise ConfigurationError(
            f'there is no encoding {encoding!r}: write for example "cp1252"'
        ) from None


def _above_zero(options: object, field: attrs.Attribute[Any], value: Any) -> None:
    del options
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{field.name} is {value!r}, and must be a number above 0")


@attrs.frozen
class IngestOptions:
    """How documents are brought in.

    Attributes:
        chunking: How they are cut.
        metadata: For every chunk, to filter by: `{"project": "apollo"}`.
        encoding: Of text without a byte order mark; UTF-8 if None.
        largest_bytes: A larger file is refused.
        page_seconds: How long a page of a PDF, or a text as a whole, may take to be read.
        forget_missing: Whether documents are forgotten that were ingested from below the same
            folders and whose files are gone.

    Raises:
        ConfigurationError: If one of them cannot be; the text says what to write.
    """

    chunking: Chunking = attrs.field(factory=Chunking)
    metadata: Metadata = attrs.field(default=NOTHING, converter=_checked_metadata)
    encoding: str | None = attrs.field(default=None, converter=_checked_encoding)
    largest_bytes: int = attrs.field(default=50_000_000, validator=_above_zero)
    page_seconds: float = attrs.field(default=60.0, validator=_above_zero)
    forget_missing: bool = False


class IngestState(enum.StrEnum):
    """What a step says.

    A file is READING (once a page, and once a batch), and then INGESTED, UNCHANGED or REFUSED. A
    document is FORGOTTEN. The last step is FINISHED.
    """

    READING = "reading"
    INGESTED = "ingested"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"
    FINISHED = "finished"


@attrs.frozen
class IngestTotals:
    """How much has been done since the beginning.

    Attributes:
        ingested, unchanged, refused: Files, each counted once.
        stored: Chunks that were new, or stood elsewhere before.
        kept: Chunks that were there already.
        forgotten: Chunks that are in their file no more.
    """

    ingested: int = 0
    unchanged: int = 0
    refused: int = 0
    stored: int = 0
    kept: int = 0
    forgotten: int = 0


@attrs.frozen
class IngestStep:
    """How far it is.

    Attributes:
        state: What happened.
        source: To which file; "" at the end.
        number: Which of the files it is, from 1.
        files: How many there are.
        page: Of a PDF, which page is being read; 0 for others.
        pages: How many it has.
        chunks: How many of this file have been read.
        problem: Why it was refused.
        totals: Of all files so far.
    """

    state: IngestState
    source: str
    number: int
    files: int
    page: int = 0
    pages: int = 0
    chunks: int = 0
    problem: str = ""
    totals: IngestTotals = IngestTotals()


def _listed(given: object) -> list[Any]:
    """What stands in a collection, or the one that is none."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return [given]
    return [*cast("Iterable[object]", given)]


def _checked_paths(paths: object) -> tuple[str, ...]:
    given = _listed(paths)
    if not given or not all(isinstance(path, str | os.PathLike) and path != "" for path in given):
        raise ConfigurationError(f"paths are files and folders, at least one, not {paths!r}")
    return tuple(os.fsdecode(path) for path in given)


def _checked_patterns(patterns: object) -> tuple[str, ...]:
    given = _listed(patterns)
    if not given or not all(isinstance(each, str) and each for each in given):
        raise ConfigurationError(f'patterns are like "*.md" or ("*.md", "*.txt"), not {patterns!r}')
    return tuple(given)


@attrs.frozen
class Ingest(Stream[Librarian, IngestStep]):
    """Bring files into a memory, one after the other; the last item is `FINISHED`.

    Cancelled, or killed at any moment: what was stored stays. The same again goes on from there:
    a file that was done is not read again, and of one that was not, no chunk is stored twice.

    Attributes:
        paths: Files, and folders with what is below them.
        patterns: Which files of folders: the end of their path matches one.
        options: How.

    Raises:
        ConfigurationError: A path is not there, or a library is missing.
        MemoryNotWritten: The disk did not take it. What was stored before stays.
        ReaderEnded: The process that reads could not be started.
    """

    paths: tuple[str, ...] = attrs.field(converter=_checked_paths)
    patterns: tuple[str, ...] = attrs.field(default=PATTERNS, converter=_checked_patterns)
    options: IngestOptions = attrs.field(factory=IngestOptions)
