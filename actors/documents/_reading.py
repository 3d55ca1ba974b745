"""Reads a file's text: decoded, or taken out of a PDF. Blocks; runs in a process of its own.

What cannot be read is refused in a sentence that says what to do. PDFs are read by pypdf, the
extra `pdf`, https://pypdf.readthedocs.io.
"""

from __future__ import annotations

import codecs
import hashlib
import importlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from actors.errors import DocumentRefused

if TYPE_CHECKING:
    from collections.abc import Callable

PDF: Final = b"%PDF-"
HEAD: Final = 1024  # bytes in which a PDF says that it is one, as readers have it
# The longer ones first: UTF-16's is the beginning of UTF-32's.
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROLS: Final = frozenset(map(chr, range(32))) - frozenset("\t\n\v\f\r\x1b")
MARKDOWN: Final = (".md", ".markdown", ".mdown", ".mkd")
NEEDS_PDF: Final = "reading PDFs needs pypdf: pip install 'troupe-runtime[pdf]'"


@attrs.frozen
class Read:
    """What a file says.

    Attributes:
        pages: Where each page begins in the text; none where it has no pages.
    """

    text: str
    is_markdown: bool
    pages: tuple[int, ...] = ()


def bytes_of(path: str, largest: int) -> bytes:
    """All of a file.

    Raises:
        DocumentRefused: If it is no file, cannot be read, or is larger than `largest` bytes.
    """
    try:
        # Without waiting: the other end of a pipe may never come
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - by its descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DocumentRefused("it is no file")
            data = file.read(largest + 1)
    except OSError as error:
        raise DocumentRefused(f"it cannot be read: {error.strerror or error}") from error
    if len(data) > largest:
        raise DocumentRefused(
            f"it has more than {largest} bytes: split it, or raise IngestOptions(largest_bytes=...)"
        )
    return data


def fingerprint_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(path: str, data: bytes, encoding: str | None, on_page: Callable[[int, int], None]) -> Read:
    """The text of a file.

    Args:
        path: Its ending says whether it is Markdown.
        data: What is in it.
        encoding: Of text; None for UTF-8, or what its first bytes say.
        on_page: Called with each page of a PDF, and how many there are.

    Raises:
        DocumentRefused: If it cannot be read.
    """
    if PDF in data[:HEAD]:
        return _pdf(data, on_page)
    if path.lower().endswith(".pdf"):
        raise DocumentRefused("it is called a PDF, and is none")
    return Read(_decoded(data, encoding), Path(path).suffix.lower() in MARKDOWN)


def _decoded(data: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    if encoding is None and marked is None and b"\0" in data:
        raise DocumentRefused("it is binary, not text")
    try:
        text = data.decode(chosen)
    except UnicodeDecodeError as error:
        raise DocumentRefused(
            f"its byte {error.start} is not {chosen}: say what it is, for example "
            'IngestOptions(encoding="cp1252")'
        ) from error
    if sum(text.count(each) for each in CONTROLS) * 100 > len(text):
        raise DocumentRefused("it is binary, not text")
    return text.replace("\0", "")


def _pdf(data: bytes, on_page: Callable[[int, int], None]) -> Read:
    try:
        library: Any = importlib.import_module("pypdf")  # an extra, and slow to import
    except ImportError as error:
        raise DocumentRefused(NEEDS_PDF) from error
    try:
        texts = _pages(library.PdfReader(io.BytesIO(data)), on_page)
    except DocumentRefused:
        raise
    except MemoryError as error:
        raise DocumentRefused("it takes more memory than it may have") from error
    except Exception as error:  # what a damaged file does to a parser; the user hears of it
        raise DocumentRefused(
            f"it cannot be read as a PDF: {type(error).__name__}: {error}"
        ) from error
    starts: list[int] = []
    length = 0
    for text in texts:
        starts.append(length)
        length += len(text)
    return Read("".join(texts), is_markdown=False, pages=tuple(starts))


def _pages(reader: Any, on_page: Callable[[int, int], None]) -> list[str]:
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentRefused("it is encrypted: save it without its password")
    texts: list[str] = []
    count = len(reader.pages)
    for number in range(count):
        on_page(number + 1, count)
        said = str(reader.pages[number].extract_text())
        # Fonts name characters that are none
        clean = said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        texts.append(clean.replace("\0", "").strip() + "\n\n")
    if not "".join(texts).strip():
        raise DocumentRefused(
            "there is no text in it: if it is scanned, have its text recognised first"
        )
    return texts
