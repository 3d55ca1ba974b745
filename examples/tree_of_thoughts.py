"""Branches of thoughts side by side: scored by the model, pruned, and the best of them followed.

`python examples/tree_of_thoughts.py local:smollm2` asks a real model.
"""

import sys

import trio

from actors.agents import ReasonerOptions, open_reasoner
from actors.chat import Settings
from actors.providers import Model, pause, say, script, usage
from actors.reasoning import Noted, StepStatus, StrategyChoice, ThoughtStep, TreeOfThoughts

PROBLEM = "Make 24 from 3, 3, 8 and 8, each used once."
SCRIPTED = Model(  # answers in the order in which it is asked; the pauses keep that order the same
    "scripted:example",
    script=[
        script(pause(0.1), say("Thought: 8 + 8 = 16, which leaves 3 and 3.\nConfidence: 0.4")),
        script(pause(0.2), say("Thought: 8 / 3 leaves 3 and 8.\nConfidence: 0.7")),
        script(pause(0.2), "Score: 2", usage(90, 4)),
        script(pause(0.2), "Score: 8", usage(90, 4)),
        script(pause(0.1), say("Thought: 3 - 8 / 3 = 1 / 3, which leaves 8.\nConfidence: 0.9")),
        script(pause(0.2), say("Thought: 8 / 3 * 3 = 8.\nAnswer: 8 / 3 * 3 * 8 / 8")),
        script(pause(0.2), "Score: 9", usage(90, 4)),
        script(pause(0.2), "Score: 0", usage(90, 4)),
        script(pause(0.1), say("Thought: 8 / (1 / 3) = 24.\nAnswer: 8 / (3 - 8 / 3)")),
        script(pause(60), say("This one is cancelled, since the other is good enough.")),
        script(pause(0.2), "Score: 10", usage(90, 4)),
    ],
)


def show(note: object) -> None:
    """A line for each thought that is new, has its score, or is given up."""
    match note:
        case ThoughtStep(score=None, status=StepStatus.OPEN):
            print("thought", note)
        case ThoughtStep(status=StepStatus.OPEN):
            print("scored ", note)
        case ThoughtStep() | StrategyChoice():
            print("decided", note)
        case _:
            pass  # calls of the model begin and end


async def main() -> None:
    """Watch a tree grow, then look at all of it."""
    model = sys.argv[1] if len(sys.argv) > 1 else SCRIPTED
    tree = TreeOfThoughts(breadth=2, depth=3, beam=1)
    brief = ReasonerOptions(settings=Settings(max_tokens=120))  # a small model may never stop
    async with open_reasoner(model, strategy=tree, options=brief) as reasoner:
        async with reasoner.stream(PROBLEM) as run:
            async for event in run:
                if isinstance(event, Noted):
                    show(event.note)
        print()
        print(run.trace.outline())
        ended = [call.status.value for call in run.trace.calls]
        print(f"\n{len(ended)} calls, {ended.count('cancelled')} of them cancelled")


if __name__ == "__main__":
    trio.run(main)
