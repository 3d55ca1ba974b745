"""`runtime pull`: a model's files, fetched once, with a bar on a terminal and lines elsewhere."""

from __future__ import annotations

from typing import Final

import click
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

from actors.local import PulledModel, PullProgress, pull

from ._bar import bar_with

LOCAL: Final = "local:"


@click.command(name="pull")
@click.argument("model")
def command(model: str) -> None:
    """Fetch MODEL into the cache: smollm2, a model to talk to, or minilm, which finds memories.

    Does nothing when it is there. Pulling again goes on where a pull broke off.
    """
    name = model.removeprefix(LOCAL)
    with bar_with(DownloadColumn(), TimeRemainingColumn()) as bar:
        pulled = pull(name, on_progress=_Report(bar))
    prefix = LOCAL if isinstance(pulled, PulledModel) else ""
    click.echo(f"{prefix}{pulled.model.name} is on this machine: {pulled.weights.parent}")


class _Report:
    """Shows progress: as a bar, or each phase of each package as a line."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
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
            self._bar.console.out(f"{text} ({progress.total_bytes / 1e6:.0f} MB in all) ...")
        self._last = text
