"""`runtime reason`: one problem, thought about by a strategy: its thoughts, then the answer.

On a terminal the thoughts are shown dim. Elsewhere stdout has the answer alone, or the outline
that was asked for. Ctrl-C stops everything and ends with 130.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Final

import click
import trio

from actors.agents import ReasonerOptions, open_reasoner
from actors.chat import Settings
from actors.reasoning import (
    ChainOfThought,
    Noted,
    ReAct,
    Select,
    SelfConsistency,
    Strategy,
    TreeOfThoughts,
)
from actors.tools import calculator

from ._chat import check_address, model_at
from ._interrupts import Interrupts
from ._screen import Screen

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from actors.agents import ReasonerHandle

STRATEGIES: Final[dict[str, Strategy]] = {
    "chain": ChainOfThought(),
    "vote": SelfConsistency(),
    "tree": TreeOfThoughts(),
    "react": ReAct(),
    "select": Select(),
}
LONGEST: Final = 500  # tokens: a small model may never stop by itself


@click.command(name="reason")
@click.argument("problem")
@click.option(
    "--strategy",
    type=click.Choice(list(STRATEGIES)),
    default="chain",
    show_default=True,
    help="How to think; select lets the model choose. With react it has a calculator.",
)
@click.option("--model", metavar="MODEL", help="As for chat; local:smollm2 if not given.")
@click.option(
    "--base-url",
    metavar="URL",
    callback=check_address,
    help="A server that speaks OpenAI's protocol, with MODEL as its name for the model.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=LONGEST,
    show_default=True,
    help="Of each model call, a model's own reasoning included.",
)
@click.option("--outline", is_flag=True, help="Print all that was thought, not the answer alone.")
def command(
    problem: str,
    strategy: str,
    model: str | None,
    base_url: str | None,
    max_tokens: int,
    *,
    outline: bool,
) -> int:
    """Think about PROBLEM step by step, and say the answer."""
    if model is None and base_url is not None:
        raise click.UsageError("an address needs a model: add --model NAME")
    chosen = model_at(model, base_url)
    reasoner = open_reasoner(
        chosen,
        strategy=STRATEGIES[strategy],
        tools=[calculator],
        options=ReasonerOptions(settings=Settings(max_tokens=max_tokens)),
    )
    return trio.run(functools.partial(think, reasoner, problem, outline=outline))


async def think(
    opened: AbstractAsyncContextManager[ReasonerHandle], problem: str, *, outline: bool
) -> int:
    """Think, and show it on this process's stdout; returns the exit code.

    Raises:
        RuntimeFault: What ended it.
    """
    screen = Screen(sys.stdout, sys.stderr)
    interrupts = Interrupts(spare_conversation=False)
    try:
        async with interrupts.conversation(), opened as reasoner, reasoner.stream(problem) as run:
            async for event in run:
                if not isinstance(event, Noted) and (screen.is_terminal or not outline):
                    screen.show(event)
            if outline:
                screen.print(run.trace.outline())
    finally:
        screen.end_line()
    return interrupts.exit_code
