"""The live tree of a system, drawn: who runs, what is queued, what is being handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.text import Text
from rich.tree import Tree as Drawing

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tree(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def children(self) -> Sequence[Tree]: ...


def draw_tree(tree: Tree) -> Drawing:
    """One line for each actor, below its supervisor."""
    drawing = Drawing(Text(tree.name))
    for child in tree.children:
        drawing.children.append(draw_tree(child))
    return drawing
