"""`runtime pull`: a model's files, fetched once, with a bar on a terminal and lines elsewhere."""

from __future__ import annotations

from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from actors.local import PulledModel, PullProgress, pull

LOCAL: Final = "local:"


@click.command(name="pull")
@click.argument("model")
def command(model: str) -> None:
    """Fetch MODEL into the cache: smollm2, a model to talk to, or minilm, which finds memories.

    Does nothing when it is there. Pulling again goes on where a pull broke off.
    """
    name = model.removeprefix(LOCAL)
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    # Without its refreshing thread: `pull` reports ten times a second, in this one.
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        pulled = pull(name, on_progress=_Report(bar, console))
    prefix = LOCAL if isinstance(pulled, PulledModel) else ""
    click.echo(f"{prefix}{pulled.model.name} is on this machine: {pulled.weights.parent}")


class _Report:
    """Shows progress: as a bar, or each phase of each package as a line."""

    def __init__(self, bar: Progress, console: Console) -> None:
        self._bar = bar
        self._console = console
        self._task = bar.add_task("", total=None)
        self._last = ""

    def __call__(self, progress: PullProgress) -> None:
        text = f"{progress.phase} {progress.package}".strip()
        self._bar.update(
            self._task,
            description=text,
            completed=progress.done_bytes,
            total=progress.total_bytes,
            refresh=True,
        )
        if self._bar.disable and text not in {self._last, "done"}:
            self._console.out(f"{text} ({progress.total_bytes / 1e6:.0f} MB in all) ...")
        self._last = text
