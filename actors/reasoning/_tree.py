"""Tree of thoughts: branches grown side by side, scored by the model, and pruned. Pure.

Every round takes the best open branches, asks for `breadth` next thoughts of each, and has each
scored as soon as it is there. A branch that states an answer grows no further; a thought that its
branch had before is pruned unscored. A thought without a score that can be read counts as 0 in
the order; its score in the trace is None.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final, Literal

import attrs

from actors.chat import Thought, Token
from actors.react import Trimmer

from ._machine import Emit, Machine, StrategyCommand, Task, Transitions, warmer
from ._reading import read_share, same_answer
from ._sections import sections
from ._trace import StepStatus, ThoughtStep

TEMPERATURE: Final = 0.7  # of the paper by Yao et al., 2023 (arXiv 2305.10601)
LABELS: Final = ("Thought", "Evidence", "Confidence", "Answer", "Final Answer")
ANSWERS: Final = ("Answer", "Final Answer")
GROW: Final = """\
You solve a problem in small steps, and several people try different next steps beside you.
Write the next step alone, in this form:
Thought: the next step
Confidence: a number from 0 to 1
If the problem is solved by it, add a line
Answer: the answer alone"""
SCORE: Final = """\
You judge how promising a line of thought is for solving a problem. Write one line:
Score: a whole number from 0 (wrong or useless) to 10 (surely right)"""
CONCLUDE: Final = "Answer the problem from the thoughts below. Write the answer alone."


@attrs.frozen
class TreeOfThoughts:
    """Grow branches of thoughts, and follow the best.

    Attributes:
        breadth: Next thoughts of each branch that is followed.
        depth: Thoughts in a branch at most.
        beam: Branches that are followed side by side.
        search: "beam" forgets all but the best of each round; "best-first" grows the best of
            all branches, so that it can go back to an earlier one. Both grow at most
            `beam * depth` branches.
        accept: From 0 to 1. An answer with this score or more ends the search at once, and the
            calls of all other branches are cancelled; None to go on to the end.

    Raises:
        ValueError: If a number is below 1, or `search` or `accept` is none of these.
    """

    breadth: int = 3
    depth: int = 3
    beam: int = 2
    search: Literal["beam", "best-first"] = "beam"
    accept: float | None = 0.9

    def __attrs_post_init__(self) -> None:
        for name in ("breadth", "depth", "beam"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.search not in {"beam", "best-first"}:
            raise ValueError(f"search must be 'beam' or 'best-first', not {self.search!r}")
        if self.accept is not None and not 0 <= self.accept <= 1:
            raise ValueError(f"accept must be from 0 to 1, or None, not {self.accept}")

    @property
    def name(self) -> str:
        return "tree of thoughts"

    @property
    def good_for(self) -> str:
        return "plans, puzzles and open questions, where first ideas often lead nowhere"

    def machine(self, task: Task) -> TreeMachine:
        return TreeMachine(task, self)


class TreePhase(enum.StrEnum):
    NEW = "new"
    GROWING = "growing"  # thoughts are asked for and scored
    CONCLUDING = "concluding"  # no branch states an answer: it is asked for
    ENDED = "ended"


@attrs.frozen
class _Branch:
    """A thought and those before it."""

    step: ThoughtStep | None = None
    path: tuple[str, ...] = ()
    answer: str = ""

    @property
    def name(self) -> str:
        return "" if self.step is None else self.step.branch

    @property
    def order(self) -> float:
        return 0.0 if self.step is None else self.step.score or 0.0


class TreeMachine(Machine):
    TRANSITIONS: ClassVar[Transitions] = {
        (TreePhase.NEW, "begin"): {TreePhase.GROWING},
        (TreePhase.GROWING, "said"): {TreePhase.GROWING},
        (TreePhase.GROWING, "answered"): {
            TreePhase.GROWING,
            TreePhase.CONCLUDING,
            TreePhase.ENDED,
        },
        (TreePhase.CONCLUDING, "said"): {TreePhase.CONCLUDING},
        (TreePhase.CONCLUDING, "answered"): {TreePhase.ENDED},
    }

    def __init__(self, task: Task, strategy: TreeOfThoughts) -> None:
        super().__init__(task, strategy.name, TreePhase.NEW)
        self._strategy = strategy
        self._open_branches: list[_Branch] = []
        self._fresh: list[_Branch] = []  # scored in this round
        self._solved: list[_Branch] = []
        self._growing: dict[str, tuple[_Branch, int]] = {}  # by call
        self._scoring: dict[str, _Branch] = {}  # by call
        self._known: set[tuple[str, str]] = set()  # thoughts, by the branch that they grow from
        self._grown = 0
        self._trimmer = Trimmer()
        self._shown: list[str] = []

    def begun(self, now: float) -> list[StrategyCommand]:
        self.move("begin", TreePhase.GROWING)
        return self._grow([_Branch()], now)

    def _grow(self, branches: list[_Branch], now: float) -> list[StrategyCommand]:
        commands: list[StrategyCommand] = []
        breadth = self._strategy.breadth
        settings = warmer(self.task.settings, TEMPERATURE)
        for branch in branches:
            self._grown += 1
            for number in range(1, breadth + 1):
                more = f"You are person {number} of {breadth}: go another way than the others."
                turns = self.task.turns(GROW, *_so_far(branch.path), more)
                commands += self.ask("grow", turns, now, settings)
                self._growing[self.open_calls[-1]] = (branch, number)
        return commands

    @property
    def _is_concluding(self) -> bool:
        phases: set[enum.StrEnum] = {TreePhase.CONCLUDING}
        return self.phase in phases

    def heard(self, call: str, text: str, thinking: str, now: float) -> list[StrategyCommand]:
        del call, thinking
        if not self._is_concluding:
            return []  # side by side: each thought is shown when it is whole
        shown = self._trimmer.feed(text)
        if not shown:
            return []
        self._shown.append(shown)
        return [Emit((Token(shown, now),))]

    def concluded(self, call: str, text: str, now: float) -> list[StrategyCommand]:
        if self._is_concluding:
            return self.finish("answered", TreePhase.ENDED, "".join(self._shown), now)
        if call in self._growing:
            return self._thought_up(*self._growing.pop(call), text, now)
        return self._scored(self._scoring.pop(call), text, now)

    def _thought_up(
        self, parent: _Branch, number: int, text: str, now: float
    ) -> list[StrategyCommand]:
        found = sections(text, LABELS)
        answer = _first(found, *ANSWERS)
        thought = _first(found, "Thought") or _first(found, "") or answer
        if not thought:  # an empty answer is no branch
            return self._round_goes_on(now)
        known = (parent.name, same_answer(thought))
        is_new = known not in self._known
        self._known.add(known)
        step = ThoughtStep(
            self.next_number,
            thought,
            read_share(_first(found, "Confidence")),
            tuple(said for label, said in found if label == "Evidence" and said),
            branch=f"{parent.name}.{number}".lstrip("."),
            status=StepStatus.OPEN if is_new else StepStatus.PRUNED,
            timestamp=now,
        )
        shown: list[StrategyCommand] = [self.note(step, now), Emit((Thought(f"{thought}\n", now),))]
        if not is_new:
            return [*shown, *self._round_goes_on(now)]
        branch = _Branch(step, (*parent.path, thought), answer)
        given = (f"Answer: {answer}",) if answer else ()
        turns = self.task.turns(SCORE, *_so_far(branch.path), *given)
        asked = self.ask("score", turns, now)
        self._scoring[self.open_calls[-1]] = branch
        self.move("answered", TreePhase.GROWING)
        return [*shown, *asked]

    def _scored(self, branch: _Branch, text: str, now: float) -> list[StrategyCommand]:
        assert branch.step is not None
        stated = [said for label, said in sections(text, ("Score",)) if label == "Score"]
        score = read_share(stated[0] if stated else text, 10)
        step = attrs.evolve(branch.step, score=score)
        branch = attrs.evolve(branch, step=step)
        noted = self.note(step, now)
        if not branch.answer:
            self._fresh.append(branch)
            return [noted, *self._round_goes_on(now)]
        self._solved.append(branch)
        accept = self._strategy.accept
        if accept is not None and score is not None and score >= accept:
            return [*self.cut(self.open_calls, now), noted, *self._take(branch, now)]
        return [noted, *self._round_goes_on(now)]

    def _round_goes_on(self, now: float) -> list[StrategyCommand]:
        if self.open_calls:
            self.move("answered", TreePhase.GROWING)
            return []
        candidates = sorted(self._fresh + self._open_branches, key=_best_first)
        self._fresh = []
        chosen, rest = self._choose(candidates)
        if not chosen:
            return self._conclude(candidates, now)
        pruned: list[StrategyCommand] = []
        if self._strategy.search == "beam":
            pruned, rest = [self._prune(branch, now) for branch in rest], []
        self._open_branches = rest
        self.move("answered", TreePhase.GROWING)
        return [*pruned, *self._grow(chosen, now)]

    def _choose(self, candidates: list[_Branch]) -> tuple[list[_Branch], list[_Branch]]:
        """Those to grow next, and the others; none to grow where the search is at its end."""
        strategy = self._strategy
        left = strategy.beam * strategy.depth - self._grown
        width = strategy.beam if strategy.search == "beam" else 1
        best_answer = max((branch.order for branch in self._solved), default=-1.0)
        chosen: list[_Branch] = []
        for branch in candidates:
            is_worth_it = strategy.search == "beam" or branch.order > best_answer
            if len(chosen) < min(width, left) and len(branch.path) < strategy.depth and is_worth_it:
                chosen.append(branch)
        kept = {branch.name for branch in chosen}
        return chosen, [branch for branch in candidates if branch.name not in kept]

    def _prune(self, branch: _Branch, now: float) -> StrategyCommand:
        assert branch.step is not None
        return self.note(attrs.evolve(branch.step, status=StepStatus.PRUNED), now)

    def _conclude(self, candidates: list[_Branch], now: float) -> list[StrategyCommand]:
        if self._solved:
            return self._take(min(self._solved, key=_best_first), now)
        best = candidates[0] if candidates else _Branch()
        self.move("answered", TreePhase.CONCLUDING)
        turns = self.task.turns(CONCLUDE, *_so_far(best.path))
        return [*self._mark(best, now), *self.ask("conclude", turns, now)]

    def _take(self, branch: _Branch, now: float) -> list[StrategyCommand]:
        marked = self._mark(branch, now)
        return [*marked, *self.show_and_finish("answered", TreePhase.ENDED, branch.answer, now)]

    def _mark(self, best: _Branch, now: float) -> list[StrategyCommand]:
        """The thoughts on the way to the best are taken; what was open is pruned."""
        commands: list[StrategyCommand] = []
        for step in list(self.trace.steps):
            is_on_the_way = f"{best.name}.".startswith(f"{step.branch}.")
            status = StepStatus.TAKEN if is_on_the_way else StepStatus.PRUNED
            if step.status is not status:
                commands.append(self.note(attrs.evolve(step, status=status), now))
        return commands


def _best_first(branch: _Branch) -> tuple[float, int, str]:
    """Sorts by the score; of equals the longer comes first, whatever was complete first."""
    return -branch.order, -len(branch.path), branch.name


def _first(found: list[tuple[str, str]], *labels: str) -> str:
    """What stands below the first of these labels that says something."""
    return next((said for label, said in found if label in labels and said), "")


def _so_far(path: tuple[str, ...]) -> tuple[str, ...]:
    if not path:
        return ()
    lines = "\n".join(f"{number}. {thought}" for number, thought in enumerate(path, 1))
    return (f"Thoughts so far:\n{lines}",)
