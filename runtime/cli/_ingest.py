"""`runtime memory ingest`: files into a memory, with a bar on a terminal and lines elsewhere."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Final

import click
import trio
from rich.progress import MofNCompleteColumn

from actors.documents import Chunking, IngestOptions, IngestState, IngestStep, ingest
from actors.memory import open_memory

from ._bar import bar_with
from ._interrupts import Interrupts
from ._screen import visible

if TYPE_CHECKING:
    from actors.documents import IngestTotals

REFUSED: Final = 1  # the exit code when a file was
SHOWN: Final = 48  # characters of a path, in the bar


@click.command(name="ingest")
@click.argument("folder", type=click.Path(file_okay=False))
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--embedder", default="minilm", show_default=True, help="That of the memory.")
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    help="Which files of folders, such as *.md; several may be given.",
)
@click.option("--size", default=200, show_default=True, help="Tokens of a chunk, at most.")
@click.option("--overlap", default=25, show_default=True, help="Tokens that chunks share.")
@click.option("--encoding", help="Of text that is not UTF-8.")
@click.option("--forget-missing", is_flag=True, help="Forget documents whose files are gone.")
def command(folder: str, paths: tuple[str, ...], embedder: str, **_: object) -> int:
    """Bring PATHS, files and folders, into the memory in FOLDER, which is made if need be.

    Text, Markdown and PDF. Ctrl-C stops it; the same again goes on from there. The exit code is 1
    when a file was refused.
    """
    given = click.get_current_context().params
    options = IngestOptions(
        chunking=Chunking(given["size"], given["overlap"]),
        encoding=given["encoding"],
        forget_missing=given["forget_missing"],
    )
    return trio.run(functools.partial(_bring, folder, paths, given["patterns"], embedder, options))


async def _bring(
    folder: str,
    paths: tuple[str, ...],
    patterns: tuple[str, ...],
    embedder: str,
    options: IngestOptions,
) -> int:
    interrupts = Interrupts(spare_conversation=False)
    report = _Report()
    with report.bar:
        async with interrupts.conversation(), open_memory(folder, embedder=embedder) as memory:
            chosen = {"patterns": patterns} if patterns else {}
            async with ingest(memory, *paths, options=options, **chosen) as steps:
                async for step in steps:
                    report.show(step)
            report.say("indexing ...")
            await memory.settled()
    if interrupts.exit_code:
        click.echo("stopped; the same command goes on from here", err=True)
        return interrupts.exit_code
    return REFUSED if report.refused else 0


class _Report:
    """Shows steps: as a bar, or as a line for each file."""

    def __init__(self) -> None:
        self.refused = 0
        self.bar = bar_with(MofNCompleteColumn())
        self._task = self.bar.add_task("", total=None)

    def say(self, text: str) -> None:
        self.bar.update(self._task, description=text, refresh=True)

    def show(self, step: IngestStep) -> None:
        self.refused = step.totals.refused
        if step.state is IngestState.READING:
            page = f", page {step.page} of {step.pages}" if step.pages else ""
            said = f"{visible(step.source)[-SHOWN:]}{page}"
            self.bar.update(
                self._task,
                description=said,
                completed=step.number - 1,
                total=step.files,
                refresh=True,
            )
            return
        line = _line_of(step)
        if self.bar.disable:
            print(line, file=sys.stdout, flush=True)  # noqa: T201 - what was asked for
        else:
            self.bar.console.out(line)


def _line_of(step: IngestStep) -> str:
    if step.state is IngestState.FINISHED:
        return _sum_of(step.totals)
    more = f": {step.problem}" if step.problem else ""
    chunks = f" ({step.chunks} chunks)" if step.state is IngestState.INGESTED else ""
    return visible(f"{step.state.value:<10}{step.source}{chunks}{more}")


def _sum_of(totals: IngestTotals) -> str:
    return (
        f"{totals.ingested} ingested, {totals.unchanged} unchanged, {totals.refused} refused; "
        f"{totals.stored} chunks stored, {totals.kept} there already, {totals.forgotten} forgotten"
    )
