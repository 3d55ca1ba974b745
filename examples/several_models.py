"""Several models in place of one: a fallback, a race, a hedge, and a change of mind in a run."""

import trio

from actors import open_agent
from actors.chat import user
from actors.errors import NoModelAnswered, ProviderUnavailable
from actors.providers import (
    AnyModel,
    Fallback,
    Hedge,
    Model,
    Race,
    RoundRobin,
    fail,
    open_provider,
    pause,
    say,
    script,
)


def speaker(name: str, *, after: float) -> Model:
    """A model that answers after so many seconds."""
    return Model(
        f"scripted:{name}", script=script(pause(after), say(f"Hello from {name}."), repeat=True)
    )


DOWN = Model("scripted:down", script=script(fail(ProviderUnavailable("no server")), repeat=True))
QUICK = speaker("quick", after=0.02)
SLOW = speaker("slow", after=0.3)


async def ask(models: AnyModel, *, times: int = 1) -> None:
    """Ask a choice of models, and print who answers, how fast."""
    async with open_provider(models) as provider:
        for _ in range(times):
            response = await provider.complete([user("Hello")])
            print(f"  {response.text:18} after {response.duration or 0:.1f} s")


async def main() -> None:
    """Make every choice there is, then change the model of an agent that runs."""
    for models, times in (
        (Fallback(DOWN, SLOW, QUICK), 1),
        (Race(DOWN, SLOW, QUICK), 1),
        (Hedge(SLOW, QUICK, after=0.1), 1),
        (RoundRobin(QUICK, DOWN, SLOW), 3),
    ):
        print(models.name)
        await ask(models, times=times)
    try:
        await ask(Race(DOWN, Fallback(DOWN)))
    except NoModelAnswered as error:
        print(f"If all fail: {error}")
    async with open_agent(SLOW) as agent:
        print("agent:", (await agent.run("Hello")).text)
        await agent.use(QUICK)
        print("agent:", (await agent.run("Hello again")).text)


trio.run(main)
