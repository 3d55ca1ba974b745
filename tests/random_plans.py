"""Random systems of actors on paper: a tree, and callers that do one thing after another.

What a message makes its handler do is a job: steps, drawn in advance, that send further
messages. The same dice give the same plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from runtime import (
    Backoff,
    ChildOptions,
    MailboxOptions,
    Overflow,
    RestartLimit,
    RestartPolicy,
    RestartStrategy,
)

if TYPE_CHECKING:
    import random


@attrs.frozen
class Step:
    """One thing that a job or a caller does.

    Attributes:
        what: "sleep", "crash", "refuse", "emit", a kind of sending, or a kind of stopping.
        seconds: How long it sleeps, or when it leaves what it has sent.
        target: Which actor it is about.
        job: What the handler of the message that is sent does.
        catches: Whether a fault is caught, or leaves the handler.
        number: Of items, of a buffer, or a timeout; as `what` needs it.
    """

    what: str
    seconds: float = 0.0
    target: int = 0
    job: tuple[Step, ...] = ()
    catches: bool = True
    number: int = 0


@attrs.frozen
class Child:
    """One node of the tree: an actor, or with `children` a supervisor of those."""

    options: ChildOptions = attrs.field(factory=ChildOptions)
    on_start: tuple[Step, ...] = ()
    children: tuple[Child, ...] = ()
    plan: dict[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class Plan:
    children: tuple[Child, ...]
    callers: tuple[tuple[Step, ...], ...]


# Drawing


def draw(dice: random.Random) -> Plan:
    tree = tuple(_draw_child(dice, depth=2) for _ in range(dice.randint(1, 3)))
    callers = tuple(_draw_job(dice, 3, outside=True) for _ in range(dice.randint(1, 16)))
    return Plan(tree, callers)


def _draw_child(dice: random.Random, depth: int) -> Child:
    if depth and dice.random() < 0.5:
        children = tuple(_draw_child(dice, depth - 1) for _ in range(dice.randint(1, 4)))
        plan = {
            "strategy": dice.choice(list(RestartStrategy)),
            "limit": RestartLimit(dice.choice([0, 2, 10]), dice.choice([1, 5, 60])),
            "backoff": dice.choice([None, None, Backoff(0.5, 2)]),
            "restart": dice.choice(list(RestartPolicy)),
        }
        return Child(children=children, plan=plan)
    options = ChildOptions(
        restart=dice.choice([RestartPolicy.PERMANENT, *RestartPolicy]),
        mailbox=MailboxOptions(dice.choice([1, 1, 2, 8]), dice.choice([Overflow.BLOCK, *Overflow])),
        grace=dice.choice([0, 1, 5]),
        cleanup=dice.choice([0, 1, 5]),
        keep_mailbox=dice.random() < 0.3,
    )
    on_start = _draw_job(dice, 1) if dice.random() < 0.1 else ()
    return Child(options, on_start)


def _draw_job(dice: random.Random, depth: int, *, outside: bool = False) -> tuple[Step, ...]:
    return tuple(_draw_step(dice, depth, outside=outside) for _ in range(dice.randint(1, 3)))


def _draw_step(dice: random.Random, depth: int, *, outside: bool) -> Step:
    seconds = dice.choice([0, 0, 0.5, 1, 1.5])
    if not outside and dice.random() < 0.25:
        what = dice.choice(["crash", "refuse", "shielded sleep", "finish"])
        return Step(what, seconds, catches=False)
    if not depth or dice.random() < 0.2:
        return Step("sleep", seconds)
    target = dice.randrange(3) if dice.random() < 0.5 else dice.randrange(16)
    if dice.random() < 0.08:
        return Step(dice.choice(["stop", "drain", "kill"]), target=target)
    kinds = ["ask", "ask", "ask beside", "feed", "feed beside", "tell", "tell now"]
    if not outside:
        kinds += [
            "emit",
            "emit",
            "forward",
            "into",
            "spawn",
            "later",
            "pipe",
            "both",
            "watch",
            "beside",
        ]
    return Step(
        dice.choice(kinds),
        dice.choice([0, 0.5, 1, 100, 100, 100]),
        target,
        _draw_job(dice, depth - 1),
        dice.random() < 0.6,
        dice.randint(0, 3),
    )
