"""The tools for files: what they do, and that nothing leads out of their root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

from actors.chat import ToolCall, ToolResult, ToolStatus
from actors.tools import Toolbox, execute, file_tools
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

RACE_SECONDS = 20  # at the most: it ends when both outcomes have been seen often


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "today.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


@pytest.fixture
def box(root: Path) -> Toolbox:
    return Toolbox(file_tools(root, write=True, max_bytes=10_000))


async def call(box: Toolbox, name: str, **arguments: object) -> ToolResult:
    with assert_no_leaks():
        return await execute(box, ToolCall("1", name, arguments))


async def done(box: Toolbox, name: str, **arguments: object) -> str:
    result = await call(box, name, **arguments)
    assert result.status is ToolStatus.OK, result.content
    return result.content


async def refused(box: Toolbox, name: str, **arguments: object) -> str:
    result = await call(box, name, **arguments)
    assert result.status is ToolStatus.ERROR, result.content
    assert "outside" not in result.content
    return result.content


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ---- what they do


def test_writing_has_to_be_asked_for(root: Path) -> None:
    assert Toolbox(file_tools(root)).names == ("list_files", "read_file")
    assert Toolbox(file_tools(root, write=True)).names[2:] == ("write_file", "edit_file")


def test_what_changes_files_is_an_effect_and_may_need_approval(root: Path) -> None:
    reading, writing = slice(0, 2), slice(2, 4)
    tools = file_tools(root, write=True, approve=True)

    assert [(each.effect, each.approve) for each in tools[reading]] == [(False, False)] * 2
    assert [(each.effect, each.approve) for each in tools[writing]] == [(True, True)] * 2
    assert [each.approve for each in file_tools(root, write=True)[writing]] == [False, False]


async def test_files_are_listed_with_their_sizes(box: Toolbox, root: Path) -> None:
    (root / "a.md").write_text("#")

    assert await done(box, "list_files") == "a.md (1)\nnotes/"
    assert await done(box, "list_files", depth=2) == "a.md (1)\nnotes/\nnotes/today.txt (14)"
    assert await done(box, "list_files", path="notes/") == "notes/today.txt (14)"
    assert await done(box, "list_files", depth=9, pattern="*.txt") == "notes/today.txt (14)"
    assert await done(box, "list_files", pattern="*.py") == "(nothing)"


async def test_a_listing_says_where_it_was_cut(box: Toolbox, root: Path) -> None:
    for number in range(1_005):
        (root / f"{number:04}").touch()
    lines = (await done(box, "list_files")).splitlines()

    assert len(lines) == 1_001
    assert lines[-1] == "[there is more: name a directory or a pattern]"


async def test_a_name_with_a_line_end_is_one_line(box: Toolbox, root: Path) -> None:
    (root / "a\nb").touch()
    (root / os.fsdecode(b"\xff")).touch()

    assert await done(box, "list_files") == "'a\\nb' (0)\nnotes/\n'\\udcff' (0)"


async def test_a_file_is_read_whole_or_by_lines(box: Toolbox) -> None:
    path = "notes/today.txt"

    assert await done(box, "read_file", path=path) == "one\ntwo\nthree"
    assert await done(box, "read_file", path=path, first_line=2, lines=1) == (
        "two\n[lines 2 to 2 of 3]"
    )
    assert await done(box, "read_file", path=path, first_line=3) == "three"
    assert "there is no line 4" in await refused(box, "read_file", path=path, first_line=4)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "(an empty file)"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße\n[encoding utf-16-le]"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "Grüße\n[encoding utf-16-be]"),
        ("Grüße €".encode("cp1252"), "Grüße €\n[encoding cp1252]"),
        (b"Gr\x81\xfc", "Gr\x81ü\n[encoding latin-1]"),
        (b"a\r\nb\r\n", "a\nb"),
    ],
)
async def test_the_encoding_is_found_out(box: Toolbox, root: Path, data: bytes, shown: str) -> None:
    (root / "text").write_bytes(data)

    assert await done(box, "read_file", path="text") == shown


@pytest.mark.parametrize(
    "data", [b"\x7fELF\0\0", b"\x89PNG\r\n\x1a\n\xff", b"\xff\xfe\x00", b"\xff\xfe\x00\xd8"]
)
async def test_a_binary_file_is_said_to_be_one(box: Toolbox, root: Path, data: bytes) -> None:
    (root / "data").write_bytes(data)

    assert f"data is binary ({len(data)} bytes)" in await refused(box, "read_file", path="data")


async def test_a_large_file_is_refused_with_its_size(box: Toolbox, root: Path) -> None:
    (root / "large").write_bytes(b"x" * 10_001)

    assert "large has 10001 bytes, more than the 10000" in await refused(
        box, "read_file", path="large"
    )
    assert "10001 bytes are more" in await refused(box, "write_file", path="b", text="x" * 10_001)
    assert not (root / "b").exists()


async def test_a_file_is_created_with_its_directories(box: Toolbox, root: Path) -> None:
    assert await done(box, "write_file", path="a/b/c.txt", text="ü") == "created a/b/c.txt: 2 bytes"
    assert (root / "a/b/c.txt").read_text() == "ü"


async def test_a_file_is_replaced_and_keeps_its_permissions(box: Toolbox, root: Path) -> None:
    script = root / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    told = await done(box, "write_file", path="run.sh", text="new")

    assert (told, script.read_text()) == ("replaced run.sh: 3 bytes", "new")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert left_in(root) == ["notes", "notes/today.txt", "run.sh"]


async def test_one_passage_is_edited_and_the_rest_stays_byte_for_byte(
    box: Toolbox, root: Path
) -> None:
    file = root / "mixed"
    file.write_bytes(b"\xef\xbb\xbfa\r\nb\nc \xc3\xbc\r\n")
    told = await done(box, "edit_file", path="mixed", old="b\nc", new="B")

    assert (told, file.read_bytes()) == (
        "edited mixed at line 2",
        b"\xef\xbb\xbfa\r\nB \xc3\xbc\r\n",
    )


async def test_lines_of_a_windows_file_are_edited_as_they_were_shown(
    box: Toolbox, root: Path
) -> None:
    (root / "w.txt").write_bytes(b"a\r\nb\r\n")
    await done(box, "edit_file", path="w.txt", old="a\nb", new="1\n2")

    assert (root / "w.txt").read_bytes() == b"1\r\n2\r\n"


async def test_an_edit_says_why_it_cannot_be_made(box: Toolbox, root: Path) -> None:
    (root / "ab").write_text("ab ab")
    (root / "latin").write_bytes(b"\xfc")

    assert "`old` is 2 times in ab" in await refused(box, "edit_file", path="ab", old="ab", new="c")
    assert "`old` is not in ab" in await refused(box, "edit_file", path="ab", old="x", new="c")
    assert "nothing would change" in await refused(box, "edit_file", path="ab", old="", new="c")
    assert "there is no '\\u2603' in cp1252" in await refused(
        box, "edit_file", path="latin", old="ü", new="☃"
    )
    assert (root / "ab").read_text() == "ab ab"


async def test_edits_side_by_side_lose_none(box: Toolbox, root: Path) -> None:
    names = [f"<{number}>" for number in range(20)]
    (root / "all").write_text(" ".join(names))

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(lambda name: done_edit(box, name), name)

    assert (root / "all").read_text() == " ".join(name.strip("<>") for name in names)


async def done_edit(box: Toolbox, name: str) -> None:
    arguments = {"path": "all", "old": name, "new": name.strip("<>")}
    result = await execute(box, ToolCall("1", "edit_file", arguments))
    assert result.status is ToolStatus.OK, result.content


async def test_a_reader_sees_the_old_file_or_the_new_one(box: Toolbox, root: Path) -> None:
    file = root / "swap"
    texts = {"a" * 9_000, "b" * 9_000}
    file.write_text("a" * 9_000)
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(file.read_text())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for text in sorted(texts) * 25:
            await execute(box, ToolCall("1", "write_file", {"path": "swap", "text": text}))
    finally:
        over.set()
        thread.join()

    assert seen <= texts


# ---- no way out


def test_a_root_that_is_no_directory_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="create it first"):
        file_tools(root / "nothing")
    with pytest.raises(ValueError, match="create it first"):
        file_tools(root / "notes/today.txt")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "notes/../../secret.txt",
        "notes/..",
        "..",
        "./../secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "~/secret.txt",
        "notes/today.txt/../../../secret.txt",
        "..\0/secret.txt",
        "\0",
        "x" * 300,
        "x/" * 3_000,
        "\ud800",
    ],
)
async def test_a_path_that_leads_out_is_refused_by_every_tool(
    box: Toolbox, root: Path, path: str
) -> None:
    before = left_in(root.parent)

    await refused(box, "list_files", path=path)
    await refused(box, "read_file", path=path)
    await refused(box, "edit_file", path=path, old="outside", new="inside")
    if not path.startswith(("~", "x/")):  # these are good names of something new
        await refused(box, "write_file", path=path, text="x")
        assert left_in(root.parent) == before
    assert (root.parent / "secret.txt").read_text() == "outside"


async def test_an_absolute_path_below_the_root_is_refused_with_advice(
    box: Toolbox, root: Path
) -> None:
    told = await refused(box, "read_file", path=str(root / "notes/today.txt"))

    assert "write a path below the root, as in notes/a.txt" in told


async def test_links_are_listed_and_never_followed(box: Toolbox, root: Path) -> None:
    (root / "file").symlink_to(root.parent / "secret.txt")
    (root / "folder").symlink_to(root.parent)
    (root / "inside").symlink_to(root / "notes")
    (root / "nowhere").symlink_to(root.parent / "new.txt")
    (root / "loop").symlink_to(root / "loop")

    listed = await done(box, "list_files", depth=9)
    assert "folder (link)" in listed
    assert "secret.txt" not in listed
    for path in ("file", "folder/secret.txt", "inside/today.txt", "nowhere", "loop", "loop/x"):
        assert "is a link" in await refused(box, "read_file", path=path)
        assert "is a link" in await refused(box, "write_file", path=path, text="x")
    assert "is a link" in await refused(box, "list_files", path="folder")
    assert (root.parent / "secret.txt").read_text() == "outside"
    assert not (root.parent / "new.txt").exists()


async def test_a_pipe_a_socket_a_device_and_a_directory_are_refused(
    box: Toolbox, root: Path
) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(root):
        listening.bind("socket")

    with trio.fail_after(10):
        for path, kind in (("pipe", "a named pipe"), ("socket", "a socket")):
            assert f"{path} is {kind}" in await refused(box, "read_file", path=path)
            assert f"{path} is {kind}" in await refused(box, "write_file", path=path, text="x")
        devices = Toolbox(file_tools("/dev"))
        assert "zero is a device" in await refused(devices, "read_file", path="zero")
        assert "notes is a directory" in await refused(box, "read_file", path="notes")
        assert ". is a directory" in await refused(box, "write_file", path=".", text="x")
        assert "today.txt is no directory" in await refused(
            box, "read_file", path="notes/today.txt/x"
        )
    assert "pipe (no file)" in await done(box, "list_files")


async def test_an_error_names_the_path_as_asked_and_not_where_the_root_is(
    box: Toolbox, root: Path
) -> None:
    told = await refused(box, "read_file", path="notes/none.txt")

    assert told == "FileNotFoundError: notes/none.txt: No such file or directory"
    assert str(root) not in told


async def test_what_was_changed_between_reading_and_writing_is_not_overwritten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root / "notes/today.txt"
    box = Toolbox(file_tools(root, write=True))
    flushed = os.fsync

    def somebody_writes(handle: int) -> None:
        flushed(handle)
        file.write_text("somebody else was here")

    monkeypatch.setattr(os, "fsync", somebody_writes)
    told = await refused(box, "edit_file", path="notes/today.txt", old="one", new="1")

    assert "has changed meanwhile" in told
    assert file.read_text() == "somebody else was here"
    assert left_in(root) == ["notes", "notes/today.txt"]


@pytest.mark.parametrize(
    ("target", "kind"),
    [("../../secret.txt", "is a link"), ("/dev/zero", "is a link"), (None, "is a named pipe")],
)
async def test_what_is_swapped_in_right_after_the_look_at_it_is_not_opened(
    box: Toolbox, root: Path, monkeypatch: pytest.MonkeyPatch, target: str | None, kind: str
) -> None:
    file = root / "notes/today.txt"
    look = os.stat

    def look_then_swap(*args: Any, **kwargs: Any) -> os.stat_result:
        found = look(*args, **kwargs)
        if args[0] == "today.txt":
            file.unlink()
            if target is None:
                os.mkfifo(file)
            else:
                file.symlink_to(target)
        return found

    monkeypatch.setattr(os, "stat", look_then_swap)
    with trio.fail_after(10):
        assert kind in await refused(box, "read_file", path="notes/today.txt")


EXCHANGE = 2  # of renameat2(2): two names change places in one step
CURRENT = -100


class Swapper:
    """Swaps a name for a link to the outside and back, as fast as it can, in a thread."""

    def __init__(self, name: Path, target: Path) -> None:
        self._name = name
        self._spare = name.with_name(f"{name.name}.spare")
        self._target = target
        self._exchange = ctypes.CDLL(None).renameat2
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._swap)

    def _swap(self) -> None:
        self._spare.symlink_to(self._target)
        names = (os.fsencode(self._name), os.fsencode(self._spare))
        while not self._over.is_set():
            if not (self._spare.is_symlink() or self._name.is_symlink()):
                self._spare.unlink()  # a new file had taken the link's place
                self._spare.symlink_to(self._target)
            self._exchange(CURRENT, names[0], CURRENT, names[1], EXCHANGE)

    @contextlib.contextmanager
    def __call__(self) -> Generator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()


@pytest.mark.parametrize("swapped", ["folder", "folder/file"])
async def test_a_link_that_is_swapped_in_during_the_walk_leads_nowhere(
    root: Path, tmp_path: Path, swapped: str
) -> None:
    outside = tmp_path / "elsewhere"
    for place, text in ((root / "folder", "inside"), (outside, "outside")):
        place.mkdir()
        (place / "file").write_text(text)
    swapper = Swapper(root / swapped, outside / "file" if "/" in swapped else outside)
    read_file = file_tools(root)[1]
    outcomes: dict[str, int] = {}
    with trio.move_on_after(RACE_SECONDS), swapper():
        while min(outcomes.get("inside", 0), outcomes.get("link", 0)) < 200:
            try:
                outcome: str = read_file("folder/file")
            except (PermissionError, NotADirectoryError):  # the link may be gone by then
                outcome = "link"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            await trio.lowlevel.checkpoint()

    assert outcomes.keys() == {"inside", "link"}


@pytest.mark.parametrize("swapped", ["folder", "folder/file"])
async def test_nothing_is_written_through_a_link_that_is_swapped_in(
    root: Path, tmp_path: Path, swapped: str
) -> None:
    outside = tmp_path / "elsewhere"
    for place in (root / "folder", outside):
        place.mkdir()
        (place / "file").write_text("old")
    swapper = Swapper(root / swapped, outside / "file" if "/" in swapped else outside)
    write_file = file_tools(root, write=True)[2]
    outcomes = {"written": 0, "link": 0}
    with trio.move_on_after(RACE_SECONDS), swapper():
        while min(outcomes.values()) < 50:
            try:
                write_file("folder/file", "new")
                outcomes["written"] += 1
            except (PermissionError, NotADirectoryError):  # the link may be gone by then
                outcomes["link"] += 1
            await trio.lowlevel.checkpoint()

    assert min(outcomes.values()) > 0
    assert (outside / "file").read_text() == "old"
    assert left_in(outside) == ["file"]
