"""Figures as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._figures import Figure
    from ._machine import Machine

HEADS: Final = ("what", "unit", "p50", "p99", "floor", "ratio", "budget", "met", "n")
WORDS: Final = {True: "yes", False: "NO", None: ""}
WIDE_ENOUGH: Final = 80  # columns: the table fits, and a narrower terminal wraps it, unabridged


def print_report(figures: Sequence[Figure], machine: Machine) -> None:
    """Print the table, and below it what it was measured on."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, WIDE_ENOUGH)
    table = Table(box=None, pad_edge=False)
    for head in HEADS:
        is_text = head in ("what", "unit", "met")
        table.add_column(head, justify="left" if is_text else "right", no_wrap=True)
    for figure in figures:
        missed = figure.is_met is False
        table.add_row(*_cells(figure), style="red" if missed else None)
    console.print(table)
    console.print(str(machine), soft_wrap=True)
    if machine.is_busy:
        console.print(
            f"The machine was busy (load {machine.load:.1f} before the start): times are longer "
            "than they would be; ratios suffer less.",
            soft_wrap=True,
        )


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        figure.unit,
        number(figure.p50),
        number(figure.p99),
        number(figure.floor),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        str(figure.budget or ""),
        WORDS[figure.is_met],
        str(figure.n),
    )


def number(value: float | None) -> str:
    """Three digits that count: 0.0981, 9.81, 98.1, 981."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"  # noqa: PLR2004


def as_json(figures: Sequence[Figure], machine: Machine) -> str:
    """A document with `figures`, `versions` and `machine`."""
    document: dict[str, Any] = {
        "figures": [figure.record() for figure in figures],
        "versions": machine.versions,
        "machine": machine.record(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
