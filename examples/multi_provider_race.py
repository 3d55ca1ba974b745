"""A race of several providers: whoever says the first word answers, the others are cancelled.

`python examples/multi_provider_race.py local:smollm2 openai:gpt-4o-mini` has real models run.
"""

import sys

import trio

from actors import AgentOptions, open_agent
from actors.chat import Settings, Token
from actors.providers import Model, Race, echo, pause, say, script


def provider(name: str, *, first_word_after: float) -> Model:
    """A model that thinks for so long; yours are "openai:gpt-4o-mini" and "anthropic:...", say."""
    steps = pause(first_word_after), say(f"{name}: ", pieces=1), echo()
    return Model(f"scripted:{name}", script=script(*steps, repeat=True))


SCRIPTED = (
    provider("slow", first_word_after=0.5),
    provider("quick", first_word_after=0.05),
    provider("steady", first_word_after=0.2),
)


async def main(*models: str | Model) -> None:
    """Ask all of them at once, twice."""
    brief = AgentOptions(settings=Settings(max_tokens=60))  # a small model may never stop
    async with open_agent(Race(*models), options=brief) as agent:
        for question in ("Hello?", "Still there?"):
            begun = trio.current_time()
            async with agent.stream(question) as run:
                async for event in run:
                    if isinstance(event, Token):
                        print(event.content, end="", flush=True)
            print(
                f"\n  after {trio.current_time() - begun:.1f} s, {run.response.chunk_count} chunks"
            )


trio.run(main, *(sys.argv[1:] or SCRIPTED))
