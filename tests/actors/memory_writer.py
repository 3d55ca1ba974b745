"""A program that fills a memory until it is killed, and says what is acknowledged.

`python memory_writer.py FOLDER FIRST`: stores texts numbered from FIRST, some at a time, and
forgets the first one of every seventh batch. Each line on stdout
is an acknowledgement: "+ FIRST END" or "- N".
"""

from __future__ import annotations

import os
import sys

import trio

from actors.memory import Item, open_memory

TOGETHER = 5
WORDS = ("amber", "birch", "comet", "delta", "ember", "fjord", "grove", "heron", "inlet", "joker")


def text_of(number: int) -> str:
    """A text that only this number has: its digits as words."""
    return "text " + " ".join(
        f"{WORDS[int(digit)]}{place}" for place, digit in enumerate(f"{number:06}")
    )


def id_of(number: int) -> str:
    return f"text-{number}"


def is_forgotten(first: int) -> bool:
    """Whether the first one of its batch is forgotten as soon as it is stored."""
    return first // TOGETHER % 7 == 0


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def main(folder: str, number: int) -> None:
    async with open_memory(folder, embedder="lexical") as memory:
        say("ready")
        while True:
            numbers = range(number, number + TOGETHER)
            await memory.store_many(
                Item(text_of(each), {"number": each, "odd": each % 2 == 1}, id=id_of(each))
                for each in numbers
            )
            say(f"+ {numbers.start} {numbers.stop}")
            if is_forgotten(number):
                await memory.forget(id_of(number))
                say(f"- {number}")
            number += TOGETHER
            await trio.sleep(0.005)  # else the index never comes near


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
