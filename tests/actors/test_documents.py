"""Documents on their way into a memory: read in a process, resumable, with what became of each."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from pdfs import pdf_of
from processes import children_running, until

from actors.documents import Chunking, IngestOptions, IngestState, IngestStep, ingest
from actors.documents import _ingester as ingester_module
from actors.errors import ConfigurationError
from actors.memory import MemoryHandle, open_memory
from runtime.testing import assert_no_leaks

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

PROGRAM = Path(__file__).with_name("ingest_until_killed.py")
SMALL = IngestOptions(chunking=Chunking(20, 0))


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


def opened(tmp_path: Path) -> AbstractAsyncContextManager[MemoryHandle]:
    return open_memory(tmp_path / "memory", embedder="lexical")


async def steps_of(
    memory: MemoryHandle, *paths: Path, options: IngestOptions = SMALL
) -> list[IngestStep]:
    async with ingest(memory, *paths, options=options) as steps:
        return [step async for step in steps]


async def end_of(
    memory: MemoryHandle, *paths: Path, options: IngestOptions = SMALL
) -> tuple[int, ...]:
    """Ingested, unchanged, refused; stored, kept, forgotten."""
    last = (await steps_of(memory, *paths, options=options))[-1]
    assert last.state is IngestState.FINISHED
    sums = last.totals
    return sums.ingested, sums.unchanged, sums.refused, sums.stored, sums.kept, sums.forgotten


async def texts_in(memory: MemoryHandle) -> set[str]:
    return {entry.text for entry in await memory.entries(limit=10_000)}


def paragraphs(*numbers: int) -> str:
    return "\n\n".join(f"Paragraph {number} has some words that are its own." for number in numbers)


async def test_a_folder_is_found_again_by_what_its_files_say(
    tmp_path: Path, documents: Path
) -> None:
    (documents / "deep").mkdir()
    (documents / "deep" / "guide.md").write_text("# Guide\n\n## Cats\n\nThe cat sleeps.\n")
    (documents / "plain.txt").write_text("# no heading: stock prices fell")
    (documents / "report.pdf").write_bytes(
        pdf_of(
            [
                "Sales of umbrellas went up by far in the year",
                "There was rain in Lisbon on most days of it",
            ]
        )
    )
    (documents / "program.py").write_text("not = asked_for")
    (documents / ".hidden.md").write_text("not seen")
    async with opened(tmp_path) as memory:
        assert await end_of(memory, documents) == (3, 0, 0, 4, 0, 0)
        (cats,) = await memory.search("where does the cat sleep", limit=1)
        assert dict(cats.entry.metadata) == {
            "source": str(documents / "deep" / "guide.md"),
            "name": "guide.md",
            "part": 1,
            "heading": "Guide > Cats",
        }
        (rain,) = await memory.search("rain in lisbon", limit=1)
        assert rain.entry.metadata["page"] == 2
        (stocks,) = await memory.search("stock prices", limit=1)
        assert "heading" not in stocks.entry.metadata
        sources = [Path(each.source).name for each in await memory.documents()]
        assert sources == ["guide.md", "plain.txt", "report.pdf"]


async def test_what_did_not_change_is_not_read_and_what_did_is_replaced(
    tmp_path: Path, documents: Path
) -> None:
    file = documents / "a.txt"
    file.write_text(paragraphs(1, 2, 3, 4))
    async with opened(tmp_path) as memory:
        assert await end_of(memory, file) == (1, 0, 0, 4, 0, 0)
        await memory.settled()
        embedded = (await memory.statistics()).embedded
        assert await end_of(memory, file) == (0, 1, 0, 0, 0, 0)

        file.write_text(paragraphs(1, 3, 4, 5))  # 3 and 4 move, 2 goes
        assert await end_of(memory, file) == (1, 0, 0, 3, 1, 1)
        assert await texts_in(memory) == set(paragraphs(1, 3, 4, 5).split("\n\n"))
        await memory.settled()
        assert (await memory.statistics()).embedded == embedded + 1  # those that moved are known
        parts = sorted(entry.metadata["part"] for entry in await memory.entries())
        assert parts == [1, 2, 3, 4]


async def test_equal_texts_are_as_many_entries_as_they_are(tmp_path: Path, documents: Path) -> None:
    (documents / "a.txt").write_text(paragraphs(1, 1, 2, 1))
    async with opened(tmp_path) as memory:
        assert await end_of(memory, documents) == (1, 0, 0, 4, 0, 0)
        assert (await memory.statistics()).entries == 4


async def test_other_sizes_and_other_metadata_make_a_document_anew(
    tmp_path: Path, documents: Path
) -> None:
    (documents / "a.txt").write_text(paragraphs(1, 2, 3, 4))
    tagged = IngestOptions(chunking=Chunking(20, 0), metadata={"project": "x"})
    async with opened(tmp_path) as memory:
        await end_of(memory, documents)
        assert await end_of(memory, documents, options=tagged) == (1, 0, 0, 4, 0, 0)
        assert len(await memory.entries(where={"project": "x"})) == 4
        assert await end_of(memory, documents, options=IngestOptions()) == (1, 0, 0, 1, 0, 4)


async def test_a_document_whose_file_is_gone_is_forgotten_if_asked(
    tmp_path: Path, documents: Path
) -> None:
    gone, stays = documents / "gone.txt", documents / "stays.txt"
    gone.write_text(paragraphs(1, 2))
    stays.write_text(paragraphs(3))
    outside = tmp_path / "documents-of-others.txt"
    outside.write_text(paragraphs(4))
    async with opened(tmp_path) as memory:
        await end_of(memory, documents, outside)
        gone.unlink()
        outside.unlink()
        assert await end_of(memory, documents) == (0, 1, 0, 0, 0, 0)
        options = IngestOptions(chunking=Chunking(20, 0), forget_missing=True)
        assert await end_of(memory, documents, options=options) == (0, 1, 0, 0, 0, 2)
        assert await texts_in(memory) == {paragraphs(3), paragraphs(4)}
        assert await memory.forget_document(str(stays)) == 1
        assert [Path(each.source) for each in await memory.documents()] == [outside]
        await memory.clear()
        assert await memory.documents() == ()


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.txt", b"caf\xe9", "its byte 3 is not utf-8"),
        ("a.txt", b"\x00\x01\x02 binary", "binary"),
        ("a.txt", b"\x01\x02\x03\x04" * 9, "binary"),
        ("a.pdf", b"no PDF", "is called a PDF"),
        ("a.pdf", b"%PDF-1.4\nbroken", "cannot be read as a PDF"),
        ("a.pdf", pdf_of([""]), "there is no text in it"),
        ("a.txt", b"x" * 100_001, "more than 100000 bytes"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_and_the_next_is_read(
    tmp_path: Path, documents: Path, name: str, data: bytes, problem: str
) -> None:
    (documents / name).write_bytes(data)
    (documents / "z.txt").write_text("a fine text")
    options = IngestOptions(largest_bytes=100_000)
    async with opened(tmp_path) as memory:
        steps = await steps_of(memory, documents, options=options)
        (refused,) = [step for step in steps if step.state is IngestState.REFUSED]
        assert problem in refused.problem
        assert refused.source == str(documents / name)
        assert await texts_in(memory) == {"a fine text"}


async def test_what_is_no_file_is_refused_without_waiting_for_it(
    tmp_path: Path, documents: Path
) -> None:
    os.mkfifo(documents / "pipe.txt")
    async with opened(tmp_path) as memory:
        with trio.fail_after(20):
            assert await end_of(memory, documents) == (0, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\ufeffcafé".encode(), None),
        ("café".encode("utf-16"), None),
        ("café".encode("utf-32"), None),
        ("café".encode("cp1252"), "cp1252"),
    ],
)
async def test_encodings_are_told_by_marks_or_by_the_user(
    tmp_path: Path, documents: Path, data: bytes, encoding: str | None
) -> None:
    (documents / "a.txt").write_bytes(data)
    async with opened(tmp_path) as memory:
        await end_of(memory, documents, options=IngestOptions(encoding=encoding))
        assert await texts_in(memory) == {"café"}


async def test_a_pdf_that_takes_too_long_is_refused_and_the_next_one_is_read(
    tmp_path: Path, documents: Path
) -> None:
    (documents / "a.pdf").write_bytes(pdf_of(["one", "many words"], repeat=400_000))
    (documents / "b.pdf").write_bytes(pdf_of(["a fine page"]))
    options = IngestOptions(page_seconds=1.0)
    async with opened(tmp_path) as memory:
        steps = await steps_of(memory, documents, options=options)
        (refused,) = [step for step in steps if step.state is IngestState.REFUSED]
        assert "its page 1 takes more than 1 s" in refused.problem
        assert await texts_in(memory) == {"a fine page"}


async def test_a_reader_that_is_killed_costs_one_file(tmp_path: Path, documents: Path) -> None:
    (documents / "a.pdf").write_bytes(pdf_of(["many words"], repeat=400_000))
    (documents / "b.txt").write_text("a fine text")
    async with opened(tmp_path) as memory, ingest(memory, documents, options=SMALL) as steps:
        last: IngestStep | None = None
        async for step in steps:
            if step.page == 1 and step.state is IngestState.READING:
                (pid,) = children_running("actors.documents._serve")
                os.kill(pid, signal.SIGKILL)
            if step.state is IngestState.REFUSED:
                assert "SIGKILL" in step.problem
            last = step
        assert last is not None
        assert (last.totals.refused, last.totals.ingested) == (1, 1)


async def test_leaving_the_block_ends_the_process_and_the_same_again_goes_on(
    tmp_path: Path, documents: Path
) -> None:
    (documents / "a.txt").write_text(paragraphs(*range(200)))
    async with assert_no_leaks(), opened(tmp_path) as memory:
        async with ingest(memory, documents, options=SMALL) as steps:
            async for step in steps:
                if step.totals.stored:
                    break
        assert not children_running("actors.documents._serve")
        assert await memory.documents() == ()
        there = (await memory.statistics()).entries
        assert 0 < there < 200
        assert await end_of(memory, documents) == (1, 0, 0, 200 - there, there, 0)
        assert await texts_in(memory) == set(paragraphs(*range(200)).split("\n\n"))


async def test_an_ingest_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, documents: Path
) -> None:
    chance = random.Random(3)  # noqa: S311 - no secret
    for number in range(6):
        text = paragraphs(*range(100 * number, 100 * number + 100))
        (documents / f"{number}.txt").write_text(text)
    command = [sys.executable, str(PROGRAM), str(tmp_path / "memory"), str(documents)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220, S603 - ours
            assert process.stdout is not None
            for _ in range(chance.randint(1, 12)):
                await trio.to_thread.run_sync(process.stdout.readline)
            process.kill()
            process.stdout.close()
    await until(lambda: not children_running("actors.documents._serve"))
    async with opened(tmp_path) as memory:
        there = (await memory.statistics()).entries
        async with ingest(memory, documents) as steps:
            last = [step async for step in steps][-1]
        assert last.totals.stored + there == (await memory.statistics()).entries
        whole = "\n".join(await texts_in(memory))
        assert all(f"Paragraph {number} has" in whole for number in range(600))
        assert len(await memory.documents()) == 6


async def test_what_cannot_be_is_said_before_anything_is_read(
    tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (documents / "a.pdf").write_bytes(pdf_of(["one"]))
    async with opened(tmp_path) as memory:
        with pytest.raises(ConfigurationError, match=r"there is no .*nowhere"):
            await steps_of(memory, documents / "nowhere")
        monkeypatch.setattr(ingester_module, "_has_pdf", lambda: False)
        with pytest.raises(ConfigurationError, match="pip install 'troupe-runtime"):
            await steps_of(memory, documents)
        with pytest.raises(ConfigurationError, match="paths are files and folders"):
            await steps_of(memory)
    with pytest.raises(ConfigurationError, match="says where a chunk came from"):
        IngestOptions(metadata={"source": "x"})
    with pytest.raises(ConfigurationError, match="no encoding 'utf-9'"):
        IngestOptions(encoding="utf-9")
    with pytest.raises(ConfigurationError, match="must be a number above 0"):
        IngestOptions(page_seconds=0)
