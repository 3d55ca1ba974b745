"""The live tree of a system, drawn: who runs, what is queued, what is being handled since when.

Pure: the time is given. rich leaves out colours and control codes where there is no terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from runtime import Node


def draw_tree(node: Node, now: float) -> Tree:
    """A line for `node` and for everything below it, in start order.

    Args:
        node: What `system.tree()` gave.
        now: Seconds on trio's clock, for how long a message has been handled.
    """
    tree = Tree(_line(node, now), guide_style="dim")
    for child in node.children:
        tree.children.append(draw_tree(child, now))
    return tree


def _line(node: Node, now: float) -> Text:
    name = node.path.rpartition("/")[2] or "/"
    facts = ", ".join(node.in_words(now))
    said = f" {node.kind}: {facts}" if facts else f" {node.kind}"
    return Text.assemble((name, "bold"), (said, "dim"))
