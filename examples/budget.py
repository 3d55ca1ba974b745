"""Three agents share a budget of money; the tightest limit stops, and nothing else does."""

import trio

from actors import open_agent
from actors.agents import AgentHandle
from actors.budget import PRICES, Budget, Price, fail_after_cost, move_on_after_tokens
from actors.errors import BudgetSpent
from actors.providers import Model, say, script, usage
from runtime import open_system

# What the models of this example would cost, in dollars for a million tokens.
PRICES_HERE = PRICES.with_prices({"scripted:*": Price(input=3, output=15)})

BRIEF = Model("scripted:brief", script=script("Yes.", usage(40, 2), repeat=True))
WORDY = Model(
    "scripted:wordy", script=script(say("Well, " * 2_000, pieces=2_000), usage(40, 4_000))
)


async def ask(name: str, agent: AgentHandle, tokens: int) -> None:
    """Ask one of them, who may use so many tokens for it."""
    run = agent.stream("Is it so?")
    with move_on_after_tokens(tokens) as budget:
        async with run:
            async for _ in run:
                pass
    print(f"  {name}: {run.outcome}, {run.response.chunk_count} chunks, {budget.used}")


async def main() -> None:
    """Let three agents answer at once, then spend what is left."""
    async with (
        open_system() as system,
        open_agent(BRIEF, system=system) as brief,
        open_agent(WORDY, system=system) as wordy,
        open_agent(WORDY, system=system) as wordier,
    ):
        try:
            with fail_after_cost(0.02, prices=PRICES_HERE) as total:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, "brief", brief, 1_000)
                    nursery.start_soon(ask, "wordy, with 200 tokens", wordy, 200)
                print("so far:", total.used)
                await ask("wordy, with what is left", wordier, 1_000_000)
        except BudgetSpent as error:
            print(error)
        with Budget(prices=PRICES_HERE) as counting:
            await brief.run("Are you still there?")
        print("and afterwards:", counting)


trio.run(main)
