"""`runtime memory consolidate`: near-duplicates become one entry, and can be put back."""

from __future__ import annotations

import functools
import shlex
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import attrs
import click
import trio
from click.core import ParameterSource
from rich.progress import MofNCompleteColumn

from actors.memory import (
    Consolidated,
    Consolidation,
    ConsolidationStep,
    MemoryHandle,
    Summarised,
    open_memory,
)
from actors.providers import open_provider

from ._bar import bar_with
from ._interrupts import Interrupts
from ._memory_folder import EMBEDDER, FOLDER
from ._screen import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LEFT: Final = 1  # the exit code when something that should be merged was not
BY_RULE: Final = ("longest", "newest")
PLAN: Final = Consolidation()


@click.command(name="consolidate")
@FOLDER
@EMBEDDER
@click.option(
    "--threshold",
    type=float,
    default=PLAN.threshold,
    show_default=True,
    help="The least cosine of every two entries that become one: above 0, up to 1.",
)
@click.option(
    "--keep",
    default=PLAN.keep,
    show_default=True,
    help="The longest text, the newest, or what a model writes of them: its name.",
)
@click.option("--undo", metavar="RUN", help="Put back what a consolidation has merged.")
def command(folder: str, embedder: str, threshold: float, keep: str, undo: str | None) -> int:
    """Make one entry of those in FOLDER that say nearly the same.

    What they were is kept, and --undo puts it back. Ctrl-C stops it and leaves whole groups. The
    exit code is 1 if a group was left as it was, or entries could not be compared.
    """
    if undo is not None:
        _alone("threshold", "keep")
        return _run(folder, embedder, functools.partial(_undo, folder=folder, run=undo))
    again = shlex.join(
        ["runtime", "memory", "consolidate", folder, "--embedder", embedder, "--undo"]
    )
    work = _Consolidating(Consolidation(threshold=threshold), keep, again)
    return _run(folder, embedder, work.consolidate, work.stopped)


def _alone(*names: str) -> None:
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--undo puts back what was merged: leave --{name} out")


def _goes_on() -> str:
    return "stopped; the same command goes on from here"


def _run(
    folder: str,
    embedder: str,
    work: Callable[[MemoryHandle], Awaitable[int]],
    stopped: Callable[[], str] = _goes_on,
) -> int:
    """The exit code of work on a memory, or of the signal that ended it, which `stopped` tells."""

    async def run() -> int:
        interrupts = Interrupts(spare_conversation=False)
        code = 0
        async with interrupts.conversation(), open_memory(folder, embedder=embedder) as memory:
            code = await work(memory)
        if interrupts.exit_code:
            click.echo(stopped(), err=True)
        return interrupts.exit_code or code

    return trio.run(run)


async def _undo(memory: MemoryHandle, *, folder: str, run: str) -> int:
    undone = await memory.undo(run)
    if not undone.restored and not undone.left:
        raise click.ClickException(
            f"there is nothing of a consolidation {visible(run)} in {folder} that could be undone"
        )
    click.echo(f"{_counted(undone.restored, 'entry', 'entries')} restored")
    for id in undone.left:
        click.echo(f"left: {visible(id)}, merged further, forgotten or replaced since", err=True)
    return LEFT if undone.left else 0


class _Consolidating:
    """One consolidation, and how far it has come.

    Args:
        plan: How, but for the text that is kept.
        keep: That: by which rule, or the model's name.
        undoing: The command that puts back what was merged, without the run's id.
    """

    def __init__(self, plan: Consolidation, keep: str, undoing: str) -> None:
        self._plan = plan
        self._keep = keep
        self._undoing = undoing
        self._last: ConsolidationStep | None = None
        self._bar = bar_with(MofNCompleteColumn())
        self._task = self._bar.add_task("indexing ...", total=None)

    async def consolidate(self, memory: MemoryHandle) -> int:
        with self._bar:
            async with AsyncExitStack() as stack:
                plan = await self._with_keep(stack, memory)
                async with memory.consolidation(plan) as steps:
                    async for step in steps:
                        self._show(step)
        assert isinstance(self._last, Consolidated)
        return self._report(self._last)

    async def _with_keep(self, stack: AsyncExitStack, memory: MemoryHandle) -> Consolidation:
        if self._keep in BY_RULE:
            return attrs.evolve(self._plan, keep=self._keep)
        provider = await stack.enter_async_context(open_provider(self._keep, system=memory.system))
        return attrs.evolve(self._plan, keep=Summarised(provider.ref))

    def stopped(self) -> str:
        """What to say when it was stopped before its end."""
        if self._last is None or not self._last.merged:
            return "stopped; nothing was merged"
        return f"stopped; {self._merged(self._last)}"

    def _show(self, step: ConsolidationStep) -> None:
        self._last = step
        if not isinstance(step, Consolidated):
            self._bar.update(
                self._task,
                description=f"{step.merged} merged",
                completed=step.compared,
                total=max(step.total, step.compared),
                refresh=True,
            )

    def _report(self, report: Consolidated) -> int:
        click.echo(f"{_counted(report.before, 'entry', 'entries')} before, {report.after} after")
        if report.merged:
            click.echo(self._merged(report))
        if report.unseen:
            what = _counted(report.unseen, "entry was", "entries were")
            click.echo(f"{what} not compared: there is no vector yet", err=True)
        if report.failed:
            why = visible(report.problem) or "an entry has changed meanwhile"
            what = _counted(report.failed, "group stays as it is", "groups stay as they are")
            click.echo(f"{what}: {why}", err=True)
        return LEFT if report.failed or report.unseen else 0

    def _merged(self, step: ConsolidationStep) -> str:
        groups = _counted(step.merged, "group", "groups")
        return f"{groups} merged; put back with: {self._undoing} {step.run}"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
