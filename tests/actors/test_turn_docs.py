"""The page on agents draws the machine as it is."""

from __future__ import annotations

import re
from pathlib import Path

from actors.agents._phases import TRANSITIONS, Phase
from actors.chat import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")


def drawn() -> str:
    """The diagram of `TRANSITIONS`."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, name), targets in TRANSITIONS.items():
        for target in targets:
            arrows.setdefault((phase, target), []).append(name)
    order = {phase: number for number, phase in enumerate(Phase)}
    lines = [
        f"    {phase.value} --> {target.value}: {', '.join(arrows[phase, target])}"
        for phase, target in sorted(arrows, key=lambda way: (order[way[0]], place(order, *way)))
    ]
    return "\n".join(
        ["stateDiagram-v2", "    [*] --> new", *lines, "    ended --> [*]"],
    )


def place(order: dict[Phase, int], phase: Phase, target: Phase) -> int:
    """Itself first, then the others in their order."""
    return -1 if phase is target else order[target]


def table(heading: str) -> set[str]:
    """The first column of the table under a heading."""
    (body,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return {row.split("|")[1].strip() for row in body.splitlines()}


def test_the_diagram_shows_exactly_the_transitions() -> None:
    assert f"```mermaid\n{drawn()}\n```" in PAGE, drawn()


def test_every_phase_every_input_and_every_outcome_is_explained() -> None:
    assert table("phase") == {phase.value for phase in Phase}
    assert table("input") == {name for _, name in TRANSITIONS}
    assert table("outcome") == {str(outcome) for outcome in Outcome}
