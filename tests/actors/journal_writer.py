"""A program that talks with a journal on disk until it is killed, and says what is acknowledged.

`python journal_writer.py FILE`: two agents talk, and two tasks append `TOGETHER` entries at a time.
Each line on stdout, CONVERSATION and COUNT, is an acknowledgement on its way.
"""

from __future__ import annotations

import os
import sys

import trio

from actors import AgentOptions, open_agent
from actors.journal import Append, Journal, SqliteJournal, UserSaid, append, read
from actors.providers import Model, call, say, script
from runtime import Ref, System, open_system

TOGETHER = 20
WORDS = "so it goes " * 40
ROUND = script(say("Let me see. ", pieces=3), call("double", number=2))
ANSWER = script(say(WORDS, pieces=10))


class TellingJournal(SqliteJournal):
    """One that says aloud what it is about to acknowledge."""

    @Append.handles(concurrent=True)
    async def append(self, message: Append) -> int:
        count = await super().append(message)
        os.write(1, f"{message.conversation} {count}\n".encode())
        return count


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def numbered(name: str, number: int) -> UserSaid:
    """The entry that a task appends as its number so-and-so, from 1."""
    return UserSaid(name, f"{name} {number} so it goes", float(number))


async def append_for_ever(journal: Ref[Journal], name: str) -> None:
    count = len(await read(journal, name))
    while True:
        entries = [numbered(name, number) for number in range(count + 1, count + 1 + TOGETHER)]
        count = await append(journal, name, entries)


async def talk_for_ever(system: System, journal: Ref[Journal], name: str) -> None:
    # A disk that others keep busy may take its seconds, and is not what is tried here.
    options = AgentOptions(conversation=name, journal=journal, journal_patience=60)
    model = Model("scripted:talker", script=(ROUND, ANSWER) * 1_000)
    async with open_agent(model, tools=[double], options=options, system=system) as agent:
        while True:
            await agent.run("And now?")


async def main(path: str) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        journal = await system.spawn(TellingJournal, path)
        for name in ("tasks-1", "tasks-2"):
            nursery.start_soon(append_for_ever, journal, name)
        for name in ("talk-1", "talk-2"):
            nursery.start_soon(talk_for_ever, system, journal, name)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
