"""A class in, an instance out: of a provider, while it is written, and at the end of a run."""

import attrs
import trio

from actors import AgentOptions, open_agent
from actors.chat import user
from actors.errors import OutputInvalid
from actors.providers import Model, Step, call, open_provider, say, script
from actors.tools import tool


@attrs.frozen
class Weather:
    """What the weather will be.

    Attributes:
        city: Where.
        high: The highest temperature, in degrees Celsius.
        days: What each day brings, a word each.
    """

    city: str
    high: float
    days: list[str] = attrs.field(factory=list[str])


@tool
def measure(city: str) -> float:
    """Measure the temperature of a city."""
    return 21.5 if city == "Oslo" else 18.0


WRONG = say('{"city": "Oslo", "high": "warm", "days": []}')
RIGHT = say('{"city": "Oslo", "high": 21.5, "days": ["sun", "rain"]}', pieces=6)


def scripted(*steps: tuple[Step, ...]) -> Model:
    """A model that gives these answers; name "openai:gpt-4o-mini" to ask a real one."""
    return Model("scripted:example", script=tuple(script(*each) for each in steps))


async def main() -> None:
    """Ask for the same class in three ways, and once in vain."""
    asked = [user("What will the weather be in Oslo?")]
    async with open_provider(scripted((WRONG,), (RIGHT,))) as provider:
        found = await provider.complete_as(Weather, asked)
        print(found.value, "after", found.attempts, "attempts")
    async with (
        open_provider(scripted((RIGHT,))) as provider,
        provider.stream_as(Weather, asked) as stream,
    ):
        async for partial in stream:
            print("  so far:", dict(partial))
    print("  whole: ", stream.value)
    model = scripted((call("measure", city="Oslo"),), (RIGHT,))
    async with open_agent(model, tools=[measure], options=AgentOptions(output=Weather)) as agent:
        answer = await agent.run("What will the weather be in Oslo?")
        print("agent:", answer.value)
    async with open_provider(scripted((WRONG,))) as provider:
        try:
            await provider.complete_as(Weather, asked, attempts=1)
        except OutputInvalid as error:
            print("error:", error)


if __name__ == "__main__":
    trio.run(main)
