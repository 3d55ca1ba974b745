"""How far something has come: a bar on stderr where that is a terminal, else nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


def bar_with(*columns: ProgressColumn) -> Progress:
    """A bar between what it is about and `columns`; `bar.disable` says that there is none.

    It has no thread of its own: whoever has news draws it, with `refresh=True`.
    """
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.is_terminal,
    )
