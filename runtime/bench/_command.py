"""`runtime bench`: measure what was named, or everything, each figure beside its floor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._figures import FULL, QUICK
from ._machine import this_machine
from ._report import as_json, print_report
from ._table import BENCHMARKS

if TYPE_CHECKING:
    from ._figures import Benchmark, Figure


@click.command(name="bench")
@click.argument("names", nargs=-1)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the figures to FILE, too.",
)
@click.option("--quick", is_flag=True, help="Some 30 seconds in all, and rougher figures.")
@click.option("--list", "list_only", is_flag=True, help="Say what there is and measure nothing.")
def command(
    names: tuple[str, ...], json_file: Path | None, *, quick: bool, list_only: bool
) -> None:
    """Measure NAMES, or all but `streams`, `remember`, `digest`; every figure beside its floor.

    A missed budget is shown, it is no error.
    """
    chosen = chosen_benchmarks(names)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {json_file.parent}", param_hint="--json")
    if list_only:
        for benchmark in chosen:
            click.echo(_described(benchmark))
        return
    machine = this_machine()
    figures: list[Figure] = []
    for benchmark in chosen if names else [each for each in chosen if not each.by_name_only]:
        if sys.stderr.isatty():
            click.echo(f"measuring {benchmark.name}: {benchmark.what} ...", err=True)
        figures += benchmark.measure(QUICK if quick else FULL)
    if json_file is not None:
        json_file.write_text(as_json(figures, machine), encoding="utf-8")
    print_report(figures, machine)


def _described(benchmark: Benchmark) -> str:
    """Lines of the list."""
    text = f"{benchmark.name:<11}{benchmark.what}\n{'':<11}floor: {benchmark.floor}"
    return f"{text}\n{'':<11}runs only where it is named" if benchmark.by_name_only else text


def chosen_benchmarks(names: tuple[str, ...]) -> tuple[Benchmark, ...]:
    """The benchmarks that were named, each once and in their own order; all if none was.

    Raises:
        click.UsageError: If there is no such benchmark.
    """
    known = [benchmark.name for benchmark in BENCHMARKS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(
            f"There is no benchmark {unknown[0]!r}; there is: {', '.join(known)}",
            ctx=click.get_current_context(silent=True),
        )
    return tuple(b for b in BENCHMARKS if not names or b.name in names)
