"""The live tree as the command line draws it."""

from __future__ import annotations

import io
from typing import Literal

import attrs
from rich.console import Console

from runtime import Node, Statistics
from runtime.cli._render import draw_tree


def statistics(state: str = "running", **facts: int) -> Statistics:
    none = Statistics(
        state=state, handled=0, restarts=0, queued=0, in_line=0, handling=(), since=None
    )
    return attrs.evolve(none, **facts)


def drawn(node: Node, *, terminal: bool = False) -> str:
    out = io.StringIO()
    colours: Literal["standard", "auto"] = "standard" if terminal else "auto"
    Console(file=out, force_terminal=terminal, color_system=colours).print(draw_tree(node, 0.0))
    return out.getvalue()


TREE = Node(
    "/",
    "one_for_one",
    None,
    (
        Node(
            "/group",
            "rest_for_one",
            None,
            (Node("/group/provider", "Provider", statistics(handled=2)),),
        ),
        Node("/agent", "Agent", statistics("restarting", restarts=1)),
    ),
)


def test_children_stand_below_their_supervisor_in_start_order() -> None:
    assert drawn(TREE).splitlines() == [
        "/ one_for_one",
        "├── group rest_for_one",
        "│   └── provider Provider: running",
        "└── agent Agent: restarting, restarted 1 x",
    ]


def test_without_a_terminal_there_are_no_control_codes() -> None:
    assert "\x1b" not in drawn(TREE)
    assert "\x1b" in drawn(TREE, terminal=True)


def test_what_is_queued_and_who_waits_for_room_is_said() -> None:
    words = statistics(queued=64, in_line=3, put_aside=2).in_words(now=0.0)

    assert words == ["running", "64 queued", "3 in line", "2 put aside"]


def test_a_message_in_hand_is_said_with_its_age() -> None:
    busy = Statistics("running", 1, 0, 0, 0, handling=("Deposit", "History"), since=10.0)

    assert "handling Deposit + History for 2.5 s" in busy.in_words(now=12.5)


def test_a_message_that_only_runs_beside_has_no_age() -> None:
    beside = Statistics("running", 1, 0, 0, 0, handling=("History",), since=None)

    assert "handling History" in beside.in_words(now=12.5)
