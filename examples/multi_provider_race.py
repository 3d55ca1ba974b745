"""A race of several providers: whoever says the first word answers, the others are cancelled."""

import trio

from actors import open_agent
from actors.chat import Token
from actors.providers import Model, Race, echo, pause, say, script


def provider(name: str, *, first_word_after: float) -> Model:
    """A model that thinks for so long; yours are "openai:gpt-4o-mini" and "anthropic:...", say."""
    steps = pause(first_word_after), say(f"{name}: ", pieces=1), echo()
    return Model(f"scripted:{name}", script=script(*steps, repeat=True))


async def main() -> None:
    """Ask three at once, twice."""
    race = Race(
        provider("slow", first_word_after=0.5),
        provider("quick", first_word_after=0.05),
        provider("steady", first_word_after=0.2),
    )
    async with open_agent(race) as agent:
        for question in ("Hello?", "Still there?"):
            begun = trio.current_time()
            async with agent.stream(question) as run:
                async for event in run:
                    if isinstance(event, Token):
                        print(event.content, end="", flush=True)
            print(
                f"\n  after {trio.current_time() - begun:.1f} s, {run.response.chunk_count} chunks"
            )


trio.run(main)
