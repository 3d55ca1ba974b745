"""Tools for the files below one directory: list, read and, where that is allowed, write and edit.

They run in threads; `_rooted` keeps them inside, `_text` reads what is in the files.
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import stat
import threading
from typing import TYPE_CHECKING, Annotated, Final

import attrs

from actors.schema import Bounds

from ._rooted import Entry, Root
from ._text import Text, read_text
from ._tool import AnyTool, tool

if TYPE_CHECKING:
    import os

    from ._options import Approve

MAX_ENTRIES: Final = 1_000  # that a listing names
MAX_LOOKS: Final = 50_000  # at entries, for one listing
MAX_BYTES: Final = 1_000_000
LINES: Final = 2_000

Depth = Annotated[int, Bounds(ge=1, le=20)]
Line = Annotated[int, Bounds(ge=1)]


def file_tools(
    root: str | os.PathLike[str],
    *,
    write: bool = False,
    approve: Approve = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[AnyTool, ...]:
    """Make the tools `list_files`, `read_file` and, with `write`, `write_file` and `edit_file`.

    No path leads out of `root`: not by `..`, not as an absolute path, not by a link, also if
    something is swapped for a link while a call runs. Links are listed and never followed.
    Pipes, devices and sockets are not opened. A file is replaced as a whole, or not at all.

    Args:
        root: A directory that exists.
        write: Whether files may be changed. Nothing can be deleted.
        approve: Whether somebody has to approve each change, or which ones; as `tool` says it.
        max_bytes: The largest file that is read or written.

    Raises:
        ValueError: If there is no such directory, or `max_bytes` is less than 1.
    """
    if max_bytes < 1:
        raise ValueError(f"max_bytes must be 1 byte or more, not {max_bytes}")
    return _Files(Root(root), max_bytes).tools(write=write, approve=approve)


class _Files:
    """The four functions; those that write wait for each other."""

    def __init__(self, root: Root, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._writing = threading.Lock()  # the calls of one answer run side by side

    def tools(self, *, write: bool, approve: Approve) -> tuple[AnyTool, ...]:
        reading = (tool(self.list_files), tool(self.read_file))
        if not write:
            return reading
        changing = tool(effect=True, approve=approve)
        return (*reading, changing(self.write_file), changing(self.edit_file))

    def list_files(self, path: str = ".", depth: Depth = 1, pattern: str = "*") -> str:
        """List files and directories, with the sizes of files in bytes.

        Args:
            path: A directory, from the root on.
            depth: How many directories deep to look; 1 for the directory alone.
            pattern: Only names like this, such as *.txt.
        """
        with contextlib.closing(self._root.walk(path, depth)) as entries:
            looked_at = itertools.islice(entries, MAX_LOOKS)
            alike = (_listed(entry) for entry in looked_at if _is_like(entry, pattern))
            lines = list(itertools.islice(alike, MAX_ENTRIES))
            is_cut = next(entries, None) is not None
        if is_cut:
            lines.append("[there is more: name a directory or a pattern]")
        return "\n".join(lines) or "(nothing)"

    def read_file(self, path: str, first_line: Line = 1, lines: Line = LINES) -> str:
        """Read a text file, or some lines of it.

        Args:
            path: From the root on.
            first_line: Where to begin, counted from 1.
            lines: At most so many.
        """
        found = self._text(path, self._root.read(path, self._max_bytes).data)
        rows = found.text.replace("\r\n", "\n").split("\n")
        if rows[-1] == "":  # what ends with a line end has no line after it
            rows.pop()
        if first_line > max(len(rows), 1):
            raise ValueError(f"{path} has {len(rows)} lines: there is no line {first_line}")
        last = min(first_line - 1 + lines, len(rows))
        text = "\n".join(rows[first_line - 1 : last])
        notes = [f"encoding {found.encoding}"] if found.encoding != "utf-8" else []
        if last < len(rows):
            notes.append(f"lines {first_line} to {last} of {len(rows)}")
        return f"{text}\n[{', '.join(notes)}]" if notes else text or "(an empty file)"

    def write_file(self, path: str, text: str) -> str:
        """Write a text file in UTF-8: a new one, or all of an old one anew.

        Args:
            path: From the root on. Directories that are missing are made.
            text: All that it shall hold.
        """
        data = self._sized(Text(text).encoded())
        with self._writing:
            is_new = self._root.write(path, data)
        return f"{'created' if is_new else 'replaced'} {path}: {len(data)} bytes"

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace one passage of a text file; the rest stays as it is.

        Args:
            path: From the root on.
            old: The passage, exactly as in the file, with as much around it that there is
                only one like it.
            new: What shall stand there.
        """
        if not old or old == new:
            raise ValueError(
                "nothing would change: give the passage as `old`, and another as `new`"
            )
        with self._writing:
            before = self._root.read(path, self._max_bytes)
            found = self._text(path, before.data)
            if (
                "\r\n" in found.text and old not in found.text
            ):  # `read_file` shows its lines without
                old, new = (part.replace("\n", "\r\n") for part in (old, new))
            count = found.text.count(old)
            if count != 1:
                known = "is not in" if count == 0 else f"is {count} times in"
                raise ValueError(
                    f"`old` {known} {path}: copy it from read_file, with more around it"
                )
            edited = attrs.evolve(found, text=found.text.replace(old, new))
            self._root.write(path, self._sized(edited.encoded()), instead_of=before)
        line = found.text[: found.text.index(old)].count("\n") + 1
        return f"edited {path} at line {line}"

    def _text(self, path: str, data: bytes) -> Text:
        found = read_text(data)
        if found is None:
            raise ValueError(f"{path} is binary ({len(data)} bytes), not text")
        return found

    def _sized(self, data: bytes) -> bytes:
        if len(data) > self._max_bytes:
            raise ValueError(f"{len(data)} bytes are more than the {self._max_bytes} of one file")
        return data


def _is_like(entry: Entry, pattern: str) -> bool:
    return fnmatch.fnmatchcase(entry.path.rpartition("/")[2], pattern)


def _listed(entry: Entry) -> str:
    # A name can hold line ends: it must not look like two.
    name = entry.path if entry.path.isprintable() else ascii(entry.path)
    if stat.S_ISDIR(entry.mode):
        return f"{name}/"
    if stat.S_ISREG(entry.mode):
        return f"{name} ({entry.size})"
    return f"{name} (link)" if stat.S_ISLNK(entry.mode) else f"{name} (no file)"
