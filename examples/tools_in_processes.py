"""Heavy work in processes of its own: it reports how far it is, and can be killed.

Two counts of primes run side by side, while the event loop is free. A third would take for
ever: it has a timeout, and its process is killed.
"""

import time

import trio

from actors import open_agent
from actors.chat import ToolEnd, ToolProgress
from actors.providers import Model, call, script
from actors.tools import progress, tool

ANSWERS = (
    script(
        call("count_primes", below=20_000),
        call("count_primes", below=30_000),
        call("wait_for_the_last_prime"),
        call("tidy_up"),
    ),
    script("There are 2262 and 3245 of them, and no last one."),
)


@tool(isolation="process", concurrency=2)
def count_primes(below: int) -> int:
    """Count the prime numbers below a number."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))


@tool(isolation="process", timeout=3)
def wait_for_the_last_prime() -> int:
    """Wait for the largest prime number."""
    while True:
        time.sleep(1)


@tool
async def tidy_up() -> str:
    """Tidy up, which takes some steps."""
    for step in (1, 2, 3):
        progress(f"step {step} of 3", fraction=step / 3)
        await trio.sleep(0.1)
    return "tidy"


async def main() -> None:
    """Ask, and print what the tools say, and how they end."""
    tools = [count_primes, wait_for_the_last_prime, tidy_up]
    async with open_agent(Model("scripted:guide", script=ANSWERS), tools=tools) as agent:
        async with agent.stream("How many primes are there?") as run:
            async for event in run:
                if isinstance(event, ToolProgress):
                    print(f"{event.call.name}: {event.content}")
                elif isinstance(event, ToolEnd):
                    print(f"{event.result.name}: {event.result.status}, {event.content}")
        print(run.response.text)
        print(agent.system.tree())  # the workers stand below the agent, and end with it


if __name__ == "__main__":  # a process imports this file, to find its tool in it
    trio.run(main)
