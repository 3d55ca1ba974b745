"""The provider breaks in mid-answer: it is restarted, and the conversation is still there."""

import logging

import trio

from actors import open_agent
from actors.agents import AgentHandle
from actors.chat import AssistantTurn, UserTurn
from actors.providers import Model, crash, say, script
from runtime import Crashed, Restarted, RuntimeFault

ANSWERS = (
    script("Your name is Ada, noted."),
    script(say("I was about to say"), crash("a bug in the provider")),
    script("Ada."),
)


async def ask_and_wait_until_healed(agent: AgentHandle, question: str) -> None:
    """Ask what breaks the provider, and wait until the agent is back."""
    async with agent.system.events() as events:
        try:
            await agent.run(question)
        except RuntimeFault as fault:
            print(f"  the run raises {type(fault).__name__}: {fault}")
        async for fact in events:
            if isinstance(fact, Crashed | Restarted):
                print(f"  {type(fact).__name__.lower():9} {fact.path}")
            if isinstance(fact, Restarted) and fact.path == agent.ref.path:
                return


async def main() -> None:
    """Say something, lose the provider, and ask again."""
    # A crash is logged with its traceback; here the events are enough.
    logging.getLogger("runtime").setLevel(logging.CRITICAL)
    async with open_agent(Model("scripted:fragile", script=ANSWERS)) as agent:
        print((await agent.run("I am Ada.")).text)
        print("the provider crashes:")
        await ask_and_wait_until_healed(agent, "What is my name?")
        print("and the same agent answers:")
        print(f"  {(await agent.run('Once more: what is my name?')).text}")
        print("what it knows:")
        for turn in await agent.history():
            if isinstance(turn, UserTurn | AssistantTurn):
                print(f"  {type(turn).__name__:13} {turn.text!r}")


trio.run(main)
