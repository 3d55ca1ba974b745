"""What a memory knows of the documents that were ingested into it: an interface, its messages.

A document's pieces are entries like others, with ids that begin with `document_prefix(source)`.
What is kept beside them is which version of it is complete.
"""

from __future__ import annotations

import hashlib
from typing import Final

import attrs

from runtime import Ask

from ._entries import checked_text

PREFIX: Final = "doc-"


class Library:
    """The interface of memories that keep account of documents."""


def _checked_source(source: object) -> str:
    return checked_text(source, "the source of a document")


def document_prefix(source: str) -> str:
    """What the ids of all entries of a document begin with."""
    return f"{PREFIX}{hashlib.sha256(source.encode()).hexdigest()[:16]}-"


@attrs.frozen
class Document:
    """A document that is in a memory as a whole.

    Attributes:
        source: Where it came from: the path of its file.
        fingerprint: Of what was in it, and of how it was cut.
        chunks: How many entries it became.
        time: When, in seconds since the epoch.
    """

    source: str = attrs.field(converter=_checked_source)
    fingerprint: str
    chunks: int
    time: float


@attrs.frozen
class KeepDocument(Ask[Library, None]):
    """Note that all entries of a document are there.

    Raises:
        MemoryNotWritten: The disk did not take it.
    """

    source: str = attrs.field(converter=_checked_source)
    fingerprint: str
    chunks: int


@attrs.frozen
class FindDocument(Ask[Library, Document | None]):
    """Ask for what is known of a document; None where it is not complete."""

    source: str = attrs.field(converter=_checked_source)


@attrs.frozen
class ListDocuments(Ask[Library, tuple[Document, ...]]):
    """Ask for all documents, by their sources."""


@attrs.frozen
class DocumentIds(Ask[Library, tuple[str, ...]]):
    """Ask for the ids of a document's entries, complete or not, merged into others or not."""

    source: str = attrs.field(converter=_checked_source)


@attrs.frozen
class ForgetDocument(Ask[Library, int]):
    """Forget a document with all of its entries; how many of them there were.

    Raises:
        MemoryNotWritten: The disk did not take it. What is left goes when asked again.
    """

    source: str = attrs.field(converter=_checked_source)
