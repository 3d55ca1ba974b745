"""Files below one directory, and no way out of it.

A path is walked one name at a time from the directory that is open already, and no link is
followed. So what is checked is what is opened: whoever swaps a directory for a link in between
makes the call fail. Only regular files are opened: no pipe, no device, no socket.

*Not promised:* a hard link to a file outside looks like any file, and can be read.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that takes the file's place after the look at it must not hold the thread.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE_BYTES: Final = 65_536
MAX_NAMES: Final = 50_000  # of one directory that are looked at
_PERMISSIONS: Final = 0o777
_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link, and links are not followed",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@attrs.frozen
class Entry:
    """One name in a directory.

    Attributes:
        path: From the root on.
        mode: As `os.lstat` says it.
        size: In bytes.
    """

    path: str
    mode: int
    size: int


@attrs.frozen
class Found:
    """A file as it was read.

    Attributes:
        data: All of it.
        identity: Changes when the file does: its inode, size and time of change.
    """

    data: bytes
    identity: tuple[int, int, int]


class Root:
    """The directory. It is opened for each call, and nothing is held between them.

    Raises:
        ValueError: If there is no such directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # What leads here may be links: they are the caller's own.
        self._path = Path(path).resolve()
        if not self._path.is_dir():
            raise ValueError(f"{os.fspath(path)!r} is no directory: create it first")

    def read(self, path: str, most: int) -> Found:
        """Read a whole file.

        Args:
            path: From the root on.
            most: Bytes; a larger file is refused.

        Raises:
            OSError: It cannot be opened, or lies outside; the text names the path as given.
            ValueError: It is larger.
        """
        *folders, name = _names(path) or (".",)
        with _told(path), self._folder(tuple(folders)) as folder:
            _refuse_others(path, _look(folder, name))
            handle = os.open(name, _READ, dir_fd=folder)
            with contextlib.closing(open(handle, "rb", buffering=0)) as file:  # noqa: PTH123
                found = os.fstat(handle)
                _refuse_others(path, found)
                data = bytearray()
                while len(data) <= most and (piece := file.read(_PIECE_BYTES)):
                    data += piece
        if len(data) > most:
            size = max(found.st_size, len(data))
            raise ValueError(f"{path} has {size} bytes, more than the {most} that may be read")
        return Found(bytes(data), _identity(found))

    def write(self, path: str, data: bytes, *, instead_of: Found | None = None) -> bool:
        """Put a whole file in its place at once: who reads it sees the old one or the new one.

        Folders that are missing are made. The permissions of a file that is replaced are kept.

        Args:
            path: From the root on.
            data: What it shall hold.
            instead_of: What the file must still be; anything, or nothing, by default.

        Returns:
            Whether the file is new.

        Raises:
            OSError: It cannot be written, or lies outside; there is no trace of the try.
            ValueError: It is not what it was.
        """
        *folders, name = _names(path) or (".",)
        with _told(path), self._folder(tuple(folders), make=True) as folder:
            before = _look(folder, name, missing=True)
            if before is not None:
                _refuse_others(path, before)
            temporary = f".{secrets.token_hex(8)}.tmp"
            handle = os.open(temporary, _CREATE, 0o666, dir_fd=folder)
            try:
                with open(handle, "wb") as file:  # noqa: PTH123 - it is open already
                    file.write(data)
                    if before is not None:
                        os.fchmod(handle, before.st_mode & _PERMISSIONS)
                    file.flush()
                    os.fsync(handle)
                _refuse_changed(path, instead_of, _look(folder, name, missing=True))
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise
        return before is None

    def walk(self, path: str, depth: int) -> Generator[Entry]:
        """Everything below a directory, in alphabetical order, directories before what is in them.

        Args:
            path: From the root on.
            depth: How many directories deep; 1 for the directory's own entries.

        Raises:
            OSError: It cannot be read, or lies outside; directories below that cannot be read
                are left out.
        """
        names = _names(path)
        with _told(path), self._folder(names) as folder:
            yield from _walk(folder, "/".join(names), depth)

    @contextlib.contextmanager
    def _folder(self, names: tuple[str, ...], *, make: bool = False) -> Generator[int]:
        """A directory, open for the block."""
        folder = os.open(self._path, _DIRECTORY)
        try:
            for at, name in enumerate(names):
                inner = _enter(folder, name, "/".join(names[: at + 1]), make=make)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


def _names(path: str) -> tuple[str, ...]:
    """The names to walk."""
    if path.startswith("/"):
        raise PermissionError(f"{path} is absolute: write a path below the root, as in notes/a.txt")
    names = tuple(name for name in path.split("/") if name not in {"", "."})
    if ".." in names:
        raise PermissionError(f"{path} leads out of the root, or may: write it without `..`")
    if "\0" in path:
        raise ValueError("there is a NUL in the path")
    return names


def _enter(folder: int, name: str, path: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
    try:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    except OSError as error:
        found = _look(folder, name, missing=True)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise PermissionError(f"{path} is {_KINDS[stat.S_IFLNK]}") from error
        if error.errno == errno.ENOTDIR:
            raise NotADirectoryError(f"{path} is no directory") from error
        raise


def _look(folder: int, name: str, *, missing: bool = False) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if missing:
            return None
        raise


def _refuse_others(path: str, found: os.stat_result | None) -> None:
    kind = stat.S_IFMT(found.st_mode) if found is not None else stat.S_IFREG
    if kind != stat.S_IFREG:
        error = IsADirectoryError if kind == stat.S_IFDIR else PermissionError
        raise error(f"{path or '.'} is {_KINDS.get(kind, 'no regular file')}")


def _refuse_changed(path: str, then: Found | None, now: os.stat_result | None) -> None:
    if then is not None and (now is None or _identity(now) != then.identity):
        raise ValueError(f"{path} has changed meanwhile: read it again")


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _told(path: str) -> Generator[None]:
    """Let errors of the system name the path that was asked for, not one step of the walk."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # one of ours
            raise
        if error.errno == errno.ELOOP:  # a link has taken the place of what was looked at
            raise PermissionError(f"{path} is {_KINDS[stat.S_IFLNK]}") from error
        raise type(error)(f"{path or '.'}: {os.strerror(error.errno)}") from error


def _walk(folder: int, above: str, depth: int) -> Generator[Entry]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, MAX_NAMES)]
    for name in sorted(names):
        path = f"{above}/{name}" if above else name
        found = _look(folder, name, missing=True)
        if found is None:
            continue
        yield Entry(path, found.st_mode, found.st_size)
        if depth > 1 and stat.S_ISDIR(found.st_mode):
            with contextlib.suppress(OSError):  # not ours to read, or a link by now
                inner = os.open(name, _DIRECTORY, dir_fd=folder)
                try:
                    yield from _walk(inner, path, depth - 1)
                finally:
                    os.close(inner)
