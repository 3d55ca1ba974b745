"""The arguments that name a memory on the command line, and their check."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

LOG: Final = "memory.db"


def _with_a_memory(_context: click.Context, _parameter: click.Parameter, folder: str) -> str:
    """Refuse a folder without one: opening it would make one there."""
    if not (Path(folder) / LOG).is_file():
        raise click.UsageError(f"there is no memory in {folder}: it would have a {LOG}")
    return folder


FOLDER = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False), callback=_with_a_memory
)
EMBEDDER = click.option(
    "--embedder", default="minilm", show_default=True, help="The one that it was filled with."
)
