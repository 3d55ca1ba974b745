"""A model without an agent: chunks as they come, the whole answer, and what goes wrong."""

import trio

from actors.chat import system, user
from actors.errors import StreamInterrupted
from actors.providers import Model, open_provider, pause, say, script, truncate, usage

ANSWERS = (
    script(
        pause(0.02), say("Streams are scopes.", pieces=3), usage(input_tokens=21, output_tokens=4)
    ),
    script(say("A whole answer."), usage(input_tokens=9, output_tokens=3)),
    script(say("This one is cut in the mi"), truncate()),
)


async def main() -> None:
    """Stream one answer, wait for another, and read what is left of a third."""
    async with open_provider(Model("scripted:alone", script=ANSWERS)) as provider:
        async with provider.stream([system("Be brief."), user("What is a stream?")]) as stream:
            async for chunk in stream:
                print(f"chunk {chunk.index}: {chunk.content!r:14} final={chunk.is_final}")
        told = stream.response
        print(f"{told.text!r}, {told.finish_reason}, {told.usage.output_tokens} tokens")
        print(f"the first chunk came after {(told.time_to_first_chunk or 0) * 1000:.0f} ms")

        answer = await provider.complete([user("And whole?")])
        print(f"{answer.text!r} of {answer.usage.total_tokens} tokens in all")

        try:
            await provider.complete([user("And cut?")])
        except StreamInterrupted as cut:
            print(f"{type(cut).__name__}: {cut}; what came is kept: {cut.partial.text!r}")


trio.run(main)
