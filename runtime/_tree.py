"""The live tree of a system, as a snapshot: who runs, what waits, what is handled since when.

Nothing here waits or changes anything, so a snapshot can be taken at any moment: from a signal
handler, too, between two bytecodes of a handler that hogs the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._interrupts import call
from ._member import ActorMember
from ._runner import Incarnation
from ._statistics import Statistics, statistics_of
from ._supervisor import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.frozen
class Node:
    """One actor or supervisor in the live tree, with what is below it; `str(node)` draws it.

    Attributes:
        path: Names from the root.
        kind: The actor's class, or the supervisor's strategy.
        statistics: Of an actor; None for a supervisor.
        details: What the actor itself says: its `described`.
        children: In start order.
        at: When the snapshot was taken, in seconds on trio's clock.
    """

    path: str
    kind: str
    statistics: Statistics | None
    children: tuple[Node, ...] = ()
    at: float = attrs.field(default=0.0, eq=False)
    details: str = ""

    def in_words(self, now: float) -> list[str]:
        """What there is to say beside path and kind: of an actor's statistics, and its details.

        Args:
            now: Seconds on trio's clock, for how long a message has been handled.
        """
        words = self.statistics.in_words(now) if self.statistics else []
        return [*words, self.details] if self.details else words

    def __str__(self) -> str:
        return format_tree(self)


def node_of(branch: Branch) -> Node:
    """A snapshot of a supervisor and of all below it."""
    now = branch.hub.clock.current_time()
    children: list[Node] = []
    for member in branch.members.values():
        if isinstance(member, Branch):
            children.append(node_of(member))
        elif isinstance(member, ActorMember) and member.cell is not None:
            below = member.branch_below
            children.append(
                Node(
                    member.path,
                    member.kind_name,
                    statistics_of(member.cell),
                    node_of(below).children if isinstance(below, Branch) else (),
                    now,
                    _details(member),
                )
            )
    return Node(branch.path, branch.kind_name, None, tuple(children), now)


def _details(member: ActorMember) -> str:
    life = member.life
    if not isinstance(life, Incarnation) or not life.is_ready or life.is_down:
        return ""
    try:
        return call(life.actor.described)
    except Exception as error:  # noqa: BLE001 - whoever looks at the tree hears of it
        return f"cannot describe itself: {error!r}"


def format_tree(node: Node) -> str:
    """A line for `node` and for everything below it, indented, in start order.

    An actor's line tells its state, what it handles and for how long, how many messages and
    senders wait for it, its restarts, and whom it waits for. What is none goes unsaid.
    """
    return "\n".join(_lines(node, ""))


def _lines(node: Node, indent: str) -> Iterator[str]:
    facts = ", ".join(node.in_words(node.at))
    yield f"{indent}{node.path} {node.kind}{': ' if facts else ''}{facts}"
    for child in node.children:
        yield from _lines(child, f"{indent}  ")
